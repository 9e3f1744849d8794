"""Whether what callers were told could have happened in one order: a small checker, and two models.

The search is Wing and Gong's with Lowe's memory of what was tried (G. Lowe, Testing for
linearizability, 2017): pick any operation that no other finished before, let the model take it, go
on; remember (operations taken, state). An operation without an answer may have taken effect at any
later moment, or never.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

NEVER = 1 << 62
"""When an operation ended that has no answer."""


@dataclass(frozen=True, slots=True)
class Call:
    """One operation of one caller: what was asked and answered, and from when to when.

    `ended` is `NEVER` where the caller was not told; then `answer` means nothing.
    """

    who: str
    asked: Any
    answer: Any
    began: int
    ended: int = NEVER


class Model(Protocol):
    """An object that takes one operation at a time."""

    def start(self) -> Hashable:
        """Return the state in which everything begins."""
        ...

    def take(self, state: Any, call: Call) -> Iterable[Hashable]:
        """Yield the states after the call, none if it could not have been answered so."""
        ...


def explain(calls: Sequence[Call], model: Model) -> list[Call] | None:
    """Return an order in which all the calls make sense, or None when there is none."""
    ordered = sorted(calls, key=lambda call: (call.began, call.ended))
    told = sum(1 << at for at, call in enumerate(ordered) if call.ended != NEVER)
    todo: list[tuple[int, Hashable, tuple[int, ...]]] = [(0, model.start(), ())]
    seen = set()
    while todo:
        done, state, order = todo.pop()
        if done & told == told:
            return [ordered[at] for at in order]
        for at in _next(ordered, done):
            for after in model.take(state, ordered[at]):
                taken = (done | 1 << at, after)
                if taken not in seen:
                    seen.add(taken)
                    todo.append((*taken, (*order, at)))
    return None


def _next(ordered: Sequence[Call], done: int) -> list[int]:
    """Return the calls that may come next, the first to end last: none left ended before them."""
    found: list[int] = []
    first_end = NEVER
    for at in range((~done & done + 1).bit_length() - 1, len(ordered)):
        if done >> at & 1:
            continue
        if ordered[at].began > first_end:
            break  # and so did all that are left, which are sorted
        found.append(at)
        first_end = min(first_end, ordered[at].ended)
    return sorted(found, key=lambda at: -ordered[at].ended)


class RegisterModel:
    """A register: `("write", v)`, `("read",)` answered by the value, `("swap", old, new)`."""

    def start(self) -> Hashable:
        """Return the value of a register that nobody wrote."""
        return None

    def take(self, state: Hashable, call: Call) -> Iterable[Hashable]:
        """Yield the value after the call."""
        verb, *values = call.asked
        if verb == "write":
            yield values[0]
        elif verb == "read":
            if call.ended == NEVER or call.answer == state:
                yield state
        elif call.ended == NEVER or call.answer == (state == values[0]):
            yield values[1] if state == values[0] else state


class ChainModel:
    """A chain that only grows, as its callers see it.

    `("append", what)` is answered by the version that it became, or by None when it was refused and
    nothing happened; `("read",)` is answered by (version, what stands there), from (0, None) on.
    """

    def start(self) -> Hashable:
        """Return the empty chain."""
        return (0, None)

    def take(self, state: tuple[int, Any], call: Call) -> Iterable[Hashable]:
        """Yield the newest link after the call."""
        verb, *values = call.asked
        if verb == "read":
            if call.ended == NEVER or tuple(call.answer) == state:
                yield state
        elif call.ended != NEVER and call.answer is None:
            yield state
        elif call.ended == NEVER or call.answer == state[0] + 1:
            yield (state[0] + 1, values[0])
