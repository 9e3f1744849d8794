"""A sealed run asked again: what is the same, what differs, and what is left behind (nothing)."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit import runner
from audit.repo import Repository
from audit.trust import replay, replay_draw
from evidence import layout
from evidence.model import Cell

Call = Callable[..., Any]
NONCE = "1 2 3 4 5 6"

MATRIX = """\
[audit]
id = "toy-1"
title = "A toy"
date = "2026-12-01"

[[command]]
id = "built"
run = "mkdir -p build"

[[command]]
id = "tests"
needs = ["built"]
shell = "cp report.xml build/junit.xml; date; echo pid=$$ in $PWD took $(date +%N)ns; echo done"
results = [{ junit = "build/junit.xml" }]

[[command]]
id = "world"
shell = "cat WORLD"

[[command]]
id = "kept"
shell = "date +%s.%N > build/stamp.txt; head -c 8 WORLD > build/word.txt"
needs = ["built"]
produces = ["build/*.txt"]

[[gate]]
id = 0
name = "Base"
[[gate.signal]]
id = "G0-001"
title = "It works"
owner = "SRE"
exit_test = "its tests pass"
closes_when = [{ command = "tests" }, { test = "a::*", command = "tests" }]
"""
REPORT = """<testsuite name="s" timestamp="{now}" hostname="{host}"><testcase classname="a"
 name="b" time="{time}"/></testsuite>"""


@pytest.fixture
def temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files: what a replay leaves there is left behind."""
    folder = tmp_path / "temp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A file outside the repository that commands read."""
    path = tmp_path / "world.txt"
    path.write_text("as it was\n")
    return path


@pytest.fixture
def sealed(make_toy: Call, call: Call, world: Path, temp: Path) -> Path:
    """A repository with a sealed run, moved on and dirty since."""
    repo = make_toy(MATRIX.replace("WORLD", str(world)))
    repo.write("report.xml", REPORT.format(now="2026-12-01T10:00:00", host="one", time="0.25"))
    repo.commit()
    said = call("run", "--repo", repo.path, "--label", "one")
    assert said.code == 0, said.out
    repo.write("report.xml", "none")
    repo.commit()
    repo.write("audit.toml", "nothing")
    return Path(repo.path)


def files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_true_run_is_the_same_again(sealed: Path, call: Call, temp: Path) -> None:
    before = files(sealed)
    said = call("replay", "--repo", sealed, "--nonce", NONCE, "--json")
    assert said.code == 0, said.out
    value = said.value
    assert {cell["cell"]: cell["outcome"] for cell in value["cells"]} == {
        "built": "same",
        "tests": "same",
        "world": "same",
        "kept": "same",
    }
    assert (value["planned"], value["sample"], value["same"]) == (4, 4, 4)
    assert value["nonce"] == NONCE.encode().hex()
    assert value["odds"][-1] == {"share": "0.50", "false_cells": 2, "caught": "1.0000"}
    assert files(sealed) == before
    assert not any(temp.iterdir())


def test_the_choice_can_be_repeated(sealed: Path, call: Call) -> None:
    words = ("replay", "--repo", sealed, "--nonce", NONCE, "--sample", "1", "--json")
    value = call(*words).value
    places = replay_draw.draw(value["final_root"], NONCE.encode(), range(4), 1)
    chosen = [cell["cell"] for cell in value["cells"] if cell["part"] == "chosen"]
    assert chosen == [("built", "tests", "world", "kept")[place] for place in places]
    again = call(*words).value
    assert {**again, "replayed_utc": ""} == {**value, "replayed_utc": ""}


def test_what_a_cell_needs_runs_too(sealed: Path, call: Call) -> None:
    words = ("replay", "--repo", sealed, "--sample", "1", "--json", "--nonce")
    values = [call(*words, f"n{number}").value["cells"] for number in range(8)]
    lone = [cells for cells in values if any(c["cell"] in ("tests", "kept") for c in cells)]
    assert lone
    for cells in lone:
        assert [(cell["cell"], cell["part"]) for cell in cells[:1]] == [("built", "needed")]
        assert len(cells) == 2


def test_what_differs_is_told(sealed: Path, call: Call, world: Path, temp: Path) -> None:
    world.write_text("as it became\n")
    said = call("replay", "--repo", sealed, "--nonce", NONCE)
    assert said.code == 1
    assert "log: line 1 was `as it was`, is `as it became`" in said.out
    assert "build/word.txt: line 1 was `as it wa`, is `as it be`" in said.out
    assert "stamp.txt" not in said.out
    assert "2 same, 2 differ, 0 not compared" in said.out
    assert "if at least 5 % of the 4 cells (1) were false" in said.out
    world.unlink()
    said = call("replay", "--repo", sealed, "--nonce", NONCE)
    assert said.code == 1
    assert "result: was passed, is failed" in said.out
    assert "exit code: was 0, is 1" in said.out
    assert not any(temp.iterdir())


