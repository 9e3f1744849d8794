"""What can keep a release from GO, and the same audit with some of it mended.

Here live causes as values, and `mended`: the records as they would be if certain causes were gone,
for the judge to be asked again. Which causes an audit has is `unblock`'s question. A cell that is
mended leaves what its conditions ask of it; one that passed and left whole results is only run
again, and its tests and numbers stay as they are.
"""

from __future__ import annotations

import contextlib
import graphlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, get_args

from audit.trust.matching import conditions_of
from evidence import judge
from evidence.brought import NOTHING, ApprovalFact, Brought, CarryFact, ExternalFact
from evidence.model import (
    PRECONDITIONS,
    AbsentFact,
    ApprovalGiven,
    AttemptFact,
    CarriedOver,
    Cell,
    CellDecision,
    CommandPassed,
    Condition,
    Decision,
    EngineFact,
    EngineFactHolds,
    ExternalAttached,
    Facts,
    FileFact,
    FilePresent,
    MetricFact,
    MetricWithin,
    PatternAbsent,
    Plan,
    ResultFact,
    Signal,
    TestFact,
    TestPassed,
)

CauseKind = Literal[
    "tree",
    "definition",
    "cell",
    "file",
    "absent",
    "engine",
    "signal",
    "test",
    "no test",
    "number",
    "approval",
    "external",
    "carry",
]
"""What is to be mended, the broadest first: of two choices that do the same the first is taken."""
CAUSE_KINDS: tuple[CauseKind, ...] = get_args(CauseKind)
PROBE = "\0probe"
"""A test that no run has: whether it is heard says whether a cell's results can be heard."""
_GATE = -1


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing to mend, whatever it blocks: `place` is a cell, a path, a signal or a word.

    `parts` tell it from others at that place: a test, a pattern, a role.
    """

    kind: CauseKind
    place: str
    parts: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """How it is called: `cell tests`, `test tests: tests.test_a.test_1`."""
        return f"{self.kind} {self.place}" + "".join(f": {part}" for part in self.parts)

    @property
    def order(self) -> tuple[int, str, tuple[str, ...]]:
        """Its place among others."""
        return CAUSE_KINDS.index(self.kind), self.place, self.parts


DIRTY = Cause("tree", "dirty")
CHANGED = Cause("tree", "changed")
DONE = Cause("definition", "definition_of_done")


@dataclass(frozen=True, slots=True)
class World:
    """What the judge is given."""

    plan: Plan
    facts: Facts
    brought: Brought = NOTHING
    as_of: str = ""

    def decide(self) -> Decision:
        """Return the decision that follows. Raises `ValueError` for a time that is none."""
        return judge.decide(self.plan, self.facts, self.as_of or None, self.brought)

    @property
    def instant(self) -> str:
        """When it is decided."""
        return self.as_of or self.facts.as_of


# --- what the judge hears of a cell ---------------------------------------------------------------


class Hearing:
    """What the judge makes of each cell, on a tree that is as it should be."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.decision = world.decide()
        self.cells: dict[str, CellDecision] = {item.cell: item for item in self.decision.cells}
        self.planned: dict[str, Cell] = {cell.id: cell for cell in world.plan.cells}
        asked = {
            (cell, age)
            for _, condition in conditions_of(world.plan)
            for cell in getattr(condition, "cells", ())
            for age in (getattr(condition, "max_age_ms", None), None)
        }
        self._asked = [
            condition
            for signal, told in zip(world.plan.signals, self.decision.signals, strict=True)
            for condition, answer in zip(signal.conditions, told.conditions, strict=True)
            if isinstance(condition, TestPassed) and answer.answer != "met"
        ]
        self._lacking: dict[str, list[str]] = {}
        self.outcomes: dict[tuple[str, str], list[str]] = {}
        for test in world.facts.tests:
            self.outcomes.setdefault((test.cell, test.key), []).append(test.outcome)
        last = {fact.cell: fact for fact in world.facts.attempts}
        self._started = {cell for cell, fact in last.items() if fact.exit_code is not None}
        self._roots = self._all_roots()
        pairs = sorted(asked, key=str)
        self._heard = dict(zip(pairs, self._probe(pairs, _is_heard), strict=True))
        self._passed = dict(zip(pairs, self._probe(pairs, _is_passed), strict=True))

    def _probe(
        self, pairs: list[tuple[str, int | None]], make: Callable[[str, int | None], Condition]
    ) -> list[bool]:
        """Ask the judge one question for each cell and age; one decision answers all."""
        world = self.world
        names = dict.fromkeys(cell for cell, _ in pairs)
        tests = (*world.facts.tests, *(TestFact(name, PROBE, "passed") for name in names))
        template = Signal(PROBE, _GATE, "", "", (), (), "", (), "", ())
        signals = tuple(replace(template, conditions=(make(cell, age),)) for cell, age in pairs)
        plan = replace(world.plan, signals=signals, gates=(), cells=world.plan.cells)
        decided = replace(world, plan=plan, facts=replace(world.facts, tests=tests)).decide()
        return [signal.status == "GO" for signal in decided.signals]

    def lacking(self, cell: str) -> list[str]:
        """The patterns of open conditions that no test of a cell matches."""
        if cell not in self._lacking:
            asked = [item for item in self._asked if cell in item.cells]
            alone = (replace(item, cells=(cell,)) for item in asked)
            self._lacking[cell] = [
                item.pattern for item in alone if not judge.tests_of(self.world.facts, item)
            ]
        return self._lacking[cell]

    def heard(self, cell: str, age_ms: int | None = None) -> bool:
        """Whether the results of a cell can be heard at that age."""
        return self._heard.get((cell, age_ms), False)

    def passed(self, cell: str, age_ms: int | None = None) -> bool:
        """Whether a cell passed and is young enough."""
        return self._passed.get((cell, age_ms), False)

    def fine(self, cell: str) -> bool:
        """Whether a cell passed and left whole results, whatever stands in them."""
        return self.passed(cell) and self.heard(cell)

    def roots(self, cell: str) -> frozenset[str]:
        """The cells that must be mended for this one: itself, or those whose failure kept it from
        being started at all."""
        return self._roots.get(cell) or frozenset((cell,))

    def _all_roots(self) -> dict[str, frozenset[str]]:
        found: dict[str, frozenset[str]] = {}
        with contextlib.suppress(graphlib.CycleError):  # then each stands for itself
            needs = {name: self._kept_from(name) for name in self.planned}
            for name in graphlib.TopologicalSorter(needs).static_order():
                reached = {root for need in needs[name] for root in found[need]}
                found[name] = frozenset(reached or (name,))
        return found

    def _kept_from(self, cell: str) -> list[str]:
        """The needs that did not pass of a cell that was therefore never started."""
        planned, decided = self.planned.get(cell), self.cells.get(cell)
        if not planned or not decided or decided.result != "skipped" or cell in self._started:
            return []
        return [
            need for need in planned.needs if need in self.cells and not self.cells[need].passed
        ]


