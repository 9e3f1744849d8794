"""The order of things: which cell runs when, what it leaves in the journal, and when all stops.

Here live the board of waiting cells and the life of one attempt. How a process runs is the
executor's matter, what its ending means `verdict`'s.
"""

from __future__ import annotations

import fnmatch
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from audit.runner import artifacts
from audit.runner.board import Board
from audit.runner.capture import Capture
from audit.runner.clock import Clock
from audit.runner.executor import Ending, Executor, Job, LocalExecutor
from audit.runner.journal import JournalWriter, move_aside
from audit.runner.marker import MARKER, attempt_prefix, mark
from audit.runner.verdict import verdict
from evidence import layout
from evidence.journal import Ended, Started
from evidence.model import Attempt, Cell
from evidence.redact import Redactor
from evidence.seal import final_paths

STOP_LOOK_S = 0.2
"""How often a waiting thread looks whether the run was stopped."""


@dataclass(frozen=True)
class RunOptions:
    """How a run goes. `root` is the repository's root, `folder` the bundle; `jobs` counts from 1.

    `environ` is what children inherit.
    """

    jobs: int
    fail_fast: bool
    run_id: str
    root: Path
    folder: Path
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


class Events(Protocol):
    """What a run tells the screen; calls come one at a time, from threads of the runner."""

    def started(self, cell: Cell, number: int) -> None:
        """An attempt started."""
        ...

    def output(self, cell: Cell, line: str) -> None:
        """The last line of a running cell, redacted, printable; ten a second at most."""
        ...

    def ended(self, attempt: Attempt) -> None:
        """An attempt ended, or a cell was skipped; it is in the journal."""
        ...


class Silence:
    """Events that nobody listens to."""

    def started(self, cell: Cell, number: int) -> None:
        """Do nothing."""

    def output(self, cell: Cell, line: str) -> None:
        """Do nothing."""

    def ended(self, attempt: Attempt) -> None:
        """Do nothing."""


