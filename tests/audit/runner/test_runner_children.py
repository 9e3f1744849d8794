"""Children that fork, detach, ignore TERM, hold the pipe or let it go: none outlives its cell."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from audit.runner import LocalExecutor
from audit.runner.children import HAS_PROC, find, holders, sweep_run
from audit.runner.marker import MARKER, attempt_prefix, mark, run_prefix
from evidence.model import Cell
from tests.audit.runner.runner_kit import Arena, Heard, make_cell, python, sh

pytestmark = pytest.mark.skipif(not HAS_PROC, reason="processes are found in /proc only")

DAEMON = """
import os, sys, time, signal
ready_r, ready_w = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        {prelude}
        open("pid", "w").write(str(os.getpid()))
        os.write(ready_w, b"x")
        while True: time.sleep(9)
    os._exit(0)
os.read(ready_r, 1)
print("leader done", flush=True)
"""
CLOSE = "null = os.open('/dev/null', os.O_RDWR); [os.dup2(null, n) for n in (0, 1, 2)]"
DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"


def gone(pid_file: Path) -> bool:
    """Whether the process is no more, or only a zombie that its parent has not waited for."""
    try:
        state = Path(f"/proc/{int(pid_file.read_text())}/stat").read_text()
    except FileNotFoundError:
        return True
    return state.rpartition(")")[2].split()[0] in "ZX"


@pytest.mark.parametrize("prelude", ["pass", CLOSE, DEAF, f"{CLOSE}; {DEAF}"])
def test_a_daemon_is_found_and_ended(arena: Arena, prelude: str) -> None:
    attempt = arena.one(python(DAEMON.format(prelude=prelude)))
    assert (attempt.result, attempt.exit_code) == ("passed", 0)
    assert attempt.leftovers == 1
    assert arena.log(attempt) == b"leader done\n"
    assert gone(arena.root / "pid")


def test_one_that_threw_its_environment_away_is_found_by_its_session(arena: Arena) -> None:
    inner = "exec >/dev/null 2>&1; echo $$ > pid; exec sleep 60"
    line = f"env -i sh -c '{inner}' & while ! test -s pid; do :; done"
    attempt = arena.one(sh(line))
    assert attempt.leftovers == 1
    assert gone(arena.root / "pid")


@pytest.mark.parametrize("deaf", ["", "trap '' TERM;"])
def test_one_without_any_sign_is_found_by_the_pipe_it_holds(arena: Arena, deaf: str) -> None:
    inner = f"{deaf} echo $$ > pid; while :; do sleep 1; done"
    line = f'env -i setsid sh -c "{inner}" & while ! test -s pid; do :; done'
    attempt = arena.one(sh(line.replace("$$", "\\$\\$")))
    assert attempt.result == "passed"
    assert attempt.leftovers >= 1
    assert gone(arena.root / "pid")


def test_a_process_group_of_its_own_does_not_hide(arena: Arena) -> None:
    line = "set -m; sleep 60 & echo $! > pid"
    attempt = arena.one(make_cell("cell", ("bash", "-c", line)))
    assert attempt.leftovers == 1
    assert gone(arena.root / "pid")


def test_what_leftovers_say_before_they_are_ended_is_kept(arena: Arena) -> None:
    line = "(trap 'echo caught; exit' TERM; touch ready; while :; do sleep 0.01; done) & \
while ! test -e ready; do :; done"
    attempt = arena.one(sh(line))
    assert attempt.leftovers >= 1
    assert b"caught" in arena.log(attempt)


def test_one_that_ends_by_itself_in_time_is_no_leftover(arena: Arena) -> None:
    attempt = arena.one(sh("(sleep 0.03; echo late) &"), executor=LocalExecutor())
    assert attempt.leftovers == 0
    assert arena.log(attempt) == b"late\n"


def test_a_flood_from_a_leftover_does_not_hold_the_cell(arena: Arena) -> None:
    attempt = arena.one(sh("yes & exit 0", output_bytes_max=1 << 20))
    assert attempt.leftovers == 1
    assert attempt.result == "failed"  # the flood is output of the cell, and has its limit
    assert attempt.log is not None
    assert attempt.log.bytes == 1 << 20


def test_the_pipe_may_be_closed_long_before_the_end(arena: Arena) -> None:
    attempt = arena.one(sh("echo a; exec >&- 2>&-; sleep 0.1; exit 4"))
    assert (attempt.result, attempt.exit_code) == ("failed", 4)
    assert arena.log(attempt) == b"a\n"


def test_a_time_limit_ends_the_daemons_too(arena: Arena) -> None:
    code = DAEMON.format(prelude=DEAF) + "time.sleep(60)"
    attempt = arena.one(python(code, timeout_ms=1500))
    assert attempt.result == "timed_out"
    assert gone(arena.root / "pid")


def test_a_stop_ends_the_daemons_too(arena: Arena) -> None:
    stop = threading.Event()

    class Stopper(Heard):
        def output(self, cell: Cell, line: str) -> None:
            stop.set()

    code = DAEMON.format(prelude=DEAF) + "time.sleep(60)"
    attempt = arena.one(python(code), stop=stop, events=Stopper())
    assert attempt.result == "interrupted"
    assert gone(arena.root / "pid")


def test_a_fork_chain_is_ended(arena: Arena) -> None:
    code = (
        "import os, time\n"
        "for n in range(40):\n"
        "    if os.fork(): os._exit(0)\n"
        "    time.sleep(0.005)\n"
        "open('pid', 'w').write(str(os.getpid())); time.sleep(60)"
    )
    attempt = arena.one(python(code))
    assert attempt.leftovers >= 1
    assert not find(attempt_prefix(arena.run_id, "cell", 1))


def test_cells_of_other_names_are_left_alone(arena: Arena) -> None:
    other = subprocess.Popen(
        ["sleep", "60"], env={**os.environ, MARKER: mark({}, arena.run_id, "cell-2", 1, "/r")}
    )
    try:
        arena.one(python(DAEMON.format(prelude="pass")))
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_the_outer_sweep_finds_children_of_an_inner_run() -> None:
    run = f"outer-{os.getpid()}-{id(object())}"
    outer = mark({}, run, "a", 1, "/repo")
    inner = mark({MARKER: outer}, "inner", "b", 1, "/toy")
    child = subprocess.Popen(["sleep", "60"], env={**os.environ, MARKER: inner})
    try:
        assert find(run_prefix(run)) == (child.pid,)
        assert find(attempt_prefix(run, "a", 1)) == (child.pid,)
        assert find(attempt_prefix(run, "a", 2)) == ()
        assert sweep_run(run) == 1
        assert child.wait(10) == -signal.SIGTERM
    finally:
        child.kill()
        child.wait()


def test_an_inner_run_in_a_cell_appends_itself(arena: Arena) -> None:
    arena.environ = {**os.environ, MARKER: "outer/x/1@/somewhere"}
    code = f"import os; print(os.environ[{MARKER!r}])"
    attempt = arena.one(make_cell("c", (sys.executable, "-c", code), env_only=("PATH",)))
    first, second = arena.log(attempt).decode().strip().split(":")
    assert first == "outer/x/1@/somewhere"
    assert second == f"{arena.run_id}/c/1@{arena.root}"


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system without `/proc` and without process descriptors."""

    def missing(pid: int, flags: int = 0) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("audit.runner.children.HAS_PROC", False)
    monkeypatch.setattr(os, "pidfd_open", missing)


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("close", ["", "exec >&- 2>&-;"])
def test_elsewhere_the_process_group_is_ended(arena: Arena, close: str) -> None:
    line = f"({close} echo $$; exec sleep 60) & echo $! > pid; echo done"
    attempt = arena.one(sh(line))
    assert (attempt.result, attempt.leftovers) == ("passed", 1)
    assert gone(arena.root / "pid")


@pytest.mark.usefixtures("elsewhere")
def test_elsewhere_a_quiet_end_leaves_nothing_to_end(arena: Arena) -> None:
    attempt = arena.one(sh("echo done; exit 3"))
    assert (attempt.exit_code, attempt.leftovers) == (3, 0)


@pytest.mark.usefixtures("elsewhere")
def test_elsewhere_limits_hold_too(arena: Arena) -> None:
    attempt = arena.one(sh("trap '' TERM; echo on; while :; do sleep 1; done", timeout_ms=200))
    assert (attempt.result, attempt.exit_code) == ("timed_out", 128 + signal.SIGKILL)


def test_a_child_that_is_just_being_started_is_no_holder() -> None:
    read_end, write_end = os.pipe()
    child = subprocess.Popen(["sleep", "60"], stdout=write_end)
    os.close(write_end)
    try:
        assert holders(read_end) == ()
    finally:
        child.kill()
        child.wait()
        os.close(read_end)
