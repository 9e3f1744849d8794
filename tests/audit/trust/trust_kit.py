"""A green audit made from records alone, and ways to make it worse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from audit.trust.bundle import Bundle
from evidence import judge, model
from tests.evidence.kernel_kit import LATER, UTC, make_facts, make_plan, ran
from tests.records import make_cell, make_signal

JUNIT = model.ResultFile("junit", "build/junit.xml")
METRICS = model.ResultFile("metrics", "build/metrics.json")

COMMAND = model.CommandPassed("command", "lint", ("lint",), max_age_ms=60_000)
TESTS = model.TestPassed("test", "tests/test_a.py::*", ("tests",), every=True)
COVER = model.MetricWithin("metric", "cover", ("tests",), at_least="80", at_most="100")
FILE = model.FilePresent("file", "README.md", "says")
ABSENT = model.PatternAbsent("absent", "print", ("audit/**", "evidence/**"), ("tests/**",))
SEALED = model.EngineFactHolds("engine", "plan_sealed")
APPROVAL = model.ApprovalGiven("approval", "SRE", 2)


def run_of(plan: model.Plan, **changes: Any) -> model.Run:
    plain = model.Run(
        format_version=1,
        id="run-1",
        label=plan.label,
        plan_root="ab" * 32,
        start_utc=UTC,
        end_utc=LATER,
        clock="system",
        host=(model.Variable("python", "3.11.2"),),
        environment=(model.Variable("CI", "true"),),
        uncovered=(),
        resumed=0,
        attempts=(),
    )
    return replace(plain, **changes)


def bundle_of(
    plan: model.Plan, facts: model.Facts, run: model.Run | None = None, **changes: Any
) -> Bundle:
    decision = judge.decide(plan, facts)
    return Bundle(plan.label, plan, run or run_of(plan), facts, decision, **changes)


def green_plan() -> model.Plan:
    rules = model.Rules(("release_evidence/",), 86_400_000, ("CI",), ("TOKEN",), 2, fail_fast=False)
    return make_plan(
        make_signal("G0-001", COMMAND, FILE),
        make_signal("G0-002", TESTS, COVER),
        make_signal("G1-001", ABSENT, SEALED, gate=1),
        make_signal("G1-002", COMMAND, gate=1),
        cells=(
            make_cell("lint", reads=("audit/**", "evidence/**")),
            make_cell("tests", results=(JUNIT, METRICS), needs=("lint",), produces=("a", "b")),
            make_cell("extra"),
        ),
        gates=(
            model.Gate(0, "Base", ("G0-001", "G0-002")),
            model.Gate(1, "Source", ("G1-001", "G1-002")),
        ),
        rules=rules,
    )


def green_facts() -> model.Facts:
    keys = ("tests.test_a.test_1", "tests.test_a.test_2", "tests.test_b.test_3")
    return make_facts(
        ran("lint"),
        ran("tests"),
        ran("extra"),
        results=(
            model.ResultFact("tests", JUNIT.path, found=True, problem=""),
            model.ResultFact("tests", METRICS.path, found=True, problem=""),
        ),
        tests=tuple(model.TestFact("tests", key, "passed") for key in keys),
        metrics=(model.MetricFact("tests", "cover", "91"),),
        files=(model.FileFact("README.md", "says", found=True, matches=True),),
        absent=(model.AbsentFact("print", ABSENT.inside, ABSENT.besides, 12, ()),),
        engine=(model.EngineFact("plan_sealed", holds=True, reason="sealed first"),),
    )


def green() -> Bundle:
    """An audit that is GO."""
    return bundle_of(green_plan(), green_facts(), files={"audit/a.py": "1", "docs/x.md": "1"})


# --- making it worse ------------------------------------------------------------------------------

Mutation = Callable[[Bundle], Bundle]


def again(bundle: Bundle, **changes: Any) -> Bundle:
    """The bundle with other records, judged again."""
    changed = replace(bundle, **changes)
    return replace(changed, decision=judge.decide(changed.plan, changed.facts))


def planned(**changes: Any) -> Mutation:
    """Change the plan."""
    return lambda bundle: again(bundle, plan=replace(bundle.plan, **changes))


def ruled(**changes: Any) -> Mutation:
    """Change the rules."""
    return lambda bundle: again(
        bundle, plan=replace(bundle.plan, rules=replace(bundle.plan.rules, **changes))
    )


def with_subject(**changes: Any) -> Mutation:
    """Change the subject."""
    return lambda bundle: again(
        bundle, plan=replace(bundle.plan, subject=replace(bundle.plan.subject, **changes))
    )


def with_cell(name: str, **changes: Any) -> Mutation:
    """Change a cell."""

    def mutate(bundle: Bundle) -> Bundle:
        cells = [
            replace(cell, **changes) if cell.id == name else cell for cell in bundle.plan.cells
        ]
        return again(bundle, plan=replace(bundle.plan, cells=tuple(cells)))

    return mutate


def with_condition(old: model.Condition, *new: model.Condition) -> Mutation:
    """Put other conditions where one stands."""

    def mutate(bundle: Bundle) -> Bundle:
        signals = [
            replace(
                signal,
                conditions=tuple(
                    put for item in signal.conditions for put in (new if item == old else (item,))
                ),
            )
            for signal in bundle.plan.signals
        ]
        return again(bundle, plan=replace(bundle.plan, signals=tuple(signals)))

    return mutate


def found(**changes: Any) -> Mutation:
    """Change the facts: each value is made from what stood there."""

    def mutate(bundle: Bundle) -> Bundle:
        made = {name: change(getattr(bundle.facts, name)) for name, change in changes.items()}
        return again(bundle, facts=replace(bundle.facts, **made))

    return mutate


def with_run(**changes: Any) -> Mutation:
    """Change what the run recorded."""
    return lambda bundle: again(bundle, run=replace(bundle.run, **changes))


def ended(cell: str, *results: model.Result) -> Mutation:
    """Let a cell end otherwise."""

    def mutate(bundle: Bundle) -> Bundle:
        others = [fact for fact in bundle.facts.attempts if fact.cell != cell]
        own = [ran(cell, result, number) for number, result in enumerate(results, 1)]
        return again(bundle, facts=replace(bundle.facts, attempts=(*others, *own)))

    return mutate


def tested(key: str, outcome: model.Outcome | None) -> Mutation:
    """Give a test another outcome, or take it away."""

    def change(facts: tuple[model.TestFact, ...]) -> tuple[model.TestFact, ...]:
        kept = tuple(fact for fact in facts if fact.key != key)
        if outcome is None:
            return kept
        own = (replace(fact, outcome=outcome) for fact in facts if fact.key == key)
        return (*kept, *own)

    return found(tests=change)