def run_cells(
    cells: Sequence[Cell],
    *,
    options: RunOptions,
    redactor: Redactor,
    journal: JournalWriter,
    past: Sequence[Attempt] = (),
    clock: Clock,
    events: Events | None = None,
    stop: threading.Event | None = None,
    executor: Executor | None = None,
) -> tuple[Attempt, ...]:
    """Run the cells that have no verdict yet and return all attempts, `past` first, as they ended.

    `cells` come in an order in which needs precede. Only cells whose last attempt was interrupted
    or could not run are tried again, and those skipped for want of such a one. When `stop` is set,
    what runs is ended and recorded as interrupted, and the rest keeps no record.

    An interrupt of the main thread while it waits here counts as `stop`, however often it comes:
    the journal is only written by other threads.

    Raises:
        Unavailable: the bundle cannot be written; all children were ended, and what the journal
            holds is true.
    """
    stop = stop or threading.Event()
    run = _Run(
        cells=cells,
        options=options,
        redactor=redactor,
        journal=journal,
        past=past,
        clock=clock,
        events=events or Silence(),
        stop=stop,
        executor=executor or LocalExecutor(monotonic_ns=clock.monotonic_ns),
    )
    threads = [
        threading.Thread(target=run.work, name=f"cell-{n}", daemon=True)
        for n in range(max(1, min(options.jobs, len(cells))))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        _join(thread, stop)
    if run.failure is not None:
        raise run.failure
    return final_paths(run.attempts)


def _join(thread: threading.Thread, stop: threading.Event) -> None:
    # A signal that comes just before the main thread begins to wait does not end the waiting.
    while thread.is_alive():
        try:
            thread.join(STOP_LOOK_S)
        except KeyboardInterrupt:
            stop.set()


class _Run:
    """The board: what waits, what runs, what ended; and the life of an attempt."""

    def __init__(
        self,
        *,
        cells: Sequence[Cell],
        options: RunOptions,
        redactor: Redactor,
        journal: JournalWriter,
        past: Sequence[Attempt],
        clock: Clock,
        events: Events,
        stop: threading.Event,
        executor: Executor,
    ) -> None:
        self.options = options
        self.root = options.root.resolve()
        self.redactor = redactor
        self.journal = journal
        self.clock = clock
        self.events = events
        self.stop = stop
        self.executor = executor
        self.failure: BaseException | None = None
        self.attempts = list(past)
        self.board = Board(cells, past, fail_fast=options.fail_fast)
        self.history: dict[str, list[Attempt]] = {}
        for attempt in past:
            self.history.setdefault(attempt.cell, []).append(attempt)
        self.change = threading.Condition()
        self.screen = threading.Lock()

    # --- which cell is next ---

    def halted(self) -> bool:
        """Whether nothing more may run."""
        return self.stop.is_set() or self.failure is not None

    def work(self) -> None:
        """Run cell after cell until none is left. The body of a thread."""
        try:
            while (cell := self._take()) is not None:
                attempt = self._attempt(cell)
                with self.change:
                    self._note(attempt)
                    self.change.notify_all()
        except BaseException as error:
            with self.change:
                self.failure = self.failure or error
                self.change.notify_all()

    def _note(self, attempt: Attempt) -> None:
        self.attempts.append(attempt)
        self.history.setdefault(attempt.cell, []).append(attempt)
        self.board.end(attempt)

    def _take(self) -> Cell | None:
        """Return the next cell that may run; wait for one while others run; None at the end."""
        with self.change:
            while not self.halted():
                while (hopeless := self.board.take_hopeless()) is not None:
                    self._note(self._record(self._skipped(*hopeless)))
                cell = self.board.take()
                if cell is not None or self.board.is_done():
                    return cell
                self.change.wait(STOP_LOOK_S)
        return None

    # --- one attempt ---

    def _number(self, cell: Cell) -> int:
        last = self.board.last.get(cell.id)
        return last.number + 1 if last else 1

    def _record(self, attempt: Attempt) -> Attempt:
        """Put the end of an attempt into the journal, and then on the screen."""
        self.journal.append(Ended("ended", attempt))
        if attempt.log is None:
            self._move_aside(attempt.cell, attempt.number)
        with self.screen:
            self.events.ended(attempt)
        return attempt

    def _move_aside(self, cell: str, number: int) -> None:
        move_aside(self.options.folder, self.history.get(cell, ()), cell, number)

    def _skipped(self, cell: Cell, reason: str) -> Attempt:
        utc = self.clock.utc()
        return Attempt(
            cell.id, self._number(cell), "skipped", reason, None, utc, utc, 0, None, (), 0
        )

    def _attempt(self, cell: Cell) -> Attempt:
        """Live through one attempt, from its start in the journal to its end there."""
        number, start_utc = self._number(cell), self.clock.utc()
        options = self.options
        self.journal.append(Started("started", cell.id, number, start_utc))
        self._move_aside(cell.id, number)
        with self.screen:
            self.events.started(cell, number)
        ending = self._execute(cell, number)
        kept = artifacts.Kept((), (), ())
        if ending.cause != "not_started":
            kept = artifacts.keep(options.root, options.folder, cell, number, self.redactor)
        result, reason = verdict(cell, ending, kept.reports)
        said = (reason, ending.problem if reason != ending.problem else "", *kept.refusals)
        return self._record(
            Attempt(
                cell=cell.id,
                number=number,
                result=result,
                reason=self.redactor.text("; ".join(filter(None, said))),
                exit_code=ending.exit_code,
                start_utc=start_utc,
                end_utc=self.clock.utc(),
                duration_ms=ending.duration_ms,
                log=ending.log,
                artifacts=kept.artifacts,
                leftovers=ending.leftovers,
            )
        )

    def _execute(self, cell: Cell, number: int) -> Ending:
        options = self.options
        try:
            artifacts.clear_results(options.root, cell)
            job = self._job(cell, number)
        except artifacts.RefusedError as refused:
            return Ending("not_started", None, 0, 0, 0, None, "", str(refused))
        name = layout.log_path(cell.id, number, number)

        def open_capture() -> Capture:
            return Capture(options.folder, name, self.redactor, cell.output_bytes_max)

        def show(line: str) -> None:
            with self.screen:
                self.events.output(cell, line)

        return self.executor.execute(job, open_capture, show, self.halted)

    def _job(self, cell: Cell, number: int) -> Job:
        options = self.options
        cwd = (self.root / cell.cwd).resolve() if cell.cwd not in ("", ".") else self.root
        if not cwd.is_relative_to(self.root):
            raise artifacts.RefusedError(
                f"its folder leads out of the repository folder=`{cell.cwd}`"
            )
        environ = child_environ(options.environ, cell)
        outer = {MARKER: options.environ[MARKER]} if MARKER in options.environ else {}
        environ[MARKER] = mark(outer, options.run_id, cell.id, number, str(self.root))
        return Job(
            argv=cell.argv,
            cwd=cwd,
            environ=environ,
            prefix=attempt_prefix(options.run_id, cell.id, number),
            timeout_ms=cell.timeout_ms,
        )


def child_environ(environ: Mapping[str, str], cell: Cell) -> dict[str, str]:
    """Return what a cell's process inherits, but for the marker.

    Everything, or what `env_only` names (globs), and then `env`, whose entries are `NAME=value`.
    """
    names: Iterable[str] = environ
    if cell.env_only is not None:
        names = [n for n in environ if any(fnmatch.fnmatchcase(n, p) for p in cell.env_only)]
    own = (entry.partition("=") for entry in cell.env)
    return {name: environ[name] for name in names} | {name: value for name, _, value in own}
