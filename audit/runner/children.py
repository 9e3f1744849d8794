"""Processes of a cell: found by their marker or their session, and ended.

On Linux every process that carries an attempt's marker is found in `/proc`, however it detached
itself; one that also threw its environment away is still found while it stays in the session of its
leader or holds the cell's pipe. Elsewhere only the leader's process group can be ended.
Nothing here starts a process or reads its output.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Literal

from audit.runner.marker import carries, run_prefix

TERM_GRACE_MS = 2_000
"""How long a process has between TERM and KILL."""
KILL_LIMIT_MS = 10_000
"""How long processes are killed, and those that appear meanwhile too (a fork bomb)."""
LOOK_AGAIN_MS = 10
"""How often it is looked whether the processes that were told to end are gone."""
LISTS_MAX = 100
"""How often at most `/proc` is listed in one look, while every list shows somebody new."""
BEGIN_LIMIT_MS = 2_000
"""How long a process that has given up one program and not begun the next is waited for."""

_BEGIN_LOOK_S = 0.001
_READ_BYTES = 32_768
# Small, because a larger buffer is mapped and unmapped for each of the processes looked at.

# Fields of /proc/PID/stat, counted from the state, which is the third. Source: proc_pid_stat(5).
_STATE, _PARENT, _FLAGS, _START, _ENV_END = 0, 1, 6, 19, 48
_EXITING = 0x4  # PF_EXITING of the kernel's sched.h

HAS_PROC = os.path.exists("/proc/self/environ")
"""Whether processes can be found by what they carry."""

Sign = Callable[[int], bool]
"""Whether a process is one of those meant; False of one that is no more."""
Who = tuple[int, int]
"""A process for good: its id, and when it started in ticks of the kernel."""


# --- signs ----------------------------------------------------------------------------------------


def marked(prefix: str, session: int | None = None) -> Sign:
    """Return the sign of processes that carry the marker, or belong to the session.

    This process and the leader of the session, which is its id, are left out.
    """
    out = (os.getpid(), session)
    return lambda pid: pid not in out and _belongs(pid, prefix, session)


def holding(pipe: int) -> Sign:
    """Return the sign of processes that hold the other end of a pipe open, given our end.

    Children of this process are left out: one that is just being started holds copies of
    everything until it runs its program, and no child of ours is a leftover.
    """
    own, name = os.getpid(), os.readlink(f"/proc/self/fd/{pipe}") if HAS_PROC else ""
    return lambda pid: pid != own and _holds(pid, name) and _parent(pid) != own


def _belongs(pid: int, prefix: str, session: int | None) -> bool:
    try:
        its_session = os.getsid(pid)
        if its_session == session:
            return _start(pid) is not None
        if not its_session:
            return False  # of the kernel, or of a session outside: no leader of ours began it
        return carries(_environ(pid), prefix)
    except OSError:
        return False  # gone, or another user's


def _environ(pid: int) -> bytes:
    """Return the environment of a process; one between two programs has none for a moment."""
    data = _read(pid)
    if data:
        return data
    for _ in _until(BEGIN_LIMIT_MS):
        # A kernel that says so of us, too, does not tell.
        if not _begins(pid) or _begins(os.getpid()):
            break
        time.sleep(_BEGIN_LOOK_S)
    return _read(pid)


def _read(pid: int) -> bytes:
    descriptor = os.open(f"/proc/{pid}/environ", os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = block = os.read(descriptor, _READ_BYTES)
        while len(block) == _READ_BYTES:
            block = os.read(descriptor, _READ_BYTES)
            data += block
        return data
    finally:
        os.close(descriptor)


def _holds(pid: int, name: str) -> bool:
    try:
        with os.scandir(f"/proc/{pid}/fd") as entries:
            return any(_leads_to(entry.path, name) for entry in entries)
    except OSError:
        return False


def _leads_to(link: str, name: str) -> bool:
    try:
        return os.readlink(link) == name
    except OSError:
        return False


# --- what the kernel says of a process ------------------------------------------------------------


def _stat(pid: int) -> list[bytes]:
    """Return the fields of a process from its state on; none when it is gone or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            fields = stream.read().rpartition(b") ")[2].split()
    except OSError:
        return []
    return [] if len(fields) <= _ENV_END or fields[_STATE] in (b"Z", b"X") else fields


def _start(pid: int) -> int | None:
    """Return when a living process started, in ticks; None of one that is no more."""
    fields = _stat(pid)
    return int(fields[_START]) if fields else None


