"""Where a cell's process runs: the port, and the executor of this machine.

The only place that starts processes. It knows nothing of needs, journals or verdicts: it runs one
command, brings its output to a log, and says how it ended.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from audit.runner import children
from audit.runner.capture import Capture
from evidence.model import Log

PIPE_BYTES = 1 << 20
"""Size asked for the pipe of a child; less is given where the system has no such call or quota."""
READ_BYTES = 1 << 17
"""Most bytes taken from the pipe at once."""
EOF_GRACE_MS = 500
"""How long the pipe may stay open, or processes live on, after their leader ended."""
LOST_PIPE_MS = 300
"""How long the end of the output is waited for once nothing that could hold the pipe is left."""
TICK_MS = 100
"""How often a stop is looked for, and how often at most the last line is shown."""

Cause = Literal["exited", "timed_out", "output_limit", "stopped", "not_started"]


@dataclass(frozen=True, slots=True)
class Job:
    """One attempt as an executor sees it. `prefix` is how its marker begins."""

    argv: tuple[str, ...]
    cwd: Path
    environ: Mapping[str, str]
    prefix: str
    timeout_ms: int


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job ended. `exit_code` is N, or 128 + signal; `signal` is 0 without one.

    `problem` says why nothing started, or what could not be cleaned up.
    """

    cause: Cause
    exit_code: int | None
    signal: int
    leftovers: int
    duration_ms: int
    log: Log | None
    last_line: str
    problem: str


class Executor(Protocol):
    """Runs one job to its end, on this machine or another."""

    def execute(
        self,
        job: Job,
        open_capture: Callable[[], Capture],
        show: Callable[[str], None],
        stopped: Callable[[], bool],
    ) -> Ending:
        """Run a job; return when nothing of it lives any more and its log is on the disk.

        `open_capture` is called before the process exists, so that a full disk shows in time;
        `show` gets the last line now and then; `stopped` becoming true ends the job.

        Raises:
            Unavailable: the log cannot be written; the processes were ended all the same.
        """
        ...


