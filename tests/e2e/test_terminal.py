"""The command line on a real terminal and in real pipes: progress, Ctrl-C, a reader that leaves."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from evidence import journal, layout
from tests.e2e import process_kit as kit

SLOW = """
[audit]
id = "toy"
title = "A toy"
jobs = 2

[[command]]
id = "quick"
run = "echo quick"

[[command]]
id = "slow"
shell = '''
[ -e ../again ] && exit 0
setsid sleep 600 &
i=0; while [ $i -lt 6000 ]; do
  i=$((i+1)); printf 'tick %s of \\033]0;title\\007many\\n' $i; sleep 0.05
done
'''
"""
LOUD = """
[audit]
id = "toy"
title = "A toy"
""" + "".join(
    f"""
[[command]]
id = "c{n}"
run = "echo {n}"
"""
    for n in range(30)
)


class Terminal:
    """The other end of a terminal on which a call runs."""

    def __init__(self, master: int, process: subprocess.Popen[bytes]) -> None:
        self.master = master
        self.process = process
        self.seen = b""

    def read_until(self, wanted: bytes) -> None:
        """Read until something was seen on the screen."""
        deadline = time.monotonic() + kit.LONG_S
        while wanted not in self.seen:
            assert time.monotonic() < deadline, self.seen
            assert self._read(), self.seen

    def end(self) -> int:
        """Read to the end; return the exit code."""
        while self._read():
            pass
        return self.process.wait(kit.LONG_S)

    def press(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self.master, keys)

    def _read(self) -> bool:
        if not select.select([self.master], [], [], kit.LONG_S)[0]:
            return False
        try:
            data = os.read(self.master, 65_536)
        except OSError:  # the last one on the other side left
            return False
        self.seen += data
        return bool(data)


@contextmanager
def terminal(repo: Path, *arguments: object) -> Iterator[Terminal]:
    """Start a call as the leader of a terminal's session."""
    master, slave = os.openpty()
    termios.tcsetwinsize(slave, (40, 120))
    # The first terminal that the leader of a session opens is the one that controls it.
    process = subprocess.Popen(
        ["sh", "-c", 'exec "$@" <"$0" >"$0" 2>&1', os.ttyname(slave), *kit.words(*arguments)],
        cwd=repo,
        env=kit.environ(TERM="xterm-256color"),
        start_new_session=True,
    )
    shown = Terminal(master, process)
    try:
        shown.read_until(b"plan root")
        os.close(slave)
        yield shown
    finally:
        process.kill()
        process.wait()
        if shown.master >= 0:
            os.close(shown.master)


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Path]:
    repo = kit.make_repository(tmp_path / "r", SLOW)
    yield repo
    for pid in kit.alive(repo / "release_evidence/toy/a"):
        os.kill(pid, signal.SIGKILL)


def test_a_terminal_shows_what_runs_and_ctrl_c_ends_it(slow: Path, tmp_path: Path) -> None:
    folder = slow / "release_evidence/toy/a"
    with terminal(slow, "run", "--label", "a") as shown:
        shown.read_until(b"tick 9")
        assert len(kit.alive(folder)) >= 2
        shown.press(b"\x03")
        assert shown.end() == 130
    text = re.sub("\x1b\\[[0-9;?]*[a-zA-Z]", "", shown.seen.decode())
    assert "plan root: " in text
    assert re.search(r"running +slow +\d s +tick \d+ of many", text)
    assert "1 of 2 done" in text
    assert "title" not in text  # a command cannot name the window
    assert "next: continue with arco-audit resume release_evidence/toy/a" in text
    assert "Traceback" not in text
    assert kit.alive(folder) == ()
    assert [item.attempt.result for item in ended(folder)] == ["passed", "interrupted"]
    (tmp_path / "again").touch()
    assert kit.call(slow, "resume", "a", check=[0, 1]).returncode == 1
    assert kit.call(slow, "verify", "a").returncode == 0


def ended(folder: Path) -> list[journal.Ended]:
    return [item for item in kit.told(folder).records if isinstance(item, journal.Ended)]


