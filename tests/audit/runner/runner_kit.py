"""Cells, a bundle and a repository folder for the runner's tests."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audit.runner import Events, Executor, JournalWriter, LocalExecutor, RunOptions, run_cells
from audit.runner.marker import MARKER
from evidence import chain, journal, layout
from evidence.journal import Opened
from evidence.model import Attempt, Cell
from evidence.redact import Redactor
from tests.records import make_cell

UTC = "2026-12-01T09:30:00Z"
QUICK = LocalExecutor(eof_grace_ms=150, term_grace_ms=400)
"""For tests in which something has to be ended; what it grants is waited for in vain."""
PATIENT = LocalExecutor(eof_grace_ms=60_000, term_grace_ms=60_000)
"""For tests in which something ends by itself; however slow the machine, it is in time."""


def sh(line: str, name: str = "cell", **changes: Any) -> Cell:
    """Return a cell that runs a shell line."""
    return make_cell(name, ("sh", "-c", line), **changes)


def python(code: str, name: str = "cell", **changes: Any) -> Cell:
    """Return a cell that runs Python code."""
    return make_cell(name, (sys.executable, "-c", code), **changes)


class StillClock:
    """A clock whose wall stands still and whose monotonic time ticks a millisecond a look."""

    def __init__(self) -> None:
        self.now_ns = 0

    def utc(self) -> str:
        return UTC

    def monotonic_ns(self) -> int:
        self.now_ns += 1_000_000
        return self.now_ns


class Hours:
    """A monotonic clock that is real until it is told to pass an hour, and real again from there.

    A limit that is reached only when it is told so does not depend on how fast a machine is.
    """

    def __init__(self) -> None:
        self._passed = 0

    def monotonic_ns(self) -> int:
        return time.monotonic_ns() + self._passed * 3_600_000_000_000

    def pass_one(self) -> None:
        self._passed += 1


def start_marked(marker: str) -> subprocess.Popen[bytes]:
    """Start a process that sleeps, as an executor starts a leader: marked, in a session of its own.

    Without the session it would be in that of the tests, which may have begun outside: in a
    container the kernel then calls it 0, and no process of a cell is ever in that one.
    """
    environ = {**os.environ, MARKER: marker}
    return subprocess.Popen(["sleep", "60"], env=environ, start_new_session=True)


def quick(hours: Hours) -> LocalExecutor:
    """Return an executor that waits as little as `QUICK`, by that clock."""
    return LocalExecutor(eof_grace_ms=150, term_grace_ms=400, monotonic_ns=hours.monotonic_ns)


@dataclass
class Heard:
    """Events, kept."""

    starts: list[tuple[str, int]] = field(default_factory=list)
    lines: list[tuple[str, str]] = field(default_factory=list)
    ends: list[Attempt] = field(default_factory=list)

    def started(self, cell: Cell, number: int) -> None:
        self.starts.append((cell.id, number))

    def output(self, cell: Cell, line: str) -> None:
        self.lines.append((cell.id, line))

    def ended(self, attempt: Attempt) -> None:
        self.ends.append(attempt)


class AtOutput(Heard):
    """Events that do something each time a cell has said something."""

    def __init__(self, action: Callable[[], object]) -> None:
        super().__init__()
        self.action = action

    def output(self, cell: Cell, line: str) -> None:
        super().output(cell, line)
        self.action()


class Arena:
    """A repository folder and a bundle, in which cells run."""

    def __init__(self, tmp_path: Path) -> None:
        self.root = tmp_path / "repository"
        self.folder = self.root / "release_evidence" / "audit" / "run"
        self.root.mkdir()
        # A run's id is what its processes are found by, so that of a test is nobody else's.
        self.run_id = f"run-{uuid.uuid4()}"
        self.writer = JournalWriter.create(self.folder)
        self.writer.append(Opened("opened", self.run_id, "run", "0" * 64, UTC))
        self.environ: Mapping[str, str] = dict(os.environ)

    def run(
        self,
        *cells: Cell,
        jobs: int = 1,
        fail_fast: bool = False,
        secrets: Mapping[str, str] | None = None,
        past: Sequence[Attempt] = (),
        events: Events | None = None,
        stop: threading.Event | None = None,
        executor: Executor = QUICK,
    ) -> tuple[Attempt, ...]:
        options = RunOptions(
            jobs=jobs,
            fail_fast=fail_fast,
            run_id=self.run_id,
            root=self.root,
            folder=self.folder,
            environ=self.environ,
        )
        return run_cells(
            cells,
            options=options,
            redactor=Redactor(secrets or {}),
            journal=self.writer,
            past=past,
            clock=StillClock(),
            events=events,
            stop=stop,
            executor=executor,
        )

    def one(self, cell: Cell, **options: Any) -> Attempt:
        (attempt,) = self.run(cell, **options)
        return attempt

    def log(self, attempt: Attempt) -> bytes:
        assert attempt.log is not None
        return (self.folder / attempt.log.path).read_bytes()

    def told(self) -> journal.Journal:
        return journal.read((self.folder / layout.JOURNAL).read_bytes())

    def verify(self, attempt: Attempt) -> None:
        """Derive the leaves of a log from log and salts, as a stranger would."""
        log = attempt.log
        assert log is not None
        data = self.log(attempt)
        salts = (self.folder / layout.salts_path(log.path)).read_bytes()
        chunks = [data[n : n + chain.CHUNK_BYTES] for n in range(0, len(data), chain.CHUNK_BYTES)]
        assert len(salts) == chain.SALT_BYTES * len(chunks)
        leaves = [
            chain.chunk_leaf(salt, chunk)
            for salt, chunk in zip(chain.salts_of(salts), chunks, strict=True)
        ]
        assert [leaf.hex() for leaf in leaves] == list(log.leaves)
        assert chain.root(leaves).hex() == log.root
        assert log.bytes == len(data)
