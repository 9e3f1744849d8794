"""A selftest notices every change of a sound bundle, and exposes what does not notice."""

from __future__ import annotations

import dataclasses
import hashlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import errors
from audit.trust import selftest, selftest_facts, selftest_source, selftest_tamper
from audit.trust.selftest_facts import Otherwise
from evidence import chain, codec, contents, judge, layout, model, verify
from evidence.chain import CHUNK_BYTES
from evidence.codec import Malformed
from evidence.folder import Folder
from tests.evidence import conftest as kit
from tests.records import make_cell, make_signal

GOLDEN = Path(__file__).parents[2] / "golden" / "bundles" / "bundle-1"
DAY_MS = 86_400_000


def quiet(done: int, of: int) -> None:
    """Nobody looks."""


def every_kind() -> tuple[model.Plan, model.Facts]:
    """A plan with a condition of each kind that a run can meet, and facts that meet them."""
    junit = model.ResultFile("junit", "build/j.xml")
    cells = (
        make_cell("lint", flaky=True),
        make_cell("tests", results=(junit,), accept_exit_codes=(0, 1)),
        make_cell("nox", results=(model.ResultFile("nox", "n.json"),)),
    )
    names: tuple[model.EngineFactName, ...] = (
        *("every_signal_complete", "every_cell_present", "plan_sealed", "tracker_valid"),
        "definition_of_done",
    )
    conditions: tuple[tuple[model.Condition, ...], ...] = (
        (model.CommandPassed("command", "lint", ("lint",)), model.FilePresent("file", "docs")),
        (model.CommandPassed("command", "tests", ("tests",), max_age_ms=DAY_MS),),
        (model.CommandPassed("command", "nox", ("nox",)),),
        (model.TestPassed("test", "t.py::*", ("tests",), max_age_ms=DAY_MS),),
        (model.TestPassed("test", "t.py::a[1]", ("tests",), every=True),),
        (model.MetricWithin("metric", "m", ("tests",), at_least="1", at_most="3"),),
        (model.MetricWithin("metric", "m", ("tests",), at_most="3"),),
        *((model.EngineFactHolds("engine", name),) for name in names),
        (
            model.EngineFactHolds("engine", "plan_sealed"),
            model.PatternAbsent("absent", "x", ("docs/**",)),
            model.FilePresent("file", "README.md", "words"),
        ),
    )
    signals = tuple(
        make_signal(f"G{n % 3}-{n:03}", *group, gate=n % 3) for n, group in enumerate(conditions)
    )
    gates = tuple(
        model.Gate(n, f"gate {n}", tuple(item.id for item in signals if item.gate == n))
        for n in range(3)
    )
    plan = kit.plan_of(cells, gates, signals)
    attempts = tuple(model.AttemptFact(cell.id, 1, "passed", "", 0, kit.LATER) for cell in cells)
    facts = model.Facts(
        format_version=1,
        as_of=kit.LATER,
        subject_after=plan.subject.digest,
        attempts=attempts,
        results=(
            model.ResultFact("tests", junit.path, found=True, problem=""),
            model.ResultFact("nox", "n.json", found=True, problem=""),
        ),
        tests=tuple(model.TestFact("tests", f"t.a[{n}]", "passed") for n in range(9)),
        metrics=(model.MetricFact("tests", "m", "2"),),
        files=(
            model.FileFact("docs", None, found=True, matches=None),
            model.FileFact("README.md", "words", found=True, matches=True),
        ),
        absent=(model.AbsentFact("x", ("docs/**",), (), 1, ()),),
        engine=tuple(
            model.EngineFact(name, holds=True, reason="so")
            for name in ("plan_sealed", "tracker_valid")
        ),
    )
    return plan, facts


def every_mutant() -> tuple[list[Otherwise], model.Decision]:
    plan, facts = every_kind()
    decision = judge.decide(plan, facts)
    return selftest_facts.mutants(plan, facts, decision, random.Random(1)), decision


# --- evidence -------------------------------------------------------------------------------------


