"""What a green gate hangs on: each single point opens it when it is gone, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.trust import unblock, unblock_pages
from audit.trust.fragile import Fragility, fragile
from audit.trust.mending import World
from evidence import codec, judge, model
from evidence.brought import ApprovalFact, Brought
from tests.audit.render import page_kit
from tests.audit.trust import trust_kit as kit
from tests.evidence.kernel_kit import any_of, make_facts, make_plan, ran
from tests.records import make_cell, make_signal


def world_of(*mutations: kit.Mutation) -> World:
    bundle = kit.green()
    for mutate in mutations:
        bundle = mutate(bundle)
    return World(bundle.plan, bundle.facts)


def pieces(world: World) -> dict[str, model.Facts]:
    """Every piece of evidence by its name, with the facts that are left without it."""
    facts = world.facts
    found: dict[str, model.Facts] = {}
    for cell in {fact.cell for fact in facts.attempts}:
        left = tuple(fact for fact in facts.attempts if fact.cell != cell)
        found[f"cell {cell}"] = replace(facts, attempts=left)

    def without(name: str, title: Callable[..., str]) -> None:
        items = getattr(facts, name)
        for n, item in enumerate(items):
            found[title(item)] = replace(facts, **{name: items[:n] + items[n + 1 :]})

    without("results", lambda fact: f"result {fact.path} of {fact.cell}")
    without("tests", lambda fact: f"test {fact.key} of {fact.cell}")
    without("metrics", lambda fact: f"number {fact.name} of {fact.cell}")
    without("files", lambda fact: f"file {fact.path}")
    without("absent", lambda fact: f"search for {fact.pattern}")
    without("engine", lambda fact: f"engine fact {fact.fact}")
    return found


ALONE = replace(kit.TESTS, pattern="tests/test_b.py::test_3")


def two_cells(every: bool) -> World:
    """Both cells measure what is asked."""
    return world_of(
        kit.with_condition(kit.COVER, replace(kit.COVER, cells=("tests", "lint"), every=every)),
        kit.with_cell("lint", results=(kit.METRICS,)),
        kit.found(
            results=lambda facts: (*facts, replace(facts[1], cell="lint")),
            metrics=lambda facts: (*facts, replace(facts[0], cell="lint")),
        ),
    )


WORLDS = {
    "as it is": world_of(),
    "a test alone": world_of(kit.with_condition(kit.TESTS, kit.TESTS, ALONE)),
    "one of two cells": two_cells(every=False),
    "each of two cells": two_cells(every=True),
    "every cell": world_of(
        kit.with_condition(
            kit.SEALED, kit.SEALED, model.EngineFactHolds("engine", "every_cell_present")
        )
    ),
}


@pytest.mark.parametrize("name", WORLDS)
def test_single_points_are_exactly_what_a_gate_falls_without(name: str) -> None:
    world = WORLDS[name]
    assert world.decide().verdict == "GO", world.decide().blockers
    gates = {gate.id: set(gate.single_points) for gate in fragile(world)}
    for piece, facts in pieces(world).items():
        for gate in judge.decide(world.plan, facts).gates:
            assert (gate.status != "GO") == (piece in gates[gate.id]), (piece, gate)
    assert set().union(*gates.values()) <= set(pieces(world))


def test_the_gate_with_the_most_single_points_comes_first() -> None:
    gates = fragile(world_of())
    assert [gate.id for gate in gates] == [0, 1]
    assert len(gates[0].single_points) > len(gates[1].single_points)
    first = gates[0]
    assert first.margin is not None
    assert (first.margin.value, first.margin.bound, first.margin.percent) == (
        "91",
        "at most 100",
        "9.0",
    )
    assert first.expiry is not None
    assert (first.expiry.cell, first.expiry.at_utc) == ("lint", "2026-12-01T10:01:00Z")
    assert first.few is not None
    assert first.few.tests == 2


def test_evidence_is_stale_at_the_instant_that_is_told() -> None:
    world = world_of()
    expiry = fragile(world)[0].expiry
    assert expiry is not None
    before = replace(world, as_of="2026-12-01T10:00:59.999Z").decide()
    assert before.verdict == "GO"
    assert replace(world, as_of=expiry.at_utc).decide().verdict == "NO-GO"


def test_of_equals_the_smaller_margin_comes_first() -> None:
    cells = (make_cell("a", results=(kit.METRICS,)),)
    near = model.MetricWithin("metric", "n", ("a",), at_least="9.9")
    far = model.MetricWithin("metric", "n", ("a",), at_least="1")
    plan = make_plan(
        make_signal("s", far),
        make_signal("t", near),
        cells=cells,
        gates=(model.Gate(1, "Far", ("s",)), model.Gate(2, "Near", ("t",))),
    )
    facts = make_facts(
        ran("a"),
        results=(model.ResultFact("a", kit.METRICS.path, True, ""),),
        metrics=(model.MetricFact("a", "n", "10"),),
    )
    assert [gate.id for gate in fragile(World(plan, facts))] == [2, 1]


def test_approvals_that_nobody_may_withdraw() -> None:
    world = world_of(kit.with_condition(kit.SEALED, kit.SEALED, kit.APPROVAL))
    two = ApprovalFact(1, "SRE", ("ann", "bob"), 2, "met", "")
    three = replace(two, people=("ann", "bob", "cid"))
    points: list[Fragility] = [
        gate
        for fact in (two, three)
        for gate in fragile(replace(world, brought=Brought(approvals=(fact,))))
        if gate.id == 1
    ]
    assert "approval of gate 1 by ann" in points[0].single_points
    assert not any("approval" in point for point in points[1].single_points)


def test_a_gate_that_is_open_hangs_on_nothing() -> None:
    world = world_of(kit.ended("tests", "timed_out"))
    assert [gate.id for gate in fragile(world)] == [1]


@given(st.lists(any_of(model.MetricWithin), max_size=2), st.integers(0, 10**40))
def test_absurd_bounds_and_ages(bounds: list[model.MetricWithin], age_ms: int) -> None:
    """No number and no age is too large to be told."""
    own = [replace(item, name="cover", cells=("tests",), max_age_ms=age_ms) for item in bounds]
    world = world_of(kit.with_condition(kit.COVER, kit.COVER, *own))
    fragile(world)


@pytest.mark.parametrize("world", [world_of(), world_of(kit.ended("lint", "failed"))])
def test_pages_say_what_was_found(world: World) -> None:
    found, gates = unblock.unblock(world), fragile(world)
    page = unblock_pages.as_markdown(found, gates)
    assert page.startswith(f"# {found.verdict}")
    for fix in found.fixes:
        assert fix.name in page
    if not found.fixes:
        assert "gate 0 is the most fragile" in page
    codec.encode(unblock_pages.value(found, gates))
    shown = unblock_pages.as_html(found, gates, [page_kit.HOSTILE], run=page_kit.HOSTILE).decode()
    page_kit.check_still(shown)
    assert all(fix.name in shown for fix in found.fixes)
