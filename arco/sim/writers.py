"""Who writes in a run: committers with every habit of holding a lease, claimers, adopters.

They are clients of the services, as the catalog and the compactor will be; each begins again after
a crash with nothing but what is still to do.
"""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from arco.core.canonical import decode
from arco.core.draft import Draft, Written, unchanged
from arco.core.errors import Conflict, Corrupt, Denied, Fenced, Invalid, Unavailable
from arco.core.keys import BaseKey, DeltaKey, LockKey
from arco.core.manifest import LIVE_DELTAS_MAX, Artifact, Kind
from arco.core.records import LEASE_MS, LeaseState, LockRecord
from arco.publish.lease import Busy, HeldLease, Lease, PublishPermit
from arco.publish.publisher import Lost, Published
from arco.publish.rollback import roll_back
from arco.publish.sight import Seen
from arco.sim.choices import Table, evenly
from arco.sim.invariants import OPERATOR, Intent, body_of
from arco.sim.scenes import DOMAIN, TABLE, Desk, Scene, described, inlined
from arco.sim.world import Process, SimTasks, Violation

T = TypeVar("T")

TRIES_MAX = 9
"""How often one life of an actor tries before it gives up."""
PATIENCE_MS = evenly([0, 3_000, 50_000])
PATIENCE_ENOUGH_MS = 2 * LEASE_MS
"""Longer than anybody can hold a lease without renewing it."""
PAUSE_MS = evenly([0, 40, 1_500, 7_000, 28_000])
REST_MS = Table([(40, 6.0), (0, 6.0), (1_500, 6.0), (7_000, 6.0), (28_000, 6.0), (8_000_000, 3.0)])
"""How long an actor rests between two things; the last is past every pin, and its grace."""
INLINE = evenly([True, False])
BACK = evenly([1, 2, 5])
MERGES = Table([(False, 4.0), (True, 1.0)])
FORCES = evenly([False, True])
RELEASES = evenly([True, False])
AHEAD = evenly([1, 2, 4])
"""How far ahead a merge names its base."""


@dataclass(frozen=True, slots=True)
class Style:
    """How a committer holds its lease."""

    releases: bool = True
    """It gives the lease back after each commit."""
    renews: bool = False
    """It renews before each commit."""
    claims: bool = False
    """It publishes a claim version first."""
    remembers: bool = False
    """It looks from what it saw before, not from the hint."""


STYLES = evenly(
    [
        Style(),
        Style(remembers=True),
        Style(releases=False),
        Style(releases=False, remembers=True),
        Style(releases=False, renews=True, remembers=True),
        Style(claims=True),
    ]
)


async def commit(scene: Scene, process: Process) -> None:
    """Commit what is left to do of this producer."""
    writer = Committer(scene, process)
    todo = scene.todo[process.name]
    for _ in range(TRIES_MAX):
        if not todo:
            break
        if await tolerated(process, writer.commit(todo[0])):
            todo.pop(0)
            await writer.rest()


async def tolerated(process: Process, work: Coroutine[Any, Any, T]) -> T | None:
    """Return what a piece of work answers; None where it ended in an error that may happen.

    Raises `Violation` for an error that says what is not so: corrupt where nobody tampered, denied
    where the credential is good, anything when all is calm.
    """
    try:
        return await work
    except (Unavailable, Fenced, Conflict) as error:
        if process.world.calm:
            raise Violation(f"refused though nothing fails: {error}") from error
        await SimTasks().sleep_ms(process.choices.pick(PAUSE_MS))
    except Denied as error:
        if not process.refused:
            raise Violation(f"denied with a good credential: {error}") from error
    except (Corrupt, Invalid) as error:
        raise Violation(f"{type(error).__name__} without a cause: {error}") from error
    return None


