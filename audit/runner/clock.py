"""The runner's one clock: wall time for people, monotonic time for durations."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What the runner asks of a clock."""

    def utc(self) -> str:
        """Return the wall time as RFC 3339 UTC in whole seconds, `2026-12-01T09:30:00Z`."""
        ...

    def monotonic_ns(self) -> int:
        """Return nanoseconds that never run backwards, whatever happens to the wall time."""
        ...


class SystemClock:
    """The clock of this machine."""

    def utc(self) -> str:
        """Return the wall time as RFC 3339 UTC in whole seconds."""
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

    def monotonic_ns(self) -> int:
        """Return the monotonic time in nanoseconds."""
        return time.monotonic_ns()
