"""A workspace to measure: made on a store, with this machine's clock, chance and event loop."""

from __future__ import annotations

import os
from collections.abc import Sequence

from arco.adapters.system import AsyncioTasks, SystemChance, SystemClock
from arco.capabilities import Backend, Created
from arco.core.draft import Draft, Written
from arco.core.ids import ULID_CHANCE_BYTES, Ulid, digest, make_ulid
from arco.core.keys import BaseKey, DeltaKey, LedgerKey, StateKey
from arco.core.manifest import LIVE_DELTAS_MAX, Artifact, FoldedSegment, Kind
from arco.publish.initialise import initialise
from arco.publish.lease import Busy, HeldLease, Lease, Leases
from arco.publish.publisher import Published, Publisher
from arco.publish.sight import Seen, Sight
from arco.scoped import ScopedStorage
from tests.arco.storage_kit import CATALOG, WORKSPACE

EVENT = os.urandom(512).hex().encode()
"""One event of 1 KiB, which is a segment here."""
DELTA = os.urandom(2_048)
"""What one commit changed, in 2 KiB: as small as Parquet gets."""


class World:
    """A workspace, one process's services over it, and the newest version that it saw."""

    def __init__(self, backend: Backend) -> None:
        self.clock, self.chance, self.tasks = SystemClock(), SystemChance(), AsyncioTasks()
        self.storage = ScopedStorage(backend, WORKSPACE)
        self.wire()
        self.seen: Seen

    def wire(self) -> None:
        """Make the services again, as a process that starts does: its first publish hints."""
        self.api, stores = self.storage.api(), self.storage.compactor()
        self.stores = stores
        self.leases = Leases(stores.read, stores.update, self.clock, self.chance, self.tasks)
        self.publisher = Publisher(
            *(stores.read, stores.create, stores.head, stores.replace),
            *(self.clock, self.chance, self.tasks),
        )

    @classmethod
    async def make(cls, backend: Backend) -> World:
        """Initialise a workspace on an empty store."""
        world = cls(backend)
        await initialise(world.storage.initialiser(), WORKSPACE, world.clock, world.chance)
        world.seen = await world.fresh_sight().newest(CATALOG)
        return world

    def fresh_sight(self) -> Sight:
        """Return what reads as somebody who starts."""
        return Sight(self.storage.reader().read, self.tasks)

    def ulid(self) -> Ulid:
        """Return a new name."""
        return make_ulid(self.clock.utc_ms(), self.chance.take(ULID_CHANCE_BYTES))

    async def acquire(self) -> HeldLease:
        """Return the lease, which is free."""
        lease = await self.leases.acquire(self.seen, "bench")
        assert not isinstance(lease, Busy), lease
        return lease

    # --- what a commit is made of ---------------------------------------------------------------

    async def append(self) -> FoldedSegment:
        """Append one event to the ledger, as the API does. One create."""
        key = LedgerKey(CATALOG, self.ulid())
        assert isinstance(await self.api.create.create(key, EVENT), Created)
        return FoldedSegment(key=key.path, digest=digest(EVENT), first=0, last=0)

    async def put(self, key: StateKey, body: bytes) -> tuple[Artifact, Written]:
        """Put an artifact of its own. One create."""
        answer = await self.stores.create.create(key, body)
        assert isinstance(answer, Created)
        made = Artifact(size_bytes=len(body), digest=digest(body), rows={"t": 1}, key=key.path)
        return made, Written(key, len(body), answer.version)

    async def delta(self) -> tuple[Artifact, Written]:
        """Put a delta for the version that comes next. One create."""
        return await self.put(DeltaKey(CATALOG, self.seen.head.version + 1, self.ulid()), DELTA)

    def base_key(self, attempt: Ulid, table: str = "t") -> BaseKey:
        """Return a name of a base for the version that comes next."""
        return BaseKey(CATALOG, self.seen.head.version + 1, attempt, table)

    async def bases(self, count: int) -> tuple[list[Artifact], list[Written]]:
        """Put as many bases, of one attempt."""
        attempt = self.ulid()
        keys = [self.base_key(attempt, f"t{number}") for number in range(count)]
        pairs = [await self.put(key, key.path.encode()) for key in keys]
        return [made for made, _ in pairs], [written for _, written in pairs]

    async def publish(
        self,
        lease: Lease,
        *,
        segment: FoldedSegment | None = None,
        delta: Artifact | None = None,
        bases: Sequence[Artifact] | None = None,
        written: Sequence[Written] = (),
    ) -> None:
        """Publish a commit after what was seen; once the deltas are many, as after a merge."""
        before = self.seen.head.manifest
        kept = before.deltas[1:] if len(before.deltas) == LIVE_DELTAS_MAX else before.deltas
        draft = Draft(
            Kind.COMMIT,
            "bench",
            {"api-0": before.version},
            segments=(segment,) if segment else (),
            events=(EVENT,) if segment else (),
            bases=before.bases if bases is None else tuple(bases),
            deltas=(*kept, delta) if delta else kept,
            written=tuple(written),
        )
        done = await self.publisher.publish(lease.permit_issuer().issue(self.seen), draft)
        assert isinstance(done, Published), done
        self.seen = done.seen

    async def commit_inline(self, lease: Lease) -> None:
        """Append, then publish with the delta inside the manifest."""
        segment = await self.append()
        await self.publish(lease, segment=segment, delta=INLINE)

    async def commit(self, lease: Lease) -> None:
        """Append, put a delta of its own, then publish."""
        segment = await self.append()
        delta, written = await self.delta()
        await self.publish(lease, segment=segment, delta=delta, written=[written])


INLINE = Artifact(size_bytes=len(DELTA), digest=digest(DELTA), rows={"t": 1}, inline=DELTA)
