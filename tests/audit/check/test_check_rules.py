"""Every code: a small audit without a fault, one planted fault, and exactly that finding."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from audit.check import CODES, Report, codes_markdown, report_lines, report_value
from audit.check.codes import SEVERITIES

if TYPE_CHECKING:
    from tests.audit.check.conftest import World
else:
    World = Any

OTHER = "release_evidence/a1/old"
OLD_TIMES = "2026-02-01T10:00:00Z\t2026-02-01T10:00:05Z"
HEADER = "command\texit_code\tstart_utc\tend_utc\tcmd\n"
Plant = Callable[[World], object]


def codes(report: Report) -> set[str]:
    return {finding.code for finding in (*report.findings, *report.could_not_check)}


def tracker(**values: Any) -> Plant:
    return lambda world: world.tracker.update(values)


def gate(index: int, **values: Any) -> Plant:
    return lambda world: world.tracker["gates"][index].update(values)


def signal(index: int, **values: Any) -> Plant:
    return lambda world: world.tracker["signals"][index].update(values)


def matrix(**values: Any) -> Plant:
    return lambda world: world.tracker["command_matrix"].update(values)


def text(name: str, old: str, new: str) -> Plant:
    return lambda world: world.replace(getattr(world, name), old, new)


def add(path: str, content: str) -> Plant:
    return lambda world: world.files.update({path: content})


def drop(path: str) -> Plant:
    return lambda world: world.files.pop(path)


def both(*plants: Plant) -> Plant:
    return lambda world: [plant(world) for plant in plants]


def old_run(exit_code: int = 0, log: str = "12 passed in 0.3s\n") -> Plant:
    row = f"{HEADER}tests\t{exit_code}\t{OLD_TIMES}\tpytest -q\n"
    return both(
        add(f"{OTHER}/command-matrix-status.tsv", row),
        add(f"{OTHER}/command-logs/tests.log", log),
        add(f"{OTHER}/metadata.env", "commit=" + "a" * 40),
    )


def closing(world: World, name: str) -> None:
    """Claim all of gate 2 as closed in every document."""
    world.tracker["gates"][1]["status"] = "GO"
    world.tracker["signals"][2]["status"] = "GO"
    world.replace(world.LEDGER, "BLOCKED-EXTERNAL", "GO")
    world.replace(world.SUMMARY, "| NO-GO | 0 | 1 |", "| GO | 1 | 0 |")
    world.replace(world.SUMMARY, "1. `G2-001` waits and stays `BLOCKED-EXTERNAL`.", "None.")
    if name:
        world.replace(world.LEDGER, "`release_evidence/a1/gate-2/`", f"`{name}`")
        world.tracker["gates"][1]["evidence"] = ["src/a.py"]
        world.replace(world.SUMMARY, "`release_evidence/a1/gate-2/`", "`src/a.py`")


SECRET = "ghp_" + "a1B2" * 10
ROWS = "tests\t0\t2026-03-01T10:00:00Z\t2026-03-01T10:00:05Z\tpytest -q"


def evidence_elsewhere(world: World) -> None:
    """Leave only what people commit: documents and code."""
    for path in [path for path in world.files if path.startswith("release_evidence/")]:
        del world.files[path]


PLANTED: list[tuple[str, str, Plant]] = [
    ("AUD101", "unknown version", tracker(schema_version="7")),
    ("AUD101", "a version that is a number", tracker(schema_version=3)),
    ("AUD102", "no version", lambda world: world.tracker.pop("schema_version")),
    (
        "AUD105",
        "ledger row twice",
        lambda world: world.files.update(
            {world.LEDGER: world.files[world.LEDGER] + world.files[world.LEDGER].splitlines()[8]}
        ),
    ),
    ("AUD111", "required twice", gate(1, required_signal_ids=["G2-001", "G2-001"])),
    ("AUD112", "time without zone", tracker(generated_at_utc="2026-03-01T11:00:00")),
    ("AUD117", "closed count", gate(0, closed=1, open=0)),
    ("AUD118", "verdict", tracker(verdict="GO")),
    ("AUD201", "code of a closed signal", text("LEDGER", "docs/guide/", "docs/gone/")),
    ("AUD201", "glob", text("LEDGER", "`docs/guide/`", "`docs/**/*.rst`")),
    ("AUD202", "code of an open signal", text("LEDGER", "the drill plan", "`docs/drill.md`")),
    ("AUD203", "line", text("LEDGER", "src/a.py:2", "src/a.py:3")),
    ("AUD203", "line zero", text("LEDGER", "src/a.py:2", "src/a.py:0")),
    ("AUD204", "dots", text("LEDGER", "src/a.py:2", "../../etc/passwd")),
    ("AUD204", "absolute", text("LEDGER", "src/a.py:2", "/etc/passwd")),
    ("AUD204", "status file", matrix(status_file="../status.tsv")),
    ("AUD205", "README only", lambda world: closing(world, "")),
    ("AUD206", "prose", text("SUMMARY", "Tests pass.", "Tests pass: `tests/gone.py`.")),
    (
        "AUD207",
        "ledger",
        text(
            "LEDGER",
            "`docs/guide/` | `release_evidence/a1/run/command-matrix-status.tsv`",
            "`docs/guide/` |",
        ),
    ),
    ("AUD301", "ledger status", text("LEDGER", "| Docs | GO |", "| Docs | PARTIAL |")),
    ("AUD302", "only in the ledger", text("LEDGER", "| G1-002 |", "| G1-003 |")),
    ("AUD303", "owner", text("LEDGER", "| Docs |", "| Writers |")),
    ("AUD304", "gate", text("LEDGER", "| G1-002 | 1 |", "| G1-002 | 2 |")),
    ("AUD305", "closed", text("SUMMARY", "| GO | 2 | 0 |", "| GO | 1 | 0 |")),
    ("AUD305", "open", text("SUMMARY", "| NO-GO | 0 | 1 |", "| NO-GO | 0 | some |")),
    ("AUD306", "gate status", text("SUMMARY", "| NO-GO |", "| PARTIAL |")),
    ("AUD307", "gate name", text("SUMMARY", "| Quality |", "| Quantity |")),
    ("AUD308", "overall status", text("FINDINGS", "`GO` (both", "`PARTIAL` (both")),
    (
        "AUD308",
        "failed item",
        text("FINDINGS", "- Evidence", "| Item | Status |\n|---|---|\n| x | FAIL |\n\n- Evidence"),
    ),
    ("AUD309", "date", text("LEDGER", "date: 2026-03-01", "date: 2026-03-02")),
    ("AUD309", "done", text("SUMMARY", "`ALL GATES GO`", "`MOST GATES GO`")),
    ("AUD310", "no summary", lambda world: world.files.pop(world.SUMMARY)),
    ("AUD310", "no ledger", lambda world: world.files.pop(world.LEDGER)),
    ("AUD311", "evidence", text("SUMMARY", "`release_evidence/a1/gate-2/`", "`src/a.py`")),
    ("AUD312", "ragged", text("SUMMARY", "| 2 | Operations |", "| 2 | Operations | more |")),
    ("AUD313", "summary only", text("SUMMARY", "| 2 | Operations", "| 3 | Operations")),
    ("AUD313", "findings", text("FINDINGS", "- Gate: 1", "- Gate: 6")),
    ("AUD314", "sentence", text("SUMMARY", "stays `BLOCKED-EXTERNAL`", "stays `PARTIAL`")),
    ("AUD314", "closed list", text("SUMMARY", "1. `G1-001` Tests", "1. `G2-001` Tests")),
    (
        "AUD314",
        "open list",
        text("SUMMARY", "`G2-001` waits and stays `BLOCKED-EXTERNAL`", "`G1-002` waits"),
    ),
    ("AUD315", "exit test", text("LEDGER", "| The guide is there |", "| |")),
    ("AUD401", "status file", matrix(status_file="release_evidence/a1/run/none.tsv")),
    ("AUD402", "header", text("TSV", "exit_code\tstart_utc", "code\tbegin")),
    ("AUD402", "not UTF-8", text("TSV", "pytest", "py\udcfftest")),
    ("AUD402", "empty", lambda world: world.files.update({world.TSV: ""})),
    ("AUD403", "too few cells", text("TSV", "\tpytest -q", "")),
    ("AUD403", "time", text("TSV", "10:00:00Z", "10:00:00")),
    ("AUD403", "exit code", text("TSV", "tests\t0", "tests\tzero")),
    ("AUD405", "denied", matrix(all_pass=False)),
    ("AUD406", "no row", matrix(required_commands=["pytest -q", "ruff check .", "mypy ."])),
    ("AUD407", "row twice", text("TSV", ROWS, f"{ROWS}\n{ROWS}")),
    ("AUD407", "id twice", text("TSV", ROWS, ROWS + "\n" + ROWS.replace("pytest -q", "pytest"))),
    ("AUD408", "no log", drop("release_evidence/a1/run/command-logs/lint.log")),
    ("AUD409", "no row", add("release_evidence/a1/run/command-logs/extra.log", "x")),
    ("AUD410", "no commit", drop("release_evidence/a1/run/metadata.env")),
    ("AUD411", "backwards", text("TSV", "10:00:05Z\tpytest", "09:00:05Z\tpytest")),
    ("AUD412", "early", tracker(generated_at_utc="2026-03-01T10:00:04Z")),
    (
        "AUD413",
        "old log",
        both(
            old_run(), text("LEDGER", "/run/command-logs/tests.log", "/old/command-logs/tests.log")
        ),
    ),
    (
        "AUD413",
        "old log in findings",
        both(old_run(), text("FINDINGS", "/run/command-logs", "/old/command-logs")),
    ),
    ("AUD414", "failed before", old_run(1, "1 failed in 0.3s\n")),
    ("AUD415", "no header", text("TSV", HEADER, "")),
    ("AUD502", "ignored", text("LOG", "12 passed", "12 passed, 3 skipped")),
    ("AUD503", "path", text("LOG", "12 passed", "wrote /home/someone/x.py\n12 passed")),
    ("AUD504", "token", text("LOG", "12 passed", f"using {SECRET}\n12 passed")),
    ("AUD902", "no git", tracker(baseline_commit="a" * 40)),
    ("AUD903", "empty file", add("src/a.py", "")),
    ("AUD904", "document", lambda world: world.files.update({world.SUMMARY: "\udcff"})),
    ("AUD905", "evidence elsewhere", both(tracker(schema_version="2.0"), evidence_elsewhere)),
]
ENTAILED: list[tuple[str, str, Plant, set[str]]] = [
    ("AUD107", "no such signal", gate(1, required_signal_ids=["G2-001", "G2-009"]), {"AUD305"}),
    ("AUD112", "date", tracker(audit_date="1 March 2026"), {"AUD309"}),
    ("AUD112", "impossible date", tracker(audit_date="2026-02-30"), {"AUD309"}),
    ("AUD114", "a tag as baseline", tracker(baseline_commit="v1.0"), {"AUD902"}),
    ("AUD116", "done", tracker(definition_of_done="MOST_GATES_GO"), {"AUD309"}),
    (
        "AUD201",
        "gate evidence",
        gate(0, evidence=["release_evidence/a1/run/missing.tsv"]),
        {"AUD311"},
    ),
    ("AUD207", "gate", gate(0, evidence=[]), {"AUD311"}),
    (
        "AUD309",
        "root",
        text("SUMMARY", "root: `release_evidence/a1/`", "root: `elsewhere/`"),
        {"AUD206"},
    ),
    (
        "AUD104",
        "gate id",
        gate(1, id=1),
        {"AUD304", "AUD306", "AUD307", "AUD305", "AUD313", "AUD311"},
    ),
    (
        "AUD105",
        "signal id",
        lambda world: world.tracker["signals"].append(world.tracker["signals"][0]),
        set(),
    ),
    ("AUD106", "gate", gate(1, status="RED"), {"AUD306"}),
    ("AUD106", "signal", signal(2, status="BLOCKED"), {"AUD301", "AUD314"}),
    ("AUD106", "ledger", text("LEDGER", "| Docs | GO |", "| Docs | DONE |"), set()),
    ("AUD106", "summary", text("SUMMARY", "| NO-GO |", "| RED |"), set()),
    ("AUD108", "no gate", gate(0, required_signal_ids=["G1-001"]), {"AUD305"}),
    ("AUD109", "above", gate(1, status="PARTIAL"), {"AUD306", "AUD205"}),
    ("AUD110", "below", gate(0, status="PARTIAL"), {"AUD306", "AUD308"}),
    (
        "AUD113",
        "before",
        tracker(generated_at_utc="2026-02-28T09:59:59Z"),
        {"AUD412"},
    ),
    (
        "AUD302",
        "only in the tracker",
        lambda world: world.replace(
            world.LEDGER, world.files[world.LEDGER].splitlines()[9] + "\n", ""
        ),
        set(),
    ),
    ("AUD404", "failed row", text("TSV", "tests\t0", "tests\t1"), {"AUD416"}),
    ("AUD404", "no exit code", text("TSV", "tests\t0", "tests\t"), {"AUD416"}),
    ("AUD416", "failed row", text("TSV", "lint\t0", "lint\t2"), {"AUD404"}),
    (
        "AUD417",
        "meant to fail",
        lambda world: world.files.update(
            {
                world.TSV: "timestamp_utc\tstep\tcommand\texit_code\tresult\tlog_path\n"
                "2026-03-01T10:00:00Z\ttests\tpytest -q\t1\tPASS\tcommand-logs/tests.log\n"
                "2026-03-01T10:00:00Z\tlint\truff check .\t0\tPASS\t"
                f"{world.RUN}/command-logs/lint.log\n"
            }
        ),
        set(),
    ),
    (
        "AUD501",
        "log says failed",
        text("LOG", "12 passed in", "1 failed, 11 passed in"),
        set(),
    ),
    (
        "AUD505",
        "cited log fails",
        both(
            add("release_evidence/a1/gate-2/drill.log", "--- FAIL: TestDrill\n"),
            lambda world: closing(world, "release_evidence/a1/gate-2/drill.log"),
        ),
        {"AUD409"},
    ),
]


def test_nothing_is_found_in_the_audit_without_a_fault(world: World) -> None:
    report = world.check()
    assert report_lines(report)[:-1] == []
    assert report.exit_code == 0


@pytest.mark.parametrize(
    ("code", "plant"), [pytest.param(row[0], row[2], id=f"{row[0]} {row[1]}") for row in PLANTED]
)
def test_one_fault_gives_one_code(code: str, plant: Plant, world: World) -> None:
    plant(world)
    report = world.check()
    assert codes(report) == {code}
    severity = CODES[code].severity
    found = [*report.findings, *report.could_not_check]
    assert {item.severity for item in found if item.code == code} == {severity}


@pytest.mark.parametrize(
    ("code", "plant", "entailed"),
    [pytest.param(*row[:1], *row[2:], id=f"{row[0]} {row[1]}") for row in ENTAILED],
)
def test_a_fault_with_consequences(
    code: str, plant: Plant, entailed: set[str], world: World
) -> None:
    plant(world)
    found = codes(world.check())
    assert code in found
    assert found - {code} <= entailed


def test_every_code_is_planted_somewhere() -> None:
    elsewhere = {"AUD103", "AUD115", "AUD901"}
    planted = {row[0] for row in PLANTED} | {row[0] for row in ENTAILED}
    assert planted | elsewhere == set(CODES)


def test_a_key_that_stands_twice_is_found(world: World) -> None:
    path = world.write()
    path.write_text(path.read_text().replace('"id": 1,', '"id": 1, "status": "GO",'))
    from audit.check import check

    found = [item for item in check(path, world.root).findings if item.code == "AUD103"]
    assert [item.place.json_path for item in found] == ["gates[0].status"]


def test_places_name_file_line_and_json_path(world: World) -> None:
    gate(1, status="PARTIAL")(world)
    text("TSV", "10:00:05Z\tpytest", "09:00:05Z\tpytest")(world)
    report = world.check()
    places = {item.code: item.place for item in report.findings}
    assert str(places["AUD109"]).startswith("docs/audits/a1/gate-tracker.json:")
    assert places["AUD109"].json_path == "gates[1].status"
    tracker_lines = (world.root / places["AUD109"].file).read_text().splitlines()
    assert '"PARTIAL"' in tracker_lines[(places["AUD109"].line or 0) - 1]
    assert (places["AUD411"].file, places["AUD411"].line) == (world.TSV, 2)


def newer(world: World) -> None:
    """Make the audit one of schema 2.0: cells with results, counts, titles and places."""
    world.tracker["schema_version"] = "2.0"
    world.tracker["verdict"] = "NO-GO"
    common = {"passed": True, "attempts": 1, "reason": "", "log": world.LOG}
    world.tracker["command_matrix"]["cells"] = [
        {"id": "tests", "cmd": "pytest -q", "required": True, "result": "passed", **common},
        {"id": "lint", "cmd": "ruff check .", "required": True, "result": "passed", **common},
    ]
    for gate, counts in zip(world.tracker["gates"], ((2, 0), (0, 1)), strict=True):
        gate["closed"], gate["open"] = counts
    for signal in world.tracker["signals"]:
        signal |= {"title": "x", "exit_test": "y", "code": [], "tests": [], "runbook": ""}
        signal["evidence"] = ["src/a.py:1"]


def test_nothing_is_found_in_a_newer_tracker_without_a_fault(world: World) -> None:
    newer(world)
    assert report_lines(world.check())[:-1] == []


def test_a_cell_that_need_not_pass_may_fail(world: World) -> None:
    newer(world)
    text("TSV", "lint\t0", "lint\t1")(world)
    world.replace(world.TSV, "ruff check .", "pytest -q")
    cell = world.tracker["command_matrix"]["cells"][1]
    cell |= {"required": False, "result": "failed", "exit_code": 1, "cmd": "pytest -q"}
    world.tracker["command_matrix"]["required_commands"] = ["pytest -q"]
    assert codes(world.check()) == {"AUD416"}
    cell["required"] = True
    assert codes(world.check()) == {"AUD404", "AUD416"}


def test_a_cell_may_accept_another_exit_code(world: World) -> None:
    newer(world)
    text("TSV", "lint\t0", "lint\t1")(world)
    world.tracker["command_matrix"]["cells"][1]["exit_code"] = 1
    assert codes(world.check()) == set()
    world.tracker["command_matrix"]["cells"][1]["exit_code"] = 0
    assert codes(world.check()) == {"AUD417"}


@pytest.mark.parametrize("field", ["code", "tests", "runbook", "evidence"])
def test_every_path_of_a_newer_signal_is_looked_up(field: str, world: World) -> None:
    newer(world)
    value = "docs/none.md"
    world.tracker["signals"][0][field] = value if field == "runbook" else [value]
    (found,) = world.check().findings
    assert found.code == "AUD201"
    assert found.place.json_path.startswith(f"signals[0].{field}")


def test_documents_may_name_each_other_by_their_own_folder(world: World) -> None:
    text("SUMMARY", "Tests pass.", "Tests pass: `findings/gate-1-findings.md`.")(world)
    assert codes(world.check()) == set()


def test_the_journal_of_a_run_is_no_log(world: World) -> None:
    add(f"{world.RUN}/journal.log", "x")(world)
    assert codes(world.check()) == set()


def test_a_secret_is_never_repeated(world: World) -> None:
    text("LOG", "12 passed", f"using {SECRET}\n12 passed")(world)
    report = world.check()
    assert SECRET not in "\n".join(report_lines(report)) + json.dumps(report_value(report))


def test_the_report_is_plain_json_in_a_fixed_order(world: World) -> None:
    gate(1, status="PARTIAL")(world)
    drop("release_evidence/a1/run/metadata.env")(world)
    tracker(baseline_commit="a" * 40)(world)
    report = world.check()
    value = json.loads(json.dumps(report_value(report)))
    assert value["exit_code"] == 1
    assert list(value["counts"]) == list(SEVERITIES)
    assert sum(value["counts"].values()) == len(value["findings"]) + len(value["could_not_check"])
    order = [SEVERITIES.index(item["severity"]) for item in value["findings"]]
    assert order == sorted(order)
    assert all(item["fix"] and item["message"] for item in value["findings"])


def test_control_and_direction_marks_are_shown_as_such(world: World) -> None:
    signal(2, status="GO\u202e\x1b[31m")(world)
    lines = "\n".join(report_lines(world.check()))
    assert "\u202e" not in lines
    assert "\x1b" not in lines
    assert "\\u202e" in lines


def test_a_link_out_of_the_tree_leads_nowhere(world: World) -> None:
    outside = world.root.parent / "outside.md"
    outside.write_text("x")
    world.write()
    (world.root / "docs" / "link.md").symlink_to(outside)
    text("LEDGER", "`docs/guide/`", "`docs/link.md`")(world)
    assert "AUD201" in codes(world.check())


def test_a_pipe_is_not_waited_on(world: World) -> None:
    drop(world.LOG)(world)
    world.write()
    os.mkfifo(world.root / world.LOG)
    assert codes(world.check()) == {"AUD201", "AUD904"}


def test_the_documented_table_has_every_code() -> None:
    rows = codes_markdown().splitlines()
    assert len(rows) == len(CODES) + 2
    assert all(row.count("|") - row.count("\\|") == 5 for row in rows)


def test_severities_and_fixes_of_the_table() -> None:
    for code, entry in CODES.items():
        assert entry.code == code
        assert entry.severity in SEVERITIES
        assert entry.meaning
        assert entry.fix
        assert entry.meaning[0].islower() or entry.meaning.startswith(("JSON", "a JSON"))


def test_a_commit_may_stand_at_the_head_of_a_log(world: World) -> None:
    drop("release_evidence/a1/run/metadata.env")(world)
    world.files[world.LOG] = f"# commit: {'a' * 40}\n{world.files[world.LOG]}"
    assert codes(world.check()) == set()
    world.files[world.LOG] = "x\n" * 2_000 + world.files[world.LOG] + f"commit: {'a' * 40}\n"
    assert codes(world.check()) == {"AUD410"}


def test_logs_of_earlier_attempts_belong_to_the_row(world: World) -> None:
    add("release_evidence/a1/run/command-logs/tests.attempt-1.log", "1 failed in 0.1s\n")(world)
    assert codes(world.check()) == set()


def test_logs_named_with_their_time_are_found(world: World) -> None:
    log = world.files.pop("release_evidence/a1/run/command-logs/lint.log")
    add("release_evidence/a1/run/command-logs/20260301T100000Z_lint.log", log)(world)
    assert codes(world.check()) == set()


def test_a_rerun_beside_has_logs_of_its_own(world: World) -> None:
    folder = "release_evidence/a1/run"
    row = world.files[world.TSV].splitlines()[1]
    add(f"{folder}/command-matrix-rerun-status.tsv", f"{HEADER}{row}\n")(world)
    add(f"{folder}/command-logs-rerun/tests.log", "1 failed in 0.1s\n")(world)
    report = world.check()
    assert codes(report) == {"AUD501"}
    assert report.findings[0].place.file.endswith("rerun-status.tsv")


def test_thousands_of_rows_and_signals_take_a_moment(world: World) -> None:
    names = [f"G1-{number:04}" for number in range(1_000)]
    world.tracker["gates"] = world.tracker["gates"][:1]
    world.tracker["gates"][0] |= {"required_signal_ids": names, "status": "GO"}
    world.tracker["signals"] = [{"id": name, "owner": "Core", "status": "GO"} for name in names]
    ledger = world.files[world.LEDGER].splitlines()
    rows = [ledger[7].replace("G1-001", name) for name in names]
    world.files[world.LEDGER] = "\n".join([*ledger[:7], *rows, ""])
    lines = [f"echo {number}" for number in range(5_000)]
    world.tracker["command_matrix"]["required_commands"] = lines
    times = "2026-03-01T10:00:00Z\t2026-03-01T10:00:05Z"
    cells = [f"c{number}\t\t{times}\t{line}" for number, line in enumerate(lines)]
    world.files[world.TSV] = HEADER + "\n".join(cells) + "\n"
    began = time.process_time()
    report = world.check()
    assert time.process_time() - began < 5
    assert "AUD404" in codes(report)


def test_a_gate_without_signals_allows_nothing(world: World) -> None:
    world.tracker["gates"].append(
        {"id": 3, "name": "Empty", "status": "GO", "required_signal_ids": [], "evidence": ["src/"]}
    )
    text("SUMMARY", "| 2 | Operations", "| 3 | Empty | GO | 0 | 0 | `src/` |\n| 2 | Operations")(
        world
    )
    (found,) = world.check().findings
    assert (found.code, found.place.json_path) == ("AUD109", "gates[2].status")


def test_a_sentence_about_two_signals_is_left_to_people(world: World) -> None:
    text("SUMMARY", "`G2-001` waits", "`G2-001` waits for `G1-001`, which is `GO`, and")(world)
    assert codes(world.check()) == set()
    text("SUMMARY", "`BLOCKED-EXTERNAL`", "open")(world)
    assert codes(world.check()) == set()
