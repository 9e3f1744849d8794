"""Toy services for tests of the simulator itself: a log of numbered objects, right and wrong."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from arco.capabilities import Created, Exists
from arco.core.errors import Unavailable
from arco.sim.choices import Taken
from arco.sim.histories import History
from arco.sim.linearizable import ChainModel, explain
from arco.sim.store import DIALECTS, SimBackend, SimStore
from arco.sim.world import Process, World

WRITERS = 3
WRITES = 3


async def newest(backend: SimBackend) -> tuple[int, str | None]:
    """Return the newest number of the log and what stands there, read from the first on."""
    at, text = 0, None
    while (found := await backend.get(f"log/{at + 1}")) is not None:
        at, text = at + 1, found.body.decode()
    return at, text


async def append(backend: SimBackend, text: str, *, reads_back: bool) -> int | None:
    """Return the number under which a text was appended, or None when another was first."""
    at = (await newest(backend))[0] + 1
    answer = await backend.create(f"log/{at}", text.encode())
    if isinstance(answer, Created):
        return at
    assert isinstance(answer, Exists)
    if reads_back:
        found = await backend.get(f"log/{at}")
        if found is not None and found.body.decode() == text:
            return at
    return None


class Toy:
    """One run of writers and readers on a log, with what they were told."""

    def __init__(
        self, seed: int, replayed: Mapping[str, int] | None = None, *, reads_back: bool = True
    ) -> None:
        self.world = World(seed, replayed)
        dialect = self.world.choices.stream("dialect").pick(DIALECTS)
        self.store = SimStore(self.world, dialect)
        self.history = History()
        self.reads_back = reads_back
        for number in range(WRITERS):
            texts = [f"{number}.{write}" for write in range(WRITES)]
            self.world.start(f"writer-{number}", partial(self.write, texts))
        self.world.start("reader", self.read)

    async def write(self, texts: list[str], process: Process) -> None:
        """Append every text that is left; the outcome of one that was under way is unknown."""
        backend = self.store.backend(process, may_list=True)
        while texts:
            text = texts.pop()
            handle = self.history.begin(process.name, "append", text)
            try:
                self.history.end(handle, await append(backend, text, reads_back=self.reads_back))
            except Unavailable:
                continue

    async def read(self, process: Process) -> None:
        """Look a few times what is newest."""
        backend = self.store.backend(process, may_list=True)
        for _ in range(3):
            handle = self.history.begin(process.name, "read")
            try:
                self.history.end(handle, await newest(backend))
            except Unavailable:
                continue

    def run(self) -> bool:
        """Run to the end and say whether what callers were told makes sense."""
        try:
            self.world.run()
        finally:
            self.world.close()
        return explain(self.history.all(), ChainModel()) is not None


def fails_without_reading_back(seed: int, replayed: Taken | None = None) -> Toy | None:
    """Return the run of the wrong log if its callers were told nonsense."""
    toy = Toy(seed, replayed, reads_back=False)
    return None if toy.run() else toy
