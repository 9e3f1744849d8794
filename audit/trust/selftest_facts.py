"""What could have been otherwise: for each condition that is met, the facts that would unmeet it.

A gate earns its GO when it leaves it as soon as what it rests on is no longer so. Here live the
other worlds: a command that fails, a test that is skipped, a number out of bounds, a file that is
not there. Pure functions over plan and facts; the judge is asked elsewhere.
"""

from __future__ import annotations

import fnmatch
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from audit.runner.executor import Ending
from audit.runner.verdict import verdict
from evidence import judge
from evidence.model import (
    AttemptFact,
    Cell,
    CommandPassed,
    Condition,
    Decision,
    EngineFactHolds,
    EngineFactName,
    Facts,
    FilePresent,
    MetricWithin,
    PatternAbsent,
    Plan,
    Result,
    TestFact,
    TestPassed,
)

TESTS_MAX = 3
"""Tests of one condition that are turned one by one; a pattern may match thousands."""
EXIT_CODES = (*range(1, 256), 0)
"""Every exit code, in the order in which one is looked for that a cell does not accept."""
OTHER_DONE = "ANY_GATE_GO"
OTHER_DIGEST = "0" * 64
ELSEWHERE = "1e30"
"""A number that no bound allows unless there is none on its side."""

World = tuple[Plan, Facts]


@dataclass(frozen=True, slots=True)
class Otherwise:
    """One mutant: a world in which what condition `number` of a signal rests on is not so.

    `place` is the signal's in the plan, from 0.
    """

    kind: str
    said: str
    gate: int
    signal: str
    place: int
    number: int
    make: Callable[[], World]


def mutants(plan: Plan, facts: Facts, decision: Decision, chance: random.Random) -> list[Otherwise]:
    """Return every mutant of every condition that is met, in the order of the plan."""
    found: list[Otherwise] = []
    for place, signal in enumerate(plan.signals):
        answers = decision.signals[place].conditions
        for number, condition in enumerate(signal.conditions):
            if answers[number].answer == "met":
                about = _About(plan, facts, place, number, chance)
                found += about.mutants(condition)
    return found


def survives(mutant: Otherwise, decision: Decision) -> bool:
    """Whether the judge sees no difference: the condition stays met, or its gate stays GO.

    `decision` is that of the bundle itself. Costs one judgement.
    """
    plan, facts = mutant.make()
    again = judge.decide(plan, facts)
    if again.signals[mutant.place].conditions[mutant.number].answer == "met":
        return True
    before = {gate.id: gate.status for gate in decision.gates}
    now = {gate.id: gate.status for gate in again.gates}
    return before.get(mutant.gate) == "GO" == now.get(mutant.gate)


def cells(plan: Plan, facts: Facts, decision: Decision) -> Iterator[tuple[str, World]]:
    """Yield for each required cell that passed, in any gate or none, a world in which it failed."""
    for cell, decided in zip(plan.cells, decision.cells, strict=True):
        if cell.required and decided.passed:
            yield cell.id, (plan, _last(facts, cell, _failed(cell)))
    yield "the subject", (plan, replace(facts, subject_after=OTHER_DIGEST))


def blocks(name: str, world: World, decision: Decision) -> bool:
    """Whether a world of `cells` is refused: never GO, and for a reason that was not there."""
    again = judge.decide(*world)
    return again.verdict != "GO" and not set(again.blockers) <= set(decision.blockers)


