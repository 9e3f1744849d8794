"""`arco-audit selftest` on real runs: exit codes, what is shown, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]

VACUOUS = """
[[command]]
id = "shrugs"
shell = "exit 1"
accept_exit_codes = [%s]

[[gate]]
id = 7
name = "Whatever"
[[gate.signal]]
id = "G7-001"
title = "It exits somehow"
owner = "SRE"
exit_test = "none that could fail"
closes_when = [{ command = "shrugs" }]
"""


@pytest.fixture
def run(toy: Path, call: Call) -> Path:
    assert call("run", "--repo", toy, "--label", "one").code == 0
    return toy


def test_a_real_run_notices_everything(run: Path, call: Call) -> None:
    said = call("selftest", "--repo", run, "--mutants", "150")
    assert said.code == 0, said.out
    assert "mutants: 150, noticed: 150, survivors: 0" in said.out
    assert "seed: 0" in said.out
    assert call("verify", "--repo", run).code == 0


def test_json_tells_the_same(run: Path, call: Call) -> None:
    value = call("selftest", "--repo", run, "--mutants", "80", "--seed", "3", "--json").value
    assert (value["ok"], value["mutants"], value["killed"], value["seed"]) == (True, 80, 80, 3)
    assert [(gate["gate"], gate["status"]) for gate in value["gates"]] == [(0, "GO")]
    assert sum(kind["mutants"] for kind in value["kinds"]) == 80
    assert (value["survivors"], value["decorative"], value["vacuous"]) == ([], [], [])


def test_a_command_that_accepts_all_is_named(make_toy: Call, call: Call) -> None:
    from tests.audit.cli.conftest import TOY

    codes = ", ".join(str(code) for code in range(256) if code not in (75,))
    repo = make_toy(TOY + VACUOUS % codes).path
    call("run", "--repo", repo, "--label", "one")
    said = call("selftest", "--repo", repo, "--mutants", "100")
    assert said.code == 1
    assert "G7-001" in said.out
    assert "a cell fails" in said.out


def test_a_damaged_bundle_is_refused(run: Path, call: Call) -> None:
    folder = run / "release_evidence" / "toy-1" / "one"
    tracker = folder / "documents" / "gate-tracker.json"
    tracker.write_text(json.dumps({**json.loads(tracker.read_bytes()), "verdict": "NO-GO"}))
    said = call("selftest", folder)
    assert (said.code, "does not verify" in said.err) == (3, True)


@pytest.mark.parametrize("words", [("--mutants", "0"), ("--seed", "-1"), ("no-such-run",)])
def test_usage(run: Path, call: Call, words: tuple[str, ...]) -> None:
    assert call("selftest", "--repo", run, *words).code == 2


def test_a_run_that_was_not_finished_is_refused(run: Path, call: Call) -> None:
    folder = run / "release_evidence" / "toy-1" / "one"
    (folder / "checkpoint").unlink()
    said = call("selftest", folder)
    assert (said.code, "not finished" in said.err) == (2, True)
