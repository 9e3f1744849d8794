"""`kill -9` of real runs at random moments: each goes on, and nothing is lost or done twice.

Cells write to a file outside of the repository, so that what really ran does not depend on what
the evidence says. 20 kills here; with `ARCO_NIGHTLY=1` 200 with fresh seeds, which name the tests.
"""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

import pytest

from evidence import journal, layout
from tests.e2e import process_kit as kit

NIGHTLY = os.environ.get("ARCO_NIGHTLY") == "1"
SEEDS = [random.SystemRandom().getrandbits(32) for _ in range(200)] if NIGHTLY else range(20)
RESUMES_KILLED_MAX = 3
"""How often the continuation of a killed run is killed as well."""

HEAD = """
[audit]
id = "toy"
title = "A toy"
jobs = 3
"""
CELL = """
[[command]]
id = "{name}"
run = ["{python}", "cell.py", "{name}", "{ledger}"]
produces = ["build/{name}.txt"]
results = [{{ junit = "build/{name}.xml" }}]
{needs}
"""
GATE = """
[[gate]]
id = 0
name = "Base"
[[gate.signal]]
id = "G0-001"
title = "All of it ran"
owner = "SRE"
exit_test = "every command passed"
closes_when = [{ command = "c0" }, { command = "c7" }, { engine = "every_cell_present" }]
"""
PROGRAM = """
import os, pathlib, subprocess, sys, time
name, ledger = sys.argv[1:]
log = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
os.write(log, f"{name} starts\\n".encode())
print("hello from", name, flush=True)
if name == "c2":  # one that detaches itself and holds the pipe
    subprocess.Popen(["sleep", "60"], start_new_session=True)
sys.stdout.write("x" * 100_000)
sys.stdout.flush()
time.sleep(0.03 if name in "c1 c4 c6" else 0.001)
pathlib.Path("build").mkdir(exist_ok=True)
pathlib.Path(f"build/{name}.txt").write_text("made by " + name)
pathlib.Path(f"build/{name}.xml").write_text(
    "<testsuite><testcase classname='t' name='%s'/></testsuite>" % name)
os.write(log, f"{name} ends\\n".encode())
"""


def definition(ledger: Path) -> str:
    cells = [
        CELL.format(
            name=f"c{n}",
            python=sys.executable,
            ledger=ledger,
            needs=f'needs = ["c{n - 3}"]' if n > 5 else "",
        )
        for n in range(8)
    ]
    return HEAD + "".join(cells) + GATE


@pytest.fixture(scope="module")
def whole_s(tmp_path_factory: pytest.TempPathFactory) -> float:
    """How long an undisturbed run takes here, in seconds."""
    folder = tmp_path_factory.mktemp("whole")
    repo = kit.make_repository(folder / "r", definition(folder / "ledger"), **{"cell.py": PROGRAM})
    began = time.monotonic()
    kit.call(repo, "run", "--label", "a", check=[0])
    return time.monotonic() - began


def killed(repo: Path, after_s: float, *arguments: object) -> int | None:
    """Start a call and kill it after a while; return its exit code when it was faster."""
    process = kit.start(repo, *arguments)
    try:
        return process.wait(after_s)
    except Exception:
        return None
    finally:
        process.kill()
        process.wait()


def starts(ledger: Path) -> dict[str, int]:
    lines = ledger.read_text().splitlines() if ledger.exists() else []
    return {f"c{n}": lines.count(f"c{n} starts") for n in range(8)}


def ended(told: journal.Journal) -> list[journal.Ended]:
    return [record for record in told.records if isinstance(record, journal.Ended)]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_killed_run_goes_on_and_loses_nothing(tmp_path: Path, whole_s: float, seed: int) -> None:
    chance = random.Random(seed)
    ledger = tmp_path / "ledger"
    repo = kit.make_repository(tmp_path / "r", definition(ledger), **{"cell.py": PROGRAM})
    folder = repo / "release_evidence/toy/a"
    code = killed(repo, chance.uniform(0, whole_s), "run", "--label", "a")
    for _ in range(chance.randint(0, RESUMES_KILLED_MAX)):
        if code is None:
            code = go_on(repo, folder, ledger, chance.uniform(0, whole_s))
    while code is None:
        code = go_on(repo, folder, ledger, kit.LONG_S)
    assert code == 0
    assert kit.alive(folder) == ()
    proves_itself(repo, folder, ledger)


def go_on(repo: Path, folder: Path, ledger: Path, after_s: float) -> int | None:
    """Continue a killed run, perhaps to be killed again; what was recorded stays as it was."""
    before, journaled = starts(ledger), kit.told(folder)
    bytes_before = (folder / layout.JOURNAL).read_bytes() if journaled.records else b""
    assert "torn" in journaled.problem or not journaled.problem
    sealed = (folder / layout.CHECKPOINT).exists()
    if sealed:
        assert kit.call(repo, "resume", "a").returncode == 2
        return 0
    words = ("resume", "a") if journaled.records else ("run", "--label", "a")
    code = killed(repo, after_s, *words)
    after = (folder / layout.JOURNAL).read_bytes() if (folder / layout.JOURNAL).exists() else b""
    assert after.startswith(bytes_before[: journaled.valid_bytes])
    passed = {end.attempt.cell for end in ended(journaled) if end.attempt.result == "passed"}
    again = starts(ledger)
    assert {cell: again[cell] for cell in passed} == {cell: before[cell] for cell in passed}
    return code


def proves_itself(repo: Path, folder: Path, ledger: Path) -> None:
    """The bundle verifies, every attempt is told, and nothing half-written lies in it."""
    assert kit.call(repo, "verify", folder, check=[0]).stdout.rstrip().endswith("VERIFIED")
    run = kit.run_of(folder)
    told = [attempt.cell for attempt in run.attempts]
    assert {cell for cell, count in starts(ledger).items() if count > told.count(cell)} == set()
    last = {attempt.cell: attempt for attempt in run.attempts}
    assert {cell: attempt.result for cell, attempt in last.items()} == dict.fromkeys(
        [f"c{n}" for n in range(8)], "passed"
    )
    before = [end.attempt for end in ended(kit.told(folder))]
    assert [(item.cell, item.number, item.result) for item in before] == [
        (item.cell, item.number, item.result) for item in run.attempts
    ]
    for cell, attempt in last.items():
        assert (folder / layout.log_path(cell, 1, 1)).read_bytes().startswith(b"hello from")
        assert len(attempt.artifacts) == 2
    names = [path.name for path in folder.rglob("*")]
    assert not [name for name in names if name.endswith(".being-written") or name == layout.LOCK]
