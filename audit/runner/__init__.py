"""Running cells: processes, their output, their children, and the journal of it all.

The only door to `subprocess`. What runs is decided by the plan, what it means by the judge.
"""

from __future__ import annotations

from audit.runner.clock import Clock, SystemClock
from audit.runner.executor import Ending, Executor, Job, LocalExecutor
from audit.runner.journal import JournalWriter, Recovered, read_journal, recover
from audit.runner.marker import MARKER, enclosing_roots, refuse_enclosed
from audit.runner.schedule import Events, RunOptions, Silence, run_cells

__all__ = [
    "MARKER",
    "Clock",
    "Ending",
    "Events",
    "Executor",
    "Job",
    "JournalWriter",
    "LocalExecutor",
    "Recovered",
    "RunOptions",
    "Silence",
    "SystemClock",
    "enclosing_roots",
    "read_journal",
    "recover",
    "refuse_enclosed",
    "run_cells",
]
