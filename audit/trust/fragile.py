"""Which gate of a green audit would fall first, and by what.

Any single piece of evidence that an open gate could not do without is a *single point*: a cell, a
file, a test that stands alone behind its condition. Every gate has some; here they are counted and
named, with how near numbers are to their bounds, what goes stale first, and how few tests speak.
Pure.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from audit.trust.mending import World
from evidence import judge
from evidence.instant import milliseconds, utc_of
from evidence.model import (
    ApprovalGiven,
    CarriedOver,
    CommandPassed,
    Condition,
    EngineFactHolds,
    ExternalAttached,
    FilePresent,
    MetricFact,
    MetricWithin,
    PatternAbsent,
    Signal,
    TestPassed,
)

OBSERVED = ("plan_sealed", "tracker_valid")
"""Engine facts that are a piece of evidence; the others follow from plan and attempts."""


@dataclass(frozen=True, slots=True)
class Margin:
    """How near a number is to a bound: its distance as a share of the bound, in percent.

    `percent` is a decimal string; of a bound of 0 it is the distance itself.
    """

    metric: str
    value: str
    bound: str
    percent: str


@dataclass(frozen=True, slots=True)
class Expiry:
    """When the first evidence of a gate is too old."""

    cell: str
    at_utc: str


@dataclass(frozen=True, slots=True)
class Few:
    """The fewest tests behind a condition of a gate."""

    signal: str
    pattern: str
    tests: int


@dataclass(frozen=True, slots=True)
class Fragility:
    """What one GO gate hangs on. `single_points` names every piece whose loss alone opens it."""

    id: int
    name: str
    single_points: tuple[str, ...]
    margin: Margin | None
    expiry: Expiry | None
    few: Few | None


def fragile(world: World) -> tuple[Fragility, ...]:
    """Return the gates that are GO, the most fragile first.

    Each falls when one single point does, so the one with the most of them comes first; of equals
    the smallest margin, then what goes stale first, then the fewest tests.
    """
    go = {gate.id for gate in world.decide().gates if gate.status == "GO"}
    signals = {signal.id: signal for signal in world.plan.signals}
    found = []
    for gate in world.plan.gates:
        if gate.id in go:
            own = [signals[name] for name in gate.signals if name in signals]
            found.append(_of_gate(gate.id, gate.name, own, world))
    return tuple(sorted(found, key=_order))


def _order(gate: Fragility) -> tuple[int, Decimal, str, int, int]:
    return (
        -len(gate.single_points),
        Decimal(gate.margin.percent) if gate.margin else Decimal("Infinity"),
        gate.expiry.at_utc if gate.expiry else "~",
        gate.few.tests if gate.few else 1 << 31,
        gate.id,
    )


def _of_gate(number: int, name: str, signals: Sequence[Signal], world: World) -> Fragility:
    asked = [(signal, item) for signal in signals for item in signal.conditions]
    points = dict.fromkeys(
        point for signal, item in asked for point in _single_points(signal, item, world)
    )
    margins = [found for _, item in asked for found in _margins(item, world)]
    expiries = [found for _, item in asked for found in _expiries(item, world)]
    few = [
        Few(signal.id, item.pattern, len(judge.tests_of(world.facts, item)))
        for signal, item in asked
        if isinstance(item, TestPassed)
    ]
    return Fragility(
        number,
        name,
        tuple(points),
        min(margins, key=lambda item: Decimal(item.percent), default=None),
        min(expiries, key=lambda item: (milliseconds(item.at_utc), item.cell), default=None),
        min(few, key=lambda item: item.tests, default=None),
    )


# --- single points --------------------------------------------------------------------------------


def _single_points(signal: Signal, condition: Condition, world: World) -> Iterator[str]:
    """Yield every piece of evidence without which a condition that is met would not be."""
    match condition:
        case CommandPassed():
            yield from (f"cell {name}" for name in condition.cells)
        case TestPassed():
            yield from _left_by(condition, world)
            yield from _alone(condition, _tests(condition, world), "test")
        case MetricWithin():
            yield from _left_by(condition, world)
            yield from _alone(condition, _numbers(condition, world), "number")
        case FilePresent():
            yield f"file {condition.path}"
        case PatternAbsent():
            yield f"search for {condition.pattern}"
        case EngineFactHolds():
            yield from _engine(condition, world)
        case ApprovalGiven():
            yield from _approvals(signal, condition, world)
        case ExternalAttached():
            yield f"attached {condition.artifact} for {signal.id}"
        case CarriedOver():
            yield f"carried {condition.command} from {condition.run}"


def _left_by(condition: TestPassed | MetricWithin, world: World) -> Iterator[str]:
    """The cells, and the result files that they promised."""
    planned = {cell.id: cell for cell in world.plan.cells}
    for name in condition.cells:
        yield f"cell {name}"
        promised = planned[name].results if name in planned else ()
        yield from (f"result {file.path} of {name}" for file in promised if file.format != "nox")


def _alone(
    condition: TestPassed | MetricWithin, found: Sequence[tuple[str, str]], word: str
) -> Iterator[str]:
    """What stands alone: in its cell where each cell must say something, else in all."""
    for cell, name in found:
        others = [one for one in found if one[0] == cell] if condition.every else found
        if len(others) == 1:
            yield f"{word} {name} of {cell}"


def _tests(condition: TestPassed, world: World) -> list[tuple[str, str]]:
    return [(fact.cell, fact.key) for fact in judge.tests_of(world.facts, condition)]


def _numbers(condition: MetricWithin, world: World) -> list[tuple[str, str]]:
    return [(fact.cell, fact.name) for fact in _values(condition, world)]


def _values(condition: MetricWithin, world: World) -> list[MetricFact]:
    return [
        fact
        for fact in world.facts.metrics
        if fact.name == condition.name and fact.cell in condition.cells
    ]


def _engine(condition: EngineFactHolds, world: World) -> Iterator[str]:
    if condition.fact in OBSERVED:
        yield f"engine fact {condition.fact}"
    elif condition.fact == "every_cell_present":
        yield from (f"cell {cell.id}" for cell in world.plan.cells)


def _approvals(signal: Signal, condition: ApprovalGiven, world: World) -> Iterator[str]:
    """Approvals of which none may be withdrawn."""
    for fact in world.brought.approvals:
        ours = (fact.gate, fact.role) == (signal.gate, condition.role)
        if ours and len(fact.people) <= max(condition.count, fact.needed):
            yield from (f"approval of gate {fact.gate} by {who}" for who in fact.people)


# --- how near -------------------------------------------------------------------------------------


def _margins(condition: Condition, world: World) -> Iterator[Margin]:
    if not isinstance(condition, MetricWithin):
        return
    for fact in _values(condition, world):
        for word, bound in (("at least", condition.at_least), ("at most", condition.at_most)):
            percent = _percent(fact.value, bound)
            if percent is not None:
                name = f"{fact.cell}: {fact.name}"
                yield Margin(name, fact.value, f"{word} {bound}", percent)


def _percent(value: str, bound: str | None) -> str | None:
    """The distance of a number from a bound as a share of the bound, with one decimal."""
    if bound is None:
        return None
    try:
        limit = Decimal(bound)
        distance = abs(Decimal(value) - limit)
        share = distance if not limit else distance / abs(limit) * 100
        return str(share.quantize(Decimal("0.1"))) if share.is_finite() else None
    except InvalidOperation:
        return None


def _expiries(condition: Condition, world: World) -> Iterator[Expiry]:
    """When each cell of a condition is too old for it; the last attempt counts."""
    age_ms = getattr(condition, "max_age_ms", None)
    if age_ms is None:
        return
    for name in getattr(condition, "cells", ()):
        ends = [fact for fact in world.facts.attempts if fact.cell == name]
        if ends:
            last = max(ends, key=lambda fact: fact.number)
            with contextlib.suppress(OverflowError):  # later than any calendar: never
                yield Expiry(name, utc_of(milliseconds(last.end_utc) + age_ms))
