"""The local store beside the floor of its disk and beside peers: put, publish, read, lease.

(h) One create-only put of 1 KiB. Promised: at most 1.2 times write, sync, link, sync of the folder.
(i) One publish: a segment, a delta, a manifest, everything synced. Promised: at most 4 ms and 8
create-only puts; as much with 1,000 bases in the manifest is not promised, but shown. Beside it
what peers take for theirs, most of it unsynced (`storage_peers`).
(j) The newest version, for who starts and for who looks again. (k) Each step of a lease.

`python tests/bench/bench_storage.py [ROUNDS]`; `BENCH_DIR` says on which disk.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # for what tests share

from arco.adapters.local import LocalBackend
from arco.core.records import LEASE_MS, SKEW_MS
from arco.publish.lease import Busy, HeldLease, Leases
from tests.arco.storage_kit import CATALOG, HandClock
from tests.bench import storage_peers as peers
from tests.bench.figures import Work, in_turns, machine, verdict
from tests.bench.storage_world import EVENT, World

PUT_RATIO_MAX = 1.2
PUBLISH_MS_MAX = 4
PUBLISH_PUTS_MAX = 8
MANY = 1_000
PUT = "one create-only put"


def floor(folder: Path) -> Work:
    """Return what no durable create-only put can undercut, in plain system calls."""
    numbers = count()
    for name in ("staged", "named"):
        (folder / name).mkdir(parents=True)
    staged, named = (os.open(folder / name, os.O_RDONLY) for name in ("staged", "named"))

    async def put() -> None:
        name = str(next(numbers))
        new = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, dir_fd=staged)
        os.write(new, EVENT)
        os.fsync(new)
        os.close(new)
        os.link(name, name, src_dir_fd=staged, dst_dir_fd=named)
        os.fsync(named)

    return put


def create(backend: LocalBackend) -> Work:
    """Return a create-only put of ours."""
    numbers = count()

    async def put() -> None:
        await backend.create(f"tenant=acme/workspace=prod/puts/{next(numbers)}", EVENT)

    return put


async def measure_put(folder: Path, rounds: int) -> None:
    """Measure and print (h)."""
    store = LocalBackend.make(folder / "puts")
    works = {"floor": floor(folder / "floor"), PUT: create(store)}
    turns = await in_turns(works, rounds, 100)
    print(f"(h) 1 KiB, created if absent, synced; {rounds} rounds of 100, {machine()}")
    turns.show("floor")
    ratio = turns.ratio(PUT, "floor")
    verdict(f"<= {PUT_RATIO_MAX} x floor", ratio <= PUT_RATIO_MAX, f"{ratio:.2f}")


# --- publish --------------------------------------------------------------------------------------


class Writer:
    """A workspace on a disk of its own, with its lease held."""

    def __init__(self, world: World, lease: HeldLease) -> None:
        self.world, self.lease = world, lease

    @classmethod
    async def make(cls, folder: Path) -> Writer:
        """Initialise a workspace, and take the lease."""
        world = await World.make(LocalBackend.make(folder))
        return cls(world, await world.acquire())

    async def renew(self) -> None:
        """Hold on to the lease."""
        await self.world.leases.renew(self.lease)

    async def inline(self) -> None:
        """Publish with the delta inside the manifest."""
        await self.world.commit_inline(self.lease)

    async def apart(self) -> None:
        """Publish with a delta of its own."""
        await self.world.commit(self.lease)

    async def add_bases(self) -> None:
        """Publish many bases, which every later manifest names too."""
        bases, written = await self.world.bases(MANY)
        await self.renew()
        await self.world.publish(self.lease, bases=bases, written=written)


async def measure_publish(folder: Path, rounds: int) -> None:
    """Measure and print (i)."""
    inline, apart, many = [await Writer.make(folder / name) for name in ("inline", "apart", "many")]
    await many.add_bases()
    place = peers.on_disk(folder)
    ours = {
        "publish, delta inline": inline.inline,
        "publish, delta of its own": apart.apart,
    }

    async def renew() -> None:
        for writer in (inline, apart, many):
            await writer.renew()

    async with peers.slate_put(place) as slate_put:
        works = {
            PUT: create(LocalBackend.make(folder / "puts")),
            **ours,
            f"publish, inline, {MANY:,} bases in the manifest": many.inline,
            "PyIceberg create_table, tables unsynced": peers.iceberg_create(place),
            "deltalake append by path, unsynced": peers.delta_append(place),
            "SlateDB durable put, 1 ms flush, unsynced": slate_put,
        }
        turns = await in_turns(works, rounds, 15, renew)
    print(f"(i) publish beside peers, local; {rounds} rounds of 15, {machine()}")
    turns.show(PUT)
    for name in ours:
        took_ms, ratio = turns.seconds(name) * 1e3, turns.ratio(name, PUT)
        verdict(f"{name} <= {PUBLISH_MS_MAX} ms", took_ms <= PUBLISH_MS_MAX, f"{took_ms:.2f} ms")
        verdict(f"{name} <= {PUBLISH_PUTS_MAX} puts", ratio <= PUBLISH_PUTS_MAX, f"{ratio:.1f}")


# --- reading --------------------------------------------------------------------------------------


async def measure_read(folder: Path, rounds: int) -> None:
    """Measure and print (j)."""
    writer = await Writer.make(folder / "read")
    for _ in range(10):
        await writer.inline()
    world, place = writer.world, peers.on_disk(folder)
    world.wire()
    await writer.inline()
    warm = world.fresh_sight()

    async def cold() -> None:
        await world.fresh_sight().newest(CATALOG)

    async def again() -> None:
        assert await warm.newest(CATALOG, world.seen) == world.seen

    await peers.iceberg_create(place)()
    await peers.delta_append(place)()
    works = {
        "cold, with a fresh hint": cold,
        "warm": again,
        "PyIceberg load_table": peers.iceberg_open(place),
        "deltalake open": peers.delta_open(place),
    }
    turns = await in_turns(works, rounds, 20)
    print(f"(j) the newest version, local; {rounds} rounds of 20, {machine()}")
    turns.show("cold, with a fresh hint")


# --- leases ---------------------------------------------------------------------------------------


class Contenders:
    """Two that want one lease, on a clock that is set by hand."""

    def __init__(self, world: World) -> None:
        self.world, self.clock = world, HandClock(world.clock.utc_ms())
        read, update = world.stores.read, world.stores.update
        self.leases = Leases(read, update, self.clock, world.chance, world.tasks)
        self.lease: HeldLease

    async def acquire(self) -> None:
        """Take the lease, which is free or has expired."""
        lease = await self.leases.acquire(self.world.seen, "bench")
        assert not isinstance(lease, Busy), lease
        self.lease = lease

    async def renew(self) -> None:
        """Hold on to it."""
        await self.leases.renew(self.lease)

    async def release(self) -> None:
        """Give it back."""
        await self.leases.release(self.lease)

    async def take_over(self) -> None:
        """Take it from a holder that was not heard of for too long."""
        self.clock.pass_ms(LEASE_MS + SKEW_MS + 1)
        await self.acquire()

    async def force_break(self) -> None:
        """End it, as an operator does."""
        assert await self.leases.force_break(CATALOG, "operator")


async def measure_lease(folder: Path, rounds: int) -> None:
    """Measure and print (k)."""
    backend = LocalBackend.make(folder / "lease")
    both = Contenders(await World.make(backend))
    fence, close = peers.slate_take_over(peers.on_disk(folder / "fenced"))
    works = {
        PUT: create(backend),
        "acquire": both.acquire,
        "renew": both.renew,
        "release": both.release,
        "acquire again": both.acquire,
        "take over, expired": both.take_over,
        "force-break": both.force_break,
        "SlateDB open, which fences, unsynced": fence,
    }
    turns = await in_turns(works, rounds, 10, close)
    await close()
    print(f"(k) a lease, local; {rounds} rounds of 10, {machine()}")
    turns.show(PUT)


async def main(rounds: int) -> None:
    """Print every row; always succeeds, because a figure is no verdict."""
    for measure in (measure_put, measure_publish, measure_read, measure_lease):
        with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
            await measure(Path(folder).resolve(), rounds)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if sys.argv[1:] else 7))
