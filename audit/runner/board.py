"""Which cell runs next: needs, what they rule out, and failing fast.

A value with state and no effects: no thread, no clock, no file. The scheduler holds its lock.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Sequence

from evidence.model import Attempt, Cell, Result

RETRIED: tuple[Result, ...] = ("interrupted", "could_not_run")
"""Results that say nothing about the subject; a cell that ended so is tried again on resume."""
FATAL: tuple[Result, ...] = ("failed", "timed_out")
"""Results of a required cell after which a run that fails fast starts nothing more."""


class Board:
    """Cells that wait, run and have ended. A move costs the cells it touches, not all of them."""

    def __init__(self, cells: Sequence[Cell], past: Sequence[Attempt], *, fail_fast: bool) -> None:
        self.last = {attempt.cell: attempt for attempt in past}
        """The last attempt of each cell that has one."""
        self.running: dict[str, Cell] = {}
        """Cells that were taken and have not ended."""
        self._fail_fast = fail_fast
        self._place = {cell.id: place for place, cell in enumerate(cells)}
        self._cells = {cell.id: cell for cell in cells}
        self._needs = _needs(cells)
        self._waiting = self._unfinished()
        self._open: dict[str, int] = {}
        self._wanted_by: dict[str, list[Cell]] = {}
        self._ready: list[int] = []
        self._order = tuple(cells)
        self._hopeless: deque[tuple[Cell, str]] = deque()
        unended = frozenset(self._waiting)
        for cell in tuple(self._waiting.values()):
            self._admit(cell, unended)
        for attempt in past:
            self._fail_fast_on(attempt)

    def _unfinished(self) -> dict[str, Cell]:
        """Cells without a verdict; one skipped for want of another waits when that one does."""
        waiting: dict[str, Cell] = {}
        for cell in self._cells.values():
            last = self.last.get(cell.id)
            again = last is None or last.result in RETRIED
            if last is not None and last.result == "skipped" and last.log is None:
                again = any(need in waiting for need in self._needs[cell.id])
            if again:
                waiting[cell.id] = cell
        return waiting

    def _admit(self, cell: Cell, unended: frozenset[str]) -> None:
        """Count what a cell still waits for; it is ready, or hopeless, when that is nothing."""
        still_open = 0
        for need in self._needs[cell.id]:
            if need in unended:
                self._wanted_by.setdefault(need, []).append(cell)
                still_open += 1
            elif need not in self._cells:
                self._doom(cell, f"what it needs is no part of this run need=`{need}`")
            elif self.last[need].result != "passed":
                self._doom(cell, _did_not_pass(self.last[need]))
        self._open[cell.id] = still_open
        if not still_open and cell.id in self._waiting:
            insort(self._ready, self._place[cell.id])

    def take(self) -> Cell | None:
        """Take the first cell that may run now; None when there is none at this moment.

        Two cells that write the same result file never run at once: each would take the other's
        for its own.
        """
        busy = {result.path for other in self.running.values() for result in other.results}
        for at, place in enumerate(self._ready):
            cell = self._order[place]
            if busy.isdisjoint(result.path for result in cell.results):
                del self._ready[at]
                del self._waiting[cell.id]
                self.running[cell.id] = cell
                return cell
        return None

    def take_hopeless(self) -> tuple[Cell, str] | None:
        """Take a cell that can never run, with the reason; `end` is told of it too."""
        if self._waiting and not (self._ready or self.running or self._hopeless):
            for cell in tuple(self._waiting.values()):
                self._doom(cell, "what it needs waits for it in turn")
        return self._hopeless.popleft() if self._hopeless else None

    def is_done(self) -> bool:
        """Whether nothing waits any more; cells may still be running."""
        return not (self._waiting or self._hopeless)

    def end(self, attempt: Attempt) -> None:
        """Note how a cell ended, and what that means for those that wait for it."""
        self.running.pop(attempt.cell, None)
        self.last[attempt.cell] = attempt
        for cell in self._wanted_by.pop(attempt.cell, ()):
            if cell.id not in self._waiting:
                continue
            if attempt.result != "passed":
                self._doom(cell, _did_not_pass(attempt))
                continue
            self._open[cell.id] -= 1
            if not self._open[cell.id]:
                insort(self._ready, self._place[cell.id])
        self._fail_fast_on(attempt)

    def _fail_fast_on(self, attempt: Attempt) -> None:
        cell = self._cells.get(attempt.cell)
        if not self._fail_fast or cell is None or not cell.required:
            return
        if attempt.result in FATAL:
            for waiting in tuple(self._waiting.values()):
                self._doom(waiting, f"the run stops at the first failure cell=`{cell.id}`")

    def _doom(self, cell: Cell, reason: str) -> None:
        if self._waiting.pop(cell.id, None) is None:
            return
        if not self._open.get(cell.id, 1):
            self._ready.remove(self._place[cell.id])
        self._hopeless.append((cell, reason))


def _needs(cells: Sequence[Cell]) -> dict[str, tuple[str, ...]]:
    """Resolve needs to cell ids; a need names a cell, or a command and so all its cells."""
    by_command: dict[str, list[str]] = {}
    ids = {cell.id for cell in cells}
    for cell in cells:
        by_command.setdefault(cell.command, []).append(cell.id)
    return {
        cell.id: tuple(
            resolved
            for need in cell.needs
            for resolved in ((need,) if need in ids else by_command.get(need, (need,)))
        )
        for cell in cells
    }


def _did_not_pass(attempt: Attempt) -> str:
    return f"what it needs did not pass need=`{attempt.cell}` result=`{attempt.result}`"
