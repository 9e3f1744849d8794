"""Rolling back by rolling forward: an earlier content becomes the next version.

The artifacts are copied under names for the new version. Referring to the old objects would be
cheaper, but a collector may be about to delete them, and no clock or pin can rule that out for a
writer that sleeps between its last look and its create.
"""

from __future__ import annotations

from dataclasses import replace

from arco.capabilities import Chance, Clock, Created, Read, StatePutStore
from arco.core.draft import Draft, Written
from arco.core.errors import ArcoError, Conflict, Corrupt, Denied, Invalid
from arco.core.ids import ULID_CHANCE_BYTES, Ulid, digest, make_ulid
from arco.core.keys import DomainName, Key, StateKey, manifest_key
from arco.core.manifest import Artifact, Kind, Manifest, read_head, state_key
from arco.publish.lease import PublishPermit
from arco.publish.publisher import Lost, Published, Publisher
from arco.publish.sight import Seen, Sight


async def roll_back(
    publisher: Publisher,
    permit: PublishPermit,
    to_version: int,
    *,
    read: Read[Key],
    create: StatePutStore,
    sight: Sight,
    clock: Clock,
    chance: Chance,
    writer: str,
) -> Published | Lost:
    """Publish the content of an earlier version again; positions stay, so that nothing refolds.

    Costs one read of the manifest, a read and a create for each artifact object and two reads of
    floors, before what a publish costs. Raises `Invalid` for a version that is not earlier or was
    collected, `Corrupt` for an artifact that is missing or differs.
    """
    seen = permit.seen
    if not 0 <= to_version < seen.head.version:
        raise Invalid(f"not an earlier version: to=`{to_version}` newest=`{seen.head.version}`")
    key = manifest_key(seen.head.domain, to_version)
    bases: list[Artifact] = []
    deltas: list[Artifact] = []
    written: list[Written] = []
    refused: ArcoError | None = None
    try:
        earlier = await _manifest(seen.head.domain, to_version, read)
        bases, deltas = [
            [await _copy(a, seen, _attempt(clock, chance), read, create, written) for a in kept]
            for kept in (earlier.bases, earlier.deltas)
        ]
    except (Corrupt, Denied) as error:
        refused = error
    floor = await sight.floor_from(seen.head.domain, seen.floor_number)
    if floor.version > to_version:  # what was read may be anything: the floor is asked for after
        raise Invalid(
            f"no such version any more: key=`{key.path}` floor=`{floor.version}`",
            next_step="choose a later version",
        ) from refused
    if refused is not None:
        raise refused
    draft = Draft(
        Kind.ROLLBACK,
        writer,
        seen.head.manifest.positions,
        bases=tuple(bases),
        deltas=tuple(deltas),
        written=tuple(written),
    )
    return await publisher.publish(permit, draft)


def _attempt(clock: Clock, chance: Chance) -> Ulid:
    return make_ulid(clock.utc_ms(), chance.take(ULID_CHANCE_BYTES))


async def _manifest(domain: DomainName, version: int, read: Read[Key]) -> Manifest:
    key = manifest_key(domain, version)
    found = await read.get(key)
    if found is None:
        raise Corrupt(f"a version above the floor is missing: key=`{key.path}`")
    return read_head(domain, version, found.body).manifest


async def _copy(
    artifact: Artifact,
    seen: Seen,
    attempt: Ulid,
    read: Read[StateKey],
    create: StatePutStore,
    written: list[Written],
) -> Artifact:
    """Return an artifact under a name of the new version; inline ones stay as they are."""
    if artifact.key is None:
        return artifact
    old = state_key(artifact.key)
    found = await read.get(old)
    if found is None or digest(found.body) != artifact.digest:
        raise Corrupt(f"artifact is missing or differs: key=`{old.path}`")
    new = replace(old, version=seen.head.version + 1, attempt=attempt)
    answer = await create.create(new, found.body)
    if not isinstance(answer, Created):
        raise Conflict(f"a name that was never used exists: key=`{new.path}`")
    written.append(Written(new, len(found.body), answer.version))
    return Artifact(
        size_bytes=artifact.size_bytes, digest=artifact.digest, rows=artifact.rows, key=new.path
    )
