"""Requests at an S3 server on the loopback: ours and those of peers, counted on the way.

(l) Promised: a publish of one commit is at most 6 requests with the lease held or the delta inline,
else at most 8; the newest version costs who starts at most 4 GET; never a listing. An append by the
API and the read of its segment by the compactor are part of a publish here; the hint is written at
most once a second and counted apart, as `+ hint`.
The server is moto; what stands in between writes down every request (`tests/arco/adapters/wire`).

`python tests/bench/bench_requests.py`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # for what tests share

from arco.core.keys import LedgerKey
from arco.publish.lease import Lease
from tests.arco.adapters.wire import Wire, serving
from tests.arco.storage_kit import CATALOG
from tests.bench import storage_peers as peers
from tests.bench.figures import Work, verdict
from tests.bench.storage_world import INLINE, World
from tests.conformance import cloud_kit, server_kit

PUBLISH_MAX = 6
PUBLISH_APART_MAX = 8
COLD_GETS_MAX = 4


class Counted:
    """Steps, and the requests that each took."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def count(self, name: str, work: Work) -> Counter[str]:
        """Do a step and print its requests; the SDKs are done when it answers."""
        self._wire.taken()
        await work()
        taken = self._wire.taken()
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(taken.items()))
        print(f"  {name:<46}{taken.total():4}   {kinds}")
        return taken


class Compactor:
    """What a publish is, where the compactor adopts the lease that the API holds."""

    def __init__(self, world: World, token: int) -> None:
        self.world, self.token = world, token

    async def adopted(self) -> Lease:
        """Work under the API's lease."""
        return await self.world.leases.adopt(CATALOG, self.token)

    async def inline(self, lease: Lease | None = None) -> None:
        """Append, fold with an inline delta, publish."""
        segment = await self.world.append()
        lease = lease or await self.adopted()
        assert await self.world.stores.read.get(LedgerKey.parse(segment.key))
        await self.world.publish(lease, segment=segment, delta=INLINE)

    async def apart(self) -> None:
        """Append, fold with a delta of its own, publish."""
        segment = await self.world.append()
        lease = await self.adopted()
        assert await self.world.stores.read.get(LedgerKey.parse(segment.key))
        delta, written = await self.world.delta()
        await self.world.publish(lease, segment=segment, delta=delta, written=[written])


def judge(name: str, taken: Counter[str], most: int) -> None:
    """Print whether a count is as promised."""
    met = taken.total() <= most and not taken["LIST"]
    verdict(f"{name} <= {most}, 0 LIST", met, f"{taken.total()}, {taken['LIST']} LIST")


async def measure_ours(wire: Wire) -> None:
    """Count and print what ours costs."""
    world, counted = await World.make(cloud_kit.s3(wire.url)), Counted(wire)
    held = await world.acquire()
    work = Compactor(world, held.token.value)
    told = {}
    for name, step, most in (
        ("publish, lease held, delta inline", lambda: work.inline(held), PUBLISH_MAX),
        ("publish, lease adopted, delta inline", work.inline, PUBLISH_MAX),
        ("publish, lease adopted, delta of its own", work.apart, PUBLISH_APART_MAX),
    ):
        world.wire()
        told[f"{name} + hint"] = (await counted.count(f"{name} + hint", step), most)
        told[name] = (await counted.count(name, step), most)
    world.wire()
    await work.inline(held)  # so that the hint is fresh
    told["cold read"] = (
        await counted.count("cold read", lambda: world.fresh_sight().newest(CATALOG)),
        COLD_GETS_MAX,
    )
    sight = world.fresh_sight()
    told["warm read"] = (
        await counted.count("warm read", lambda: sight.newest(CATALOG, world.seen)),
        COLD_GETS_MAX,
    )
    await counted.count("lease, renewed", lambda: world.leases.renew(held))
    await counted.count("lease, released", lambda: world.leases.release(held))
    await counted.count("lease, acquired", world.acquire)
    await counted.count("lease, broken", lambda: world.leases.force_break(CATALOG, "operator"))
    for name, (taken, most) in told.items():
        judge(name, taken, most)


async def measure_peers(wire: Wire, folder: Path) -> None:
    """Count and print what peers' steps cost."""
    counted = Counted(wire)
    key, secret = server_kit.ADMIN
    os.environ.update(peers.slate_environment(url=wire.url, key=key, secret=secret))
    place = peers.on_s3(server_kit.BUCKET, folder, url=wire.url, key=key, secret=secret)
    for name, step, load in (
        ("PyIceberg create_table", peers.iceberg_create(place), peers.iceberg_open(place)),
        ("deltalake append by path", peers.delta_append(place), peers.delta_open(place)),
    ):
        await step()
        await counted.count(name, step)
        await counted.count(f"{name.partition(' ')[0]} open and read", load)
    async with peers.slate_put(place) as put:
        await put()
        await counted.count("SlateDB durable put (some are its polling)", put)
    fence, close = peers.slate_take_over(place)
    await counted.count("SlateDB open", fence)
    await close()


async def main() -> None:
    """Print every row; always succeeds, because a figure is no verdict."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with server_kit.moto(folder) as url, serving(url) as wire:
            print("(l) requests at an S3 server")
            await measure_ours(wire)
            await measure_peers(wire, folder)


if __name__ == "__main__":
    asyncio.run(main())
