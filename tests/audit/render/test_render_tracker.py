"""The tracker says what plan, facts and decision say, and nothing that they do not."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from audit.render import schema, tracker
from evidence import codec


def built(worlds: ModuleType, world: Any) -> dict[str, Any]:
    plan, run, facts, decision = world
    return tracker.build(plan, facts, decision, folder=worlds.FOLDER + "/", plan_root=run.plan_root)


def test_has_every_key_of_the_older_shape(worlds: ModuleType) -> None:
    made = built(worlds, worlds.toy())
    assert made.keys() >= {
        "schema_version", "audit_date", "generated_at_utc", "baseline_commit",
        "definition_of_done", "evidence_root", "command_matrix", "gates", "signals",
    }  # fmt: skip
    assert made["command_matrix"].keys() >= {"status_file", "all_pass", "required_commands"}
    assert made["gates"][0].keys() >= {"id", "name", "status", "status_reason", "evidence"}
    assert made["signals"][0].keys() >= {"id", "owner", "status"}


def test_gates_and_signals_are_the_decision(worlds: ModuleType) -> None:
    made = built(worlds, worlds.toy())
    gates = [(g["id"], g["status"], g["closed"], g["open"]) for g in made["gates"]]
    assert gates == [(0, "GO", 2, 0), (2, "PARTIAL", 1, 2), (4, "NO-GO", 0, 2)]
    assert made["verdict"] == "NO-GO"
    assert [s["status"] for s in made["signals"]] == [
        "GO", "GO", "NO-GO", "PARTIAL", "GO", "BLOCKED-EXTERNAL", "NO-GO",
    ]  # fmt: skip
    assert all(s["next_step"] for s in made["signals"] if s["status"] != "GO")


def test_cells_show_the_deciding_attempt(worlds: ModuleType) -> None:
    made = built(worlds, worlds.toy())
    cells = {cell["id"]: cell for cell in made["command_matrix"]["cells"]}
    assert cells["lint"]["attempts"] == 2
    assert cells["lint"]["result"] == "passed"
    assert cells["lint"]["exit_code"] == 0
    assert cells["lint"]["log"]
    assert cells["tests"]["exit_code"] == 1
    assert not cells["tests"]["passed"]
    assert cells["tests"]["log"] == f"{worlds.FOLDER}/command-logs/tests.log"
    assert not made["command_matrix"]["all_pass"]
    assert "python -m nox -s advisories" not in made["command_matrix"]["required_commands"]


def test_a_cell_that_never_started_has_no_log(worlds: ModuleType) -> None:
    skipped = worlds.attempt("b", 1, "skipped", code=None, reason="a did not pass")
    cells = (worlds.cell("a"), worlds.cell("b"), worlds.cell("c"))
    made = built(worlds, worlds.world((worlds.attempt("a"), skipped), cells, (), ()))
    logs = [cell["log"] for cell in made["command_matrix"]["cells"]]
    assert [bool(log) for log in logs] == [True, False, False]
    assert made["command_matrix"]["cells"][2]["result"] == "absent"


def test_no_required_command_is_no_success(worlds: ModuleType) -> None:
    cells = (worlds.cell("a", required=False),)
    made = built(worlds, worlds.world((worlds.attempt("a"),), cells, (), ()))
    assert made["command_matrix"]["all_pass"] is False


def test_many_logs_are_cited_as_the_status_file(worlds: ModuleType) -> None:
    names = [f"c{n}" for n in range(tracker.CITED_LOGS_MAX + 1)]
    world = worlds.world(
        tuple(worlds.attempt(name) for name in names),
        tuple(worlds.cell(name) for name in names),
        (worlds.model.Gate(0, "g", ("S", "T")),),
        (
            worlds.signal("S", 0, worlds.passed(*names)),
            worlds.signal("T", 0, worlds.passed(*names[:2])),
        ),
    )
    made = built(worlds, world)
    status_file = made["command_matrix"]["status_file"]
    assert made["signals"][0]["evidence"] == ["docs/audits/toy/note.md", status_file]
    assert made["signals"][1]["evidence"][1:] == [
        f"{worlds.FOLDER}/command-logs/c0.log", f"{worlds.FOLDER}/command-logs/c1.log",
    ]  # fmt: skip
    assert made["gates"][0]["evidence"] == ["docs/audits/toy/note.md", status_file]


def test_it_is_a_json_value_and_the_same_each_time(worlds: ModuleType) -> None:
    one, other = (codec.encode(built(worlds, worlds.toy())) for _ in range(2))
    assert one == other
    assert codec.parse(one) == built(worlds, worlds.toy())


def test_contradicted_claims(worlds: ModuleType) -> None:
    assert [s["id"] for s in tracker.contradicted(built(worlds, worlds.toy()))] == ["G2-001"]


@pytest.mark.parametrize("name", ["toy", "green", "hostile"])
def test_what_is_built_is_valid(worlds: ModuleType, name: str) -> None:
    assert schema.validate(built(worlds, getattr(worlds, name)())) == []
