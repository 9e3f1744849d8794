"""What is to be mended for GO: the smallest set, per gate and in all, with its justification.

Every open condition is taken apart into causes, and a cause that blocks many is counted once. All
conditions must hold for GO, so most causes are simply needed; where one of several would do, the
smallest choice is searched for. The judge is asked what it makes of each cell, and no rule of its
is spelled again. Pure; `mending` says what the audit would be with causes gone.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from audit.trust.mending import (
    CHANGED,
    DIRTY,
    DONE,
    PROBE,
    Cause,
    Hearing,
    World,
    absent_cause,
    approval_cause,
    example,
    excused,
    external_cause,
    let_pass,
    mended,
    standing,
)
from evidence import judge, words
from evidence.brought import Waived
from evidence.model import (
    PRECONDITIONS,
    Answer,
    ApprovalGiven,
    CarriedOver,
    CommandPassed,
    Condition,
    ConditionDecision,
    Decision,
    EngineFactHolds,
    ExternalAttached,
    Facts,
    FilePresent,
    GateStatus,
    MetricWithin,
    PatternAbsent,
    Signal,
    Status,
    TestFact,
    TestPassed,
    Verdict,
)

CHOICES_MAX = 15
"""Causes among which the smallest choice is searched for exactly; above it, the commonest first."""

Choice = frozenset[Cause]
"""Causes of which mending any one is enough; nearly always there is only one."""


@dataclass(frozen=True, slots=True)
class Need:
    """Something that GO waits for. `signal` and `condition` are None for what blocks the run.

    `cell` is the required cell that blocks it, if it is one.
    """

    choice: Choice
    signal: Signal | None
    condition: Condition | None
    told: ConditionDecision
    cell: str = ""


@dataclass(frozen=True, slots=True)
class Fix:
    """One thing to mend, why, and what to do; the gates and signals that wait for it."""

    name: str
    kind: str
    reason: str
    next_step: str
    owners: tuple[str, ...]
    gates: tuple[int, ...]
    signals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Open:
    """An open condition, and the names of the fixes that close it."""

    gate: int
    signal: str
    title: str
    owner: str
    status: Status
    condition: str
    answer: Answer
    reason: str
    fixes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GateWork:
    """The smallest set of fixes that makes one gate GO, by their names."""

    id: int
    name: str
    status: GateStatus
    fixes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unblock:
    """What keeps an audit from GO. `gates` are those that are not GO, the cheapest first.

    `beyond` says what would still be open when all is mended: the definition itself must change.
    `exact` is false where there were too many choices to search for the smallest. `waived` are the
    red signals that people let pass: what they wait for is not among the fixes, unless waivers
    were not to count.
    """

    verdict: Verdict | Literal["GO-WITH-WAIVERS"]
    fixes: tuple[Fix, ...]
    gates: tuple[GateWork, ...]
    open: tuple[Open, ...]
    beyond: tuple[str, ...]
    exact: bool
    waived: tuple[Waived, ...] = ()


def unblock(world: World, *, strict_waivers: bool = False) -> Unblock:
    """Return the smallest set of things to mend, and the smallest for each gate.

    What a waiver in force lets pass is not to be mended, unless `strict_waivers`.
    """
    decision = world.decide()
    hearing = Hearing(standing(world))
    every = list(needs_of(world, hearing))
    unwaived = _unwaived(world, every)
    needs = every if strict_waivers else unwaived
    chosen, exact = smallest(need.choice for need in needs)
    waiting: dict[Cause, list[Need]] = {}
    for need in needs:
        for cause in need.choice:
            waiting.setdefault(cause, []).append(need)
    fixes = tuple(_fix(cause, waiting[cause], world, hearing) for cause in chosen)
    names = {gate.id: gate.name for gate in world.plan.gates}
    work = []
    for gate in decision.gates:
        if gate.status != "GO":
            left = of_gate(world, needs, gate.id)
            if not left and of_gate(world, every, gate.id):
                continue  # waivers let all of it pass
            own, certain = smallest(need.choice for need in left)
            exact = exact and certain
            fixed = tuple(cause.name for cause in own)
            work.append(GateWork(gate.id, names[gate.id], gate.status, fixed))
    lenient = _beyond(world, every, hearing, strict_waivers=False)
    passes = bool(world.brought.waived) and not unwaived and not lenient
    beyond = lenient
    if strict_waivers:
        beyond = _beyond(world, every, hearing, strict_waivers=True)
    return Unblock(
        "GO-WITH-WAIVERS" if passes and decision.verdict != "GO" else decision.verdict,
        fixes,
        tuple(sorted(work, key=lambda item: (len(item.fixes), item.id))),
        tuple(_open(needs, decision, chosen)),
        beyond,
        exact,
        world.brought.waived,
    )


def _unwaived(world: World, needs: Iterable[Need]) -> list[Need]:
    """The needs that no waiver lets pass: those of other signals, and of cells beside them."""
    waived = {item.signal for item in world.brought.waived}
    names = excused(world)
    return [
        need
        for need in needs
        if (need.signal.id not in waived if need.signal else need.cell not in names)
    ]


def _beyond(
    world: World, needs: Iterable[Need], hearing: Hearing, *, strict_waivers: bool
) -> tuple[str, ...]:
    """What blocks when all is mended."""
    done = mended(world, {cause for need in needs for cause in need.choice}, hearing)
    return (done if strict_waivers else let_pass(done, excused(world))).decide().blockers


def of_gate(world: World, needs: Iterable[Need], gate: int) -> list[Need]:
    """Return the needs of the signals that a gate requires."""
    wanted = {name for item in world.plan.gates if item.id == gate for name in item.signals}
    return [need for need in needs if need.signal and need.signal.id in wanted]


def smallest(choices: Iterable[Choice]) -> tuple[tuple[Cause, ...], bool]:
    """Return the fewest causes that hit every choice, in their order, and whether that is certain.

    What stands alone is needed; the rest is searched by size, in the order of causes.
    """
    known = set(choices)
    needed = {cause for choice in known if len(choice) == 1 for cause in choice}
    left = [choice for choice in known if choice and not choice & needed]
    options = sorted({cause for choice in left for cause in choice}, key=lambda item: item.order)
    exact = len(options) <= CHOICES_MAX
    found = _searched(left, options) if exact else _commonest(left)
    return tuple(sorted(needed | found, key=lambda cause: cause.order)), exact


def _searched(left: Sequence[Choice], options: Sequence[Cause]) -> set[Cause]:
    for size in range(len(options) + 1):
        for some in itertools.combinations(options, size):
            if all(choice.intersection(some) for choice in left):
                return set(some)
    return set()


def _commonest(left: Sequence[Choice]) -> set[Cause]:
    waiting, found = list(left), set[Cause]()
    while waiting:
        counts = Counter(cause for choice in waiting for cause in choice)
        best = min(counts, key=lambda cause: (-counts[cause], cause.order))
        found.add(best)
        waiting = [choice for choice in waiting if best not in choice]
    return found


# --- from open conditions to causes ---------------------------------------------------------------


def needs_of(world: World, hearing: Hearing) -> Iterator[Need]:
    """Yield everything that GO waits for; `hearing` is that of `standing(world)`."""
    decision = world.decide()
    changed = world.facts.subject_after != world.plan.subject.digest
    for signal, told in zip(world.plan.signals, decision.signals, strict=True):
        if all(item.kind in PRECONDITIONS for item in signal.conditions):
            lacking = ConditionDecision("an exit condition", "missing", told.reason)
            yield Need(frozenset((Cause("signal", signal.id),)), signal, None, lacking)
        for condition, answer in zip(signal.conditions, told.conditions, strict=True):
            if answer.answer == "met":
                continue
            choices = list(_choices(signal, condition, hearing))
            if changed and bool(getattr(condition, "cells", None)):
                choices.append(frozenset((CHANGED,)))
            for choice in dict.fromkeys(choices):
                yield Need(choice, signal, condition, answer)
    yield from _needs_of_run(world, hearing)


def _needs_of_run(world: World, hearing: Hearing) -> Iterator[Need]:
    plan = world.plan
    for cause, holds in (
        (DIRTY, bool(plan.subject.dirty)),
        (CHANGED, world.facts.subject_after != plan.subject.digest),
        (DONE, plan.audit.definition_of_done != judge.ALL_GATES_GO),
    ):
        if holds:
            told = ConditionDecision(cause.name, "no", _TREE[cause][0])
            yield Need(frozenset((cause,)), None, None, told)
    for cell in plan.cells:
        decided = hearing.cells[cell.id]
        if cell.required and not decided.passed:
            for root in sorted(hearing.roots(cell.id)):
                told = ConditionDecision(f"required cell {cell.id}", "no", words.outcome(decided))
                yield Need(frozenset((Cause("cell", root),)), None, None, told, cell.id)


_TREE = {
    DIRTY: ("the working tree is dirty", "commit or remove what is not committed, then run again"),
    CHANGED: (
        "the tree changed while the commands ran",
        "run again, and let no command change tracked files",
    ),
    DONE: (
        "the definition of done is not known",
        f"write {judge.ALL_GATES_GO} as the definition of done",
    ),
}


def _choices(signal: Signal, condition: Condition, hearing: Hearing) -> Iterator[Choice]:
    """Yield what an open condition waits for on a tree that is as it should be."""
    match condition:
        case CommandPassed():
            for name in condition.cells:
                if not hearing.passed(name, condition.max_age_ms):
                    yield from _cells(name, hearing)
        case TestPassed():
            yield from _tests(condition, hearing)
        case MetricWithin():
            yield from _numbers(condition, hearing)
        case FilePresent():
            yield frozenset((Cause("file", condition.path),))
        case PatternAbsent():
            yield frozenset((absent_cause(condition),))
        case EngineFactHolds():
            yield from _engine(condition, hearing)
        case ApprovalGiven():
            yield frozenset((approval_cause(signal, condition),))
        case ExternalAttached():
            yield frozenset((external_cause(signal, condition),))
        case CarriedOver():
            yield frozenset((Cause("carry", condition.command, (condition.run,)),))


def _cells(name: str, hearing: Hearing) -> Iterator[Choice]:
    for root in sorted(hearing.roots(name)):
        yield frozenset((Cause("cell", root),))


def _tests(condition: TestPassed, hearing: Hearing) -> Iterator[Choice]:
    facts = hearing.world.facts
    matching = {name: judge.tests_of(facts, _only(condition, name)) for name in condition.cells}

    def wrong(name: str) -> list[Cause]:
        bad = [fact for fact in matching[name] if fact.outcome != "passed"]
        return [Cause("test", name, (fact.key,)) for fact in bad]

    def lacking(name: str) -> list[Cause]:
        patterns = [item for item in hearing.lacking(name) if _is_narrower(item, condition)]
        return [Cause("no test", name, (item,)) for item in dict.fromkeys(patterns)]

    told = {name: bool(matching[name]) for name in condition.cells}
    yield from _left(condition, hearing, told, wrong, lacking)


def _numbers(condition: MetricWithin, hearing: Hearing) -> Iterator[Choice]:
    values: dict[str, list[str]] = {name: [] for name in condition.cells}
    for fact in hearing.world.facts.metrics:
        if fact.name == condition.name and fact.cell in values:
            values[fact.cell].append(fact.value)

    def lacking(name: str) -> list[Cause]:
        return [Cause("number", name, (condition.name,))]

    def wrong(name: str) -> list[Cause]:
        sides = [judge.side_of(value, condition) for value in values[name]]
        return lacking(name) if any(side != "within" for side in sides) else []

    told = {name: bool(found) for name, found in values.items()}
    yield from _left(condition, hearing, told, wrong, lacking)


def _left(
    condition: TestPassed | MetricWithin,
    hearing: Hearing,
    told: dict[str, bool],
    wrong: Callable[[str], list[Cause]],
    lacking: Callable[[str], list[Cause]],
) -> Iterator[Choice]:
    """What is wrong with what some cells left: they must be heard, right, and say something.

    `told` says which cells hold what is asked; `wrong` what is not right in one; `lacking` what
    would be enough for one to hold. A cell that is not fine is mended as a whole, and then holds
    all of it.
    """
    brings = False
    for name in condition.cells:
        fine = hearing.fine(name)
        bad = [frozenset((cause,)) for cause in wrong(name)]
        if condition.every and not told[name]:
            bad = [frozenset(lacking(name))]
        if not hearing.heard(name, condition.max_age_ms) or (bad and not fine):
            brings = brings or not fine
            yield from _cells(name, hearing)
        if fine:
            yield from bad
    if not any(told.values()) and not condition.every and not brings:
        yield frozenset(
            cause
            for name in condition.cells
            for cause in (lacking(name) if hearing.fine(name) else [Cause("cell", name)])
        )


def _is_narrower(pattern: str, condition: TestPassed) -> bool:
    """Whether a test that `pattern` means is one that the condition means, too."""
    facts = Facts(1, "", "", (), (), (TestFact("", example(pattern), "passed"),), (), (), (), ())
    return bool(judge.tests_of(facts, _only(condition, "")))


def _only(condition: TestPassed, cell: str) -> TestPassed:
    return replace(condition, cells=(cell,))


def _engine(condition: EngineFactHolds, hearing: Hearing) -> Iterator[Choice]:
    match condition.fact:
        case "definition_of_done":
            yield frozenset((DONE,))
        case "every_cell_present":
            for cell, decided in hearing.cells.items():
                if decided.result in ("absent", "interrupted"):
                    yield frozenset((Cause("cell", cell),))
        case "every_signal_complete":
            for signal in hearing.world.plan.signals:
                if not _is_complete(signal, hearing.world):
                    yield frozenset((Cause("signal", signal.id),))
        case _:
            yield frozenset((Cause("engine", condition.fact),))


def _is_complete(signal: Signal, world: World) -> bool:
    """Ask the judge whether a signal names all that it must; two signals and no facts will do."""
    complete = EngineFactHolds("engine", "every_signal_complete")
    asking = Signal(PROBE, -1, "?", "?", ("?",), (), "", ("?",), "?", (complete,))
    plan = replace(world.plan, signals=(signal, asking), gates=(), cells=())
    facts = Facts(1, world.instant, "", (), (), (), (), (), (), ())
    return judge.decide(plan, facts).signals[1].status == "GO"


# --- told -----------------------------------------------------------------------------------------


def _fix(cause: Cause, needs: Sequence[Need], world: World, hearing: Hearing) -> Fix:
    signals = dict.fromkeys(need.signal for need in needs if need.signal)
    names = {signal.id for signal in signals}
    gates = [gate.id for gate in world.plan.gates if names & set(gate.signals)]
    reason, next_step = _told(cause, needs[0], hearing)
    return Fix(
        cause.name,
        cause.kind,
        reason,
        next_step,
        tuple(dict.fromkeys(signal.owner for signal in signals)),
        tuple(gates),
        tuple(signal.id for signal in signals),
    )


def _told(cause: Cause, need: Need, hearing: Hearing) -> tuple[str, str]:
    """Why something is to be mended, and what to do."""
    if cause in _TREE:
        return _TREE[cause]
    if cause.kind == "signal":
        step = (
            f"complete `{cause.place}` in the definition: owner, places, evidence, what closes it"
        )
        return "it does not say all that a signal must", step
    if cause.kind == "cell":
        return _told_of_cell(cause.place, need, hearing)
    assert need.condition
    step = words.next_step(need.condition, need.told.answer, reason=need.told.reason)
    if cause.kind == "test":
        outcomes = hearing.outcomes[cause.place, cause.parts[0]]
        return f"{words.listed(outcomes)} in {cause.place}, which passed", step
    return need.told.reason, step


def _told_of_cell(name: str, need: Need, hearing: Hearing) -> tuple[str, str]:
    command = CommandPassed("command", name, (name,))
    decided = hearing.cells.get(name)
    if decided is None:
        return "it is not planned", "name a command that the definition has"
    if decided.passed:
        return need.told.reason, words.next_step(command, need.told.answer)
    return words.outcome(decided), words.next_step(command, "no", (decided,))


def _open(needs: Sequence[Need], decision: Decision, chosen: Sequence[Cause]) -> Iterator[Open]:
    """Yield each open condition once, with all that closes it."""
    status: dict[str, Status] = {item.id: item.status for item in decision.signals}
    together: dict[tuple[str, str], list[Need]] = {}
    for need in needs:
        if need.signal:
            together.setdefault((need.signal.id, need.told.condition), []).append(need)
    for same in together.values():
        signal, told = same[0].signal, same[0].told
        assert signal
        own = {cause for need in same for cause in need.choice}.intersection(chosen)
        yield Open(
            signal.gate,
            signal.id,
            signal.title,
            signal.owner,
            status[signal.id],
            told.condition,
            told.answer,
            told.reason,
            tuple(cause.name for cause in sorted(own, key=lambda cause: cause.order)),
        )
