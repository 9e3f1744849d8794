"""Collecting a domain: old manifests, and artifacts that nothing refers to or can refer to.

The order is the safety, and no step compares clocks:

1. Cap: no pinned version goes.
2. Raise: create the next floor marker. From here on, everything below it is void: readers ask for
   newer floors after they found an end, publishers after they created.
3. Cap again: a pin that was created before the marker is seen now; one created after it is refused
   by its own look at the floor.
4. Delete below the lower of floor and pins: manifests by number, artifacts by the version in their
   name, save those that the manifest at the floor or a pinned one still refers to. A reference that
   was dropped never comes back, so these few manifests say what lives.

Below a floor, the bytes under a number may be void: a create that landed late, where the version
itself is gone; and somebody may have pinned them, and been told that it was too late. So the
manifest at the floor counts only with the digest that the floor names, and a pinned one only keeps
more alive, never less.

A run that dies anywhere leaves what the next one finishes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from arco.capabilities import Clock, Created, K, Lister, Page, Read, Stored
from arco.core.canonical import decode, encode
from arco.core.errors import Conflict, Corrupt, Denied
from arco.core.ids import Digest, digest
from arco.core.keys import (
    BaseKey,
    DeltaKey,
    DomainManifestKey,
    DomainName,
    FloorKey,
    GenesisKey,
    Key,
    PinKey,
    manifest_key,
)
from arco.core.manifest import Head, artifact_keys, may_follow, read_head
from arco.core.merkle import leaf_hash, root
from arco.core.records import Floor, Pin
from arco.publish.sight import Sight, read_floor
from arco.scoped import CollectorStores

KEEP_VERSIONS = 100
"""Versions of a domain that stay when nothing else is said."""
PIN_GRACE_MS = 3_600_000
"""How long an expired pin is still honoured: its holder's clock may be behind."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What a run did: the floor's version before and after, and how many objects went."""

    domain: DomainName
    floor_before: int
    floor_after: int
    manifests: int
    artifacts: int
    pins: int


class Collector:
    """Raises floors and deletes below them, one domain at a time.

    `collect` costs a look (4), a read of the floor, and twice a listing of the pins and a read of
    each. Where the floor rises, also a read of each version from the old one to the new one, and
    the marker's create; where it does not, a create of the marker that is there, so that it is
    durable before anything goes. Then three listings of what lies below (a request for each page),
    a read of the version at the floor where there are artifacts, and a delete for each object.
    Where the store refuses what is absent, one listing more for each such read.
    """

    def __init__(self, stores: CollectorStores, sight: Sight, clock: Clock) -> None:
        self._stores, self._sight, self._clock = stores, sight, clock
        self._read: Read[Key] = stores.read

    async def collect(self, domain: DomainName, keep_versions: int = KEEP_VERSIONS) -> Swept:
        """Take away what is older than the newest `keep_versions` versions and not pinned.

        Raises `Conflict` where another collector went further meanwhile, and `Corrupt` where what
        must be there is missing; nothing more is deleted then.
        """
        seen = await self._sight.newest(domain)
        before = await self._floor(domain, seen.floor_number)
        held, _ = await self._pins(before)
        wanted = min([seen.head.version - max(keep_versions, 1) + 1, *held])
        after = before
        if wanted > before.version:
            after = await self._raise_floor(before, wanted)
        elif before.number:  # whoever created the marker may have died before it was durable
            await self._stores.create.create(FloorKey(domain, before.number), encode(before))
        held, expired = await self._pins(after)
        limit = min([after.version, *held])
        manifests = await self._delete_manifests(domain, limit)
        pinned = [head for head in held.values() if head is not None]
        artifacts = await self._delete_artifacts(after, limit, pinned)
        for key in expired:
            await self._stores.delete.delete(key)
        return Swept(domain, before.version, after.version, manifests, artifacts, len(expired))

    async def _get(self, key: PinKey | GenesisKey | DomainManifestKey) -> Stored | None:
        """Return an object, or None when it is absent; a listing says so where it is refused.

        Who may list some prefixes only, as a collector, is told 403 by S3 for what is absent. What
        we delete depends on it, so another read that is answered would not be proof enough.
        """
        try:
            return await self._read.get(key)
        except Denied:
            if isinstance(key, GenesisKey):
                raise
            if key in await keys_of(self._stores.list, type(key), key.domain):
                raise
            return None

    async def _floor(self, domain: DomainName, number: int) -> Floor:
        key = FloorKey(domain, number)
        found = await self._read.get(key)
        if found is None:
            raise Corrupt(f"no floor: key=`{key.path}`")
        return read_floor(domain, number, found.body)

    async def _pins(self, floor: Floor) -> tuple[dict[int, Head | None], list[PinKey]]:
        """Return the versions of the pins that hold, and the keys of those long expired.

        A pin below the floor holds, and its version comes along, where that is there as it was
        pinned; otherwise its maker was told that it came too late.
        """
        held: dict[int, Head | None] = {}
        expired = []
        now_ms = self._clock.utc_ms()
        for key in await keys_of(self._stores.list, PinKey, floor.domain):
            found = await self._get(key)
            if found is None:
                continue  # another collector was faster
            pin = _read_pin(key, found.body)
            if now_ms > pin.expires_at_ms + PIN_GRACE_MS:
                expired.append(key)
            elif pin.version >= floor.version:
                held[pin.version] = None
            elif (head := await self._pinned(pin)) is not None:
                held[pin.version] = head
        return held, expired

    async def _pinned(self, pin: Pin) -> Head | None:
        found = await self._get(manifest_key(pin.domain, pin.version))
        if found is None or digest(found.body) != pin.manifest_hash:
            return None
        return read_head(pin.domain, pin.version, found.body)

    async def _raise_floor(self, before: Floor, version: int) -> Floor:
        """Create the next marker; where another collector was faster, theirs is what counts.

        What goes is a chain: one that is broken stays, because it is what shows where.
        """
        domain = before.domain
        gone, at = [], await self._manifest(before, before.version, before.manifest_hash)
        while at.version < version:
            gone.append(at.digest)
            at = await self._successor(before, at)
        floor = Floor(
            domain=domain,
            number=before.number + 1,
            version=version,
            manifest_hash=at.digest,
            removed_root=removed_root(tuple(gone)),
            raised_at_ms=self._clock.utc_ms(),
        )
        answer = await self._stores.create.create(FloorKey(domain, floor.number), encode(floor))
        if isinstance(answer, Created):
            return floor
        return await self._floor(domain, floor.number)

    async def _manifest(self, floor: Floor, version: int, expected: Digest | None = None) -> Head:
        """Return a version that is there as expected, unless a later floor than this was raised."""
        found = await self._get(manifest_key(floor.domain, version))
        if found is None or expected not in (None, digest(found.body)):
            raise await self._refusal(floor, version, "is missing or differs")
        return read_head(floor.domain, version, found.body)

    async def _successor(self, floor: Floor, before: Head) -> Head:
        """Return the version after another, if it follows."""
        after = await self._manifest(floor, before.version + 1)
        refused = may_follow(before, after.manifest)
        if refused:
            raise await self._refusal(floor, after.version, f"does not follow: {refused}")
        return after

    async def _refusal(self, floor: Floor, version: int, why: str) -> Conflict | Corrupt:
        """Return what is wrong with a version: it is void below a later floor, or it is corrupt."""
        later = await self._sight.newest_floor(floor.domain, floor.number)
        if later is not None and later.version > version:
            return Conflict(f"another collector went further: floor=`{later.version}`")
        path = manifest_key(floor.domain, version).path
        return Corrupt(f"a version above the floor {why} key=`{path}`")

    async def _delete_manifests(self, domain: DomainName, limit: int) -> int:
        old = await keys_of(self._stores.list, DomainManifestKey, domain, limit - 1)
        for key in old:
            await self._stores.delete.delete(key)
        return len(old)

    async def _delete_artifacts(self, floor: Floor, limit: int, pinned: Sequence[Head]) -> int:
        """Delete what neither the manifest at the floor refers to nor a pinned one below it."""
        domain = floor.domain
        deltas = await keys_of(self._stores.list, DeltaKey, domain, limit)
        bases = await keys_of(self._stores.list, BaseKey, domain, limit)
        if not deltas and not bases:
            return 0
        at_floor = await self._manifest(floor, floor.version, floor.manifest_hash)
        live = {key for head in (at_floor, *pinned) for key in artifact_keys(head.manifest)}
        dead = [key for key in (*deltas, *bases) if key not in live]
        for key in dead:
            await self._stores.delete.delete(key)
        return len(dead)


def _read_pin(key: PinKey, raw: bytes) -> Pin:
    try:
        return decode(raw, Pin, where=key.path)
    except Corrupt as error:
        step = "delete the pin once nobody reads what it may be for; no collector runs before"
        raise Corrupt(error.problem, next_step=step) from error


def removed_root(digests: tuple[Digest, ...]) -> Digest:
    """Return the RFC 6962 root over the digests of the manifests that a floor removes."""
    return Digest(root([leaf_hash(bytes.fromhex(digest)) for digest in digests]).hex())


async def keys_of(
    listing: Lister[Any], kind: type[K], domain: DomainName, up_to: int | None = None
) -> list[K]:
    """Return the keys of a family in a domain, those of versions up to `up_to` where given.

    A page is one request; paths sort by version, so that later pages are not asked for.
    """
    found: list[K] = []
    after: str | None = None
    while True:
        page: Page[K] = await listing.list_page(kind, after=after, domain=domain)
        keys = [item.key for item in page.items]
        wanted = [k for k in keys if up_to is None or getattr(k, "version") <= up_to]  # noqa: B009
        found += wanted
        if page.after is None or len(wanted) < len(keys):
            return found
        after = page.after
