"""The smallest set to mend, against exhaustive search: all of it makes GO, and no smaller set does.

The audits searched are those that the judge's own properties are shown on.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from audit.trust import mending, unblock, unblock_pages
from audit.trust.mending import Cause, World
from evidence import judge, model, weigh
from evidence.brought import ApprovalFact, Brought, Waived
from evidence.roster import Roster
from tests.audit.trust import trust_kit as kit
from tests.evidence.kernel_kit import LATER, UTC, any_of, make_facts, make_plan, ran
from tests.evidence.test_judge_properties import worlds
from tests.records import make_cell, make_signal

EXHAUSTIVE_MAX = 9
"""Causes of which every subset is tried; the page of the design asks for up to 15 gates."""


def world_of(bundle: Any, **changes: Any) -> World:
    return World(bundle.plan, bundle.facts, **changes)


def causes_of(world: World) -> list[Cause]:
    hearing = mending.Hearing(mending.standing(world))
    needs = unblock.needs_of(world, hearing)
    return sorted({cause for need in needs for cause in need.choice}, key=lambda item: item.order)


def subsets(causes: list[Cause]) -> Iterator[tuple[Cause, ...]]:
    for size in range(len(causes) + 1):
        yield from itertools.combinations(causes, size)


def fewest(world: World, causes: list[Cause], gate: int | None = None) -> int | None:
    """The size of the smallest set of causes whose mending makes a gate, or all, GO."""
    hearing = mending.Hearing(mending.standing(world))
    for some in subsets(causes):
        decision = mending.mended(world, some, hearing).decide()
        status = {item.id: item.status for item in decision.gates}
        if (decision.verdict if gate is None else status[gate]) == "GO":
            return len(some)
    return None


@st.composite
def audits(draw: st.DrawFn) -> World:
    """An audit as the judge's properties have it, in two gates, on a tree that may be wrong."""
    made = draw(worlds())
    names = tuple(signal.id for signal in made.plan.signals)
    subject = replace(made.plan.subject, dirty=draw(st.sampled_from(((), (), ("a",)))))
    gates = (model.Gate(0, "All", names), model.Gate(1, "One", names[:1]))
    after = draw(st.sampled_from((subject.digest, subject.digest, "cd" * 32)))
    needs = draw(st.sampled_from(((), ("a",))))
    cells = tuple(replace(cell, needs=needs if cell.id == "b" else ()) for cell in made.plan.cells)
    plan = replace(made.plan, subject=subject, gates=gates, cells=cells)
    return World(plan, replace(made.facts, subject_after=after))


@st.composite
def audits_of_tests(draw: st.DrawFn) -> World:
    """An audit of tests and numbers in two cells, where one of several causes often would do."""
    promised = (kit.JUNIT, kit.METRICS)
    results = ("passed", "passed", "failed", "timed_out")
    cells, attempts, files, tests, numbers = [], [], [], [], []
    for name in "ab":
        cells.append(make_cell(name, results=promised, required=draw(st.booleans())))
        attempts.append(ran(name, draw(st.sampled_from(results))))
        whole = draw(st.sampled_from(("", "", "", "cut off")))
        files += [model.ResultFact(name, file.path, True, whole) for file in promised]
        keys = draw(st.lists(st.sampled_from(("t.x.one", "t.y.one")), unique=True))
        outcomes: st.SearchStrategy[model.Outcome] = st.sampled_from(("passed", "skipped"))
        tests += [model.TestFact(name, key, draw(outcomes)) for key in keys]
        values = draw(st.lists(st.sampled_from("05"), max_size=1))
        numbers += [model.MetricFact(name, "n", value) for value in values]
    some_cells = st.sampled_from((("a",), ("b",), ("a", "b")))
    patterns = st.sampled_from(("t.x.*", "t/x.py::one", "*", "t.y.*", "*one", "t.z.*"))
    asked = st.one_of(
        st.builds(model.TestPassed, st.just("test"), patterns, some_cells, st.booleans()),
        st.builds(
            model.MetricWithin,
            st.just("metric"),
            st.just("n"),
            some_cells,
            st.booleans(),
            st.just("1"),
        ),
    )
    signals = [
        make_signal(f"s{n}", *draw(st.lists(asked, min_size=1, max_size=3)))
        for n in range(draw(st.integers(1, 3)))
    ]
    gates = (
        model.Gate(0, "All", tuple(signal.id for signal in signals)),
        model.Gate(1, "One", ("s0",)),
    )
    facts = make_facts(*attempts, results=tuple(files), tests=tuple(tests), metrics=tuple(numbers))
    return World(make_plan(*signals, cells=tuple(cells), gates=gates), facts)