def test_keys_pressed_again_and_again_change_nothing(slow: Path) -> None:
    with terminal(slow, "run", "--label", "a") as shown:
        shown.read_until(b"tick 3")
        for _ in range(5):
            shown.press(b"\x03")
        assert shown.end() == 130
    assert b"Traceback" not in shown.seen
    assert kit.alive(slow / "release_evidence/toy/a") == ()


def test_a_terminal_that_is_closed_ends_the_run(slow: Path, tmp_path: Path) -> None:
    folder = slow / "release_evidence/toy/a"
    with terminal(slow, "run", "--label", "a") as shown:
        shown.read_until(b"tick 3")
        os.close(shown.master)
        shown.master = -1
        assert shown.process.wait(kit.LONG_S) == 130
    assert kit.alive(folder) == ()
    (tmp_path / "again").touch()
    kit.call(slow, "resume", "a", check=[1])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_in_ci_a_signal_does_what_ctrl_c_does(slow: Path, number: int) -> None:
    folder = slow / "release_evidence/toy/a"
    process = kit.start(slow, "run", "--label", "a", "--json")
    try:
        kit.wait_until(lambda: len(kit.alive(folder)) >= 2)
        process.send_signal(number)
        assert process.wait(kit.LONG_S) == 130
    finally:
        process.kill()
    assert kit.alive(folder) == ()


def test_a_pipe_gets_quiet_lines(tmp_path: Path) -> None:
    repo = kit.make_repository(tmp_path / "r", LOUD)
    said = kit.call(repo, "run", "--label", "a", check=[1])
    assert "\x1b" not in said.stdout + said.stderr
    assert "\r" not in said.stdout
    cells = [line for line in said.stdout.splitlines() if line.startswith("[")]
    assert len(cells) == 30
    assert all(re.fullmatch(r"\[ ?\d+/30\] passed +c\d+  \d+\.\d s", line) for line in cells)


@pytest.mark.parametrize("lines", [0, 1, 5])
def test_a_reader_that_leaves_ends_nothing(tmp_path: Path, lines: int) -> None:
    repo = kit.make_repository(tmp_path / "r", LOUD)
    process = subprocess.Popen(
        kit.words("run", "--label", "a"),
        cwd=repo,
        env=kit.environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    for _ in range(lines):
        assert process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(kit.LONG_S) == 1  # the verdict, as if somebody had read it
    assert kit.call(repo, "verify", "a").returncode == 0


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["status"], ["plan", "--json"]])
def test_whatever_is_printed_may_go_unread(tmp_path: Path, words: list[str]) -> None:
    repo = kit.make_repository(tmp_path / "r", LOUD)
    kit.call(repo, "run", "--label", "a")
    process = subprocess.Popen(
        kit.words(*words),
        cwd=repo,
        env=kit.environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    assert process.communicate(timeout=kit.LONG_S)[1] == b""
    assert process.returncode == (1 if words == ["status"] else 0)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_no_file_of_ours(tmp_path: Path, closed: str) -> None:
    repo = kit.make_repository(tmp_path / "r", LOUD)
    done = subprocess.run(
        ["sh", "-c", f'"{sys.executable}" -m audit.cli run --label a {closed}'],
        cwd=repo,
        env=kit.environ(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert kit.call(repo, "verify", "a").returncode == 0
    assert (repo / "release_evidence/toy/a" / layout.JOURNAL).read_bytes().count(b"\n") == 62


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_output_that_is_lost_is_never_green(tmp_path: Path, as_json: tuple[str, ...]) -> None:
    green = LOUD + (
        '[[gate]]\nid = 0\nname = "Base"\n[[gate.signal]]\nid = "G0-001"\ntitle = "t"\n'
        'owner = "o"\nexit_test = "e"\ncloses_when = [{ command = "c0" }]\n'
    )
    repo = kit.make_repository(tmp_path / "r", green)
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            kit.words("run", "--label", "a", *as_json),
            cwd=repo,
            env=kit.environ(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert "the output could not be written: no space left on device" in done.stderr
    assert kit.call(repo, "status", "a").returncode == 0
