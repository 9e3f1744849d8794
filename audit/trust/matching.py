"""Which tests a condition looks at, which conditions a plan has, and how a condition is called.

Lookups over records, shared by what compares and what explains; no answer is given here.
"""

from __future__ import annotations

from collections.abc import Iterator

from audit.trust import strictness
from evidence import judge, words
from evidence.model import Condition, Facts, Plan, Signal, TestFact, TestPassed


def conditions_of(plan: Plan) -> Iterator[tuple[Signal, Condition]]:
    """Yield every condition with the signal that it stands in."""
    for signal in plan.signals:
        for condition in signal.conditions:
            yield signal, condition


def condition_name(condition: Condition) -> str:
    """Return what makes two conditions the same one, however their limits moved."""
    names = strictness.CONDITION_NAMES.get(condition.kind)
    if names is None:
        return words.describe(condition)
    return f"{condition.kind} {' '.join(str(getattr(condition, name)) for name in names)}"


class Tests:
    """The tests of a run, by cell."""

    def __init__(self, facts: Facts) -> None:
        self.by_cell: dict[str, list[TestFact]] = {}
        for fact in facts.tests:
            self.by_cell.setdefault(fact.cell, []).append(fact)

    def matching(self, condition: TestPassed) -> list[TestFact]:
        """Return the tests in the cells of a condition that its pattern means."""
        return [
            fact
            for cell in dict.fromkeys(condition.cells)
            for fact in self.by_cell.get(cell, ())
            if matches(condition.pattern, fact.key)
        ]


def matches(pattern: str, key: str) -> bool:
    """Whether a pattern means a test's dotted id: only `*` is special, as for the judge.

    Takes each piece as early as it comes, so that hostile names cost no backtracking.
    """
    first, *rest = judge.test_key(pattern).split("*")
    if not rest:
        return key == first
    if not key.startswith(first):
        return False
    at = len(first)
    for piece in rest[:-1]:
        at = key.find(piece, at)
        if at < 0:
            return False
        at += len(piece)
    return key.endswith(rest[-1]) and len(key) - len(rest[-1]) >= at