@given(audits() | audits_of_tests())
def test_no_smaller_set_makes_go(world: World) -> None:
    causes = causes_of(world)
    assume(len(causes) <= EXHAUSTIVE_MAX)
    found = unblock.unblock(world)
    assert found.exact
    names = {fix.name for fix in found.fixes}
    chosen = [cause for cause in causes if cause.name in names]
    assert len(chosen) == len(found.fixes)
    wanted = fewest(world, causes)
    if found.beyond:
        assert wanted is None
    else:
        assert mending.mended(world, chosen).decide().verdict == "GO"
        assert wanted == len(chosen)
    for work in found.gates:
        least = fewest(world, causes, work.id)
        assert least is None or least == len(work.fixes), (work, causes)
        assert least is not None or found.beyond
    assert (world.decide().verdict == "GO") == (not found.fixes and not found.beyond)


def waive(world: World, signals: tuple[str, ...]) -> World:
    waived = tuple(Waived(name, "ab", "Bob", "Manager", LATER, "known") for name in signals)
    return replace(world, brought=replace(world.brought, waived=waived))


def verdict_of(world: World, sealed: model.Decision) -> str:
    """What the kernel says with the waivers that are in force over a run sealed so."""
    case = weigh.Case(
        plan=world.plan,
        facts=world.facts,
        decision=sealed,
        decision_sha256="",
        final_root="",
        pages={},
        roster=Roster(1, ()),
        as_of=world.instant,
        fingerprint=lambda _: "",
        attached=lambda _: "",
        carried=lambda _: ("missing", ""),
    )
    return weigh.decide(case, weigh.Weighed(world.brought, (), ()))[1]


@given(audits() | audits_of_tests(), st.data())
def test_what_is_waived_is_not_to_be_mended(plain: World, data: st.DataObject) -> None:
    red = [item.id for item in plain.decide().signals if item.status != "GO"]
    world = waive(plain, tuple(name for name in red if data.draw(st.booleans())))
    sealed = plain.decide()
    found = unblock.unblock(world)
    assert found.verdict == verdict_of(world, sealed)
    assert (found.verdict == "NO-GO") == bool(found.fixes or found.beyond)
    waived = {item.signal for item in world.brought.waived}
    assert not waived.intersection(item.signal for item in found.open)
    names = {fix.name for fix in found.fixes}
    chosen = [cause for cause in causes_of(world) if cause.name in names]
    if not found.beyond:
        assert verdict_of(mending.mended(world, chosen), sealed) != "NO-GO"
    strict = unblock.unblock(world, strict_waivers=True)
    assert strict.fixes == unblock.unblock(plain).fixes
    assert strict.verdict == found.verdict


HOSTILE = st.sampled_from(("a", "b", "", "*", "t.x.*", "\udc80", "|\n", "1e9", "NaN", "::"))


@given(any_of(model.Plan, HOSTILE), any_of(model.Facts, HOSTILE))
def test_hostile_records_are_explained(plan: model.Plan, facts: model.Facts) -> None:
    attempts = tuple(replace(attempt, end_utc=UTC) for attempt in facts.attempts)
    found = unblock.unblock(World(plan, replace(facts, as_of=LATER, attempts=attempts)))
    assert found.verdict == "NO-GO"
    assert found.fixes or found.beyond


def test_a_plan_that_asks_for_more_people_than_there_are_is_explained_at_once() -> None:
    many = replace(kit.APPROVAL, count=1 << 62)
    world = world_of(kit.with_condition(kit.SEALED, many)(kit.green()))
    assert names(world) == ["approval gate 1: SRE"]


# --- what is one cause ----------------------------------------------------------------------------


def names(world: World) -> list[str]:
    return [fix.name for fix in unblock.unblock(world).fixes]


def test_one_failed_cell_is_one_fix_however_much_it_blocks() -> None:
    world = world_of(kit.ended("tests", "skipped")(kit.ended("lint", "failed")(kit.green())))
    plan = replace(
        world.plan, cells=tuple(replace(c, required=c.id != "extra") for c in world.plan.cells)
    )
    facts = replace(
        world.facts,
        attempts=tuple(
            replace(item, exit_code=None) if item.result == "skipped" else item
            for item in world.facts.attempts
        ),
    )
    found = unblock.unblock(World(plan, facts))
    assert [fix.name for fix in found.fixes] == ["cell lint"]
    fix = found.fixes[0]
    assert fix.signals == ("G0-001", "G0-002", "G1-002")
    assert fix.gates == (0, 1)
    assert "command-logs/lint.log" in fix.next_step
    assert [(item.id, item.fixes) for item in found.gates] == [
        (0, ("cell lint",)),
        (1, ("cell lint",)),
    ]


