"""The machine's own clocks, random source and waiting, as capabilities."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Coroutine
from typing import Any, cast

from arco.capabilities import A, B

_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Goes on while the machine sleeps, where the system has such a clock (Linux)."""


class SystemClock:
    """The clocks of this machine."""

    def utc_ms(self) -> int:
        """Return Unix milliseconds."""
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        """Return milliseconds since the machine started, sleep included on Linux."""
        return time.clock_gettime_ns(_STEADY) // 1_000_000


class SystemChance:
    """The random source of this machine."""

    def take(self, count: int) -> bytes:
        """Return that many random bytes."""
        return os.urandom(count)


class AsyncioTasks:
    """Waiting, and doing two things at once, on the running event loop."""

    async def sleep_ms(self, duration_ms: int) -> None:
        """Return after that many milliseconds."""
        await asyncio.sleep(duration_ms / 1000)

    async def both(
        self, first: Coroutine[Any, Any, A], second: Coroutine[Any, Any, B]
    ) -> tuple[A, B]:
        """Return what both answer, awaited together."""
        one, two = await asyncio.gather(first, second, return_exceptions=True)
        for answer in (one, two):
            if isinstance(answer, BaseException):
                raise answer
        return cast(A, one), cast(B, two)