def test_the_outcome_is_written_where_it_was_asked(
    sealed: Path, call: Call, tmp_path: Path
) -> None:
    out = tmp_path / "out.json"
    said = call("replay", "--repo", sealed, "--nonce", "00ff", "--json", "--out", out)
    assert json.loads(out.read_bytes()) == said.value
    assert said.value["nonce"] == "00ff"


def test_a_bundle_is_never_written_to(sealed: Path, call: Call) -> None:
    run = sealed / "release_evidence" / "toy-1" / "one"
    said = call("replay", run, "--repo", sealed, "--nonce", "x", "--out", run / "replay.json")
    assert (said.code, "never written to" in said.err) == (2, True)
    assert call("verify", run).code == 0


def test_what_does_not_verify_is_not_run(sealed: Path, call: Call) -> None:
    run = sealed / "release_evidence" / "toy-1" / "one"
    said = call("replay", run, "--repo", sealed, "--nonce", "x", "--expect-root", "ab" * 32)
    assert (said.code, "does not verify" in said.err) == (3, True)
    said = call("replay", run, "--repo", sealed, "--nonce", "x", "--expect-root", "00ff")
    assert (said.code, "64 hex digits" in said.err) == (2, True)
    log = run / layout.LOGS / "world.log"
    log.write_bytes(b"as it became\n")
    said = call("replay", run, "--repo", sealed, "--nonce", "x")
    assert (said.code, "world.log" in said.err) == (3, True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "--nonce"),
        (("--nonce", ""), "1 to 1024 bytes"),
        (("--nonce", "x", "--sample", "0"), "--sample"),
    ],
)
def test_usage(sealed: Path, call: Call, words: tuple[str, ...], told: str) -> None:
    said = call("replay", "--repo", sealed, *words)
    assert (said.code, told in said.err) == (2, True)


def test_another_repository_does_not_have_the_commit(
    sealed: Path, call: Call, make_toy: Call, temp: Path
) -> None:
    run = sealed / "release_evidence" / "toy-1" / "one"
    other = make_toy(name="other").path
    said = call("replay", run, "--repo", other, "--nonce", "x")
    assert (said.code, "the revision cannot be looked up" in said.err) == (2, True)
    assert not any(temp.iterdir())


class Stopping(runner.Silence):
    """Stops everything when the first command starts."""

    def __init__(self, stop: threading.Event) -> None:
        self.stop = stop

    def started(self, cell: Cell, number: int) -> None:
        self.stop.set()


def test_nothing_is_left_of_a_replay_that_is_stopped(sealed: Path, temp: Path) -> None:
    run = sealed / "release_evidence" / "toy-1" / "one"
    drawn, stop = replay.draw(run, b"x", None), threading.Event()
    with Repository.open(sealed) as repository:
        cells = replay.run_again(drawn, repository, Stopping(stop), stop, runner.SystemClock())
    assert cells is None
    assert not any(temp.iterdir())


def test_a_dirty_run_has_no_commit_to_go_back_to(make_toy: Call, call: Call) -> None:
    repo = make_toy()
    repo.write("README.md", "changed\n")
    call("run", "--repo", repo.path, "--allow-dirty", "--label", "one")
    said = call("replay", "--repo", repo.path, "--nonce", "x")
    assert (said.code, "dirty" in said.err) == (2, True)


def test_cells_out_of_reach_are_named(
    make_toy: Call, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_TOKEN", "hush-hush-hush-1")
    repo = make_toy(
        MATRIX.replace(
            'run = "mkdir -p build"', 'shell = "mkdir -p build"\nenv = { A = "hush-hush-hush-1" }'
        )
        .replace("cat WORLD", "exit 75")
        .replace("WORLD", "README.md")
    )
    repo.write("report.xml", REPORT.format(now="2026-12-01T10:00:00", host="one", time="0.25"))
    repo.commit()
    call("run", "--repo", repo.path, "--label", "one")
    value = call("replay", "--repo", repo.path, "--nonce", "x", "--json").value
    assert set(value["beyond"]) == {"built", "world"}
    assert "secret" in value["beyond"]["built"]
    assert value["reachable"] == 2


PROGRAM = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell takes it away
from audit.cli import main
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_nothing_behind(
    sealed: Path, world: Path, temp: Path, number: signal.Signals
) -> None:
    """A command waits for a pipe that only this test opens, so the signal comes in its middle."""
    world.unlink()
    os.mkfifo(world)
    environ = {key: value for key, value in os.environ.items() if key != runner.MARKER}
    root = Path(__file__).parents[3]
    with (
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "replay", "--repo", sealed, "--nonce", NONCE],
            env={**environ, "TMPDIR": str(temp), "PYTHONPATH": str(root)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as program,
        world.open("wb"),
    ):
        assert any(temp.iterdir())
        program.send_signal(number)
        _, err = program.communicate(timeout=60)
    assert (program.returncode, b"nothing was compared" in err) == (130, True)
    assert not any(temp.iterdir())
