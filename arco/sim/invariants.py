"""What must hold after every step: a judge who sees every effect and hears every answer.

The rules are written here a second time, and differently: nothing of what is judged is called, so
that a mistake in the services is not repeated by their judge. What a version should hold follows
from what its writer meant to do (`Intent`), and is compared with what its artifacts hold.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from arco.core.canonical import decode
from arco.core.errors import Fenced, Invalid
from arco.core.keys import (
    FAMILIES,
    BaseKey,
    DeltaKey,
    DomainManifestKey,
    DomainName,
    FloorKey,
    GenesisKey,
    Key,
    LockKey,
    Mutability,
    PinKey,
    ProbeKey,
    Workspace,
)
from arco.core.manifest import Artifact, Manifest
from arco.core.records import Floor, LeaseState, LockRecord, Pin
from arco.publish.lease import Lease
from arco.sim.store import SimStore
from arco.sim.world import Process, Violation

KINDS = tuple((kind.prefix(), kind) for kind in FAMILIES)
"""Each family of keys, with how its paths begin."""
OPERATOR = "operator"
"""Who breaks leases by force, and never holds one."""
State = frozenset[bytes]
"""The events that a version holds."""


@dataclass(frozen=True, slots=True)
class Intent:
    """What a writer meant with one attempt: add events, or go back to a version, or neither."""

    adds: State = frozenset()
    back_to: int | None = None


@dataclass(slots=True)
class Link:
    """One version of the chain as it was created, and what readers of it must find."""

    manifest: Manifest
    digest: str
    state: State


@dataclass(slots=True)
class Oracle:
    """The truth about one domain, kept from the effects on the store as they happen."""

    store: SimStore
    workspace: Workspace
    domain: DomainName
    chain: list[Link] = field(default_factory=list)
    floors: list[Floor] = field(default_factory=list)
    pins: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Versions whose pins were said to hold, and until when, by path, until they are given up."""
    intents: dict[str, Intent] = field(default_factory=dict)
    """What each attempt means, by the name that it writes as."""
    landed: dict[str, int] = field(default_factory=dict)
    """Which version each attempt became."""
    refused: set[str] = field(default_factory=set)
    """Attempts of which somebody was told that nothing landed."""
    acknowledged: set[bytes] = field(default_factory=set)
    """Events of which somebody was told that they are there for good."""
    leases: list[tuple[Process, int, Lease]] = field(default_factory=list)
    """Leases that were handed out and not broken by force: to which life of which process."""
    broken_ms: int = -1
    """When an operator last broke a lease."""
    restored: bool = False
    """Whether an operator put back an older lock, whose token may then be lower."""
    voided: int = 0
    """Versions that landed below the floor, where nobody may look."""
    _names: dict[str, str] = field(default_factory=dict)
    _locks: set[bytes] = field(default_factory=set)
    _keys: dict[str, Key] = field(default_factory=dict)

    # --- effects on the store ---------------------------------------------------------------------

    def written(self, path: str, before: bytes | None, after: bytes) -> None:
        """Judge a write at the moment when it takes effect."""
        key = self._key(path)
        immutable = key.FAMILY.mutability is Mutability.IMMUTABLE
        if before is not None and immutable and not isinstance(key, ProbeKey):
            raise Violation(f"an immutable object was written over: key=`{key.path}`")
        if isinstance(key, LockKey):
            self._swapped(key, before, after)
        elif isinstance(key, DeltaKey | BaseKey):
            self._named(key, after)
        elif getattr(key, "domain", None) != self.domain:
            return
        elif isinstance(key, GenesisKey):
            self._begun(after)
        elif isinstance(key, DomainManifestKey):
            self._linked(key.version, after)
        elif isinstance(key, FloorKey):
            self._raised(key.number, after)

    def deleted(self, path: str, before: bytes) -> None:
        """Judge a deletion at the moment when it takes effect."""
        key = self._key(path)
        if isinstance(key, GenesisKey | FloorKey | LockKey):
            raise Violation(f"what must be kept was deleted: key=`{key.path}`")
        if getattr(key, "domain", None) != self.domain:
            return
        if isinstance(key, DomainManifestKey):
            self._dropped(key.version)
        elif isinstance(key, DeltaKey | BaseKey):
            self._swept(key, before)
        elif isinstance(key, PinKey) and path in self._held_pins():
            raise Violation(f"a pin that holds was deleted: key=`{key.path}`")

    def _key(self, path: str) -> Key:
        key = self._keys.get(path)
        if key is None:
            inside = path.removeprefix(self.workspace.prefix)
            kinds = (kind for prefix, kind in KINDS if inside.startswith(prefix))
            key = self._keys[path] = next(filter(None, (_parsed(kind, inside) for kind in kinds)))
        return key

    def _begun(self, raw: bytes) -> None:
        manifest = decode(raw, Manifest, where="genesis")
        self.chain.append(Link(manifest, _sha(raw), frozenset()))

    def _linked(self, version: int, raw: bytes) -> None:
        if version < self.floor_version:
            self.voided += 1
            return
        if version != len(self.chain):
            raise Violation(f"not the next version: version=`{version}` head=`{self.head}`")
        manifest = decode(raw, Manifest, where=f"version {version}")
        before, why = self.chain[-1], f"version=`{version}` writer=`{manifest.writer}`"
        _follows(before.manifest, before.digest, manifest, why)
        if manifest.floor_number > self.floors[-1].number:
            raise Violation(f"a floor that does not exist: {why}")
        intent = self.intents.get(manifest.writer)
        if intent is None or manifest.writer in self.landed:
            raise Violation(f"an attempt landed twice, or nobody made it: {why}")
        if manifest.writer in self.refused:
            raise Violation(f"an attempt landed that was told as failed: {why}")
        self.landed[manifest.writer] = version
        state = self._held(manifest, why)
        start = before.state if intent.back_to is None else self.chain[intent.back_to].state
        if state != start | intent.adds:
            raise Violation(
                f"a version holds something else than it should: {why} "
                f"lost=`{sorted((start | intent.adds) - state)}` "
                f"extra=`{sorted(state - (start | intent.adds))}`"
            )
        self.chain.append(Link(manifest, _sha(raw), state))

    def _held(self, manifest: Manifest, why: str) -> State:
        """Return the events in the artifacts of a manifest, which must be there, whole, once."""
        found: list[bytes] = []
        for artifact in (*manifest.bases, *manifest.deltas):
            found += events_of(self._bytes(artifact, why))
        if len(set(found)) != len(found):
            raise Violation(f"an event is held twice: {why}")
        return frozenset(found)

    def _bytes(self, artifact: Artifact, why: str) -> bytes:
        body = artifact.inline
        if artifact.key is not None:
            stored = self.store.objects.get(self.workspace.prefix + artifact.key)
            if stored is None:
                raise Violation(f"an absent artifact is referred to: {why} key=`{artifact.key}`")
            body = stored.body
        if body is None or (len(body), _sha(body)) != (artifact.size_bytes, artifact.digest):
            raise Violation(f"a torn artifact is referred to: {why} key=`{artifact.key}`")
        return body

    def _raised(self, number: int, raw: bytes) -> None:
        floor = decode(raw, Floor, where=f"floor {number}")
        last = self.floors[-1].version if self.floors else 0
        if number != len(self.floors) or not last <= floor.version <= self.head:
            raise Violation(f"not the next floor: number=`{number}` version=`{floor.version}`")
        if floor.manifest_hash != self.chain[floor.version].digest:
            raise Violation(f"a floor names another manifest: number=`{number}`")
        self.floors.append(floor)

    def _dropped(self, version: int) -> None:
        if version >= self.floor_version:
            raise Violation(f"a version was deleted above the floor: version=`{version}`")
        if version in self._held_pins().values():
            raise Violation(f"a pinned version was deleted: version=`{version}`")

    def _swept(self, key: DeltaKey | BaseKey, body: bytes) -> None:
        if key.version > self.floor_version:
            raise Violation(f"an artifact was deleted that could land still: key=`{key.path}`")
        kept = [
            *self.chain[self.floor_version :],
            *(self.chain[at] for at in self._held_pins().values()),
        ]
        for link in kept:
            if any(artifact.key == key.path for artifact in _artifacts(link.manifest)):
                raise Violation(
                    f"an artifact was deleted that is referred to: key=`{key.path}` "
                    f"version=`{link.manifest.version}`"
                )

    def _named(self, key: Key, body: bytes) -> None:
        if self._names.setdefault(key.path, _sha(body)) != _sha(body):
            raise Violation(f"a name was used twice: key=`{key.path}`")

    def _swapped(self, key: LockKey, before: bytes | None, after: bytes) -> None:
        record = decode(after, LockRecord, where=key.path)
        if record.state is LeaseState.RELEASED and record.holder == OPERATOR:
            self.broken()
        if self.restored:
            return
        if after in self._locks:
            raise Violation(f"bytes of a lock came back: key=`{key.path}`")
        self._locks.add(after)
        if before is not None:
            token = decode(before, LockRecord, where=key.path).fencing_token
            if record.fencing_token < token:
                raise Violation(f"a token went back: before=`{token}` key=`{key.path}`")

    # --- what callers were told -------------------------------------------------------------------

    @property
    def head(self) -> int:
        """The newest version."""
        return len(self.chain) - 1

    @property
    def floor_version(self) -> int:
        """The version of the newest floor."""
        return self.floors[-1].version if self.floors else 0

    def took(self, process: Process, lease: Lease, asked_ms: int) -> None:
        """Judge that a process was handed the lease: nobody else may hold one by its own clock.

        Only where no clock is worse than leases reckon with; safety does not depend on it.
        """
        alive = [(p, n, held) for p, n, held in self.leases if p.life == n and _is_alive(held)]
        if not _is_alive(lease) or asked_ms <= self.broken_ms:
            return  # the answer came so late that it is over, or was broken, already
        if alive and process.world.clocks.sane:
            raise Violation(
                f"two hold the lease at once: who=`{process.name}` other=`{alive[0][0].name}`"
            )
        self.leases = [*alive, (process, process.life, lease)]

    def broken(self) -> None:
        """Note that whatever lease was held is broken from now on, which its holder cannot know."""
        self.leases = []
        self.broken_ms = self.store.world.now_ms

    def attempt(self, name: str, intent: Intent) -> None:
        """Note what an attempt means before it is made; a name is used once."""
        self.intents[name] = intent

    def saw(self, version: int, digest: str, floor: int, since: tuple[int, int], who: str) -> None:
        """Judge what a reader was told; `since` is head and newest floor when it asked."""
        why = f"who=`{who}` version=`{version}` asked at head=`{since[0]}`"
        if version > self.head or self.chain[version].digest != digest:
            raise Violation(f"a reader was shown what is not in the chain: {why}")
        if version < since[0]:
            raise Violation(f"a reader was shown an old version as the newest: {why}")
        if not since[1] <= floor < len(self.floors):
            raise Violation(f"a reader was shown an old floor as the newest: {why} floor=`{floor}`")

    def published(self, name: str, version: int, digest: str) -> None:
        """Judge that a writer was told that its attempt became a version."""
        why = f"writer=`{name}` version=`{version}`"
        if self.landed.get(name) != version or self.chain[version].digest != digest:
            raise Violation(f"a writer was told that it landed, and it did not: {why}")
        self.acknowledged |= self.intents[name].adds

    def told_refused(self, name: str) -> None:
        """Judge that a writer was told that nothing of its attempt landed, nor ever will."""
        if name in self.landed:
            raise Violation(f"a writer was told that it failed, and it landed: writer=`{name}`")
        self.refused.add(name)

    def told_known(self, event: bytes) -> None:
        """Judge that a writer was told that its event is in the chain from an earlier attempt."""
        if not any(event in self.intents[name].adds for name in self.landed):
            raise Violation(f"an event is called known and is not: event=`{event!r}`")
        self.acknowledged.add(event)

    def pinned(self, path: str, version: int, digest: str, pin_ms: int) -> None:
        """Judge that a reader was told that a version stays: it must be one, and be there."""
        if version > self.head or self.chain[version].digest != digest:
            raise Violation(f"what was pinned is not in the chain: version=`{version}`")
        self._readable(version)
        self.pins[path] = (version, self.store.world.now_ms + pin_ms)

    def _held_pins(self) -> dict[str, int]:
        now_ms = self.store.world.now_ms
        return {path: version for path, (version, end_ms) in self.pins.items() if now_ms < end_ms}

    def let_go(self, path: str) -> None:
        """Hear that a reader needs its pin no longer."""
        self.pins.pop(path, None)

    def holds(self, version: int, events: Iterable[bytes], who: str) -> None:
        """Judge what a reader found in a version."""
        if version > self.head or frozenset(events) != self.chain[version].state:
            raise Violation(f"a reader found other events: who=`{who}` version=`{version}`")

    def finish(self) -> None:
        """Judge the whole at the end: nothing that was acknowledged is missing in the chain."""
        there = {event for name in self.landed for event in self.intents[name].adds}
        lost = self.acknowledged - there
        if lost:
            raise Violation(f"acknowledged, and lost: events=`{sorted(lost)}`")
        total = sum(link.manifest.events for link in self.chain)
        if self.chain[-1].manifest.totals.events != total:
            raise Violation(f"totals do not add up: events=`{total}`")
        pins = self._held_pins()
        for path, version in pins.items():
            pin = self.store.objects.get(path)
            if pin is None or decode(pin.body, Pin, where=path).version != version:
                raise Violation(f"a pin that holds is gone: path=`{path}`")
        for version in (*range(self.floor_version, len(self.chain)), *pins.values()):
            self._readable(version)

    def _readable(self, version: int) -> None:
        link = self.chain[version]
        key = DomainManifestKey(self.domain, version) if version else GenesisKey(self.domain)
        stored = self.store.objects.get(self.workspace.locate(key))
        if stored is None or _sha(stored.body) != link.digest:
            raise Violation(f"a version that must be there is missing: version=`{version}`")
        if self._held(link.manifest, f"version=`{version}`") != link.state:
            raise Violation(f"a version holds something else than it did: version=`{version}`")


