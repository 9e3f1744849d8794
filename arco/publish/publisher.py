"""The one way anything becomes visible: the next manifest, created if absent, under a permit."""

from __future__ import annotations

from dataclasses import dataclass

from arco.capabilities import (
    CasStore,
    Chance,
    Clock,
    Created,
    MetaStore,
    Read,
    Replace,
    Tasks,
)
from arco.core.canonical import encode
from arco.core.draft import Draft, Written, check_artifacts, compose
from arco.core.errors import ArcoError, Corrupt, Denied, Fenced, Invalid, Unavailable
from arco.core.ids import ULID_CHANCE_BYTES, digest, ulid_after
from arco.core.keys import DomainHintKey, DomainManifestKey, Key
from arco.core.manifest import Head, Manifest, contradictions, may_follow
from arco.core.records import Hint
from arco.publish.lease import PublishPermit
from arco.publish.sight import Seen, Sight

HINT_EVERY_MS = 1_000
"""How often a publisher writes the hint of a domain, at most."""
ATTEMPTS_MAX = 8
"""How often the next slot is occupied again before an outcome is called unknown."""
BACKOFF_FIRST_MS = 50


@dataclass(frozen=True, slots=True)
class Published:
    """The version is visible, for ever; `seen` is it."""

    seen: Seen


@dataclass(frozen=True, slots=True)
class Lost:
    """Another writer's version took the slot; nothing of ours landed. Look again, and try again."""

    version: int