def test_every_world_is_another_and_is_noticed() -> None:
    found, decision = every_mutant()
    assert decision.verdict == "GO", decision.blockers
    plan, facts = every_kind()
    for mutant in found:
        assert mutant.make() != (plan, facts), mutant
        assert not selftest_facts.survives(mutant, decision), mutant
    assert {mutant.kind for mutant in found} == {
        *("a cell fails", "a cell times out", "a cell is skipped", "a cell could not run"),
        *("a cell passes only after a failure", "a cell vanishes", "evidence is too old"),
        *("the subject changed", "a result file is missing", "a result file is broken"),
        *("a test fails", "a test is skipped", "tests vanish", "a metric is no number"),
        *("a metric is out of bounds", "a metric vanishes", "a file is missing"),
        *("a file says something else", "a pattern is present", "no file is looked into"),
        *("an engine fact does not hold", "an engine fact vanishes", "a signal has no owner"),
        "another definition of done",
    }
    told = {(mutant.signal, mutant.number) for mutant in found}
    wanted = {(item.id, n) for item in plan.signals for n in range(len(item.conditions))}
    assert told == wanted


def test_only_exact_tests_of_a_pattern_are_turned() -> None:
    found, _ = every_mutant()
    exact = {m.said for m in found if m.signal == "G1-004" and m.kind == "a test fails"}
    assert exact == {"t.a[1] in tests"}


def test_the_release_without_a_required_cell_is_none() -> None:
    plan, facts = every_kind()
    decision = judge.decide(plan, facts)
    found = list(selftest_facts.cells(plan, facts, decision))
    assert [name for name, _ in found] == ["lint", "tests", "nox", "the subject"]
    assert all(selftest_facts.blocks(name, world, decision) for name, world in found)


@given(st.integers(0, 400), st.integers(0, 1000))
def test_mutants_are_spread_over_conditions(most: int, seed: int) -> None:
    found, _ = every_mutant()
    chosen = selftest.spread(found, most, random.Random(seed))
    assert len(chosen) == len({id(mutant) for mutant in chosen}) == min(most, len(found))
    places = {(mutant.place, mutant.number) for mutant in found}
    assert len({(m.place, m.number) for m in chosen}) == min(most, len(places))


# --- what does not notice -------------------------------------------------------------------------


def sealed(folder: Path, plan: model.Plan, facts: model.Facts) -> Path:
    """A bundle on the disk with these records; every cell left a log."""
    folder.mkdir()
    attempts = [
        kit.attempt_of(folder, cell.id, 1, 1, f"log of {cell.id}\n".encode()) for cell in plan.cells
    ]
    kit.seal_bundle(folder, plan, facts, attempts)
    return folder


@pytest.fixture
def kinds(tmp_path: Path) -> Path:
    return sealed(tmp_path / "kinds", *every_kind())


def test_a_sound_bundle_has_no_survivor(kinds: Path) -> None:
    outcome = selftest.examine(kinds, mutants=400, seed=3, progress=quiet)
    assert outcome.ok, outcome.survivors[:3]
    assert len(outcome.tried) == 400
    assert [gate.status for gate in outcome.gates] == ["GO"] * 3
    assert all(gate.evidence.mutants and gate.tampering.mutants for gate in outcome.gates)
    assert codec.encode(selftest.value(outcome))


def test_the_same_seed_tries_the_same(kinds: Path) -> None:
    one, again, other = (
        selftest.examine(kinds, mutants=60, seed=seed, progress=quiet) for seed in (1, 1, 2)
    )
    assert one == again
    assert one.tried != other.tried


Rule = Callable[..., tuple[str, str]]


def always(*_: object) -> tuple[str, str]:
    return "met", "because"