class LocalExecutor:
    """Runs a job as a child process in a session of its own, one pipe for both outputs."""

    def __init__(
        self,
        *,
        eof_grace_ms: int = EOF_GRACE_MS,
        term_grace_ms: int = children.TERM_GRACE_MS,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.eof_grace_ms = eof_grace_ms
        self.term_grace_ms = term_grace_ms
        self.monotonic_ns = monotonic_ns

    def execute(
        self,
        job: Job,
        open_capture: Callable[[], Capture],
        show: Callable[[str], None],
        stopped: Callable[[], bool],
    ) -> Ending:
        """Run a job; see `Executor`."""
        began = self.monotonic_ns()
        with closing(open_capture()) as capture:
            try:
                process, pipe = _spawn(job)
            except (OSError, ValueError) as error:
                log = capture.finish()
                return Ending("not_started", None, 0, 0, 0, log, "", _why_not(job, error))
            child = _Child(self, job, process, pipe, capture, show)
            try:
                cause, leftovers, problem = child.run(began, stopped)
            finally:
                child.release()
            duration_ms = (self.monotonic_ns() - began) // 1_000_000
            log = capture.finish()
        code, number = _exit_code(process.returncode)
        return Ending(
            cause, code, number, leftovers, duration_ms, log, capture.last_line(), problem
        )


class _NoFolderError(OSError):
    """The folder that the command wants to run in is not there."""


def _spawn(job: Job) -> tuple[subprocess.Popen[bytes], int]:
    if not job.cwd.is_dir():
        raise _NoFolderError
    read_end, write_end = os.pipe()
    try:
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            with suppress(OSError):  # over the user's quota: the small pipe works too
                fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        process = subprocess.Popen(
            job.argv,
            stdin=subprocess.DEVNULL,
            stdout=write_end,
            stderr=write_end,
            cwd=job.cwd,
            env=dict(job.environ),
            start_new_session=True,
            close_fds=True,
        )
    except BaseException:
        os.close(read_end)
        raise
    finally:
        os.close(write_end)
    return process, read_end


def _why_not(job: Job, error: OSError | ValueError) -> str:
    if isinstance(error, _NoFolderError):
        return f"its folder is not there folder=`{job.cwd}`"
    word = job.argv[0] if job.argv else ""
    if isinstance(error, FileNotFoundError):
        return f"the program was not found program=`{word}`"
    why = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
    return f"the program could not be started: {why.lower()} program=`{word}`"


def _exit_code(returncode: int | None) -> tuple[int | None, int]:
    if returncode is None:
        return None, 0
    return (128 - returncode, -returncode) if returncode < 0 else (returncode, 0)


class _Child:
    """One running process: its pipe is drained while anything is waited for."""

    def __init__(
        self,
        limits: LocalExecutor,
        job: Job,
        process: subprocess.Popen[bytes],
        pipe: int,
        capture: Capture,
        show: Callable[[str], None],
    ) -> None:
        self.limits = limits
        self.job = job
        self.process = process
        self.pipe: int | None = pipe
        self.capture = capture
        self.show = show
        self.shown_ns = 0
        self.exited = False
        self.poll = select.poll()
        self.poll.register(pipe, select.POLLIN)
        self.settled = False
        self.pidfd: int | None = None
        with suppress(OSError, AttributeError):  # without one, the leader is asked now and then
            self.pidfd = os.pidfd_open(process.pid)
        if self.pidfd is not None:
            self.poll.register(self.pidfd, select.POLLIN)

    def run(self, began: int, stopped: Callable[[], bool]) -> tuple[Cause, int, str]:
        """Wait for the leader or what cuts it short; then end all that is left."""
        deadline = began + self.job.timeout_ms * 1_000_000
        cause: Cause = "exited"
        while not self.exited:
            now = self.limits.monotonic_ns()
            if stopped():
                cause = "stopped"
            elif now >= deadline:
                cause = "timed_out"
            elif self.capture.truncated:
                cause = "output_limit"
            if cause != "exited":
                self._end_leader()
                break
            self._pump(min(TICK_MS, (deadline - now) // 1_000_000 + 1))
        leftovers = self._end_leftovers()
        self.settled = True
        if self.capture.truncated and cause == "exited":
            cause = "output_limit"
        leftovers += self._end_holders()
        problem = ""
        if self.pipe is not None:
            problem = "its output is still held open by a process that could not be ended"
        return cause, leftovers, problem

    def release(self) -> None:
        """Leave nothing behind: no process, no descriptor, no zombie. Also after an error."""
        if not self.settled or not self.exited:
            if self.process.returncode is None:
                children.tell_group(self.process.pid, signal.SIGKILL)
            children.end_all(self._sign(), grace_ms=0)
        self.process.wait()
        for descriptor in (self.pipe, self.pidfd):
            if descriptor is not None:
                os.close(descriptor)
        self.pipe = self.pidfd = None

    def _sign(self) -> children.Sign:
        # Only an id that was not waited for yet is certain to be ours.
        session = self.process.pid if self.process.returncode is None else None
        return children.marked(self.job.prefix, session)

    def _end_leader(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not self.exited:
                children.tell_group(self.process.pid, number)
                children.tell_all(number, self._sign())
                self._pump_until(self.limits.term_grace_ms, lambda: self.exited)

    def _end_leftovers(self) -> int:
        """Wait a bounded time for the rest to end by itself, then end it. Return how many."""

        def quiet() -> bool:
            return self.pipe is None and not any(children.look(self._sign()))

        calm = self._pump_until(self.limits.eof_grace_ms, quiet)
        if not children.HAS_PROC:
            return self._end_group()
        if calm:
            return 0
        return self._end(self._sign())

    def _end_holders(self) -> int:
        """End what carries no sign of the cell any more and still holds its pipe."""
        pipe = self.pipe
        if pipe is None or self._pump_until(LOST_PIPE_MS, lambda: self.pipe is None):
            return 0
        holds = children.holding(pipe)
        return self._end(lambda pid: self.pipe is not None and holds(pid))

    def _end(self, sign: children.Sign) -> int:
        return children.end_all(sign, wait=self._pump, grace_ms=self.limits.term_grace_ms)

    def _end_group(self) -> int:
        """Without `/proc`: end the leader's process group; whether there was one is all we know."""
        self.process.wait()  # or the leader, dead as it is, would count as one of its group
        leader, grace_ms = self.process.pid, self.limits.term_grace_ms
        if not children.tell_group(leader, signal.SIGTERM):
            return 0
        for _ in range(2):
            if self._pump_until(grace_ms, lambda: not children.tell_group(leader, 0)):
                break
            children.tell_group(leader, signal.SIGKILL)
        return 1

    def _pump_until(self, limit_ms: int, done: Callable[[], bool]) -> bool:
        deadline = self.limits.monotonic_ns() + limit_ms * 1_000_000
        while not done():
            if self.limits.monotonic_ns() >= deadline:
                return False
            self._pump(children.LOOK_AGAIN_MS)
        return True

    def _pump(self, wait_ms: int) -> None:
        """Wait for output or the leader's end, at most `wait_ms`; take what there is."""
        if self.pipe is None and self.exited:
            time.sleep(wait_ms / 1000)
            return
        if self.pidfd is None and not self.exited:
            wait_ms = min(wait_ms, children.LOOK_AGAIN_MS)
        for descriptor, _ in self.poll.poll(wait_ms):
            if descriptor == self.pidfd:
                self.exited = True
                self.poll.unregister(descriptor)
            else:
                self._read()
        if self.pidfd is None and not self.exited:
            self.exited = self.process.poll() is not None
        self._show()

    def _read(self) -> None:
        assert self.pipe is not None
        chunk = os.read(self.pipe, READ_BYTES)
        if chunk:
            self.capture.feed(chunk)
        else:
            self.poll.unregister(self.pipe)
            os.close(self.pipe)
            self.pipe = None

    def _show(self) -> None:
        now = self.limits.monotonic_ns()
        if now - self.shown_ns >= TICK_MS * 1_000_000 and self.capture.news:
            self.shown_ns = now
            self.show(self.capture.take_line())
