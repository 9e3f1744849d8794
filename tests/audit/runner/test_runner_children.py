"""Children that fork, detach, ignore TERM, hold the pipe or let it go: none outlives its cell."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from audit.runner import LocalExecutor, children
from audit.runner.children import HAS_PROC, Sign, end_all, find, holding, look, sweep_run
from audit.runner.marker import MARKER, attempt_prefix, mark, run_prefix
from tests.audit.runner.runner_kit import (
    PATIENT,
    Arena,
    AtOutput,
    Hours,
    python,
    quick,
    sh,
    start_marked,
)
from tests.records import make_cell

pytestmark = pytest.mark.skipif(not HAS_PROC, reason="processes are found in /proc only")

DAEMON = """
import os, sys, time, signal
ready_r, ready_w = os.pipe()
middle = os.fork()
if middle == 0:
    os.setsid()
    if os.fork() == 0:
        {prelude}
        open("pid", "w").write(str(os.getpid()))
        os.write(ready_w, b"x")
        while True: time.sleep(9)
    os._exit(0)
os.read(ready_r, 1)
os.waitpid(middle, 0)
print("leader done", flush=True)
"""
CLOSE = "null = os.open('/dev/null', os.O_RDWR); [os.dup2(null, n) for n in (0, 1, 2)]"
DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"


def gone(pid_file: Path) -> bool:
    """Whether the process is no more, or only a zombie that its parent has not waited for."""
    return ended(int(pid_file.read_text()))


def ended(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
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
    executor = LocalExecutor(eof_grace_ms=150, term_grace_ms=60_000)
    attempt = arena.one(sh(line), executor=executor)
    assert attempt.leftovers >= 1
    assert b"caught" in arena.log(attempt)


def test_one_that_ends_by_itself_in_time_is_no_leftover(arena: Arena) -> None:
    attempt = arena.one(sh("(sleep 0.03; echo late) &"), executor=PATIENT)
    assert attempt.leftovers == 0
    assert arena.log(attempt) == b"late\n"


def test_a_flood_from_a_leftover_does_not_hold_the_cell(arena: Arena) -> None:
    # It begins when its leader is a zombie, so that nothing of it counts as the leader's.
    waits = "while read -r id name state rest < /proc/$$/stat && test $state != Z; do :; done"
    attempt = arena.one(sh(f"({waits}; exec yes) & exit 0", output_bytes_max=1 << 20))
    assert attempt.leftovers == 1
    assert attempt.result == "failed"  # the flood is output of the cell, and has its limit
    assert attempt.log is not None
    assert attempt.log.bytes == 1 << 20


def test_the_pipe_may_be_closed_long_before_the_end(arena: Arena) -> None:
    attempt = arena.one(sh("echo a; exec >&- 2>&-; sleep 0.1; exit 4"))
    assert (attempt.result, attempt.exit_code) == ("failed", 4)
    assert arena.log(attempt) == b"a\n"


def test_a_time_limit_ends_the_daemons_too(arena: Arena) -> None:
    code, hours = DAEMON.format(prelude=DEAF) + "time.sleep(60)", Hours()
    executor = quick(hours)
    attempt = arena.one(python(code), executor=executor, events=AtOutput(hours.pass_one))
    assert attempt.result == "timed_out"
    assert gone(arena.root / "pid")


def test_a_stop_ends_the_daemons_too(arena: Arena) -> None:
    stop = threading.Event()
    code = DAEMON.format(prelude=DEAF) + "time.sleep(60)"
    attempt = arena.one(python(code), stop=stop, events=AtOutput(stop.set))
    assert attempt.result == "interrupted"
    assert gone(arena.root / "pid")


def test_a_fork_chain_is_ended(arena: Arena) -> None:
    code = "import os, time\nfor n in range(20_000):\n    if os.fork(): os._exit(0)\ntime.sleep(60)"
    attempt = arena.one(python(code))
    assert attempt.leftovers >= 1
    assert not find(attempt_prefix(arena.run_id, "cell", 1))
    assert attempt.reason == ""


def test_cells_of_other_names_are_left_alone(arena: Arena) -> None:
    other = start_marked(mark({}, arena.run_id, "cell-2", 1, "/r"))
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
    child = start_marked(inner)
    try:
        assert find(run_prefix(run)) == (child.pid,)
        assert find(attempt_prefix(run, "a", 1)) == (child.pid,)
        assert find(attempt_prefix(run, "a", 2)) == ()
        assert sweep_run(run) == 1
        assert child.wait(60) == -signal.SIGTERM
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
    # Nothing tells there when a process has ended; that it was told to is all that is promised.
    deadline = time.monotonic() + 60
    while not gone(arena.root / "pid") and time.monotonic() < deadline:
        os.sched_yield()
    assert gone(arena.root / "pid")


@pytest.mark.usefixtures("elsewhere")
def test_elsewhere_a_quiet_end_leaves_nothing_to_end(arena: Arena) -> None:
    attempt = arena.one(sh("echo done; exit 3"))
    assert (attempt.exit_code, attempt.leftovers) == (3, 0)


@pytest.mark.usefixtures("elsewhere")
def test_elsewhere_limits_hold_too(arena: Arena) -> None:
    hours = Hours()
    executor = quick(hours)
    attempt = arena.one(
        sh("trap '' TERM; echo on; while :; do sleep 1; done"),
        executor=executor,
        events=AtOutput(hours.pass_one),
    )
    assert (attempt.result, attempt.exit_code) == ("timed_out", 128 + signal.SIGKILL)


def test_a_child_that_is_just_being_started_is_no_holder() -> None:
    read_end, write_end = os.pipe()
    child = subprocess.Popen(["sleep", "60"], stdout=write_end)
    os.close(write_end)
    try:
        assert list(look(holding(read_end))) == []
    finally:
        child.kill()
        child.wait()
        os.close(read_end)


# --- looking and ending, moment by moment ---------------------------------------------------------


def test_one_that_begins_during_the_look_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    lists = iter([["1", "10", "self"], ["1", "11"], ["1", "12"], ["1", "12"]])
    monkeypatch.setattr(os, "listdir", lambda folder: next(lists))
    monkeypatch.setattr(children, "_newest", iter([b"10", b"11", b"12", b"13"]).__next__)
    seen: list[int] = []

    def sign(pid: int) -> bool:
        seen.append(pid)
        return pid == 12  # 10 and 11 forked and ended between their listing and their turn

    assert list(look(sign)) == [12]
    assert seen == [1, 10, 11, 12]


def test_one_list_is_enough_while_nobody_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    lists = iter([["1", "2"]])
    monkeypatch.setattr(os, "listdir", lambda folder: next(lists))
    monkeypatch.setattr(children, "_newest", lambda: b"2\n")
    assert list(look(lambda pid: True)) == [1, 2]


def test_a_look_ends_though_there_is_always_somebody_new(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = itertools.count(1)
    monkeypatch.setattr(os, "listdir", lambda folder: [str(next(numbers))])
    monkeypatch.setattr(children, "_newest", lambda: b"%d" % next(numbers))
    assert len(list(look(lambda pid: True))) == children.LISTS_MAX


class Pipes(Protocol):
    def __call__(self, *argv: str) -> subprocess.Popen[bytes]: ...


@pytest.fixture
def pipes() -> Iterator[Pipes]:
    """Starts processes that print a line when they are ready; kills them in the end."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*argv: str) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        started.append(child)
        assert child.stdout is not None
        child.stdout.readline()
        return child

    yield start
    for child in started:
        child.kill()
        with child:  # closes the pipes and waits
            pass


