"""Real processes of the command line in small repositories: started, waited for, looked for."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from audit.runner import children, marker
from evidence import codec, journal, layout, model

ROOT = Path(__file__).parents[2]
WHO = ("-c", "user.name=Tester", "-c", "user.email=tester@example.invalid")
LONG_S = 120.0
"""When a wait is given up: far beyond what anything here takes."""

QUICK = """
[audit]
id = "toy"
title = "A toy"

[[command]]
id = "quick"
run = "echo quick"
"""
"""A definition with one command that passes at once."""


def make_repository(path: Path, definition: str, **files: str) -> Path:
    """Commit a definition and some files into a new repository."""
    path.mkdir(parents=True)
    wanted = {".gitignore": "release_evidence/\nbuild/\n", "audit.toml": definition, **files}
    for name, text in {"README.md": "a toy\n", **wanted}.items():
        (path / name).write_text(text)
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "a toy"]):
        subprocess.run(["git", *WHO, *words], cwd=path, check=True)
    return path


def environ(**more: str) -> dict[str, str]:
    """Return the environment of a call: this one, with the packages on the path."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **more}


def words(*arguments: object) -> list[str]:
    """Return the words of a call of the command line."""
    return [sys.executable, "-m", "audit.cli", *map(str, arguments)]


def call(
    repo: Path, *arguments: object, check: Iterable[int] = (), **more: str
) -> subprocess.CompletedProcess[str]:
    """Call the command line in a repository and wait for it; `check` lists the codes expected."""
    done = subprocess.run(
        words(*arguments),
        cwd=repo,
        env=environ(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=LONG_S,
        check=False,
    )
    allowed = tuple(check)
    assert not allowed or done.returncode in allowed, (done.returncode, done.stdout + done.stderr)
    assert "Traceback" not in done.stderr
    return done


def start(repo: Path, *arguments: object, **more: str) -> subprocess.Popen[bytes]:
    """Start the command line in a repository, with nothing listening to it."""
    return subprocess.Popen(
        words(*arguments),
        cwd=repo,
        env=environ(**more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def wait_until(true: Callable[[], bool], seconds: float = LONG_S) -> None:
    """Wait until something is true; fail when it never is."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def told(folder: Path) -> journal.Journal:
    """Return what the journal of a run tells, however far it came."""
    path = folder / layout.JOURNAL
    return journal.read(path.read_bytes() if path.exists() else b"")


def run_of(folder: Path) -> model.Run:
    """Return the record of a sealed run."""
    return codec.read(model.Run, (folder / layout.RUN).read_bytes())


def alive(folder: Path) -> tuple[int, ...]:
    """Return the processes that carry the marker of a run."""
    records = told(folder).records
    if not records or not isinstance(records[0], journal.Opened):
        return ()
    return children.find(marker.run_prefix(records[0].run))
