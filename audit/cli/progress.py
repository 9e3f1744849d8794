"""What a person sees while commands run: a live table on a terminal, plain lines elsewhere.

Every line shown has been through the redactor already. Nothing here changes what is recorded.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TextIO, cast

from audit import runner
from audit.cli import output, screen
from evidence.model import Attempt, Cell, Plan

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

HEARTBEAT_S = 60.0
"""How often plain output says what still runs, so that no CI takes silence for a hang."""
LINE_CHARS_MAX = 100
"""Characters of the last line that are shown."""
SHOWN_CELLS_MAX = 20
"""Running cells in the live table."""


@contextlib.contextmanager
def shown(plan: Plan, past: Sequence[Attempt], quiet: bool) -> Iterator[runner.Events]:
    """Yield the events that the runner tells; `quiet` shows nothing (`--json`)."""
    total = len(plan.cells)
    done = len({attempt.cell for attempt in past if attempt.result == "passed"})
    if quiet:
        yield runner.Silence()
    elif sys.stdout.isatty():
        with _live(total, done) as events:
            yield events
    else:
        lines = Lines(total, done)
        with lines.heartbeat():
            yield lines


class Lines:
    """One plain line per cell that ended, and a heartbeat."""

    def __init__(self, total: int, done: int) -> None:
        self.total = total
        self.done = done
        self._running: dict[str, float] = {}
        self._lock = threading.Lock()

    def started(self, cell: Cell, number: int) -> None:
        """Remember when a cell started."""
        with self._lock:
            self._running[cell.id] = time.monotonic()

    def output(self, cell: Cell, line: str) -> None:
        """Show nothing: the log has it."""

    def ended(self, attempt: Attempt) -> None:
        """Print how a cell ended."""
        with self._lock:
            self._running.pop(attempt.cell, None)
            self.done += 1
            screen.say(ended_line(self.done, self.total, attempt))

    @contextlib.contextmanager
    def heartbeat(self) -> Iterator[None]:
        """Say every `HEARTBEAT_S` seconds what still runs."""
        over = threading.Event()

        def beat() -> None:
            while not over.wait(HEARTBEAT_S):
                with self._lock:
                    now = time.monotonic()
                    cells = [f"{cell} ({now - at:.0f} s)" for cell, at in self._running.items()]
                if cells:
                    screen.say(f"        still running: {', '.join(cells)}")

        thread = threading.Thread(target=beat, daemon=True, name="heartbeat")
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def ended_line(done: int, total: int, attempt: Attempt) -> str:
    """Return the line that says how a cell ended."""
    seconds = f"{attempt.duration_ms / 1000:.1f} s"
    reason = f"  {output.one_line(attempt.reason)}" if attempt.reason else ""
    result = screen.coloured(attempt.result) + " " * (13 - len(attempt.result))
    width = len(str(total))
    return f"[{done:>{width}}/{total}] {result} {attempt.cell}  {seconds}{reason}"


class LiveTable:
    """The live table of what runs now."""

    def __init__(self, total: int, done: int, live: Live) -> None:
        self.total = total
        self.done = done
        self.live = live
        self._running: dict[str, tuple[float, str]] = {}
        self._lock = threading.Lock()

    def started(self, cell: Cell, number: int) -> None:
        """Add a row."""
        with self._lock:
            self._running[cell.id] = (time.monotonic(), "")

    def output(self, cell: Cell, line: str) -> None:
        """Show the last line of a cell."""
        with self._lock:
            if cell.id in self._running:
                self._running[cell.id] = (self._running[cell.id][0], line[:LINE_CHARS_MAX])

    def ended(self, attempt: Attempt) -> None:
        """Print how a cell ended above the table, and take its row out."""
        from rich.text import Text

        with self._lock:
            self._running.pop(attempt.cell, None)
            self.done += 1
            line = ended_line(self.done, self.total, attempt)
        self.live.console.print(Text.from_ansi(line))

    def __rich__(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        with self._lock:
            rows = list(self._running.items())
        now = time.monotonic()
        for cell, (at, line) in rows[:SHOWN_CELLS_MAX]:
            table.add_row(
                Text("running", style="cyan"),
                Text(cell, style="bold"),
                Text(f"{now - at:.0f} s", justify="right"),
                Text(line, style="dim", no_wrap=True, overflow="ellipsis"),
            )
        left = self.total - self.done - len(rows)
        table.add_row(Text(f"{self.done} of {self.total} done, {left} waiting", style="dim"))
        return table


@contextlib.contextmanager
def _live(total: int, done: int) -> Iterator[LiveTable]:
    from rich.console import Console
    from rich.live import Live

    console = Console(file=cast("TextIO", output.Lasting(sys.stdout)))
    live = Live(console=console, refresh_per_second=4, transient=True)
    events = LiveTable(total, done, live)
    live.update(events)
    with live:
        yield events
