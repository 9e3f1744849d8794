"""Pinning a version, so that a reader may take its time over it."""

from __future__ import annotations

from dataclasses import dataclass

from arco.capabilities import Chance, Clock, Create
from arco.core.canonical import encode
from arco.core.ids import ULID_CHANCE_BYTES, make_ulid
from arco.core.keys import PinKey
from arco.core.manifest import Head
from arco.core.records import Floor, Pin
from arco.publish.sight import Seen, Sight

PIN_MS = 3_600_000
"""How long a pin holds when nothing else is said: an hour."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """The version stays readable until the pin expires."""

    key: PinKey
    pin: Pin


@dataclass(frozen=True, slots=True)
class Collected:
    """A floor passed the version before it was pinned: it may be gone any moment."""

    floor_version: int


async def pin(
    seen: Seen,
    head: Head,
    reason: str,
    *,
    create: Create[PinKey],
    sight: Sight,
    clock: Clock,
    chance: Chance,
    pin_ms: int = PIN_MS,
) -> Pinned | Collected:
    """Pin a version that was read, the newest or an earlier one; `seen` is the newest.

    The pin is created first and the floor asked for after, because a collector does it the other
    way round: whichever was first is seen by the other. One create and one read, or two for an
    earlier version, which may lie below the floor that was seen.
    """
    now_ms = clock.utc_ms()
    key = PinKey(head.domain, make_ulid(now_ms, chance.take(ULID_CHANCE_BYTES)))
    made = Pin(
        domain=head.domain,
        version=head.version,
        manifest_hash=head.digest,
        reason=reason,
        pinned_at_ms=now_ms,
        expires_at_ms=now_ms + pin_ms,
    )
    await create.create(key, encode(made))
    if head.version < seen.head.version:
        floor: Floor | None = await sight.floor_from(head.domain, seen.floor_number)
    else:
        floor = await sight.newest_floor(head.domain, seen.floor_number)
    if floor is not None and floor.version > head.version:
        return Collected(floor.version)
    return Pinned(key, made)