def _parent(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[_PARENT]) if fields else 0


def _begins(pid: int) -> bool:
    """Whether a process has no environment because its next program is just being loaded."""
    fields = _stat(pid)
    return bool(fields) and not int(fields[_FLAGS]) & _EXITING and fields[_ENV_END] == b"0"


# --- finding --------------------------------------------------------------------------------------


def look(sign: Sign) -> Iterator[int]:
    """Yield every process with the sign, those included that begin during the look.

    A list of `/proc` takes time, and a process may fork and end between its listing and its turn;
    so lists are made until nobody has begun since. Cost: one look into `/proc` for each process
    there, about 1 ms for a hundred.
    """
    seen: set[str] = set()
    newest = b""
    for _ in range(LISTS_MAX if HAS_PROC else 0):
        before, newest = newest, _newest()
        if newest == before:
            return
        fresh = [name for name in os.listdir("/proc") if name.isdigit() and name not in seen]
        if not fresh:
            return
        seen.update(fresh)
        yield from filter(sign, map(int, fresh))


def _newest() -> bytes:
    """Return the id that was given out last. Source: proc_loadavg(5), the last field."""
    descriptor = os.open("/proc/loadavg", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, _READ_BYTES).rpartition(b" ")[2]
    finally:
        os.close(descriptor)


def find(prefix: str, session: int | None = None) -> tuple[int, ...]:
    """Return the processes that carry the marker, or belong to the session; see `marked`."""
    return tuple(look(marked(prefix, session)))


# --- ending ---------------------------------------------------------------------------------------


def tell_all(number: signal.Signals, sign: Sign, known: Iterable[Who] = ()) -> set[Who]:
    """Send a signal to all processes with the sign, and to `known` ones; return the former.

    Each is looked at again once there is a grip on it: an id that went to another process
    meanwhile is left alone.
    """
    told = set()
    for pid in look(sign):
        with _grip(pid) as grip:
            start = _start(pid)
            if start is not None and sign(pid):
                _send(pid, grip, number)
                told.add((pid, start))
    for pid, start in set(known) - told:
        with _grip(pid) as grip:
            if _start(pid) == start:
                _send(pid, grip, number)
    return told


@contextmanager
def _grip(pid: int) -> Iterator[int | None]:
    try:
        grip = os.pidfd_open(pid)
    except (OSError, AttributeError):  # gone, or a kernel or sandbox without the call
        yield None
        return
    try:
        yield grip
    finally:
        os.close(grip)


def _send(pid: int, grip: int | None, number: signal.Signals) -> None:
    with suppress(OSError):
        if grip is None:
            os.kill(pid, number)
        else:
            signal.pidfd_send_signal(grip, number)


def tell_group(leader: int, number: signal.Signals | Literal[0]) -> bool:
    """Send a signal to a leader's process group; return whether there is one that takes it."""
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def end_all(
    sign: Sign,
    *,
    wait: Callable[[int], None] | None = None,
    grace_ms: int = TERM_GRACE_MS,
) -> int:
    """End all with the sign: TERM, a grace, KILL until none is left. Return how many they were.

    Returns when each of them has ended for good, and not already when it lost its sign: one that
    dies gives its environment back first. `wait` passes some milliseconds (and may drain a pipe
    meanwhile). What does not die in `KILL_LIMIT_MS` is left.
    """
    wait = wait or (lambda ms: time.sleep(ms / 1000))
    told = tell_all(signal.SIGTERM, sign)
    if not told:
        return 0
    for _ in _until(grace_ms):
        wait(LOOK_AGAIN_MS)
        if _ended(told, sign):
            return len(told)
    for _ in _until(KILL_LIMIT_MS):
        told |= tell_all(signal.SIGKILL, sign, told)
        wait(LOOK_AGAIN_MS)
        if _ended(told, sign):
            break
    return len(told)


def _ended(told: Iterable[Who], sign: Sign) -> bool:
    return not any(_start(pid) == start for pid, start in told) and not any(look(sign))


def _until(limit_ms: int) -> Iterator[None]:
    deadline = time.monotonic_ns() + limit_ms * 1_000_000
    while time.monotonic_ns() < deadline:
        yield


def sweep_run(run: str) -> int:
    """End whatever an earlier process of a run left behind; return how many they were.

    The caller holds the run's lock: otherwise these would be the children of a living run.
    """
    return end_all(marked(run_prefix(run)))