class Committer:
    """One life of a producer."""

    def __init__(self, scene: Scene, process: Process) -> None:
        self.desk: Desk = scene.desk(process)
        self.scene, self.process = scene, process
        self.style = process.choices.pick(STYLES)
        self.lease: HeldLease | None = None
        self.since: Seen | None = None
        self.made = {position: self.desk.ulid() for position in scene.todo[process.name]}
        """When each event was made, by the clock of its producer."""

    async def rest(self) -> None:
        """Wait a while before the next commit."""
        await self.desk.tasks.sleep_ms(self.process.choices.pick(REST_MS))

    async def commit(self, position: int) -> bool:
        """Say whether the event of a position is in the chain, from now or from before."""
        event = f"{self.process.name}:{position}".encode()
        seen = await self.desk.look(self.since if self.style.remembers else None)
        if self._known(seen, position):
            self.scene.oracle.told_known(event)
            return True
        lease = await self._lease(seen)
        if lease is None:
            return False
        if self.style.claims and seen.head.manifest.fencing_token < lease.token.value:
            claimed = await claim(self.desk, lease, seen)
            if claimed is None:
                return False
            seen = claimed
        done = await self._add(lease, seen, position, event)
        if self.style.releases:
            self.lease = None
            await self.desk.leases.release(lease)
        return done

    def _known(self, seen: Seen, position: int) -> bool:
        if self.scene.habits.watermark:
            return self.made[position] <= seen.head.manifest.commit_ulid
        return seen.head.manifest.positions.get(self.process.name, -1) >= position

    async def _lease(self, seen: Seen) -> HeldLease | None:
        try:
            if self.lease is not None:
                self.lease.check_alive()
                if self.style.renews:
                    await self.desk.leases.renew(self.lease)
                return self.lease
        except Fenced:
            self.lease = None
        taken = await take(self.desk, seen)
        if isinstance(taken, Busy):
            await self.rest()
            return None
        self.lease = taken
        return taken

    async def _add(self, lease: Lease, seen: Seen, position: int, event: bytes) -> bool:
        try:
            added = await add(self.desk, lease, seen, position, event)
        except Fenced:
            self.lease = None
            raise
        if added is None:
            return False
        self.since = added
        return True


async def take(desk: Desk, seen: Seen) -> HeldLease | Busy:
    """Acquire the lease, with some patience; when all is calm, with enough of it."""
    process = desk.process
    patience_ms = PATIENCE_ENOUGH_MS if process.world.calm else process.choices.pick(PATIENCE_MS)
    asked_ms = process.world.now_ms
    lease = await desk.leases.acquire(seen, process.name, patience_ms)
    if isinstance(lease, HeldLease):
        desk.scene.oracle.took(process, lease, asked_ms)
    return lease


async def claim(desk: Desk, lease: Lease, seen: Seen) -> Seen | None:
    """Publish a version that says nothing but who holds the lease now."""
    return await desk.publish_draft(
        lease, seen, Intent(), lambda name: unchanged(seen.head, Kind.CLAIM, name)
    )


async def add(desk: Desk, lease: Lease, seen: Seen, position: int, event: bytes) -> Seen | None:
    """Publish a version with one more event; None when another writer was first."""
    before = seen.head.manifest
    version = before.version + 1
    late = None
    written: tuple[Written, ...] = ()
    bases, deltas = before.bases, before.deltas
    if desk.process.choices.pick(INLINE):
        delta = inlined(event)
    else:
        key = DeltaKey(DOMAIN, version, desk.ulid())
        if desk.scene.habits.writes_after:
            delta, late = described(key, event), key
            written = (Written(key, len(event), ""),)
        else:
            put = await desk.put(key, event)
            if put is None:
                return None
            delta, written = put[0], (put[1],)
    if len(deltas) == LIVE_DELTAS_MAX or (len(deltas) > 1 and desk.process.choices.pick(MERGES)):
        merged = await merge(desk, seen)
        if merged is None:
            return None
        bases, deltas, written = (merged[0],), (), (*written, merged[1])

    def draft(name: str) -> Draft:
        return Draft(
            Kind.COMMIT,
            name,
            {**before.positions, desk.process.name: position},
            events=(event,),
            bases=bases,
            deltas=(*deltas, delta),
            written=written,
        )

    done = await desk.publish_draft(lease, seen, Intent(adds=frozenset({event})), draft)
    if late is not None:
        await desk.put(late, event)
    return done


