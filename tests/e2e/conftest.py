"""What every end-to-end test relies on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.disk_kit import Mount


@pytest.fixture(autouse=True, scope="session")
def _signals_arrive() -> Iterator[None]:
    """Give Ctrl-C and hanging up back where this process was started without them.

    A shell starts what it sends to the background with SIGINT ignored, `nohup` with SIGHUP, and
    every process started from there ignores it too: the program under test could not be ended.
    A handler of ours, even one that does nothing, is not inherited: the tests outlive `nohup`.
    """
    handlers = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: lambda *_: None}
    before = {number: signal.getsignal(number) for number in handlers}
    for number, handler in handlers.items():
        if before[number] is signal.SIG_IGN:
            signal.signal(number, handler)
    yield
    for number, earlier in before.items():
        signal.signal(number, earlier)


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


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium; one for a module, because Playwright allows one driver at a time.

    Not one for the session: a driver keeps an event loop running in this thread, in which other
    tests start loops of their own.
    """
    api = pytest.importorskip(
        "playwright.sync_api", reason="could_not_run: playwright is not installed"
    )
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chrome")
    if not program:
        pytest.skip("could_not_run: no chromium on PATH; Debian: apt-get install chromium")
    with api.sync_playwright() as driver:
        started = driver.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--headless=new"]
        )
        yield started
        started.close()


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script of axe-core, which looks for what not everybody can read."""
    npm = shutil.which("npm")
    if not npm:
        pytest.skip("could_not_run: no npm on PATH, which installs axe-core")
    folder = tmp_path_factory.mktemp("axe")
    command = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder), "axe-core@4"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not script.is_file():
        pytest.skip(f"could_not_run: npm did not install axe-core: {done.stderr[-200:]}")
    return script.read_text("utf-8")