def test_a_cell_that_skips_itself_is_its_own_cause() -> None:
    red = kit.ended("tests", "skipped")(kit.ended("lint", "failed")(kit.green()))
    facts = replace(
        red.facts,
        attempts=tuple(
            replace(item, exit_code=77) if item.result == "skipped" else item
            for item in red.facts.attempts
        ),
    )
    assert names(World(red.plan, facts)) == ["cell lint", "cell tests"]


def test_a_skipped_test_of_a_passed_cell_is_a_cause_of_its_own() -> None:
    world = world_of(kit.tested("tests.test_a.test_1", "skipped")(kit.green()))
    found = unblock.unblock(world)
    assert [fix.name for fix in found.fixes] == ["test tests: tests.test_a.test_1"]
    assert found.fixes[0].reason == "skipped in tests, which passed"
    assert found.open[0].fixes == ("test tests: tests.test_a.test_1",)


def test_a_failed_test_of_a_failed_cell_is_not() -> None:
    red = kit.ended("tests", "failed")(kit.tested("tests.test_a.test_1", "failed")(kit.green()))
    assert names(world_of(red)) == ["cell tests"]


def test_of_several_choices_the_one_that_is_needed_anyhow_is_taken() -> None:
    """Two patterns of which neither has a test: one broken-off cell would bring both."""
    one = model.TestPassed("test", "t.x.*", ("a", "b"))
    other = model.TestPassed("test", "t.y.*", ("a", "b"))
    cells = tuple(make_cell(name, results=(kit.JUNIT,), required=False) for name in "ab")
    results = tuple(model.ResultFact(name, kit.JUNIT.path, True, "") for name in "ab")
    facts = make_facts(ran("a", "failed"), ran("b"), results=results)
    plan = make_plan(make_signal("s", one), make_signal("t", other), cells=cells)
    assert names(World(plan, facts)) == ["cell a"]
    passed = make_facts(ran("a"), ran("b"), results=results)
    assert names(World(plan, passed)) == ["no test a: t.x.*", "no test a: t.y.*"]


def test_stale_evidence_is_run_again_and_says_what_it_said() -> None:
    old = make_facts(
        ran("a", end="2026-11-01T00:00:00Z"),
        results=(model.ResultFact("a", kit.JUNIT.path, True, ""),),
        tests=(model.TestFact("a", "t.x.one", "skipped"),),
    )
    cells = (make_cell("a", results=(kit.JUNIT,)),)
    young = model.TestPassed("test", "t.x.*", ("a",), max_age_ms=60_000)
    world = World(make_plan(make_signal("s", young), cells=cells), old)
    assert names(world) == ["cell a", "test a: t.x.one"]
    assert fewest(world, causes_of(world)) == 2
    none = replace(world, facts=replace(old, tests=()))
    assert names(none) == ["cell a", "no test a: t.x.*"]


def test_a_test_that_two_patterns_mean_is_one_cause() -> None:
    wide = model.TestPassed("test", "t.x.*", ("a",))
    narrow = model.TestPassed("test", "t/x.py::one", ("a",))
    cells = (make_cell("a", results=(kit.JUNIT,)),)
    facts = make_facts(ran("a"), results=(model.ResultFact("a", kit.JUNIT.path, True, ""),))
    plan = make_plan(make_signal("s", wide, replace(wide, every=True), narrow), cells=cells)
    assert names(World(plan, facts)) == ["no test a: t/x.py::one"]


@pytest.mark.parametrize("every", [True, False])
def test_tests_of_a_cell_that_was_never_started_wait_for_its_root(every: bool) -> None:
    wanted = model.TestPassed("test", "t.x.*", ("b",), every)
    cells = (make_cell("a"), make_cell("b", needs=("a",), results=(kit.JUNIT,), required=False))
    skipped = replace(ran("b", "skipped"), exit_code=None)
    world = World(
        make_plan(make_signal("s", wanted), cells=cells), make_facts(ran("a", "failed"), skipped)
    )
    assert names(world) == ["cell a"]


def test_the_tree_is_a_cause() -> None:
    dirty = world_of(kit.with_subject(dirty=("a.py",))(kit.green()))
    assert names(dirty) == ["tree dirty"]
    assert unblock.unblock(dirty).gates == ()
    changed = world_of(kit.found(subject_after=lambda _: "cd" * 32)(kit.green()))
    found = unblock.unblock(changed)
    assert [fix.name for fix in found.fixes] == ["tree changed"]
    assert [item.fixes for item in found.gates] == [("tree changed",)] * 2


def test_the_cheapest_gate_comes_first() -> None:
    red = kit.tested("tests.test_a.test_1", "failed")(
        kit.tested("tests.test_a.test_2", "skipped")(
            kit.found(engine=lambda facts: (replace(facts[0], holds=False),))(kit.green())
        )
    )
    found = unblock.unblock(world_of(red))
    assert [(item.id, len(item.fixes)) for item in found.gates] == [(1, 1), (0, 2)]


