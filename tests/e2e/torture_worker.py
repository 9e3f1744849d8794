"""One process of the torture test: commits to a local store until it is killed.

usage: torture_worker.py ROOT NAME LOG [collect]

After each acknowledged commit it appends the count to LOG, synced. Everything else it forgets when
it dies: a new process of the same name learns from the chain how far it came.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path

from arco.adapters.local import LocalBackend
from arco.adapters.system import AsyncioTasks, SystemChance, SystemClock
from arco.capabilities import Created
from arco.collector.collect import Collector
from arco.core.draft import Draft, Written
from arco.core.errors import Conflict, Fenced, Unavailable
from arco.core.ids import digest, make_ulid
from arco.core.keys import DeltaKey, DomainName, Workspace
from arco.core.manifest import Artifact, Kind
from arco.publish.lease import Busy, HeldLease, Leases
from arco.publish.publisher import Published, Publisher
from arco.publish.sight import Seen, Sight
from arco.scoped import ScopedStorage

CATALOG = DomainName.CATALOG
WORKSPACE = Workspace("acme", "prod")
COMMITS_PER_LEASE = 8
PATIENCE_MS = 2_000
KEEP_VERSIONS = 20


class Worker:
    """A producer that commits one event after another."""

    def __init__(self, root: Path, name: str, log: Path) -> None:
        self.name, self.log = name, log
        self.storage = ScopedStorage(LocalBackend(root), WORKSPACE)
        self.stores = self.storage.compactor()
        self.clock, self.chance, self.tasks = SystemClock(), SystemChance(), AsyncioTasks()
        self.sight = Sight(self.stores.read, self.tasks)
        self.leases = Leases(
            *(self.stores.read, self.stores.update, self.clock, self.chance, self.tasks)
        )
        self.publisher = Publisher(
            *(self.stores.read, self.stores.create, self.stores.head, self.stores.replace),
            *(self.clock, self.chance, self.tasks),
        )

    async def work(self) -> None:
        """Commit for ever."""
        while True:
            seen = await self.sight.newest(CATALOG)
            lease = await self.leases.acquire(seen, self.name, PATIENCE_MS)
            if isinstance(lease, Busy):
                continue
            try:
                await self.commits(lease)
                await self.leases.release(lease)
            except (Conflict, Fenced, Unavailable):
                continue  # an operator broke the lease: look again

    async def commits(self, lease: HeldLease) -> None:
        """Commit some events under a lease."""
        seen = await self.sight.newest(CATALOG)
        for _ in range(random.randint(1, COMMITS_PER_LEASE)):
            done = await self.commit(lease, seen)
            if done is None:
                return
            seen = done

    async def commit(self, lease: HeldLease, seen: Seen) -> Seen | None:
        """Commit one event; log it when it was acknowledged."""
        before = seen.head.manifest.positions
        count = before.get(self.name, 0) + 1
        artifact, written = await self.artifact(seen.head.version + 1)
        draft = Draft(
            Kind.COMMIT,
            self.name,
            {**before, self.name: count},
            events=[f'{{"by":"{self.name}","n":{count}}}'.encode()],
            deltas=(artifact,),
            written=(written,),
        )
        done = await self.publisher.publish(lease.permit_issuer().issue(seen), draft)
        if not isinstance(done, Published):
            return None
        self.acknowledge(count)
        return done.seen

    async def artifact(self, version: int) -> tuple[Artifact, Written]:
        """Put a delta for a version."""
        body = os.urandom(random.randint(1, 5_000))
        ulid = make_ulid(self.clock.utc_ms(), self.chance.take(10))
        key = DeltaKey(CATALOG, version, ulid)
        answer = await self.stores.create.create(key, body)
        if not isinstance(answer, Created):
            raise SystemExit(f"a name came twice: {key.path}")
        kept = Artifact(size_bytes=len(body), digest=digest(body), rows={"t": 1}, key=key.path)
        return kept, Written(key, len(body), answer.version)

    def acknowledge(self, count: int) -> None:
        """Keep, beyond our death, that a commit was acknowledged."""
        descriptor = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(descriptor, f"{count}\n".encode())
        os.fsync(descriptor)
        os.close(descriptor)

    async def collect(self) -> None:
        """Collect for ever."""
        collector = Collector(self.storage.collector(), self.sight, self.clock)
        while True:
            try:
                await collector.collect(CATALOG, KEEP_VERSIONS)
            except Conflict:
                continue
            await asyncio.sleep(0.05)


def main() -> None:
    """Work until killed."""
    root, name, log, *more = sys.argv[1:]
    worker = Worker(Path(root), name, Path(log))
    asyncio.run(worker.collect() if more else worker.work())


if __name__ == "__main__":
    main()
