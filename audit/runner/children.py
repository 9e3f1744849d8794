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
from collections.abc import Callable, Iterator
from contextlib import suppress

from audit.runner.marker import carries, run_prefix

TERM_GRACE_MS = 2_000
"""How long a process has between TERM and KILL."""
LOOK_AGAIN_MS = 10
"""How often it is looked whether the processes that were told to end are gone."""
KILL_ROUNDS_MAX = 100
"""How often processes that appear while others are killed are killed too (a fork bomb)."""

_READ_BYTES = 32_768
# Small, because a larger buffer is mapped and unmapped for each of the processes looked at.

HAS_PROC = os.path.exists("/proc/self/environ")
"""Whether processes can be found by what they carry."""


def find(prefix: str, session: int | None = None) -> tuple[int, ...]:
    """Return the living processes that carry the marker, or belong to the session.

    This process and the leader of the session, which is its id, are left out. Cost: one look into
    `/proc` for each process there, about 1 ms for a hundred.
    """
    if not HAS_PROC:
        return ()
    own = os.getpid()
    return tuple(
        pid
        for name in os.listdir("/proc")
        if name.isdigit()
        and (pid := int(name)) not in (session, own)
        and _belongs(pid, prefix, session)
    )


def _belongs(pid: int, prefix: str, session: int | None) -> bool:
    try:
        its_session = os.getsid(pid)
        if its_session == session:
            return _alive(pid)
        if not its_session:
            return False  # of the kernel, or of a session outside: no leader of ours began it
        descriptor = os.open(f"/proc/{pid}/environ", os.O_RDONLY)
    except OSError:
        return False  # gone, or another user's
    try:
        # A zombie has no environment any more.
        return carries(_read(descriptor), prefix)
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> bytes:
    data = block = os.read(descriptor, _READ_BYTES)
    while len(block) == _READ_BYTES:
        block = os.read(descriptor, _READ_BYTES)
        data += block
    return data


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            return stream.read().rpartition(b") ")[2][:1] not in (b"Z", b"X", b"")
    except OSError:
        return False


def holders(pipe: int) -> tuple[int, ...]:
    """Return the processes that hold the other end of a pipe open, given our end.

    Children of this process are left out: one that is just being started holds copies of
    everything until it runs its program, and no child of ours is a leftover.
    """
    if not HAS_PROC:
        return ()
    own, name = os.getpid(), os.readlink(f"/proc/self/fd/{pipe}")
    return tuple(
        int(pid)
        for pid in os.listdir("/proc")
        if pid.isdigit() and int(pid) != own and _holds(pid, name) and _parent(pid) != own
    )


def _holds(pid: str, name: str) -> bool:
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


def _parent(pid: str) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            return int(stream.read().rpartition(b") ")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


Look = Callable[[], tuple[int, ...]]


def tell_all(number: signal.Signals, look: Look) -> tuple[int, ...]:
    """Send a signal to all processes that `look` finds; return them.

    It looks again once it has a grip on each: an id that went to another process meanwhile is
    left alone.
    """
    found = look()
    grips = {pid: _grip(pid) for pid in found}
    try:
        for pid in look() if found else ():
            if pid in grips:
                _send(pid, grips[pid], number)
    finally:
        for grip in grips.values():
            if grip is not None:
                os.close(grip)
    return found


def _grip(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except (OSError, AttributeError):  # gone, or a kernel or sandbox without the call
        return None


def _send(pid: int, grip: int | None, number: signal.Signals) -> None:
    with suppress(OSError):
        if grip is None:
            os.kill(pid, number)
        else:
            signal.pidfd_send_signal(grip, number)


def tell_group(leader: int, number: signal.Signals) -> None:
    """Send a signal to the process group of a leader that was not waited for yet."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


def end_all(
    look: Look,
    *,
    wait: Callable[[int], None] | None = None,
    grace_ms: int = TERM_GRACE_MS,
) -> int:
    """End all that `look` finds: TERM, a grace, KILL until none is left. Return how many they were.

    `wait` passes some milliseconds (and may drain a pipe meanwhile).
    """
    wait = wait or (lambda ms: time.sleep(ms / 1000))
    ended = set(tell_all(signal.SIGTERM, look))
    if not ended:
        return 0
    for _ in _until(grace_ms):
        wait(LOOK_AGAIN_MS)
        if not look():
            return len(ended)
    for _ in range(KILL_ROUNDS_MAX):
        found = tell_all(signal.SIGKILL, look)
        if not found:
            break
        ended.update(found)
        wait(LOOK_AGAIN_MS)
    return len(ended)


def _until(limit_ms: int) -> Iterator[None]:
    deadline = time.monotonic_ns() + limit_ms * 1_000_000
    while time.monotonic_ns() < deadline:
        yield


def sweep_run(run: str) -> int:
    """End whatever an earlier process of a run left behind; return how many they were.

    The caller holds the run's lock: otherwise these would be the children of a living run.
    """
    prefix = run_prefix(run)
    return end_all(lambda: find(prefix))
