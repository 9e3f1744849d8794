"""What the actors of one run share, and what one of them holds in one of its lives.

A `Desk` wires the shipping services to the world, once per life, and tells the oracle and the
history what was asked and answered. Who does what with it is in `writers` and `readers`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from arco.capabilities import Created, Exists
from arco.core.draft import Draft, Written
from arco.core.errors import Conflict, Corrupt, Denied, Fenced, Invalid
from arco.core.ids import ULID_CHANCE_BYTES, Ulid, digest, make_ulid
from arco.core.keys import BaseKey, DeltaKey, DomainName, StateKey, Workspace
from arco.core.manifest import Artifact, Head, state_key
from arco.publish.lease import Lease, Leases, PublishPermit
from arco.publish.publisher import Lost, Published, Publisher
from arco.publish.sight import Seen, Sight
from arco.scoped import ScopedStorage
from arco.sim.histories import History
from arco.sim.invariants import Intent, Oracle, events_of
from arco.sim.store import SimStore
from arco.sim.world import Process, SimTasks, Violation, World

Act: TypeAlias = Callable[[PublishPermit, str], Coroutine[Any, Any, Published | Lost]]
"""What publishes under a permit, with the name that it writes as."""

WORKSPACE = Workspace("sim", "world")
DOMAIN = DomainName.EXECUTIONS
TABLE = "events"


@dataclass(frozen=True, slots=True)
class Habits:
    """How the actors use the services: the right way; each departure is a bug to plant."""

    watermark: bool = False
    """Events are told apart by the ULID of the newest version instead of by positions."""
    one_name: bool = False
    """Every attempt writes its artifact under the same name."""
    writes_after: bool = False
    """An artifact is written after the version that refers to it."""
    store_overwrites: bool = False
    """The store does not honour create-if-absent."""
    store_tears: bool = False
    """The store writes in place, so that a crash leaves half an object."""


@dataclass(slots=True)
class Scene:
    """One run: the world, its store, its judge, and what is left to do."""

    world: World
    store: SimStore
    oracle: Oracle
    habits: Habits = Habits()
    history: History = field(default_factory=History)
    todo: dict[str, list[int]] = field(default_factory=dict)
    """Positions that each producer has not been told of as committed."""
    attempts: int = 0

    def desk(self, process: Process) -> Desk:
        """Return what a process holds in the life that it begins."""
        return Desk(self, process)


class Desk:
    """The services as one life of one process holds them, watched."""

    def __init__(self, scene: Scene, process: Process) -> None:
        self.scene, self.process = scene, process
        storage = ScopedStorage(scene.store.backend(process), WORKSPACE)
        self.storage = storage
        self.stores = stores = storage.compactor()
        self.tasks = SimTasks()
        self.sight = Sight(stores.read, self.tasks)
        self.leases = Leases(stores.read, stores.update, process.clock, process.chance, self.tasks)
        self.publisher = Publisher(
            stores.read,
            stores.create,
            stores.head,
            stores.replace,
            process.clock,
            process.chance,
            self.tasks,
        )

    async def look(self, since: Seen | None = None) -> Seen:
        """Return the newest version, judged."""
        oracle, history = self.scene.oracle, self.scene.history
        asked = (oracle.head, oracle.floors[-1].number)
        handle = history.begin(self.process.name, "read")
        seen = await self.sight.newest(DOMAIN, since)
        head = seen.head
        oracle.saw(head.version, head.digest, seen.floor_number, asked, self.process.name)
        history.end(handle, (head.version, head.manifest.writer if head.version else None))
        return seen

    async def publish(self, lease: Lease, seen: Seen, intent: Intent, act: Act) -> Seen | None:
        """Publish something under a name of its own, judged; None when another was first."""
        scene = self.scene
        scene.attempts += 1
        name = f"{self.process.name}#{scene.attempts}"
        scene.oracle.attempt(name, intent)
        handle = scene.history.begin(self.process.name, "append", name)
        try:
            answer = await act(lease.permit_issuer().issue(seen), name)
        except (Fenced, Invalid, Corrupt, Conflict):
            scene.oracle.told_refused(name)
            scene.history.end(handle, None)
            raise
        if isinstance(answer, Lost):
            scene.oracle.told_refused(name)
            scene.history.end(handle, None)
            return None
        head = answer.seen.head
        scene.oracle.published(name, head.version, head.digest)
        scene.history.end(handle, head.version)
        return answer.seen

    async def publish_draft(
        self, lease: Lease, seen: Seen, intent: Intent, draft_as: Callable[[str], Draft]
    ) -> Seen | None:
        """Publish the draft that a name makes."""

        def act(permit: PublishPermit, name: str) -> Coroutine[Any, Any, Published | Lost]:
            return self.publisher.publish(permit, draft_as(name))

        return await self.publish(lease, seen, intent, act)

    def ulid(self) -> Ulid:
        """Return a new name."""
        if self.scene.habits.one_name:
            return make_ulid(0, bytes(ULID_CHANCE_BYTES))
        return make_ulid(self.process.clock.utc_ms(), self.process.chance.take(ULID_CHANCE_BYTES))

    async def put(self, key: DeltaKey | BaseKey, body: bytes) -> tuple[Artifact, Written] | None:
        """Write an artifact and return what a draft says of it; None when its name is taken."""
        answer = await self.stores.create.create(key, body)
        if isinstance(answer, Exists) and self.scene.habits.one_name:
            meta = await self.stores.head.head(key)
            answer = answer if meta is None else Created(meta.version)
        if isinstance(answer, Exists):
            return None
        return described(key, body), Written(key, len(body), answer.version)

    async def held(self, head: Head, *, pinned: bool = False) -> list[bytes] | None:
        """Return the events of a version, or None when it was collected meanwhile.

        Raises `Violation` for an artifact that is torn, or absent while no floor explains it.
        """
        found: list[bytes] = []
        for artifact in (*head.manifest.bases, *head.manifest.deltas):
            body = await self._body(artifact)
            if body is None:
                if self.scene.oracle.floor_version > head.version and not pinned:
                    return None
                raise Violation(f"a reader found no artifact: key=`{artifact.key}`")
            if digest(body) != artifact.digest:
                raise Violation(f"a reader found a torn artifact: key=`{artifact.key}`")
            found += events_of(body)
        return found

    async def _body(self, artifact: Artifact) -> bytes | None:
        if artifact.key is None:
            return artifact.inline
        try:
            stored = await self.stores.read.get(state_key(artifact.key))
        except Denied:
            if self.process.refused:
                raise
            return None  # the store tells absence so
        return None if stored is None else stored.body


def described(key: StateKey, body: bytes) -> Artifact:
    """Return what a manifest says of an artifact."""
    rows = {TABLE: len(events_of(body))}
    return Artifact(size_bytes=len(body), digest=digest(body), rows=rows, key=key.path)


def inlined(body: bytes) -> Artifact:
    """Return an artifact that a manifest holds itself."""
    rows = {TABLE: len(events_of(body))}
    return Artifact(size_bytes=len(body), digest=digest(body), rows=rows, inline=body)
