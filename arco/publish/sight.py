"""Finding the newest version of a domain: from a hint forward, without a listing and without trust.

The hint says where to start; what it names must be there and have the digest that it says, or the
domain is corrupt. Floors are asked *after* the last version was found absent, because a collector
raises a floor before it deletes: so what looks like the end below a newer floor is never believed.
"""

from __future__ import annotations

from dataclasses import dataclass

from arco.capabilities import Read, Tasks
from arco.core.canonical import decode
from arco.core.errors import Corrupt, Unavailable
from arco.core.ids import Digest, digest
from arco.core.keys import DomainHintKey, DomainName, FloorKey, Key, manifest_key
from arco.core.manifest import Head, may_follow, read_head
from arco.core.records import Floor, Hint
from arco.publish.numbered import Numbered

RACES_MAX = 16
"""How often a search begins again because a floor was raised under it."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The newest version of a domain, and the number of the newest floor, as of one moment."""

    head: Head
    floor_number: int


@dataclass(frozen=True, slots=True)
class _Start:
    """Where a search begins: a version that must exist and have this digest, unless a floor rose.

    `floor_number` is where floors are asked from. What a hint says of it counts only while the
    version itself cannot say which floor it saw.
    """

    version: int
    digest: Digest
    floor_number: int
    hinted: bool = False
    known: Head | None = None


class Sight:
    """Finds the newest version of domains for one credential.

    `newest` costs four reads with a fresh hint: hint, version N, N+1 absent, the next floor absent.
    With what was seen before it costs two: N+1 absent, the next floor absent. Each newer version
    costs about two more per doubling of the distance, and a store that answers 403 for what is
    absent one more for each look. Never a listing.
    """

    def __init__(self, read: Read[Key], tasks: Tasks) -> None:
        self._read, self._tasks = read, tasks

    async def newest(self, domain: DomainName, since: Seen | None = None) -> Seen:
        """Return the newest version and floor of a domain; `since` is what was seen before.

        Raises `Corrupt` where what must be there is missing or differs, `Denied` where the
        credential may not read, `Unavailable` when the store did not answer.
        """
        start = _from_seen(since) if since else _from_hint(await self._hint(domain))
        for _ in range(RACES_MAX):
            head = await self._follow(domain, start)
            number = head.manifest.floor_number if head and start.hinted else start.floor_number
            raised = await self.newest_floor(domain, number)
            if head is not None and (raised is None or raised.version <= head.version):
                return Seen(head, raised.number if raised else number)
            if raised is None:
                raise Corrupt(
                    f"a version that must be there is missing or differs: domain=`{domain}` "
                    f"key=`{manifest_key(domain, start.version).path}` digest=`{start.digest}`"
                )
            start = _Start(raised.version, raised.manifest_hash, raised.number)
        raise Unavailable(
            f"floors were raised faster than the domain was read: domain=`{domain}`",
            next_step="try again",
        )

    async def newest_floor(self, domain: DomainName, number: int) -> Floor | None:
        """Return the newest floor behind a number, or None when none is newer. One read then."""
        last = await Numbered(self._read, lambda n: FloorKey(domain, n)).last_after(number)
        return None if last is None else read_floor(domain, last[0], last[1].body)

    async def floor_from(self, domain: DomainName, number: int) -> Floor:
        """Return the newest floor from a number on, which exists. Two reads when none is newer."""
        newer = await self.newest_floor(domain, number)
        if newer is not None:
            return newer
        key = FloorKey(domain, number)
        found = await self._read.get(key)
        if found is None:
            raise Corrupt(f"no floor: key=`{key.path}`")
        return read_floor(domain, number, found.body)

    async def _hint(self, domain: DomainName) -> Hint:
        key = DomainHintKey(domain)
        stored = await self._read.get(key)
        if stored is None:
            raise Corrupt(
                f"no hint: key=`{key.path}`", next_step="run `arco init` to complete the workspace"
            )
        hint = decode(stored.body, Hint, where=key.path)
        if hint.domain != domain:
            raise Corrupt(f"hint of another domain: key=`{key.path}` domain=`{hint.domain}`")
        return hint

    async def _follow(self, domain: DomainName, start: _Start) -> Head | None:
        """Return the last version from the start on, or None when the start is not there."""
        chain = Numbered(self._read, lambda n: manifest_key(domain, n))
        if start.known is None:
            stored, after = await self._tasks.both(
                chain.ask(start.version), chain.ask(start.version + 1)
            )
            if stored is None or digest(stored.body) != start.digest:
                await chain.confirm()
                return None
            head = read_head(domain, start.version, stored.body)
        else:
            head, after = start.known, await chain.ask(start.version + 1)
        if after is None:
            return head  # where it was refused, the look for floors confirms that it is absent
        head = _succeed(head, read_head(domain, head.version + 1, after.body))
        last = await chain.last_after(head.version)
        return head if last is None else read_head(domain, last[0], last[1].body)


def _from_hint(hint: Hint) -> _Start:
    return _Start(hint.version, hint.manifest_hash, hint.floor_number, hinted=True)


def _from_seen(seen: Seen) -> _Start:
    return _Start(seen.head.version, seen.head.digest, seen.floor_number, known=seen.head)


def _succeed(before: Head, after: Head) -> Head:
    refused = may_follow(before, after.manifest)
    if refused:
        raise Corrupt(
            f"a version does not follow the one before: version=`{after.version}` {refused}"
        )
    return after


def read_floor(domain: DomainName, number: int, raw: bytes) -> Floor:
    """Return the floor that raw bytes spell. Raises `Corrupt` for one of another place."""
    where = FloorKey(domain, number).path
    floor = decode(raw, Floor, where=where)
    if (floor.domain, floor.number) != (domain, number):
        raise Corrupt(f"floor of another place: key=`{where}` number=`{floor.number}`")
    return floor