def _is_heard(cell: str, age_ms: int | None) -> Condition:
    return TestPassed("test", PROBE, (cell,), True, age_ms)


def _is_passed(cell: str, age_ms: int | None) -> Condition:
    return CommandPassed("command", cell, (cell,), age_ms)


# --- the same audit, mended -----------------------------------------------------------------------


def standing(world: World) -> World:
    """Return the world on a tree that is as it should be: dirt and changes hide all else."""
    subject = replace(world.plan.subject, dirty=())
    audit = replace(world.plan.audit, definition_of_done=judge.ALL_GATES_GO)
    plan = replace(world.plan, subject=subject, audit=audit)
    return replace(world, plan=plan, facts=replace(world.facts, subject_after=subject.digest))


def mended(world: World, causes: Iterable[Cause], hearing: Hearing | None = None) -> World:
    """Return the world in which these causes are gone and nothing else is.

    `hearing` is that of `standing(world)`, made once where many sets are tried.
    """
    gone = frozenset(causes)
    hearing = hearing or Hearing(standing(world))
    plan, facts = world.plan, world.facts
    if DIRTY in gone:
        plan = replace(plan, subject=replace(plan.subject, dirty=()))
    if DONE in gone:
        plan = replace(plan, audit=replace(plan.audit, definition_of_done=judge.ALL_GATES_GO))
    if CHANGED in gone:
        facts = replace(facts, subject_after=plan.subject.digest)
    brought = _brought(world, gone)
    unfinished = {cause.place for cause in gone if cause.kind == "signal"}
    if unfinished:
        signals = tuple(_finished(item) if item.id in unfinished else item for item in plan.signals)
        plan = replace(plan, signals=signals)
    if any(cause.kind == "approval" for cause in gone):
        plan = replace(plan, signals=tuple(_asking_for_one(item, gone) for item in plan.signals))
    facts = _looked_up(plan, facts, gone)
    facts = _ran(world, facts, gone, hearing)
    return replace(world, plan=plan, facts=facts, brought=brought)


