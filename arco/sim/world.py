"""A world that one seed determines: virtual time, processes, their clocks and their deaths.

A process is a plain coroutine. What it awaits is an `Operation`, which hands itself to the world;
the world decides when it takes effect and when its answer arrives, and steps the coroutine again.
There is no event loop, no real clock and no thread. What a store is, is in `store`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Mapping
from contextlib import suppress
from functools import partial
from heapq import heappop, heappush
from typing import Any, TypeAlias, TypeVar

from arco.core.errors import ArcoError
from arco.sim import faults
from arco.sim.choices import Choices

Main: TypeAlias = Callable[["Process"], Coroutine["Operation", None, Any]]
"""What a process does when it starts, and again when it starts after a crash."""

A = TypeVar("A")
B = TypeVar("B")

EPOCH_MS = 1_800_000_000_000
"""The Unix instant at which every world begins."""
STEPS_MAX = 200_000
"""Steps of one run; more means that something goes round in circles."""


class Violation(AssertionError):  # noqa: N818
    """Something that must hold in every run does not hold in this one."""


class Operation:
    """What a coroutine awaits: `begin` hands it to the world, and the answer comes back here."""

    __slots__ = ("answer", "error", "task")

    task: Task

    def __init__(self) -> None:
        self.answer: Any = None
        self.error: BaseException | None = None

    def __await__(self) -> Generator[Operation, None, Any]:
        yield self
        if self.error is not None:
            raise self.error
        return self.answer

    def begin(self, task: Task) -> None:
        """Arrange that `task` is stepped again; each kind of operation says how."""
        self.task = task
        task.process.world.after(0, self.task.step)


class Sleep(Operation):
    """Waiting for a time by the process's own clock."""

    __slots__ = ("duration_ms",)

    def __init__(self, duration_ms: int) -> None:
        super().__init__()
        self.duration_ms = duration_ms

    def begin(self, task: Task) -> None:
        """Step the task again when its clock says that the time is over."""
        process = task.process
        self.task = task
        process.world.after(round(self.duration_ms / process.clock.rate), task.step)


class Together(Operation):
    """Several coroutines of one process, side by side; the answer is the list of theirs.

    Each goes on to its end; then the first error in their order, if any, is raised.
    """

    __slots__ = ("coroutines", "tasks")

    def __init__(self, coroutines: list[Coroutine[Operation, None, Any]]) -> None:
        super().__init__()
        self.coroutines = coroutines
        self.tasks: list[Task] = []

    def begin(self, task: Task) -> None:
        """Start every coroutine as a task of the same process."""
        self.task = task
        process = task.process
        self.tasks = [Task(process, coroutine, self._ended) for coroutine in self.coroutines]
        if not self.tasks:
            self.answer = []
            process.world.after(0, task.step)
        for child in self.tasks:
            process.world.after(0, child.step)

    def _ended(self, _: Task) -> None:
        if all(child.ended for child in self.tasks):
            self.answer = [child.answer for child in self.tasks]
            self.error = next((child.error for child in self.tasks if child.error), None)
            self.task.step()


class Task:
    """A coroutine that is stepped, while the life of its process lasts."""

    __slots__ = ("_coroutine", "_then", "answer", "ended", "error", "life", "process")

    def __init__(
        self,
        process: Process,
        coroutine: Coroutine[Operation, None, Any],
        then: Callable[[Task], None],
    ) -> None:
        self.process, self._coroutine, self._then = process, coroutine, then
        self.life = process.life
        self.answer: Any = None
        self.error: Exception | None = None
        self.ended = False
        process.tasks.append(coroutine)

    def step(self) -> None:
        """Run the coroutine up to the next thing that it awaits."""
        process = self.process
        if process.life != self.life:
            return
        try:
            operation = self._coroutine.send(None)
        except StopIteration as stop:
            self.answer, self.ended = stop.value, True
            self._then(self)
        except Violation:
            raise
        except Exception as error:
            self.error, self.ended = error, True
            self._then(self)
        else:
            operation.begin(self)


class SimClock:
    """The two clocks of a process: one skewed, which jumps, and one at a rate of its own."""

    __slots__ = ("_jump_at_ms", "_jump_ms", "_skew_ms", "_started_ms", "_world", "rate")

    def __init__(self, world: World, name: str) -> None:
        stream = world.choices.stream(f"{name}.clock")
        self._world = world
        self._skew_ms = stream.pick(world.clocks.skew_ms)
        self.rate = stream.pick(world.clocks.rate)
        self._jump_ms = stream.pick(world.clocks.jump_ms)
        self._jump_at_ms = stream.pick(faults.JUMP_AFTER_MS)
        self._started_ms = world.now_ms

    def utc_ms(self) -> int:
        """Return what the process takes for Unix milliseconds."""
        elapsed = self._world.now_ms
        jump = self._jump_ms if elapsed >= self._jump_at_ms else 0
        return EPOCH_MS + elapsed + self._skew_ms + jump

    def monotonic_ms(self) -> int:
        """Return milliseconds since this life of the process began."""
        return round((self._world.now_ms - self._started_ms) * self.rate)

    def reboot(self) -> None:
        """Let the monotonic clock begin again, as it does when a machine starts."""
        self._started_ms = self._world.now_ms


