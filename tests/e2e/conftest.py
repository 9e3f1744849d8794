"""What every end-to-end test relies on."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.disk_kit import Mount


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


@pytest.fixture
def mount() -> Iterator[Mount]:
    """Mount a tmpfs with options on a folder; it is gone after the test."""
    mounted: list[Path] = []

    def done(path: Path, options: str) -> None:
        path.mkdir(parents=True, exist_ok=True)
        words = ["mount", "-t", "tmpfs", "-o", options, "arco-test", str(path)]
        if path not in mounted:
            said = subprocess.run(words, capture_output=True, text=True, check=False)
            if said.returncode:
                pytest.skip(f"could_not_run: no leave to mount: {said.stderr.strip()}")
            mounted.append(path)
        else:
            subprocess.run(["mount", "-o", f"remount,{options}", str(path)], check=True)

    yield done
    for path in reversed(mounted):
        subprocess.run(["umount", "-l", str(path)], check=True)
