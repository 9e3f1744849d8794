"""Importing: what is written, what is refused, and that nothing is half-written."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.check import import_tracker, read_claims, render_as_claimed
from audit.check.importing import toml
from audit.definition import load
from audit.errors import Conflict, Invalid, Unavailable

if TYPE_CHECKING:
    from tests.audit.check.conftest import World
else:
    World = Any


def imported(world: World, name: str = "out") -> Path:
    out = world.root.parent / name
    import_tracker(world.write(), world.root, out)
    return out


def conditions(out: Path) -> dict[str, list[dict[str, str]]]:
    value = tomllib.loads((out / "audit.toml").read_text("utf-8"))
    signals = [signal for gate in value["gate"] for signal in gate["signal"]]
    return {signal["id"]: signal["closes_when"] for signal in signals}


def test_what_can_be_said_mechanically_becomes_a_condition(world: World) -> None:
    found = conditions(imported(world))
    assert found["G1-001"] == [{"file": "src/a.py"}, {"command": "tests"}]
    assert found["G1-002"] == [{"command": "tests"}, {"command": "lint"}]
    assert found["G2-001"] == [{"external": "release_evidence/a1/gate-2", "role": "SRE"}]


def test_what_only_a_newer_tracker_has_is_kept(world: World) -> None:
    world.tracker["signals"][0] |= {
        "title": "Newer",
        "tests": ["tests/test_a.py"],
        "runbook": "docs/guide/index.md",
        "exit_test": "It is new",
    }
    signal = load(imported(world) / "audit.toml").gates[0].signals[0]
    assert (signal.title, signal.exit_test) == ("Newer", "It is new")
    assert (signal.tests, signal.runbook) == (("tests/test_a.py",), "docs/guide/index.md")


def test_a_partial_claim_stays_open(world: World) -> None:
    world.tracker["signals"][0]["status"] = "PARTIAL"
    assert {"approval": "Core"} in conditions(imported(world))["G1-001"]


def test_an_open_claim_gets_no_exit_condition_from_its_log(world: World) -> None:
    world.tracker["signals"][0]["status"] = "NO-GO"
    out = imported(world)
    assert conditions(out)["G1-001"] == [{"file": "src/a.py"}]
    assert 'as claimed NO-GO: command "tests"' in (out / "audit.toml").read_text("utf-8")


def test_a_line_for_a_shell_stays_one(world: World) -> None:
    world.replace(world.TSV, "ruff check .", "ruff check . | tee {x} > $HOME/y")
    world.tracker["command_matrix"]["required_commands"] = ["pytest -q"]
    definition = load(imported(world) / "audit.toml")
    tests, lint = definition.commands
    assert (tests.run, tests.required) == ("pytest -q", True)
    assert (lint.shell, lint.required) == ("ruff check . | tee {{x}} > $HOME/y", False)


def test_a_required_command_without_a_row_is_kept(world: World) -> None:
    world.tracker["command_matrix"]["required_commands"].append("mypy --strict .")
    definition = load(imported(world) / "audit.toml")
    assert [command.run for command in definition.commands][-1] == "mypy --strict ."
    assert definition.commands[-1].required


def test_hostile_names_become_safe_ones(world: World) -> None:
    hostile = "../../x\ty"
    world.replace(world.TSV, "lint\t0", "con\t0")
    world.tracker["signals"][2]["owner"] = hostile
    world.tracker["gates"][1]["name"] = "line\nbreak \u202e and # \"quotes\" ''' \x00"
    world.replace(world.LEDGER, "| Signed |", "| a\x1b[31m red `x|y` \\| \u2028 end |")
    out = imported(world)
    definition = load(out / "audit.toml")
    assert [command.id for command in definition.commands] == ["tests", "con-x"]
    assert "x-y" in [role.id for role in definition.roles]
    assert definition.gates[1].name == "line break and # \"quotes\" '''"
    assert read_claims(out / "claims.json").value["tracker"] == world.tracker


def test_documents_as_claimed_from_a_small_audit(world: World) -> None:
    out = imported(world)
    written = render_as_claimed(out / "audit.toml", out / "documents")
    names = {path.relative_to(out / "documents").as_posix() for path in written}
    findings = {"findings/gate-1-findings.md", "findings/gate-2-findings.md"}
    assert names == {"gate-tracker.json", "signal-ledger.md", "summary.md"} | findings
    first = {path: path.read_bytes() for path in written}
    assert render_as_claimed(out / "audit.toml", out / "documents") == written
    assert first == {path: path.read_bytes() for path in written}


def test_a_signal_without_a_claim_is_open(world: World) -> None:
    out = imported(world)
    value = json.loads((out / "claims.json").read_text("utf-8"))
    value["signals"] = [item for item in value["signals"] if item["id"] != "G1-001"]
    value["gates"] = [item for item in value["gates"] if item["id"] != 1]
    (out / "claims.json").write_text(json.dumps(value), "utf-8")
    render_as_claimed(out / "audit.toml", out)
    tracker = json.loads((out / "gate-tracker.json").read_text("utf-8"))
    assert tracker["gates"][0]["status"] == "NO-GO"
    assert tracker["signals"][0]["status"] == "NO-GO"
    assert tracker["signals"][0]["claim"] is None


@pytest.mark.parametrize("name", ["audit.toml", "claims.json"])
def test_nothing_is_overwritten(name: str, world: World) -> None:
    out = world.root.parent / "out"
    out.mkdir()
    (out / name).write_text("mine")
    with pytest.raises(Conflict, match="exists already"):
        imported(world)
    assert [path.name for path in out.iterdir()] == [name]
    assert (out / name).read_text() == "mine"


def test_a_file_that_appears_meanwhile_leaves_nothing_half_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audit.check import importing

    out = world.root.parent / "out"
    create = importing._create

    def racing(path: Path, data: bytes) -> None:
        if path.name == "audit.toml":
            path.write_text("mine")
        create(path, data)

    monkeypatch.setattr(importing, "_create", racing)
    with pytest.raises(Conflict):
        imported(world)
    assert {path.name for path in out.iterdir()} == {"audit.toml"}
    assert (out / "audit.toml").read_text() == "mine"


def test_a_full_disk_leaves_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from audit.check import importing

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(importing, "_create", full)
    with pytest.raises(Unavailable, match="no space left"):
        imported(world)
    assert list((world.root.parent / "out").iterdir()) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value["signals"].append(value["signals"][0]),
        lambda value: value["signals"][0].update(id="../../x"),
        lambda value: value["signals"][0].update(id="con"),
        lambda value: value["gates"][0].update(id=2),
        lambda value: value["gates"][0].update(id=-1),
    ],
)
def test_ids_that_no_definition_may_hold_are_refused(change: Any, world: World) -> None:
    change(world.tracker)
    with pytest.raises(Invalid):
        imported(world)
    assert not (world.root.parent / "out").exists()


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"format_version": 2}', '{"format_version": 1, "gates": {}}', "[" * 9_999],
)
def test_what_is_no_claims_file_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "claims.json"
    path.write_text(text)
    with pytest.raises(Invalid, match="claims"):
        read_claims(path)
    with pytest.raises(Invalid):
        read_claims(tmp_path / "none.json")


@given(st.text())
def test_any_text_is_a_toml_string(text: str) -> None:
    assert tomllib.loads(f"x = {toml(text)}")["x"] == text


@given(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=40),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=40),
)
def test_any_owner_and_title_load(owner: str, title: str) -> None:
    from audit.check.conditions import free_id
    from audit.check.importing import _word
    from audit.definition import names

    names.safe_id(free_id(owner, {"a", "b"}))
    names.word(_word(title))
