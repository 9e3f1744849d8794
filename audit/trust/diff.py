"""Two audits compared: what vanished, what newly fails, what became weaker although it is green.

Here lives a pure function over the records of both runs. Why something changed is `because`'s
question; how it is shown is `diff_pages`'. Comparing the other way round gives the mirror image of
every change.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from audit.trust import because, strictness
from audit.trust.bundle import Bundle
from audit.trust.changes import KINDS, MATCHED, NOUNS, Change, Diff, Kind, Noun
from audit.trust.matching import condition_name, conditions_of
from evidence import judge, words
from evidence.model import (
    GATE_ORDER,
    STATUS_ORDER,
    CellDecision,
    Condition,
    ConditionDecision,
    Decision,
    Facts,
    Plan,
    TestPassed,
    Variable,
)

T = TypeVar("T")


def diff(old: Bundle, new: Bundle) -> Diff:
    """Return what is different in `new`."""
    found: list[Change] = [
        *_cells(old, new),
        *_tests(old, new),
        *_metrics(old, new),
        *_signals(old, new),
        *_gates(old, new),
        *_rules(old.plan, new.plan, old, new),
        *_environment(old, new),
    ]
    if old.decision.verdict != new.decision.verdict:
        kind: Kind = "newly failing" if old.decision.verdict == "GO" else "fixed"
        found.append(Change(kind, "verdict", "", "", old.decision.verdict, new.decision.verdict))
    files = because.changed_files(old.files, new.files)
    found = because.explained(found, old, new, files)
    found.sort(key=lambda change: (KINDS.index(change.kind), NOUNS.index(change.noun)))
    touched = {(change.noun, change.place) for change in found}
    return Diff(
        old.name,
        new.name,
        (old.decision.verdict, new.decision.verdict),
        tuple(found),
        len((_places(old) & _places(new)) - touched),
        closed_since(old.decision, new.decision),
        files,
    )


def closed_since(old: Decision, new: Decision) -> tuple[str, ...]:
    """Return the signals that were open in `old` and are GO in `new`, in the order of `new`.

    A signal that `old` did not have was never open there.
    """
    open_ = {signal.id for signal in old.signals if signal.status != "GO"}
    return tuple(
        signal.id for signal in new.signals if signal.status == "GO" and signal.id in open_
    )


def _places(bundle: Bundle) -> set[tuple[str, str]]:
    places = {("cell", cell.id) for cell in bundle.plan.cells}
    places |= {("gate", str(gate.id)) for gate in bundle.plan.gates}
    places |= {("test", _test_place(fact.cell, fact.key)) for fact in bundle.facts.tests}
    for signal in bundle.plan.signals:
        places.add(("signal", signal.id))
        places |= {
            ("condition", f"{signal.id}: {condition_name(item)}") for item in signal.conditions
        }
    return places


# --- the parts ------------------------------------------------------------------------------------


def _paired(old: Mapping[Any, T], new: Mapping[Any, T]) -> Iterator[tuple[Any, T | None, T | None]]:
    """Yield (key, old, new) of everything that stands on either side, once."""
    for key in dict.fromkeys((*old, *new)):
        yield key, old.get(key), new.get(key)


def _alone(noun: Noun, place: str, old: T | None, new: T | None, say: Callable[[T], str]) -> Change:
    """The change of a thing that only one side has; `say` tells what it was or is."""
    if old is not None:
        return Change("vanished", noun, place, "", say(old), "")
    assert new is not None
    return Change("added", noun, place, "", "", say(new))


def _fields(noun: Noun, place: str, old: Any, new: Any, fields: Any) -> Iterator[Change]:
    for field, trend in strictness.changed(old, new, fields):
        say = span if field.endswith("_ms") else shown
        yield Change(trend, noun, place, field, say(getattr(old, field)), say(getattr(new, field)))


def shown(value: Any) -> str:
    """Return a value of a record as one line for people."""
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case tuple():
            return ", ".join(map(shown, value)) or "none"
    if dataclasses.is_dataclass(value):
        return " ".join(shown(getattr(value, field.name)) for field in dataclasses.fields(value))
    return str(value)


def span(time_ms: int | None) -> str:
    """Return a span of time in the largest unit that tells it whole, as definitions spell it.

    >>> span(5_400_000), span(1), span(None)
    ('90m', '1 ms', 'none')
    """
    if not time_ms:
        return "none" if time_ms is None else "0s"
    for unit, unit_ms in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)):
        if time_ms % unit_ms == 0:
            return f"{time_ms // unit_ms}{unit}"
    return f"{time_ms} ms"


def _ranked(old: Any, new: Any, order: Sequence[Any]) -> Kind:
    """The kind of a status that moved: to or from GO it is decisive, else it only rose or fell."""
    if "GO" in (old, new):
        return "newly failing" if old == "GO" else "fixed"
    return "weakened" if order.index(new) < order.index(old) else "strengthened"


# --- cells, tests, metrics ------------------------------------------------------------------------


def _cells(old: Bundle, new: Bundle) -> Iterator[Change]:
    before = {cell.cell: cell for cell in old.decision.cells}
    after = {cell.cell: cell for cell in new.decision.cells}
    failures = _failures(old.facts), _failures(new.facts)
    planned = [{cell.id: cell for cell in bundle.plan.cells} for bundle in (old, new)]
    for name, one, other in _paired(*planned):
        if one is None or other is None:
            yield _alone("cell", name, one, other, lambda cell: cell.cmd)
            continue
        yield from _fields("cell", name, one, other, strictness.CELL)
        yield from _ended(name, before.get(name), after.get(name))
        counts = failures[0][name], failures[1][name]
        if before[name].passed and after[name].passed and counts[0] != counts[1]:
            kind: Kind = "weakened" if counts[1] > counts[0] else "strengthened"
            yield Change(
                kind, "cell", name, "failures before it passed", str(counts[0]), str(counts[1])
            )


def _failures(facts: Facts) -> collections.Counter[str]:
    return collections.Counter(
        attempt.cell for attempt in facts.attempts if attempt.result in ("failed", "timed_out")
    )


def _ended(name: str, old: CellDecision | None, new: CellDecision | None) -> Iterator[Change]:
    if old is None or new is None or (old.passed, old.result) == (new.passed, new.result):
        return
    kind: Kind = "altered"
    if old.passed or new.passed:
        kind = "newly failing" if old.passed else "fixed"
    yield Change(kind, "cell", name, "", _ending(old), _ending(new))


def _ending(cell: CellDecision) -> str:
    return words.outcome(cell) or "passed"


_BAD = ("error", "failed", "skipped", "passed")
"""Outcomes of a test from worst to best: of several runs of one test the worst counts."""


def _tests(old: Bundle, new: Bundle) -> Iterator[Change]:
    for cell, one, other in _paired(_outcomes(old.facts), _outcomes(new.facts)):
        if one is None or other is None:
            yield _alone("test", f"{cell}: all", one, other, _told)
            continue
        for key, was, now in _paired(one, other):
            place = _test_place(cell, key)
            if was is None or now is None:
                yield _alone("test", place, was, now, lambda outcomes: outcomes[0])
            else:
                yield from _test(place, was, now)


def _told(tests: Mapping[str, Sequence[str]]) -> str:
    return f"{words.count(len(tests), 'test')}: {words.listed(list(tests))}"


def _outcomes(facts: Facts) -> dict[str, dict[str, list[str]]]:
    """Outcomes by cell and test, the worst of each test first."""
    found: dict[str, dict[str, list[str]]] = {}
    for fact in facts.tests:
        found.setdefault(fact.cell, {}).setdefault(fact.key, []).append(fact.outcome)
    for tests in found.values():
        for outcomes in tests.values():
            outcomes.sort(key=_BAD.index)
    return found


def _test(place: str, old: Sequence[str], new: Sequence[str]) -> Iterator[Change]:
    if old[0] != new[0]:
        yield Change(_outcome_kind(old[0], new[0]), "test", place, "", old[0], new[0])
    if len(old) != len(new):
        kind: Kind = "weakened" if len(new) < len(old) else "strengthened"
        yield Change(kind, "test", place, "times", str(len(old)), str(len(new)))


def _outcome_kind(old: str, new: str) -> Kind:
    if (old, new) in (("passed", "skipped"), ("skipped", "passed")):
        return "weakened" if old == "passed" else "strengthened"
    if "passed" in (old, new):
        return "newly failing" if old == "passed" else "fixed"
    return "altered" if "skipped" in (old, new) else "noted"


def _test_place(cell: str, key: str) -> str:
    return f"{cell}: {key}"


def _metrics(old: Bundle, new: Bundle) -> Iterator[Change]:
    """Numbers that a condition of either plan bounds; where they stand is only a note."""
    bound = {
        (cell, item.name)
        for plan in (old.plan, new.plan)
        for _, item in conditions_of(plan)
        if item.kind == "metric"
        for cell in item.cells
    }
    for (cell, name), one, other in _paired(_values(old.facts), _values(new.facts)):
        if (cell, name) not in bound or one == other:
            continue
        place = f"{cell}: {name}"
        if one is None or other is None:
            yield _alone("metric", place, one, other, str)
        else:
            yield Change("noted", "metric", place, "", one, other)


def _values(facts: Facts) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], list[str]] = {}
    for fact in facts.metrics:
        found.setdefault((fact.cell, fact.name), []).append(fact.value)
    return {key: ", ".join(values) for key, values in found.items()}


# --- signals, conditions, gates -------------------------------------------------------------------

Told = tuple[Condition, ConditionDecision]


def _signals(old: Bundle, new: Bundle) -> Iterator[Change]:
    planned = [{signal.id: signal for signal in bundle.plan.signals} for bundle in (old, new)]
    status = [{item.id: item.status for item in bundle.decision.signals} for bundle in (old, new)]
    told = [_conditions_told(bundle) for bundle in (old, new)]
    ages = old.plan.rules.max_age_ms, new.plan.rules.max_age_ms
    for name, one, other in _paired(*planned):
        if one is None or other is None:
            yield _alone("signal", name, one, other, lambda signal: signal.title)
            continue
        yield from _fields("signal", name, one, other, strictness.SIGNAL)
        for was, now in _matched(told[0][name], told[1][name]):
            if was is None or now is None:
                yield _condition_alone(name, was, now)
                continue
            place = f"{name}: {condition_name(was[0])}"
            yield from _condition(place, was, now, ages)
            yield from _counted(place, (old.facts, was[0]), (new.facts, now[0]))
        before, after = status[0][name], status[1][name]
        if before != after:
            kind = _ranked(before, after, STATUS_ORDER)
            yield Change(kind, "signal", name, "", before, after)


def _conditions_told(bundle: Bundle) -> dict[str, list[Told]]:
    return {
        signal.id: list(zip(signal.conditions, decided.conditions, strict=True))
        for signal, decided in zip(bundle.plan.signals, bundle.decision.signals, strict=True)
    }


def _matched(old: Sequence[Told], new: Sequence[Told]) -> Iterator[tuple[Told | None, Told | None]]:
    """Pair conditions: equal ones first, then those of one name in order, then what is left."""
    rest_old, rest_new = list(old), list(new)
    for same in (lambda told: told[0], lambda told: condition_name(told[0])):
        waiting: dict[Hashable, list[Told]] = {}
        for told in rest_new:
            waiting.setdefault(same(told), []).append(told)
        left: list[Told] = []
        for told in rest_old:
            others = waiting.get(same(told))
            if others:
                yield told, others.pop(0)
            else:
                left.append(told)
        kept = {id(told) for others in waiting.values() for told in others}
        rest_old, rest_new = left, [told for told in rest_new if id(told) in kept]
    yield from ((told, None) for told in rest_old)
    yield from ((None, told) for told in rest_new)


def _condition_alone(signal: str, old: Told | None, new: Told | None) -> Change:
    either = old or new
    assert either
    place = f"{signal}: {condition_name(either[0])}"
    return _alone("condition", place, old, new, lambda told: words.describe(told[0]))


def _condition(
    place: str, old: Told, new: Told, rules: tuple[int | None, int | None]
) -> Iterator[Change]:
    """What moved in a condition and its answer; `rules` are the ages that hold for both runs."""
    for change in _fields("condition", place, old[0], new[0], strictness.CONDITION):
        ages = tuple(getattr(told[0], "max_age_ms", None) for told in (old, new))
        if change.what != "max_age_ms" or ages != rules:  # else the rule tells it, once
            yield change
    before, after = old[1], new[1]
    if before.answer != after.answer:
        kind: Kind = "noted"
        if "met" in (before.answer, after.answer):
            kind = "newly failing" if before.answer == "met" else "fixed"
        yield Change(kind, "condition", place, "", _answer(before), _answer(after))


def _answer(told: ConditionDecision) -> str:
    return f"{told.answer}: {told.reason}" if told.reason else told.answer


def _counted(
    place: str, old: tuple[Facts, Condition], new: tuple[Facts, Condition]
) -> Iterator[Change]:
    """Fewer tests behind a condition, although it may still be met; none at all is told by it."""
    counts = [
        len(judge.tests_of(facts, condition)) if isinstance(condition, TestPassed) else 0
        for facts, condition in (old, new)
    ]
    if counts[0] != counts[1] and all(counts):
        kind: Kind = "weakened" if counts[1] < counts[0] else "strengthened"
        yield Change(kind, "condition", place, MATCHED, str(counts[0]), str(counts[1]))


def _gates(old: Bundle, new: Bundle) -> Iterator[Change]:
    planned = [{gate.id: gate for gate in bundle.plan.gates} for bundle in (old, new)]
    status = [{gate.id: gate.status for gate in bundle.decision.gates} for bundle in (old, new)]
    known = {s.id for s in old.plan.signals} & {s.id for s in new.plan.signals}
    for number, one, other in _paired(*planned):
        place = str(number)
        if one is None or other is None:
            yield _alone("gate", place, one, other, lambda gate: gate.name)
            continue
        yield from _fields("gate", place, one, other, strictness.GATE)
        before, after = ([name for name in gate.signals if name in known] for gate in (one, other))
        if before != after:
            kind = strictness.more(before, after)
            yield Change(kind, "gate", place, "signals", ", ".join(before), ", ".join(after))
        was, now = status[0][number], status[1][number]
        if was != now:
            yield Change(_ranked(was, now, GATE_ORDER), "gate", place, "", was, now)


# --- what holds for the whole run -----------------------------------------------------------------


def _rules(one: Plan, other: Plan, old: Bundle, new: Bundle) -> Iterator[Change]:
    yield from _fields("rule", "rules", one.rules, other.rules, strictness.RULES)
    yield from _fields("audit", "audit", one.audit, other.audit, strictness.AUDIT)
    for what, before, after, compare in (
        ("roles", [role.id for role in one.roles], [role.id for role in other.roles], _noted),
        ("secrets too short to be redacted", old.run.uncovered, new.run.uncovered, _fewer),
    ):
        if tuple(before) != tuple(after):
            kind: Kind = compare(before, after)
            yield Change(kind, "rule", "rules", what, shown(tuple(before)), shown(tuple(after)))


_noted, _fewer = strictness.noted, strictness.fewer


def _environment(old: Bundle, new: Bundle) -> Iterator[Change]:
    for place, before, after in _paired(_surroundings(old), _surroundings(new)):
        if before != after:
            was, now = ("not recorded" if text is None else text for text in (before, after))
            yield Change("flipped", "environment", place, "", was, now)


def _surroundings(bundle: Bundle) -> dict[str, str]:
    subject, tool, run = bundle.plan.subject, bundle.plan.tool, bundle.run
    return {
        "subject commit": subject.commit,
        "subject digest": subject.digest,
        "subject branch": subject.branch,
        "subject tags": shown(subject.tags),
        "subject dirty": shown(subject.dirty),
        "tree after the run": "same" if bundle.facts.subject_after == subject.digest else "changed",
        "tool": f"{tool.name} {tool.version}",
        "clock": run.clock,
        **_variables("host", run.host),
        **_variables("variable", run.environment),
    }


def _variables(word: str, variables: Iterable[Variable]) -> dict[str, str]:
    return {f"{word} {item.name}": item.value for item in variables}