def test_a_rule_that_is_always_met_is_exposed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vacuous rule is planted into the judge itself: nothing in the records can tell."""
    monkeypatch.setattr("evidence.judge._Bench._command", always)
    monkeypatch.setattr("evidence.judge._Bench._metric", always)
    outcome = selftest.examine(
        sealed(tmp_path / "b", *every_kind()), mutants=600, seed=0, progress=quiet
    )
    assert not outcome.ok
    assert set(outcome.vacuous) == {"G1-001", "G2-002", "G2-005", "G0-006"}
    assert outcome.decorative == ()
    assert {item.signal for item in outcome.survivors} == {*outcome.vacuous, "G0-000"}


def only_a_command(**changes: object) -> tuple[model.Plan, model.Facts]:
    plan, facts = every_kind()
    cells = (dataclasses.replace(plan.cells[0], **changes),)  # type: ignore[arg-type]
    signals = (make_signal("G0-001", model.CommandPassed("command", "lint", ("lint",))),)
    plan = kit.plan_of(cells, (model.Gate(0, "one", ("G0-001",)),), signals)
    told = dataclasses.replace(
        facts, attempts=facts.attempts[:1], results=(), tests=(), metrics=(), files=(), absent=()
    )
    return plan, told


def test_a_gate_that_cannot_be_lost_is_decorative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evidence.judge._Bench._command", always)
    bundle = sealed(tmp_path / "b", *only_a_command())
    outcome = selftest.examine(bundle, mutants=100, seed=0, progress=quiet)
    assert (outcome.decorative, outcome.vacuous) == ((0,), ("G0-001",))
    assert outcome.gates[0].evidence.killed == 0
    assert outcome.gates[0].tampering.killed == outcome.gates[0].tampering.mutants > 0


def test_a_command_that_may_exit_as_it_likes_survives(tmp_path: Path) -> None:
    bundle = sealed(tmp_path / "b", *only_a_command(accept_exit_codes=tuple(range(256))))
    outcome = selftest.examine(bundle, mutants=100, seed=0, progress=quiet)
    told = {(item.kind, item.said) for item in outcome.survivors}
    assert told == {("a cell fails", "lint"), ("the release without it", "lint")}
    assert not outcome.ok
    assert outcome.decorative == ()


def test_a_metric_without_bounds_survives(tmp_path: Path) -> None:
    plan, facts = every_kind()
    free = model.MetricWithin("metric", "m", ("tests",))
    signals = (*plan.signals[:-1], make_signal("G0-012", free))
    bundle = sealed(tmp_path / "b", dataclasses.replace(plan, signals=signals), facts)
    outcome = selftest.examine(bundle, mutants=600, seed=0, progress=quiet)
    assert {(item.kind, item.signal) for item in outcome.survivors} == {
        ("a metric is out of bounds", "G0-012")
    }


def test_a_verifier_that_knows_no_root_lets_a_new_seal_through(
    kinds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = selftest.verified

    def forgetful(
        bundle: selftest_source.Bundle, changes: selftest_tamper.Files, expect_root: str
    ) -> verify.Report:
        return honest(bundle, changes, "")

    monkeypatch.setattr(selftest, "verified", forgetful)
    outcome = selftest.examine(kinds, mutants=400, seed=0, progress=quiet)
    assert outcome.survivors
    assert all("sealed anew" in item.said for item in outcome.survivors)


# --- the fast way is the full way -----------------------------------------------------------------


class Memory:
    """A bundle in memory, of which everything is hashed every time."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files

    def names(self) -> list[str]:
        return list(self.files)

    def read(self, name: str) -> bytes:
        if name not in self.files:
            raise Malformed(name, "is not there")
        return self.files[name]

    def blocks(self, name: str) -> Iterator[bytes]:
        data = self.read(name)
        for at in range(0, len(data), CHUNK_BYTES):
            yield data[at : at + CHUNK_BYTES]


def files_of(folder: Path) -> dict[str, bytes]:
    source = Folder(str(folder))
    return {name: source.read(name) for name in source.names()}


def target_of(folder: Path) -> selftest_tamper.Target:
    bundle = selftest_source.Bundle(str(folder))
    plan, run, facts = (
        codec.read(cls, bundle.read(f"{cls.__name__.lower()}.json"))
        for cls in (model.Plan, model.Run, model.Facts)
    )
    return selftest_tamper.Target.of(bundle, plan, run, facts)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(3))
