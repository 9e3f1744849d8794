"""When a verdict or a status will flip: every instant, exactly, with what brings it about.

Pure. Time enters a decision only through comparisons with instants that stand in the plan, the
facts and the sign-off log, so between two of those nothing can change: they are the candidates, and
the decision is derived at each. The roster is as of each signing, so a key that ends flips nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from evidence import judge, trusted, weigh
from evidence.carry import Carried
from evidence.instant import milliseconds, utc_of
from evidence.model import Decision, Facts, Plan
from evidence.signoff import Log
from evidence.slices import SKEW_MS

TIMES = ("from_utc", "until_utc", "expires_utc", "review_utc")
"""Fields of an entry from which on it stands otherwise."""
LATEST_MS = milliseconds("9999-12-31T23:59:59Z")
"""The last instant that RFC 3339 can name in whole seconds."""

Noun = Literal["verdict", "gate", "signal", "entry"]
NOUNS: tuple[Noun, ...] = ("verdict", "gate", "signal", "entry")


@dataclass(frozen=True, slots=True)
class State:
    """A decision at an instant: verdict with waivers, statuses, and how each entry stands."""

    decision: Decision
    verdict: str
    weights: tuple[weigh.Weight, ...] = ()

    def words(self) -> Iterator[tuple[tuple[Noun, str], tuple[str, str]]]:
        """Yield ((noun, name), (status, reason)) of everything that can flip."""
        decision = self.decision
        yield ("verdict", ""), (self.verdict, "; ".join(decision.blockers[:3]))
        for gate in decision.gates:
            yield ("gate", str(gate.id)), (gate.status, gate.reason)
        for signal in decision.signals:
            yield ("signal", signal.id), (signal.status, signal.reason)
        for weight in self.weights:
            why = trusted.title(weight.entry) + (f": {weight.reason}" if weight.reason else "")
            yield ("entry", f"line {weight.entry.number + 1}"), (weight.standing, why)


@dataclass(frozen=True, slots=True)
class Flip:
    """Something that is another from an instant on, and why then."""

    at_utc: str
    noun: Noun
    name: str
    before: str
    after: str
    why: str


Decide = Callable[[str], State]
"""The state at an instant, RFC 3339 UTC."""


def instants(
    plan: Plan, facts: Facts, log: Log | None = None, proofs: Iterable[Carried] = ()
) -> tuple[int, ...]:
    """Return every instant, in milliseconds since 1970, at which a decision can change.

    `proofs` are those of carried evidence. What is no time can flip nothing, and is left out.
    """
    found: set[int] = set()
    ages = _ages(plan)
    for attempt in facts.attempts:
        end_ms = milliseconds(attempt.end_utc)
        found |= {end_ms, *(end_ms + age for age in ages.get(attempt.cell, ()))}
    for proof in proofs:
        for ended in _maybe(proof.ended_utc):
            found |= {ended, ended + (plan.rules.max_age_ms or 0)}
    for entry in log.entries if log else ():
        for signed in _maybe(entry.record.signed_utc):
            found.add(signed - SKEW_MS)
        for name in TIMES:
            found |= set(_maybe(getattr(entry.record, name, None)))
    return tuple(sorted(at for at in found if 0 <= at <= LATEST_MS))


def _ages(plan: Plan) -> Mapping[str, set[int]]:
    """How old the evidence of each cell may be, by any condition that looks at it."""
    ages: dict[str, set[int]] = {}
    for signal in plan.signals:
        for condition in signal.conditions:
            age_ms: int | None = getattr(condition, "max_age_ms", None)
            if age_ms is not None:
                for cell in getattr(condition, "cells", ()):
                    ages.setdefault(cell, set()).add(age_ms)
    return ages


def _maybe(utc: str | None) -> Iterator[int]:
    try:
        if utc is not None:
            yield milliseconds(utc)
    except ValueError:
        return


def forecast(
    decide: Decide, candidates: Sequence[int], from_ms: int, until_ms: int
) -> tuple[Flip, ...]:
    """Return every flip after `from_ms` and not after `until_ms`, in order of time.

    Calls `decide` once at the beginning, then at each candidate and the millisecond before it.
    """
    flips: list[Flip] = []
    for at_ms in candidates:
        if from_ms < at_ms <= min(until_ms, LATEST_MS):
            before, after = decide(utc_of(max(at_ms - 1, from_ms))), decide(utc_of(at_ms))
            flips += _between(utc_of(at_ms), before, after)
    return tuple(flips)


def _between(at_utc: str, before: State, after: State) -> Iterator[Flip]:
    old, new = dict(before.words()), dict(after.words())
    moved = [key for key in new if key in old and old[key][0] != new[key][0]]
    causes = [f"{name}: {new[noun, name][1]}" for noun, name in moved if noun == "entry"]
    signals = [f"{name}: {new[noun, name][1]}" for noun, name in moved if noun == "signal"]
    for noun, name in sorted(moved, key=lambda key: NOUNS.index(key[0])):
        why = new[noun, name][1]
        if noun == "verdict":
            why = "; ".join((causes or signals)[:3]) or why
        elif noun == "signal" and causes and not why.startswith(tuple(causes)):
            why = f"{why} ({causes[0]})" if new[noun, name][0] != "GO" else causes[0]
        yield Flip(at_utc, noun, name, old[noun, name][0], new[noun, name][0], why)


def without_people(plan: Plan, facts: Facts) -> Decide:
    """Return how a run is decided at any instant when nobody brought anything."""

    def decide(utc: str) -> State:
        decision = judge.decide(plan, facts, utc)
        return State(decision, decision.verdict)

    return decide


def with_people(log: Log, case_at: Callable[[str], weigh.Case]) -> Decide:
    """Return how a run is decided at any instant with its sign-off log."""

    def decide(utc: str) -> State:
        case = case_at(utc)
        weighed = weigh.weigh(log, case)
        decision, verdict = weigh.decide(case, weighed)
        return State(decision, verdict, weighed.weights)

    return decide