def test_what_people_bring_is_a_cause_until_it_is_brought() -> None:
    asked = kit.with_condition(kit.SEALED, kit.SEALED, kit.APPROVAL)(kit.green())
    world = world_of(asked)
    assert names(world) == ["approval gate 1: SRE"]
    assert "arco-audit sign" in unblock.unblock(world).fixes[0].next_step
    fact = ApprovalFact(1, "SRE", ("ann", "bob"), 2, "met", "")
    assert names(replace(world, brought=Brought(approvals=(fact,)))) == []


def test_an_incomplete_signal_is_completed_and_what_cannot_be_mended_is_said() -> None:
    engine = model.EngineFactHolds("engine", "every_signal_complete")
    bare = make_signal("t", owner="", conditions=())
    world = World(make_plan(make_signal("s", engine), bare), make_facts())
    assert names(world) == ["signal t"]
    assert unblock.unblock(world).beyond == ()
    empty = World(
        make_plan(make_signal("s", model.CommandPassed("command", "x", ()))), make_facts()
    )
    found = unblock.unblock(empty)
    assert found.fixes == ()
    assert found.beyond == ("gate 0 is NO-GO: open: s NO-GO",)
    assert empty.decide().verdict == "NO-GO"
    assert unblock_pages.summary(found) == "0 things to mend for GO, and the definition must change"


def test_bounds_that_contradict_each_other_cannot_be_mended() -> None:
    bounds = model.MetricWithin("metric", "n", ("a",), at_least="9", at_most="1")
    cells = (make_cell("a", results=(kit.METRICS,)),)
    facts = make_facts(
        ran("a"),
        results=(model.ResultFact("a", kit.METRICS.path, True, ""),),
        metrics=(model.MetricFact("a", "n", "5"),),
    )
    assert unblock.unblock(World(make_plan(make_signal("s", bounds), cells=cells), facts)).beyond


@pytest.mark.parametrize("count", [15, 40])
def test_many_choices_still_end(count: int) -> None:
    causes = [Cause("cell", str(n)) for n in range(count)]
    choices = [frozenset(causes[n : n + 3]) for n in range(count - 2)]
    found, exact = unblock.smallest(choices)
    assert exact == (count <= unblock.CHOICES_MAX)
    assert all(choice & set(found) for choice in choices)


CAUSES = [Cause("cell", name) for name in "abcdef"]


@given(st.lists(st.frozensets(st.sampled_from(CAUSES), min_size=1), max_size=8))
def test_the_smallest_choice_is_smallest(choices: list[frozenset[Cause]]) -> None:
    found, exact = unblock.smallest(choices)
    sizes = [len(some) for some in subsets(CAUSES) if all(choice & set(some) for choice in choices)]
    assert exact
    assert len(found) == min(sizes)


def test_a_green_audit_needs_nothing() -> None:
    found = unblock.unblock(world_of(kit.green()))
    assert (found.fixes, found.gates, found.open, found.beyond) == ((), (), (), ())
    assert judge.decide(kit.green().plan, kit.green().facts).verdict == "GO"


@pytest.mark.parametrize("depth", [30, 3000])
def test_long_and_wide_chains_of_skipped_cells_have_one_root(depth: int) -> None:
    """Each layer needs all of the one before: neither deep recursion nor every path is walked."""
    first = [make_cell("a-0"), make_cell("b-0")]
    layers = [
        make_cell(f"{side}-{n}", needs=(f"a-{n - 1}", f"b-{n - 1}"))
        for n in range(1, depth)
        for side in "ab"
    ]
    attempts = [ran("a-0", "failed"), ran("b-0")]
    attempts += [replace(ran(cell.id, "skipped"), exit_code=None) for cell in layers]
    command = model.CommandPassed("command", "last", (layers[-1].id,))
    world = World(
        make_plan(make_signal("s", command), cells=(*first, *layers)), make_facts(*attempts)
    )
    hearing = mending.Hearing(mending.standing(world))
    assert hearing.roots(layers[-1].id) == {"a-0"}
    assert unblock.smallest(need.choice for need in unblock.needs_of(world, hearing))[0] == (
        Cause("cell", "a-0"),
    )


def test_cells_that_need_each_other_are_their_own_roots() -> None:
    cells = (make_cell("a", needs=("b",)), make_cell("b", needs=("a",)))
    attempts = (replace(ran(cell.id, "skipped"), exit_code=None) for cell in cells)
    command = model.CommandPassed("command", "a", ("a",))
    world = World(make_plan(make_signal("s", command), cells=cells), make_facts(*attempts))
    assert names(world) == ["cell a", "cell b"]