class SimChance:
    """Random bytes that the seed and the name determine; no two lives get the same."""

    __slots__ = ("_random",)

    def __init__(self, world: World, name: str) -> None:
        self._random = world.choices.nonces(name)

    def take(self, count: int) -> bytes:
        """Return that many bytes."""
        return self._random.randbytes(count)


class SimTasks:
    """Waiting, and doing two things at once, in virtual time."""

    __slots__ = ()

    async def both(
        self, first: Coroutine[Any, Any, A], second: Coroutine[Any, Any, B]
    ) -> tuple[A, B]:
        """Return what both answer; raise what the first of them to fail, in this order, raised."""
        one, two = await Together([first, second])
        return one, two

    async def sleep_ms(self, duration_ms: int) -> None:
        """Return after that many milliseconds by the process's clock, or later."""
        await Sleep(duration_ms)


class Process:
    """Something that runs, dies between any two steps, and starts again with nothing remembered."""

    def __init__(self, world: World, name: str, main: Main) -> None:
        self.world, self.name, self._main = world, name, main
        self.choices = world.choices.stream(name)
        self.clock = SimClock(world, name)
        self.chance = SimChance(world, name)
        self.life = 0
        self.alive = False
        self.refused = False
        """Whether its credential has expired: everything is denied until the next life."""
        self.answer: Any = None
        self.error: Exception | None = None
        self.tasks: list[Coroutine[Operation, None, Any]] = []

    def start(self) -> None:
        """Begin a life."""
        if self.world.closed:
            return
        self.life += 1
        self.alive = True
        self.refused = False
        self.clock.reboot()
        expires_ms = self.choices.pick(faults.EXPIRES_MS)
        if expires_ms is not None:
            self.world.after(expires_ms, partial(self._expire, self.life))
        Task(self, self._main(self), self._ended).step()

    def crash(self, life: int) -> None:
        """End that life, if it lasts, without running another line, and arrange the next."""
        if self.life != life or not self.alive:
            return
        self.life += 1
        self.alive = False
        self.world.bury(self.tasks)
        self.tasks = []
        self.world.tell(self.name, "crash", "", "")
        self.world.after(self.choices.pick(faults.RESTART_MS), self.start)

    def _expire(self, life: int) -> None:
        if self.life == life and not self.world.calm:
            self.refused = True

    def _ended(self, task: Task) -> None:
        self.alive = False
        self.answer, self.error = task.answer, task.error
        if task.error is not None and not isinstance(task.error, ArcoError):
            raise task.error


class World:
    """Everything that happens in one run, in one order."""

    def __init__(
        self,
        seed: int,
        replayed: Mapping[str, int] | None = None,
        forced: Mapping[str, int] | None = None,
    ) -> None:
        self.choices = Choices(seed, replayed, forced)
        self.now_ms = 0
        self.steps = 0
        self.calm = False
        """Whether every request is quick and nothing fails any more."""
        self.closed = False
        self.trace: list[tuple[int, str, str, str, str]] | None = None
        """What happened: (ms, process, what, to which path, answer), while it is kept."""
        stream = self.choices.stream("world")
        self.requests = faults.pick_table(stream)
        self.clocks = stream.pick(faults.CLOCKS)
        self.processes: dict[str, Process] = {}
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._dead: list[Coroutine[Operation, None, Any]] = []
        self._count = 0

    def start(self, name: str, main: Main, *, after_ms: int = 0) -> Process:
        """Start a process under a name that no other has in this world."""
        if name in self.processes:
            raise ValueError(name)
        process = self.processes[name] = Process(self, name, main)
        self.after(after_ms, process.start)
        return process

    def after(self, delay_ms: int, event: Callable[[], None]) -> None:
        """Let something happen; what is due at one time happens in the order of these calls."""
        self._count += 1
        heappush(self._events, (self.now_ms + delay_ms, self._count, event))

    def run(self) -> None:
        """Let everything happen until nothing is left to happen.

        Raises `Violation` when it does not come to an end.
        """
        events = self._events
        limit = self.steps + STEPS_MAX
        while events:
            self.now_ms, _, event = heappop(events)
            self.steps += 1
            event()
            if self.steps > limit:
                raise Violation(f"the run does not end: steps=`{self.steps}`")

    def call(self, name: str, main: Main) -> Any:
        """Run one more process to its end and return its answer, or raise its error."""
        process = self.start(name, main)
        self.run()
        if process.error is not None:
            raise process.error
        return process.answer

    def tell(self, name: str, what: str, path: str, answer: object) -> None:
        """Keep a line of the trace, if it is kept."""
        if self.trace is not None:
            self.trace.append((self.now_ms, name, what, path, str(answer)))

    def bury(self, coroutines: list[Coroutine[Operation, None, Any]]) -> None:
        """Keep the coroutines of a dead process, so that Python does not run their ends."""
        self._dead += coroutines

    def close(self) -> None:
        """Drop what is left; nothing that still runs while it is dropped has an effect."""
        self.closed = True
        self._events.clear()
        left = [coroutine for process in self.processes.values() for coroutine in process.tasks]
        for coroutine in (*self._dead, *left):
            with suppress(RuntimeError):  # awaited something while it was dropped
                coroutine.close()
