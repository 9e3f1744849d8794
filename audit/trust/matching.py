"""Which conditions a plan has, and how a condition is called.

Lookups over records, shared by what compares and what explains; no answer is given here.
"""

from __future__ import annotations

from collections.abc import Iterator

from audit.trust import strictness
from evidence import words
from evidence.model import Condition, Plan, Signal


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