@pytest.mark.parametrize("looks", [0, 1, 5])
def test_one_between_two_programs_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, looks: int
) -> None:
    """Between two programs a process has no environment, so it is looked at again."""
    carried = f"{MARKER}={mark({}, 'run', 'a', 1, '/r')}".encode()
    begins = iter([True] * looks + [False])
    reads = iter([b"", carried])
    monkeypatch.setattr(os, "getsid", lambda pid: 7)
    monkeypatch.setattr(children, "_read", lambda pid: next(reads))
    monkeypatch.setattr(children, "_begins", lambda pid: pid == 10 and next(begins))
    assert children.marked("run/a/1@")(10)


LINGERS = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: (sys.stdin.read(), sys.exit(7)))
print(1, flush=True)
while True: signal.pause()
"""


def test_nobody_returns_before_the_end_of_one_that_lost_its_sign(pipes: Pipes) -> None:
    """A process that dies gives its environment back first, and has ended only later."""
    child = pipes(sys.executable, "-c", LINGERS)
    stdin, signs = child.stdin, iter([True, True])
    assert stdin is not None
    waits: list[int] = []

    def wait(milliseconds: int) -> None:
        waits.append(milliseconds)
        if len(waits) == 3:
            stdin.close()  # now it may end
        if len(waits) > 3:
            time.sleep(milliseconds / 1000)

    ours: Sign = lambda pid: pid == child.pid and next(signs, False)  # noqa: E731
    assert end_all(ours, wait=wait, grace_ms=60_000) == 1
    assert ended(child.pid)
    assert child.wait() == 7
    assert len(waits) >= 3


def test_one_that_lost_its_sign_and_is_deaf_is_killed(pipes: Pipes) -> None:
    child = pipes(sys.executable, "-c", f"import signal; {DEAF}; print(1, flush=1); signal.pause()")
    signs = iter([True, True])
    ours: Sign = lambda pid: pid == child.pid and next(signs, False)  # noqa: E731
    assert end_all(ours, grace_ms=0) == 1
    assert ended(child.pid)
    assert child.wait() == -signal.SIGKILL


def test_an_id_that_went_to_another_process_is_left_alone(pipes: Pipes) -> None:
    child = pipes("sh", "-c", "echo; exec cat")
    assert child.stdin is not None
    assert child.stdout is not None
    known = [(child.pid, 1)]  # nobody here began in the first moment of this machine
    assert children.tell_all(signal.SIGKILL, lambda pid: False, known) == set()
    child.stdin.write(b"still here\n")
    child.stdin.flush()
    assert child.stdout.readline() == b"still here\n"