_CLOSED = CarriedOver("carry", PROBE, PROBE)
"""An exit condition that is met in every mended world, for signals that have none."""


def _finished(signal: Signal) -> Signal:
    """A signal that says all that it must."""
    conditions = signal.conditions
    if all(item.kind in PRECONDITIONS for item in conditions):
        conditions = (*conditions, _CLOSED)
    return replace(
        signal,
        title=signal.title or "?",
        owner=signal.owner or "?",
        code=signal.code or ("?",),
        evidence=signal.evidence or ("?",),
        exit_test=signal.exit_test or "?",
        conditions=conditions,
    )


def _asking_for_one(signal: Signal, gone: frozenset[Cause]) -> Signal:
    """A signal for which one person is enough where approvals are brought: as many as it asked for
    may be more than there is room for."""
    conditions = tuple(
        replace(item, count=1)
        if isinstance(item, ApprovalGiven) and approval_cause(signal, item) in gone
        else item
        for item in signal.conditions
    )
    return replace(signal, conditions=conditions)


def excused(world: World) -> frozenset[str]:
    """Return the cells of the conditions for which signals are waived: they pass along with them.

    What was open when the run was sealed counts, as it does in `weigh`: a waiver says nothing of
    a condition that held then.
    """
    waived = {item.signal for item in world.brought.waived}
    sealed = replace(world, brought=NOTHING, as_of="").decide() if waived else None
    return frozenset(
        name
        for signal, told in zip(world.plan.signals, sealed.signals if sealed else (), strict=False)
        if signal.id in waived
        for condition, answer in zip(signal.conditions, told.conditions, strict=True)
        if answer.answer != "met"
        for name in getattr(condition, "cells", ())
    )


def let_pass(world: World, names: frozenset[str]) -> World:
    """Return the world in which waived signals are closed and the excused cells may fail.

    Only to see what is open beside them.
    """
    waived = {item.signal for item in world.brought.waived}
    signals = tuple(
        replace(_finished(item), conditions=(_CLOSED,)) if item.id in waived else item
        for item in world.plan.signals
    )
    cells = tuple(
        replace(cell, required=cell.required and cell.id not in names) for cell in world.plan.cells
    )
    return replace(world, plan=replace(world.plan, signals=signals, cells=cells))


def _brought(world: World, gone: frozenset[Cause]) -> Brought:
    """What people brought, with what is gone brought as well."""
    told = world.brought
    approvals = {(item.gate, item.role): item for item in told.approvals}
    externals = {(item.signal, item.artifact, item.role): item for item in told.externals}
    carries = {(item.command, item.run): item for item in told.carries}
    carries[_CLOSED.command, _CLOSED.run] = CarryFact(_CLOSED.command, _CLOSED.run, "met", "")
    for signal, item in conditions_of(world.plan):
        match item:
            case ApprovalGiven() if approval_cause(signal, item) in gone:
                fact = ApprovalFact(signal.gate, item.role, ("?",), 1, "met", "")
                approvals[signal.gate, item.role] = fact
            case ExternalAttached() if external_cause(signal, item) in gone:
                key = signal.id, item.artifact, item.role
                externals[key] = ExternalFact(*key, "met", "")
            case CarriedOver() if Cause("carry", item.command, (item.run,)) in gone:
                carries[item.command, item.run] = CarryFact(item.command, item.run, "met", "")
            case _:
                continue
    return replace(
        told,
        approvals=tuple(approvals.values()),
        externals=tuple(externals.values()),
        carries=tuple(carries.values()),
    )


def approval_cause(signal: Signal, condition: ApprovalGiven) -> Cause:
    """Return the cause that approvals of a role for a gate are wanting."""
    return Cause("approval", f"gate {signal.gate}", (condition.role,))


def external_cause(signal: Signal, condition: ExternalAttached) -> Cause:
    """Return the cause that an artifact for a signal is wanting."""
    return Cause("external", signal.id, (condition.artifact, condition.role))


def absent_cause(condition: PatternAbsent) -> Cause:
    """Return the cause that a pattern stands where it must not, or that nothing is looked at."""
    return Cause("absent", condition.pattern, (*condition.inside, "except", *condition.besides))


