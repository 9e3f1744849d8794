"""What holds of the judge whatever it is given: monotone, deterministic, total."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from evidence import codec, judge, model
from tests.evidence.kernel_kit import (
    LATER,
    UTC,
    any_of,
    make_facts,
    make_plan,
    ran,
)
from tests.records import make_cell, make_signal

CELLS = ("a", "b", "c")
KEYS = ("t.x.one", "t.x.two", "t.y.one")
PATTERNS = ("t.x.*", "t/x.py::one", "*", "t.z.*", "*one")
NAMES = ("cover", "count")
ENDS = (*[UTC] * 6, "2026-12-01T09:00:00Z", LATER)
TIMES = st.sampled_from((None, None, None, UTC, "2026-12-01T09:30:00Z", "2026-12-02T00:00:00Z"))

SOME_CELLS = st.lists(st.sampled_from(CELLS), min_size=1, max_size=3, unique=True).map(
    tuple
) | st.sampled_from(((), ("gone", "a"), ("a", "a")))
AGES = st.sampled_from((*[None] * 6, 0, 5_000, 10**9))
CONDITIONS = st.one_of(
    st.builds(model.CommandPassed, st.just("command"), st.just("a"), SOME_CELLS, AGES),
    st.builds(
        model.TestPassed,
        st.just("test"),
        st.sampled_from(PATTERNS),
        SOME_CELLS,
        st.booleans(),
        AGES,
    ),
    st.builds(
        model.MetricWithin,
        st.just("metric"),
        st.sampled_from(NAMES),
        SOME_CELLS,
        st.booleans(),
        st.sampled_from((None, "1")),
        st.sampled_from((None, "9")),
        AGES,
    ),
    st.builds(model.FilePresent, st.just("file"), st.sampled_from("fg"), st.sampled_from((None,))),
    st.builds(model.PatternAbsent, st.just("absent"), st.sampled_from("pq"), st.just(("src",))),
    st.builds(
        model.EngineFactHolds,
        st.just("engine"),
        any_of(model.EngineFactName),
    ),
    st.just(model.ExternalAttached("external", "drill.md", "SRE")),
    st.just(model.ApprovalGiven("approval", "SRE")),
)


@dataclass(frozen=True)
class File:
    """One result file with what was read from it."""

    fact: model.ResultFact
    tests: tuple[model.TestFact, ...]
    metrics: tuple[model.MetricFact, ...]


@dataclass(frozen=True)
class World:
    """A plan and its evidence, still in the pieces that can be taken away one by one."""

    plan: model.Plan
    attempts: dict[str, tuple[model.AttemptFact, ...]]
    files: tuple[File, ...]
    looked: tuple[Any, ...]

    @property
    def facts(self) -> model.Facts:
        return make_facts(
            *(attempt for group in self.attempts.values() for attempt in group),
            results=tuple(file.fact for file in self.files),
            tests=tuple(test for file in self.files for test in file.tests),
            metrics=tuple(metric for file in self.files for metric in file.metrics),
            files=tuple(one for one in self.looked if isinstance(one, model.FileFact)),
            absent=tuple(one for one in self.looked if isinstance(one, model.AbsentFact)),
            engine=tuple(one for one in self.looked if isinstance(one, model.EngineFact)),
        )


@st.composite
def cell_attempts(draw: st.DrawFn, cell: str) -> tuple[model.AttemptFact, ...]:
    results = draw(
        st.sampled_from([*[["passed"]] * 8, ["failed"], ["failed", "passed"]])
        | st.lists(any_of(model.Result), max_size=3)
    )
    return tuple(
        ran(cell, result, number, draw(st.sampled_from(ENDS)))
        for number, result in enumerate(results, 1)
    )


@st.composite
def result_file(draw: st.DrawFn, cell: str, promised: model.ResultFile) -> File:
    problem = draw(st.sampled_from((*[""] * 9, "cut off")))
    found = draw(st.sampled_from((*[True] * 9, False)))
    outcomes: st.SearchStrategy[model.Outcome] = st.sampled_from(
        ("passed", "passed", "passed", "failed", "skipped")
    )
    junit = promised.format == "junit"
    keys = draw(st.lists(st.sampled_from(KEYS), max_size=3, unique=True)) if junit else []
    names = [] if junit else draw(st.lists(st.sampled_from(NAMES), max_size=2, unique=True))
    return File(
        model.ResultFact(cell, promised.path, found, problem),
        tuple(model.TestFact(cell, key, draw(outcomes)) for key in keys),
        tuple(
            model.MetricFact(cell, name, draw(st.sampled_from(("5", "5", "0", "10", "x"))))
            for name in names
        ),
    )


PROMISES = tuple(
    model.ResultFile("junit" if name < "m" else "metrics", name)
    for name in ("j1.xml", "j2.xml", "m1.json", "m2.json")
)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    cells = tuple(
        make_cell(
            name,
            required=draw(st.booleans()),
            flaky=draw(st.booleans()),
            results=draw(
                st.sampled_from((PROMISES, PROMISES[:3], PROMISES[1:3], PROMISES[3:], ()))
            ),
        )
        for name in CELLS
    )
    signals = [
        make_signal(f"s{n}", *conditions)
        for n, conditions in enumerate(
            draw(st.lists(st.lists(CONDITIONS, max_size=3), min_size=1, max_size=3))
        )
    ]
    looked = [
        *(model.FileFact(path, None, draw(st.booleans()), None) for path in "fg"),
        *(
            model.AbsentFact(
                pattern,
                ("src",),
                (),
                draw(st.integers(0, 1)),
                draw(st.sampled_from(((), ("src:1",)))),
            )
            for pattern in "pq"
        ),
        *(
            model.EngineFact(name, draw(st.booleans()), "seen")
            for name in ("plan_sealed", "tracker_valid")
        ),
    ]
    return World(
        make_plan(*signals, cells=cells),
        {name: draw(cell_attempts(name)) for name in CELLS},
        tuple(draw(result_file(cell.id, promised)) for cell in cells for promised in cell.results),
        tuple(looked),
    )


def taken_away(world: World) -> list[World]:
    """Every world with one piece of evidence less."""
    less = [replace(world, attempts={**world.attempts, name: ()}) for name in CELLS]
    less += [
        replace(
            world,
            attempts={**world.attempts, name: ()},
            files=tuple(file for file in world.files if file.fact.cell != name),
        )
        for name in CELLS
    ]
    for n, file in enumerate(world.files):
        others = world.files[:n], world.files[n + 1 :]
        gone = File(replace(file.fact, found=False, problem=""), (), ())
        less.append(replace(world, files=(*others[0], *others[1])))
        less.append(replace(world, files=(*others[0], gone, *others[1])))
    less += [
        replace(world, looked=world.looked[:n] + world.looked[n + 1 :])
        for n in range(len(world.looked))
    ]
    return less


def ranks(decision: model.Decision) -> list[int]:
    return [
        *(model.STATUS_ORDER.index(signal.status) for signal in decision.signals),
        *(model.GATE_ORDER.index(gate.status) for gate in decision.gates),
        *(cell.passed for cell in decision.cells),
        decision.verdict == "GO",
    ]


@given(worlds(), TIMES)
def test_taking_evidence_away_raises_nothing(world: World, as_of: str | None) -> None:
    before = judge.decide(world.plan, world.facts, as_of)
    for less in taken_away(world):
        after = judge.decide(world.plan, less.facts, as_of)
        for was, now in zip(ranks(before), ranks(after), strict=True):
            assert now <= was, (less.facts, before, after)


@given(worlds(), TIMES, st.randoms(use_true_random=False))
def test_the_order_of_facts_decides_nothing(world: World, as_of: str | None, chance: Any) -> None:
    facts = world.facts
    changes: dict[str, Any] = {}
    for name in ("attempts", "results", "tests", "metrics", "files", "absent", "engine"):
        items = list(getattr(facts, name))
        chance.shuffle(items)
        changes[name] = tuple(items)
    one = judge.decide(world.plan, facts, as_of)
    other = judge.decide(world.plan, replace(facts, **changes), as_of)
    assert ranks(one) == ranks(other)
    answers = [[c.answer for c in s.conditions] for s in one.signals]
    assert answers == [[c.answer for c in s.conditions] for s in other.signals]


@given(worlds(), TIMES)
def test_the_same_inputs_give_the_same_bytes(world: World, as_of: str | None) -> None:
    plan = codec.read(model.Plan, codec.write(world.plan))
    facts = codec.read(model.Facts, codec.write(world.facts))
    bytes_ = codec.write(judge.decide(world.plan, world.facts, as_of))
    assert codec.write(judge.decide(plan, facts, as_of)) == bytes_
    assert codec.write(codec.read(model.Decision, bytes_)) == bytes_


@given(worlds(), TIMES)
def test_a_decision_is_consistent_in_itself(world: World, as_of: str | None) -> None:
    decision = judge.decide(world.plan, world.facts, as_of)
    assert (decision.verdict == "GO") == (not decision.blockers)
    for signal, planned in zip(decision.signals, world.plan.signals, strict=True):
        assert len(signal.conditions) == len(planned.conditions)
        all_met = all(one.answer == "met" for one in signal.conditions)
        exits = [one for one in planned.conditions if one.kind not in model.PRECONDITIONS]
        assert (signal.status == "GO") == bool(all_met and exits)
        assert bool(signal.next_step) == (signal.status != "GO")
    for gate, group in zip(decision.gates, world.plan.gates, strict=True):
        assert gate.closed + gate.open == len(group.signals)
        assert (gate.status == "GO") == (not gate.open and gate.closed > 0)
    required = {cell.id for cell in world.plan.cells if cell.required}
    if decision.verdict == "GO":
        assert all(cell.passed for cell in decision.cells if cell.cell in required)
        assert all(gate.status == "GO" for gate in decision.gates)


HOSTILE = st.sampled_from(("a", "b", "", "*", "t.x.*", "\udc80", "\u202e\n", "1e9", "NaN", "::"))


@given(any_of(model.Plan, HOSTILE), any_of(model.Facts, HOSTILE))
def test_hostile_records_are_judged(plan: model.Plan, facts: model.Facts) -> None:
    """Dangling and double ids, absurd numbers and patterns: a decision, and never GO by it."""
    attempts = tuple(replace(attempt, end_utc=UTC) for attempt in facts.attempts)
    timed = replace(facts, as_of=LATER, attempts=attempts)
    decision = judge.decide(plan, timed)
    assert len(decision.signals) == len(plan.signals)
    assert len(decision.gates) == len(plan.gates)
    assert decision.verdict == "NO-GO"  # none of these strings is a definition of done
    assert codec.read(model.Decision, codec.write(decision)) == decision
    try:
        judge.decide(plan, facts)
    except ValueError as error:
        assert "no RFC 3339 time" in str(error)  # noqa: PT017


LETTERS = st.text("ab.*[", max_size=6)


@given(LETTERS, st.lists(st.text("ab.[", max_size=6), max_size=6, unique=True))
@example("a*b", ["a", "ab", "b"])
def test_a_pattern_is_its_regular_expression(pattern: str, keys: list[str]) -> None:
    wanted = re.compile(".*".join(map(re.escape, judge.test_key(pattern).split("*"))), re.DOTALL)
    matching = [key for key in keys if wanted.fullmatch(key)]
    condition = model.TestPassed("test", pattern, ("a",))
    facts = make_facts(
        ran("a"),
        results=(model.ResultFact("a", "j", found=True, problem=""),),
        tests=tuple(model.TestFact("a", key, "passed") for key in keys),
    )
    decided = judge.decide(make_plan(make_signal("s", condition)), facts).signals[0].conditions[0]
    told = re.match(r"(\d+) tests? passed", decided.reason)
    assert (int(told[1]) if told else 0) == len(matching)
