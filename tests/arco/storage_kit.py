"""What storage tests share: clocks that are set by hand, chance from a seed, stores that misbehave.

Nothing here waits: `run` drives a coroutine that never has to.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from arco.adapters.memory import MemoryBackend
from arco.capabilities import (
    A,
    B,
    Changed,
    Created,
    Exists,
    Named,
    ObjectMeta,
    Stored,
    StoreVersion,
    Updated,
)
from arco.core.draft import Draft
from arco.core.errors import Denied, Unavailable
from arco.core.keys import DomainName, Key, Workspace
from arco.core.manifest import Kind
from arco.publish.initialise import Opened, initialise
from arco.publish.lease import Busy, HeldLease, Lease, Leases
from arco.publish.publisher import Published, Publisher
from arco.publish.sight import Seen, Sight
from arco.scoped import ScopedStorage

T = TypeVar("T")
CATALOG = DomainName.CATALOG
WORKSPACE = Workspace("acme", "prod")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Drive a coroutine that never waits to its end, and return what it returns."""
    try:
        work.send(None)
    except StopIteration as done:
        answer: T = done.value
        return answer
    raise AssertionError("a test's coroutine waited for something")


class HandClock:
    """Both clocks, moved by hand."""

    def __init__(self, utc_ms: int = 1_764_000_000_000) -> None:
        self.utc, self.monotonic = utc_ms, 1_000

    def utc_ms(self) -> int:
        return self.utc

    def monotonic_ms(self) -> int:
        return self.monotonic

    def pass_ms(self, duration_ms: int) -> None:
        self.utc += duration_ms
        self.monotonic += duration_ms


class SeededChance:
    """Chance that comes again with the seed."""

    def __init__(self, seed: int = 7) -> None:
        self._random = random.Random(seed)

    def take(self, count: int) -> bytes:
        return self._random.randbytes(count)


class ClockTasks:
    """Waiting that moves a clock, and calls what else happens meanwhile."""

    def __init__(self, clock: HandClock) -> None:
        self._clock = clock
        self.meanwhile: Callable[[], None] = lambda: None

    async def sleep_ms(self, duration_ms: int) -> None:
        self._clock.pass_ms(duration_ms)
        self.meanwhile()

    async def both(
        self, first: Coroutine[Any, Any, A], second: Coroutine[Any, Any, B]
    ) -> tuple[A, B]:
        try:
            return await first, await second
        finally:
            second.close()


Fault = Callable[[str, str], str]
"""Given an operation and a path: "" or one of `before after twice late denied unreadable`."""


class FaultyBackend:
    """A memory store that counts requests and misbehaves as told.

    `before`: unavailable, nothing happened. `after`: it happened, the reply is lost. `late`:
    unavailable, and it happens at the next `land()`. `twice`: a library below asked again, and the
    second answer is heard. `denied`: refused. `unreadable`: refused, and not because it is absent.
    `forbidden`: refused where it is absent, as real stores answer those who may not list.
    """

    def __init__(self, inner: MemoryBackend | None = None) -> None:
        self.inner = inner or MemoryBackend()
        self.fault: Fault = lambda operation, path: ""
        self.requests: Counter[str] = Counter()
        self.paths: list[str] = []
        self.forbidden = False
        self._late: list[Callable[[], Coroutine[Any, Any, object]]] = []

    def land(self) -> None:
        """Let what was late land now."""
        late, self._late = self._late, []
        for work in late:
            run(work())

    async def _do(self, operation: str, path: str, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        self.requests[operation] += 1
        self.paths.append(path)
        match self.fault(operation, path):
            case "before":
                raise Unavailable(f"injected: operation=`{operation}`")
            case "denied":
                raise Denied(f"injected: operation=`{operation}`")
            case "unreadable":
                raise Denied(f"injected: operation=`{operation}`", hides_absence=False)
            case "after":
                await work()
                raise Unavailable(f"injected, and done: operation=`{operation}`")
            case "twice":
                await work()
            case "late":
                self._late.append(work)
                raise Unavailable(f"injected, and late: operation=`{operation}`")
        return await work()

    async def get(self, path: str, start: int = 0, end: int | None = None) -> Stored | None:
        found = await self._do("get", path, lambda: self.inner.get(path, start, end))
        if found is None and self.forbidden:
            raise Denied("403")
        return found

    async def head(self, path: str) -> ObjectMeta | None:
        found = await self._do("head", path, lambda: self.inner.head(path))
        if found is None and self.forbidden:
            raise Denied("403")
        return found

    async def create(self, path: str, body: bytes) -> Created | Exists:
        return await self._do("create", path, lambda: self.inner.create(path, body))

    async def update(self, path: str, body: bytes, expected: StoreVersion) -> Updated | Changed:
        return await self._do("update", path, lambda: self.inner.update(path, body, expected))

    async def replace(self, path: str, body: bytes) -> None:
        await self._do("replace", path, lambda: self.inner.replace(path, body))

    async def delete(self, path: str) -> None:
        await self._do("delete", path, lambda: self.inner.delete(path))

    async def list_page(self, prefix: str, after: str | None, limit: int) -> tuple[Named, ...]:
        return await self._do("list", prefix, lambda: self.inner.list_page(prefix, after, limit))

    async def sign(self, path: str, expires_s: int) -> str:
        return await self.inner.sign(path, expires_s)


class Stage:
    """An initialised workspace on a faulty store, with one process's clock, chance and services."""

    def __init__(self, backend: FaultyBackend | None = None, seed: int = 7) -> None:
        self.backend = backend or FaultyBackend()
        self.clock, self.chance = HandClock(), SeededChance(seed)
        self.tasks = ClockTasks(self.clock)
        self.storage = ScopedStorage(self.backend, WORKSPACE)
        made = initialise(self.storage.initialiser(), WORKSPACE, self.clock, self.chance)
        self.opened: Opened = run(made).opened
        self.wire()

    def wire(self) -> None:
        """Make the services again, as a process that starts does."""
        stores = self.storage.compactor()
        self.stores = stores
        self.leases = Leases(stores.read, stores.update, self.clock, self.chance, self.tasks)
        self.sight = Sight(stores.read, self.tasks)
        self.publisher = Publisher(
            *(stores.read, stores.create, stores.head, stores.replace),
            *(self.clock, self.chance, self.tasks),
        )

    def newest(self, since: Seen | None = None) -> Seen:
        return run(self.sight.newest(CATALOG, since))

    def acquire(self, holder: str, patience_ms: int = 0) -> HeldLease:
        lease = run(self.leases.acquire(self.newest(), holder, patience_ms))
        assert not isinstance(lease, Busy), lease
        return lease

    def commit(self, lease: Lease, seen: Seen | None = None, **more: Any) -> Seen:
        """Publish a commit after what was seen (the newest, when not given)."""
        permit = lease.permit_issuer().issue(seen or self.newest())
        done = run(self.publisher.publish(permit, self.draft(**more)))
        assert isinstance(done, Published), done
        return done.seen

    def draft(self, **more: Any) -> Draft:
        fields: dict[str, Any] = {"kind": Kind.COMMIT, "writer": "test", "positions": {}, **more}
        return Draft(**fields)

    def put(self, key: Key, raw: bytes) -> None:
        """Write by hand, as nobody may, over whatever stands there."""
        run(self.backend.inner.replace(WORKSPACE.locate(key), raw))

    def raw(self, key: Key) -> bytes:
        found = run(self.backend.inner.get(WORKSPACE.locate(key)))
        assert found is not None
        return found.body

    def remove(self, key: Key) -> None:
        run(self.backend.inner.delete(WORKSPACE.locate(key)))