def _looked_up(plan: Plan, facts: Facts, gone: frozenset[Cause]) -> Facts:
    """Files, patterns and engine facts as they should be."""
    files = {(fact.path, fact.contains): fact for fact in facts.files}
    absent = {(fact.pattern, fact.inside, fact.besides): fact for fact in facts.absent}
    engine = {fact.fact: fact for fact in facts.engine}
    for _, item in conditions_of(plan):
        match item:
            case FilePresent() if Cause("file", item.path) in gone:
                matches = None if item.contains is None else True
                files[item.path, item.contains] = FileFact(item.path, item.contains, True, matches)
            case PatternAbsent() if absent_cause(item) in gone:
                key = item.pattern, item.inside, item.besides
                absent[key] = AbsentFact(*key, 1, ())
            case EngineFactHolds() if Cause("engine", item.fact) in gone:
                engine[item.fact] = EngineFact(item.fact, True, "mended")
            case _:
                continue
    return replace(
        facts,
        files=tuple(files.values()),
        absent=tuple(absent.values()),
        engine=tuple(engine.values()),
    )


# --- cells and what they leave --------------------------------------------------------------------


def _ran(world: World, facts: Facts, gone: frozenset[Cause], hearing: Hearing) -> Facts:
    """The facts after the mended cells ran again, and mended tests and numbers came out right."""
    wanted = {cause.place for cause in gone if cause.kind == "cell"}
    cells = {name for name in hearing.planned if hearing.roots(name) <= wanted} | wanted
    anew = {name for name in cells if not hearing.fine(name)}
    attempts = [fact for fact in facts.attempts if fact.cell not in cells]
    attempts += [AttemptFact(name, 1, "passed", "", 0, world.instant) for name in sorted(cells)]
    return replace(
        facts,
        attempts=tuple(attempts),
        results=tuple(_results(world.plan, facts, anew)),
        tests=tuple(_tests(world.plan, facts, gone, anew)),
        metrics=tuple(_metrics(world.plan, facts, gone, anew)),
    )


def _results(plan: Plan, facts: Facts, anew: set[str]) -> Iterator[ResultFact]:
    yield from (fact for fact in facts.results if fact.cell not in anew)
    planned = {cell.id: cell for cell in plan.cells}
    for name in sorted(anew):
        promised = planned[name].results if name in planned else ()
        paths = [file.path for file in promised if file.format != "nox"] or ["results"]
        yield from (ResultFact(name, path, True, "") for path in dict.fromkeys(paths))


def _tests(plan: Plan, facts: Facts, gone: frozenset[Cause], anew: set[str]) -> Iterator[TestFact]:
    for fact in facts.tests:
        right = fact.cell in anew or Cause("test", fact.cell, (fact.key,)) in gone
        yield replace(fact, outcome="passed") if right else fact
    for _, item in conditions_of(plan):
        if not isinstance(item, TestPassed):
            continue
        for name in dict.fromkeys(item.cells):
            wanted = name in anew or Cause("no test", name, (item.pattern,)) in gone
            if wanted and not judge.tests_of(facts, replace(item, cells=(name,))):
                yield TestFact(name, example(item.pattern), "passed")


def example(pattern: str) -> str:
    """Return the id of a test that a pattern means, and no narrower one."""
    return judge.test_key(pattern).replace("*", "\0")


def _metrics(
    plan: Plan, facts: Facts, gone: frozenset[Cause], anew: set[str]
) -> Iterator[MetricFact]:
    asked: dict[tuple[str, str], list[MetricWithin]] = {}
    for _, item in conditions_of(plan):
        if isinstance(item, MetricWithin):
            for name in item.cells:
                asked.setdefault((name, item.name), []).append(item)
    right = {key for key in asked if key[0] in anew or Cause("number", key[0], key[1:]) in gone}
    yield from (fact for fact in facts.metrics if (fact.cell, fact.name) not in right)
    yield from (MetricFact(*key, good_value(asked[key])) for key in sorted(right))


def good_value(conditions: Iterable[MetricWithin]) -> str:
    """Return a number within the bounds of all conditions; a bound where there is none."""
    known = list(conditions)
    bounds = [bound for item in known for bound in (item.at_least, item.at_most) if bound]
    for value in ("0", *bounds):
        if all(judge.side_of(value, item) == "within" for item in known):
            return value
    return bounds[0] if bounds else "0"