def _parsed(kind: type[Key], inside: str) -> Key | None:
    try:
        return kind.parse(inside)
    except Invalid:
        return None


def _is_alive(lease: Lease) -> bool:
    try:
        lease.check_alive()
    except Fenced:
        return False
    return True


def events_of(body: bytes) -> list[bytes]:
    """Return the events of an artifact, which are its lines."""
    return body.split(b"\n") if body else []


def body_of(events: Iterable[bytes]) -> bytes:
    """Return the artifact that holds events, in an order that does not depend on theirs."""
    return b"\n".join(sorted(events))


def _artifacts(manifest: Manifest) -> tuple[Artifact, ...]:
    return (*manifest.bases, *manifest.deltas)


def _follows(before: Manifest, before_digest: str, after: Manifest, why: str) -> None:
    if after.parent_hash != before_digest:
        raise Violation(f"the parent is not the version before: {why}")
    if after.fencing_token < before.fencing_token:
        raise Violation(f"a stale holder published: {why} token=`{after.fencing_token}`")
    if after.commit_ulid <= before.commit_ulid:
        raise Violation(f"commit_ulid did not grow: {why}")
    if any(after.positions.get(who, -1) < at for who, at in before.positions.items()):
        raise Violation(f"a position went back: {why}")


def _sha(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()