class Publisher:
    """Creates the next version of domains.

    `publish` costs one create and one read (the next floor, absent), a HEAD for each new artifact,
    a read of the lock where the lease is adopted, and at most once a second a put of the hint. No
    listing. Each attempt after an unanswered create costs one more create and, where something
    stands in the slot, one read; a store that answers 403 for what is absent, one read.
    """

    def __init__(
        self,
        read: Read[Key],
        create: CasStore,
        head: MetaStore,
        replace: Replace[DomainHintKey],
        clock: Clock,
        chance: Chance,
        tasks: Tasks,
    ) -> None:
        self._read, self._create, self._head, self._replace = read, create, head, replace
        self._clock, self._chance, self._tasks = clock, chance, tasks
        self._sight = Sight(read, tasks)
        self._hinted_ms: dict[str, int] = {}

    async def publish(self, permit: PublishPermit, draft: Draft) -> Published | Lost:
        """Make a draft the next version of the permit's domain.

        1. Compose the manifest after what the permit expects, and judge the succession.
        2. Check every new artifact: it exists, with the size and version that its put answered.
        3. Spend the permit: genuine, unspent, unexpired, its lease still held.
        4. Create the version. 5. Make sure that no floor passed it. 6. Write the hint.

        Raises `Fenced` where the writer may not write (nothing landed), `Invalid` for a draft that
        may not follow, `Corrupt` for an artifact that is not what was put, and `Unavailable` when
        the outcome is unknown: it may have landed or land still, and is never called failed.
        """
        seen = permit.seen
        manifest = self._compose(permit, draft)
        raw = encode(manifest)
        for written in draft.written:
            if not await self._is_there(written, seen):
                return Lost(manifest.version)
        await permit.spend()
        ours = await self._occupy(DomainManifestKey(manifest.domain, manifest.version), raw)
        floor_number = await self._check_floor(manifest, seen.floor_number)
        if not ours:
            return Lost(manifest.version)
        published = Seen(Head(manifest, digest(raw), raw), floor_number)
        await self._hint(published)
        return Published(published)

    def _compose(self, permit: PublishPermit, draft: Draft) -> Manifest:
        seen, now_ms = permit.seen, self._clock.utc_ms()
        before = seen.head.manifest
        manifest = compose(
            draft,
            seen.head,
            token=permit.token.value,
            ulid=ulid_after(before.commit_ulid, now_ms, self._chance.take(ULID_CHANCE_BYTES)),
            at_ms=now_ms,
            floor_number=seen.floor_number,
        )
        refused = may_follow(seen.head, manifest) or next(contradictions(manifest), "")
        if refused:
            kind = Fenced if manifest.fencing_token < before.fencing_token else Invalid
            raise kind(f"may not follow: {refused}")
        check_artifacts(draft, manifest, before)
        return manifest

    async def _is_there(self, written: Written, seen: Seen) -> bool:
        """Say whether an artifact stands as it was put; not where it was collected meanwhile.

        Then a floor has reached the version in its name, and so others took the slot long ago.
        """
        denied: Denied | None = None
        try:
            meta = await self._head.head(written.key)
        except Denied as refused:  # or absent, for who may not list
            meta, denied = None, refused
        if meta is None:
            floor = await self._sight.newest_floor(seen.head.domain, seen.floor_number)
            if floor is not None and floor.version >= written.key.version:
                return False
            if denied is not None:
                raise denied
        elif (meta.size_bytes, meta.version) == (written.size_bytes, written.version):
            return True
        found = "absent" if meta is None else f"{meta.size_bytes} bytes"
        raise Corrupt(
            f"artifact is not what was put: key=`{written.key.path}` "
            f"size_bytes=`{written.size_bytes}` found=`{found}`"
        )

    async def _occupy(self, key: DomainManifestKey, raw: bytes) -> bool:
        """Create the slot until something is seen in it; say whether it is ours.

        The same bytes again and again: a create that lands late finds the slot taken, by itself or
        by another, and a slot that was seen taken never changes while it is above the floor.
        """
        uncertain = False
        for attempt in range(ATTEMPTS_MAX):
            try:
                answer = await self._create.create(key, raw)
                if isinstance(answer, Created):
                    return True
                uncertain = True  # a name that is taken may be taken by us
                found = await self._read.get(key)
                if found is not None:
                    return found.body == raw
            except Unavailable:
                uncertain = True
            except ArcoError as refused:
                if not uncertain:
                    raise
                raise _unknown(key, "a later attempt was refused meanwhile") from refused
            await self._tasks.sleep_ms(BACKOFF_FIRST_MS << attempt)
        raise _unknown(key, f"nothing was seen in the slot: attempts=`{ATTEMPTS_MAX}`")

    async def _check_floor(self, manifest: Manifest, floor_number: int) -> int:
        """Return the number of the newest floor. Raises `Unavailable` when one passed the version.

        Then what stands in the slot says nothing: ours may be void, or was there before and gone.
        Nor is anything else that is wrong with floors a refusal: the version is there by now.
        """
        key = DomainManifestKey(manifest.domain, manifest.version)
        try:
            floor = await self._sight.newest_floor(manifest.domain, floor_number)
        except ArcoError as refused:
            raise _unknown(key, "the floor could not be read") from refused
        if floor is None:
            return floor_number
        if floor.version > manifest.version:
            raise _unknown(key, f"a floor passed it: floor=`{floor.version}`")
        return floor.number

    async def _hint(self, seen: Seen) -> None:
        head, now_ms = seen.head, self._clock.monotonic_ms()
        last_ms = self._hinted_ms.get(head.domain)
        if last_ms is not None and now_ms - last_ms < HINT_EVERY_MS:
            return
        self._hinted_ms[head.domain] = now_ms
        hint = Hint(
            domain=head.domain,
            version=head.version,
            manifest_hash=head.digest,
            floor_number=seen.floor_number,
        )
        try:
            await self._replace.replace(DomainHintKey(head.domain), encode(hint))
        except ArcoError:
            return  # nobody needs a hint to be new, and the version is visible already


def _unknown(key: DomainManifestKey, why: str) -> Unavailable:
    return Unavailable(
        f"outcome unknown: {why} key=`{key.path}`",
        next_step="look for the commit by its idempotency key; do not report it as failed",
    )
