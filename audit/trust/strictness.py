"""Which way a rule moved: for each field of a planned record, what makes it stricter or weaker.

Here live the directions only, as data. What to do with a change is `diff`'s question. A field that
is not listed is `altered` when it changes, so that a field that somebody adds later is never
overlooked.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from evidence import judge

Trend = Literal["weakened", "strengthened", "altered", "noted"]
Compare = Callable[[Any, Any], Trend]
"""Which way a value moved; only called with two different values."""


def changed(old: Any, new: Any, fields: Mapping[str, Compare | None]) -> Iterator[tuple[str, Any]]:
    """Yield (field, trend) of every field that differs between two records of one type.

    `fields` maps names to directions; None leaves a field to others.
    """
    for field in dataclasses.fields(old):
        one, other = getattr(old, field.name), getattr(new, field.name)
        compare = fields.get(field.name, altered)
        if one != other and compare is not None:
            yield field.name, compare(one, other)


def altered(_old: Any, _new: Any) -> Trend:
    """Nobody can say which of the two is stricter."""
    return "altered"


def noted(_old: Any, _new: Any) -> Trend:
    """Prose, order or a convenience: nothing is decided by it."""
    return "noted"


def _of(weaker: bool) -> Trend:
    return "weakened" if weaker else "strengthened"


def lower(old: Any, new: Any) -> Trend:
    """A lower limit is stricter; none is the weakest."""
    return _of(True) if new is None else _moved(old, new)


def higher(old: Any, new: Any) -> Trend:
    """A higher bound is stricter; none is the weakest."""
    return _of(True) if new is None else _moved(new, old)


def _moved(low: Any, high: Any) -> Trend:
    """`weakened` where `high` is the greater one; `1` and `1.0` are the same bound.

    Texts that are no numbers are ordered as texts.
    """
    if low is None or high is None:
        return "strengthened"
    try:
        one, other = Decimal(low), Decimal(high)
        return "noted" if one == other else _of(other > one)
    except InvalidOperation:
        return _of(str(high) > str(low))


def more(old: Any, new: Any) -> Trend:
    """More of them is stricter: cells looked at, files promised, names recorded."""
    lost, gained = set(old) - set(new), set(new) - set(old)
    if lost and gained:
        return "altered"
    return _of(bool(lost)) if lost or gained else "noted"


def fewer(old: Any, new: Any) -> Trend:
    """Fewer of them is stricter: exit codes accepted, paths left out."""
    return more(new, old)


def yes(_old: Any, new: Any) -> Trend:
    """True is stricter."""
    return _of(not new)


def no(_old: Any, new: Any) -> Trend:
    """False is stricter."""
    return _of(bool(new))


def present(old: Any, new: Any) -> Trend:
    """Any rule is stricter than none; two rules cannot be compared."""
    return "altered" if old is not None and new is not None else _of(new is None)


def scope(old: Any, new: Any) -> Trend:
    """An empty list stands for everything, which is strictest; else more is stricter."""
    return _of(not old) if not old or not new else more(old, new)


def done(_old: Any, new: Any) -> Trend:
    """The one definition of done that the judge knows is stricter than any other word."""
    if judge.ALL_GATES_GO in (_old, new):
        return _of(new != judge.ALL_GATES_GO)
    return "altered"


CELL: Mapping[str, Compare | None] = {
    "id": None,
    "timeout_ms": lower,
    "output_bytes_max": noted,
    "needs": noted,
    "accept_exit_codes": fewer,
    "could_not_run_exit_codes": fewer,
    "skipped_exit_codes": fewer,
    "required": yes,
    "flaky": no,
    "results": more,
    "produces": more,
    "reads": scope,
}
"""Of `Cell`: words, place and environment of a command are altered when they change."""

CONDITION: Mapping[str, Compare | None] = {
    "kind": None,
    "cells": more,
    "every": yes,
    "max_age_ms": lower,
    "at_least": higher,
    "at_most": lower,
    "contains": present,
    "inside": more,
    "besides": fewer,
    "count": higher,
}
"""Of every kind of condition, after the part that names it."""

SIGNAL: Mapping[str, Compare | None] = {
    "id": None,
    "conditions": None,
    **dict.fromkeys(
        ("gate", "title", "owner", "code", "tests", "runbook", "evidence", "exit_test", "claim"),
        noted,
    ),
}
"""Of `Signal`: its conditions decide, all else is for people."""

GATE: Mapping[str, Compare | None] = {"id": None, "signals": None, "name": noted}
"""Of `Gate`: its signals are looked at one by one."""

RULES: Mapping[str, Compare | None] = {
    "outputs": fewer,
    "max_age_ms": lower,
    "record_env": more,
    "secret_env": more,
    "jobs": noted,
    "fail_fast": noted,
}
"""Of `Rules`."""

AUDIT: Mapping[str, Compare | None] = {
    "id": altered,
    "definition_of_done": done,
    **dict.fromkeys(("title", "date", "scope", "baseline", "baseline_commit"), noted),
}
"""Of `Audit`."""

CONDITION_NAMES: Mapping[str, tuple[str, ...]] = {
    "command": ("command",),
    "test": ("pattern",),
    "metric": ("name",),
    "file": ("path",),
    "absent": ("pattern",),
    "engine": ("fact",),
    "approval": ("role",),
    "external": ("artifact",),
    "carry": ("command",),
}
"""What makes two conditions of a signal the same one, however its limits moved."""