def test_what_is_remembered_is_what_a_full_verification_finds(kinds: Path, seed: int) -> None:
    for folder in (kinds, GOLDEN):
        target, kept = target_of(folder), files_of(folder)
        root = selftest.verified(target.bundle, {}, "").final_root
        assert selftest.verified(target.bundle, {}, root).ok
        found = selftest_tamper.mutants(target, random.Random(seed))
        for mutant in (next(found) for _ in range(56)):
            fast = selftest.verified(target.bundle, mutant.changes, root)
            changed = {**kept, **mutant.changes}
            full = {name: data for name, data in changed.items() if data is not None}
            assert fast == verify.verify(Memory(full), expect_root=root), mutant.said
        assert selftest.verified(target.bundle, {}, root).ok


def test_every_way_finds_something_to_change(kinds: Path) -> None:
    found = selftest_tamper.mutants(target_of(GOLDEN), random.Random(0))
    ways = {next(found).kind for _ in range(3 * len(selftest_tamper.WAYS))}
    assert ways == {kind for kind, _ in selftest_tamper.WAYS}


def test_every_mutant_is_one(kinds: Path) -> None:
    kept = files_of(kinds)
    found = selftest_tamper.mutants(target_of(kinds), random.Random(5))
    for mutant in (next(found) for _ in range(200)):
        changed = {**kept, **mutant.changes}
        assert {name: data for name, data in changed.items() if data is not None} != kept


def test_the_disk_is_only_read(kinds: Path) -> None:
    def state() -> dict[str, tuple[str, int]]:
        return {
            str(path): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
            for path in kinds.rglob("*")
            if path.is_file()
        }

    before = state()
    selftest.examine(kinds, mutants=100, seed=0, progress=quiet)
    assert state() == before


def test_what_does_not_verify_is_not_tested(kinds: Path) -> None:
    (kinds / "report.html").write_bytes(b"x")
    with pytest.raises(errors.Corrupt):
        selftest.examine(kinds, mutants=10, seed=0, progress=quiet)


def test_progress_counts_every_mutant(kinds: Path) -> None:
    told: list[tuple[int, int]] = []
    selftest.examine(kinds, mutants=30, seed=0, progress=lambda *item: told.append(item))
    assert told == [(n, 30) for n in range(1, 31)]


def test_an_age_that_nothing_can_reach_survives(tmp_path: Path) -> None:
    plan, facts = every_kind()
    endless = model.CommandPassed("command", "tests", ("tests",), max_age_ms=10**18)
    signals = (plan.signals[0], make_signal("G1-001", endless, gate=1), *plan.signals[2:])
    bundle = sealed(tmp_path / "b", dataclasses.replace(plan, signals=signals), facts)
    outcome = selftest.examine(bundle, mutants=600, seed=0, progress=quiet)
    assert {(item.kind, item.signal) for item in outcome.survivors} == {
        ("evidence is too old", "G1-001")
    }


def test_what_stands_for_a_withheld_text_is_no_mutant(tmp_path: Path) -> None:
    """Another reason proves nothing; anything else there, or elsewhere in the log, does."""
    size = chain.CHUNK_BYTES
    log, salts = layout.log_path("x", 1, 1), layout.salts_path(layout.log_path("x", 1, 1))
    old = contents.marker("fine", size) + b"text\n"
    files = {log: old, salts: contents.NO_SALT + b"s" * chain.SALT_BYTES}
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    bundle = selftest_source.Bundle(str(tmp_path))
    only = selftest_tamper._only_withheld
    assert only(bundle, log, contents.marker("another", size) + b"text\n")
    assert not only(bundle, log, contents.marker("fine", size) + b"test\n")
    assert not only(bundle, log, b"x" + old[1:])
    assert not only(bundle, log, old + b"\n")
    assert not only(bundle, salts, b"")
    (tmp_path / salts).write_bytes(b"s" * 2 * chain.SALT_BYTES)
    assert not only(
        selftest_source.Bundle(str(tmp_path)), log, contents.marker("another", size) + b"text\n"
    )