class _About:
    """One condition of one signal, and the worlds in which it should not be met."""

    def __init__(
        self, plan: Plan, facts: Facts, place: int, number: int, chance: random.Random
    ) -> None:
        self.plan = plan
        self.facts = facts
        self.place = place
        self.number = number
        self.chance = chance
        self.planned = {cell.id: cell for cell in plan.cells}

    def mutants(self, condition: Condition) -> Iterator[Otherwise]:
        """Yield the mutants of a condition, by its kind."""
        match condition:
            case CommandPassed():
                yield from self._command(condition)
            case TestPassed():
                yield from self._test(condition)
            case MetricWithin():
                yield from self._metric(condition)
            case FilePresent():
                yield from self._file(condition)
            case PatternAbsent():
                yield from self._absent(condition)
            case EngineFactHolds():
                yield from self._engine(condition)
            case _:
                return  # what people bring is not among the facts of a run

    def _one(self, kind: str, said: str, make: Callable[[], Facts]) -> Otherwise:
        def world() -> World:
            return self.plan, make()

        return self._world(kind, said, world)

    def _world(self, kind: str, said: str, make: Callable[[], World]) -> Otherwise:
        signal = self.plan.signals[self.place]
        return Otherwise(kind, said, signal.gate, signal.id, self.place, self.number, make)

    # --- commands and what they left ---

    def _command(self, condition: CommandPassed) -> Iterator[Otherwise]:
        for name in condition.cells:
            cell = self.planned.get(name)
            if cell is None:
                continue
            for kind, change in _FATES:
                yield self._one(kind, name, partial(_last, self.facts, cell, change(cell)))
            if not cell.flaky:
                yield self._one(
                    "a cell passes only after a failure", name, partial(_retried, self.facts, cell)
                )
        yield from self._evidence(condition.cells, condition.max_age_ms)

    def _evidence(self, names: Sequence[str], max_age_ms: int | None) -> Iterator[Otherwise]:
        """What holds for all that cells say: they are there, of this subject, young enough."""
        for name in names:
            yield self._one("a cell vanishes", name, partial(_without_cell, self.facts, name))
            if max_age_ms is not None:
                aged = partial(_aged, self.facts, name, max_age_ms)
                yield self._one("evidence is too old", name, aged)
        other = partial(replace, self.facts, subject_after=OTHER_DIGEST)
        yield self._one("the subject changed", "another digest at the end", other)

    def _results(self, names: Sequence[str], max_age_ms: int | None) -> Iterator[Otherwise]:
        yield from self._evidence(names, max_age_ms)
        for fact in self.facts.results:
            if fact.cell in names:
                for kind, other in (
                    ("a result file is missing", replace(fact, found=False)),
                    ("a result file is broken", replace(fact, problem="cut off")),
                ):
                    changed = partial(_swap, self.facts, "results", [fact], [other])
                    yield self._one(kind, f"{fact.path} of {fact.cell}", changed)

    def _test(self, condition: TestPassed) -> Iterator[Otherwise]:
        yield from self._results(condition.cells, condition.max_age_ms)
        tests = _matching(self.facts.tests, condition)
        few = tests if len(tests) <= TESTS_MAX else self.chance.sample(tests, TESTS_MAX)
        for test in few:
            for kind, other in (
                ("a test fails", replace(test, outcome="failed")),
                ("a test is skipped", replace(test, outcome="skipped")),
            ):
                changed = partial(_swap, self.facts, "tests", [test], [other])
                yield self._one(kind, f"{test.key} in {test.cell}", changed)
        gone = partial(_swap, self.facts, "tests", tests, [])
        yield self._one("tests vanish", condition.pattern, gone)

    def _metric(self, condition: MetricWithin) -> Iterator[Otherwise]:
        yield from self._results(condition.cells, condition.max_age_ms)
        told = [
            fact
            for fact in self.facts.metrics
            if fact.name == condition.name and fact.cell in condition.cells
        ]
        values = [("a metric is no number", "NaN")]
        if condition.at_least is not None or condition.at_most is None:
            values.append(("a metric is out of bounds", f"-{ELSEWHERE}"))
        if condition.at_most is not None or condition.at_least is None:
            values.append(("a metric is out of bounds", ELSEWHERE))
        for fact in told:
            for kind, value in values:
                changed = partial(
                    _swap, self.facts, "metrics", [fact], [replace(fact, value=value)]
                )
                yield self._one(kind, f"{fact.name} of {fact.cell} is {value}", changed)
        gone = partial(_swap, self.facts, "metrics", told, [])
        yield self._one("a metric vanishes", condition.name, gone)

    # --- the subject, and the run itself ---

    def _file(self, condition: FilePresent) -> Iterator[Otherwise]:
        for fact in self.facts.files:
            if (fact.path, fact.contains) == (condition.path, condition.contains):
                gone = replace(fact, found=False, matches=None)
                changed = partial(_swap, self.facts, "files", [fact], [gone])
                yield self._one("a file is missing", fact.path, changed)
                if fact.contains is not None:
                    other = replace(fact, matches=False)
                    changed = partial(_swap, self.facts, "files", [fact], [other])
                    yield self._one("a file says something else", fact.path, changed)

    def _absent(self, condition: PatternAbsent) -> Iterator[Otherwise]:
        asked = condition.pattern, condition.inside, condition.besides
        for fact in self.facts.absent:
            if (fact.pattern, fact.inside, fact.besides) == asked:
                for kind, other in (
                    ("a pattern is present", replace(fact, hits=("somewhere:1",))),
                    ("no file is looked into", replace(fact, inputs=0)),
                ):
                    changed = partial(_swap, self.facts, "absent", [fact], [other])
                    yield self._one(kind, fact.pattern, changed)

    def _engine(self, condition: EngineFactHolds) -> Iterator[Otherwise]:
        yield from self._promised(condition.fact)
        for fact in self.facts.engine:
            if fact.fact == condition.fact:
                other = replace(fact, holds=False)
                changed = partial(_swap, self.facts, "engine", [fact], [other])
                yield self._one("an engine fact does not hold", fact.fact, changed)
                gone = partial(_swap, self.facts, "engine", [fact], [])
                yield self._one("an engine fact vanishes", fact.fact, gone)

    def _promised(self, fact: EngineFactName) -> Iterator[Otherwise]:
        """Facts that the judge finds in the plan itself."""
        plan, facts = self.plan, self.facts
        if fact == "definition_of_done":
            other = replace(plan, audit=replace(plan.audit, definition_of_done=OTHER_DONE))
            yield self._world("another definition of done", OTHER_DONE, lambda: (other, facts))
        elif fact == "every_signal_complete":
            for place in range(min(len(plan.signals), TESTS_MAX)):
                changed = partial(_ownerless, plan, facts, place)
                yield self._world("a signal has no owner", plan.signals[place].id, changed)
        elif fact == "every_cell_present":
            for cell in plan.cells[:TESTS_MAX]:
                yield self._one("a cell vanishes", cell.id, partial(_without_cell, facts, cell.id))


