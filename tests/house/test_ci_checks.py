"""The questions that CI asks by itself: each says no when it should."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import corpus_ran
import pytest
import required_cells


def write_run(folder: Path, cells: list[tuple[str, bool, str]], as_of: str = "2026-01-01") -> Path:
    """Write the two files of a run that count: (cell, required, result) each."""
    folder.mkdir(parents=True)
    plan = {"cells": [{"id": name, "required": required} for name, required, _ in cells]}
    decided = [
        {"cell": name, "passed": result == "passed", "result": result, "reason": "because"}
        for name, _, result in cells
        if result != "absent"
    ]
    (folder / "plan.json").write_text(json.dumps(plan))
    (folder / "decision.json").write_text(json.dumps({"as_of": as_of, "cells": decided}))
    return folder


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        ([("lint", True, "passed")], 0),
        ([("lint", True, "passed"), ("advisories", False, "could_not_run")], 0),
        ([("lint", True, "failed"), ("tests", True, "passed")], 1),
        ([("lint", True, "could_not_run")], 1),
        ([("lint", True, "skipped")], 1),
        ([("lint", True, "absent")], 1),
        ([("lint", False, "passed")], 1),
        ([], 1),
    ],
)
def test_only_passed_counts(tmp_path: Path, cells: list[Any], code: int) -> None:
    assert required_cells.report(write_run(tmp_path / "run", cells))[0] == code


def test_a_cell_that_passed_after_a_failure_is_not_passed(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", [("lint", True, "passed")])
    decision = json.loads((folder / "decision.json").read_text())
    decision["cells"][0]["passed"] = False
    (folder / "decision.json").write_text(json.dumps(decision))
    assert required_cells.report(folder)[0] == 1


def test_the_newest_run_is_the_one_with_the_latest_decision(tmp_path: Path) -> None:
    late = write_run(tmp_path / "x" / "a", [("lint", True, "failed")], "2026-02-01T00:00:00Z")
    early = write_run(tmp_path / "x" / "b", [("lint", True, "passed")], "2026-01-01T00:00:00Z")
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "decision.json").write_text("{}")
    assert required_cells.runs(tmp_path) == [early, late]


def test_a_folder_without_a_run_is_no_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(required_cells, "ROOT", tmp_path)
    assert required_cells.main([]) == 1
    assert "no decided run" in capsys.readouterr().out


def junit(*cases: tuple[str, str, str | None]) -> str:
    """Return a JUnit text of (class, name, skip reason) each."""
    parts = [
        f'<testcase classname="{place}" name="{name}">'
        + (f'<skipped message="{reason}"/>' if reason is not None else "")
        + "</testcase>"
        for place, name, reason in cases
    ]
    return f"<testsuites><testsuite>{''.join(parts)}</testsuite></testsuites>"


HOME = "tests.audit.check.test_check_corpus"


@pytest.mark.parametrize(
    ("cases", "code"),
    [
        ([(HOME, "test_golden", None)], 0),
        ([(HOME, "test_golden", None), (HOME, "test_b", "could_not_run: no corpus")], 1),
        ([(HOME, "test_golden", "could_not_run: no corpus")], 1),
        ([("tests.audit.check.test_check_x", "test_b", "could_not_run: no corpus")], 1),
        ([("tests.audit.test_plan", "test_b", "something else")], 1),
        ([], 1),
    ],
)
def test_corpus_tests_must_have_run(cases: list[Any], code: int) -> None:
    assert corpus_ran.verdict(junit(*cases))[0] == code


def test_the_corpus_is_found_by_name_or_beside_the_clone(tmp_path: Path) -> None:
    beside = tmp_path / "shared" / "corpus"
    assert corpus_ran.corpus({}, tmp_path / "clone") is None
    beside.mkdir(parents=True)
    assert corpus_ran.corpus({}, tmp_path / "clone") == beside
    assert corpus_ran.corpus({"ARCO_CORPUS": str(tmp_path)}, tmp_path / "clone") == tmp_path
    assert corpus_ran.corpus({"ARCO_CORPUS": "/nowhere/at/all"}, tmp_path / "clone") is None
