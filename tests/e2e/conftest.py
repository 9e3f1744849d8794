"""What every end-to-end test relies on."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def _interrupts_arrive() -> Iterator[None]:
    """Give Ctrl-C back where this process was started without it.

    A shell starts what it sends to the background with SIGINT ignored, and every process started
    from there ignores it too: the program under test could not be interrupted.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