# --- other worlds, each made when it is judged: thousands at once would fill the memory -----------

Fate = tuple[Result, int | None, str]
"""How a cell ends instead: result, exit code, reason."""


def _failed(cell: Cell) -> Fate:
    """What becomes of a cell that exits as it should not; one that accepts every code passes."""
    known = {*cell.accept_exit_codes, *cell.could_not_run_exit_codes, *cell.skipped_exit_codes}
    code = next((code for code in EXIT_CODES if code not in known), EXIT_CODES[0])
    reports = [_REPORT for result in cell.results if result.format == "nox"]
    result, reason = verdict(cell, Ending("exited", code, 0, 0, 0, None, "", ""), reports)
    return result, code, reason


_REPORT = b'{"sessions": [{"name": "all", "result": "success"}]}'
_FATES: tuple[tuple[str, Callable[[Cell], Fate]], ...] = (
    ("a cell fails", _failed),
    ("a cell times out", lambda cell: ("timed_out", 137, "the time limit was reached")),
    ("a cell is skipped", lambda cell: ("skipped", None, "no reason")),
    ("a cell could not run", lambda cell: ("could_not_run", None, "the program was not found")),
)


def _last(facts: Facts, cell: Cell, fate: Fate) -> Facts:
    result, code, reason = fate
    number = max((item.number for item in facts.attempts if item.cell == cell.id), default=0)

    def other(item: AttemptFact) -> AttemptFact:
        if (item.cell, item.number) != (cell.id, number):
            return item
        return replace(item, result=result, exit_code=code, reason=reason)

    return replace(facts, attempts=tuple(map(other, facts.attempts)))


def _retried(facts: Facts, cell: Cell) -> Facts:
    """The cell failed once before all its attempts."""
    attempts: list[AttemptFact] = []
    for item in facts.attempts:
        if item.cell == cell.id and item.number == 1:
            attempts.append(replace(item, result="failed", exit_code=1, reason="failed at first"))
        later = item.number + 1 if item.cell == cell.id else item.number
        attempts.append(replace(item, number=later))
    return replace(facts, attempts=tuple(attempts))


def _without_cell(facts: Facts, name: str) -> Facts:
    return replace(facts, attempts=tuple(item for item in facts.attempts if item.cell != name))


def _aged(facts: Facts, name: str, max_age_ms: int) -> Facts:
    """The evidence of a cell is just too old: its window is half-open."""
    try:
        ended = datetime.fromisoformat(facts.as_of) - timedelta(milliseconds=max_age_ms)
    except OverflowError:
        ended = datetime.min
    utc = ended.replace(microsecond=0, tzinfo=None).isoformat() + "Z"
    attempts = (
        replace(item, end_utc=utc) if item.cell == name else item for item in facts.attempts
    )
    return replace(facts, attempts=tuple(attempts))


def _swap(facts: Facts, field: str, old: Sequence[object], new: Sequence[object]) -> Facts:
    """Facts of one kind, without some and with others in their place."""
    gone = frozenset(old)
    kept = (item for item in getattr(facts, field) if item not in gone)
    changed: dict[str, tuple[object, ...]] = {field: (*kept, *new)}
    return replace(facts, **changed)  # type: ignore[arg-type]  # the field says of what kind


def _ownerless(plan: Plan, facts: Facts, place: int) -> World:
    signals = list(plan.signals)
    signals[place] = replace(signals[place], owner="")
    return replace(plan, signals=tuple(signals)), facts


def _matching(tests: Sequence[TestFact], condition: TestPassed) -> list[TestFact]:
    """The tests that a condition speaks of; in its pattern only `*` is special."""
    wanted = judge.test_key(condition.pattern).replace("[", "[[]").replace("?", "[?]")
    meant = re.compile(fnmatch.translate(wanted)).match
    return [test for test in tests if test.cell in condition.cells and meant(test.key)]