async def merge(desk: Desk, seen: Seen) -> tuple[Artifact, Written] | None:
    """Write a base that holds all events of a version, for the version after it or a later one."""
    events = await desk.held(seen.head)
    if events is None:
        return None
    version = seen.head.version + desk.process.choices.pick(AHEAD)
    return await desk.put(BaseKey(DOMAIN, version, desk.ulid(), TABLE), body_of(events))


async def adopt(scene: Scene, process: Process) -> None:
    """Commit under leases that others hold, as a compactor does that is told their tokens."""
    desk, todo = scene.desk(process), scene.todo[process.name]
    for _ in range(TRIES_MAX):
        if not todo:
            break
        if await tolerated(process, _adopted(desk, todo[0])):
            todo.pop(0)
        await desk.tasks.sleep_ms(process.choices.pick(PAUSE_MS))


async def _adopted(desk: Desk, position: int) -> bool:
    event = f"{desk.process.name}:{position}".encode()
    seen = await desk.look()
    if seen.head.manifest.positions.get(desk.process.name, -1) >= position:
        desk.scene.oracle.told_known(event)
        return True
    key = LockKey(DOMAIN)
    stored = await desk.stores.read.get(key)
    if stored is None:
        raise Violation("the lock is gone")
    record = decode(stored.body, LockRecord, where=key.path)
    if record.state is not LeaseState.HELD:
        return False
    await desk.tasks.sleep_ms(desk.process.choices.pick(PAUSE_MS))
    lease = await desk.leases.adopt(DOMAIN, record.fencing_token)
    return await add(desk, lease, seen, position, event) is not None


async def take_over(scene: Scene, process: Process) -> None:
    """Break whatever lease is held, take it, and make the new token known."""
    desk = scene.desk(process)
    for _ in range(3):
        await desk.tasks.sleep_ms(process.choices.pick(PAUSE_MS))
        await tolerated(process, _taken_over(desk))


async def _taken_over(desk: Desk) -> None:
    if desk.process.choices.pick(FORCES):
        await desk.leases.force_break(DOMAIN, OPERATOR)
    seen = await desk.look()
    lease = await take(desk, seen)
    if isinstance(lease, Busy):
        return
    await claim(desk, lease, seen)
    if desk.process.choices.pick(RELEASES):
        await desk.leases.release(lease)


async def go_back(scene: Scene, process: Process) -> None:
    """Roll back to earlier versions, some of which may be collected."""
    desk = scene.desk(process)
    for _ in range(3):
        await desk.tasks.sleep_ms(process.choices.pick(PAUSE_MS))
        await tolerated(process, _gone_back(desk))


async def _gone_back(desk: Desk) -> None:
    seen = await desk.look()
    to_version = seen.head.version - desk.process.choices.pick(BACK)
    if to_version < 0:
        return
    lease = await take(desk, seen)
    if isinstance(lease, Busy):
        return

    def act(permit: PublishPermit, name: str) -> Coroutine[Any, Any, Published | Lost]:
        return roll_back(
            desk.publisher,
            permit,
            to_version,
            read=desk.stores.read,
            create=desk.stores.create,
            sight=desk.sight,
            clock=desk.process.clock,
            chance=desk.process.chance,
            writer=name,
        )

    try:
        await desk.publish(lease, seen, Intent(back_to=to_version), act)
    except Invalid:
        if to_version >= desk.scene.oracle.floor_version:
            raise
    await desk.leases.release(lease)
