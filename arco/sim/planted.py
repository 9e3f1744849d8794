"""Bugs that are planted on purpose, because a simulator that finds nothing proves nothing.

Each is a small mutation of a shipping service, put in place for one run and taken out again, or a
wrong habit of whoever uses the services. `seeds` is how many seeds, from 0 on, may be needed before
the run of one ends in a violation; the same seeds pass without the bug.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from arco.capabilities import Created
from arco.collector import collect
from arco.core.errors import Unavailable
from arco.core.ids import digest
from arco.core.keys import BaseKey, DeltaKey, manifest_key
from arco.core.manifest import SUCCESSION, artifact_keys, read_head
from arco.core.records import LEASE_MS, LeaseState
from arco.publish import initialise, lease, numbered, pins, publisher, sight
from arco.publish.pins import pin
from arco.sim import readers
from arco.sim.scenes import Habits
from arco.sim.workloads import RIGHT, Outcome, play

Patch: TypeAlias = tuple[Any, str, Any]
"""An object, the name of its attribute, and what stands there while the bug is planted."""


@dataclass(frozen=True, slots=True)
class Bug:
    """One planted bug: its name, what is wrong, and within how many seeds it must be caught."""

    name: str
    what: str
    seeds: int
    patches: tuple[Patch, ...] = ()
    habits: Habits = RIGHT
    forced: Mapping[str, int] = field(default_factory=dict)
    """Circumstances that are part of the story, where others would make it too rare."""


@contextmanager
def planted(bug: Bug) -> Iterator[None]:
    """Keep a bug in place for a while; nothing of it is left afterwards."""
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in bug.patches]
    try:
        for owner, name, wrong in bug.patches:
            setattr(owner, name, wrong)
        yield
    finally:
        for owner, name, right in before:
            setattr(owner, name, right)


def play_planted(bug: Bug, seed: int, replayed: Mapping[str, int] | None = None) -> Outcome:
    """Run one seed with a bug in place."""
    with planted(bug):
        return play(seed, replayed, habits=bug.habits, forced=bug.forced)


# --- succession and publishing ------------------------------------------------------------------


def _may_follow_any_token(head: Any, following: Any) -> str:
    rules = (rule for rule in SUCCESSION if rule.field != "fencing_token")
    return next(filter(None, (rule.breaks(head, following) for rule in rules)), "")


def _issue_to_anybody(self: lease.PermitIssuer, seen: sight.Seen) -> lease.PublishPermit:
    held = self._lease
    held.check_alive()
    return lease.PublishPermit(lease._MINT, held, seen, held.until_ms)


async def _occupy_hoping(self: publisher.Publisher, key: Any, raw: bytes) -> bool:
    try:
        return await _OCCUPY(self, key, raw) if await _one(self, key, raw) is None else True
    except Unavailable:
        return True


async def _one(self: publisher.Publisher, key: Any, raw: bytes) -> bool | None:
    """Create once; None when the name was taken."""
    return True if isinstance(await self._create.create(key, raw), Created) else None


async def _occupy_once(self: publisher.Publisher, key: Any, raw: bytes) -> bool:
    try:
        return await _OCCUPY(self, key, raw) if await _one(self, key, raw) is None else True
    except Unavailable:
        return False


async def _occupy_without_a_look(self: publisher.Publisher, key: Any, raw: bytes) -> bool:
    return await _one(self, key, raw) is not None


async def _occupy_after_the_floor(self: publisher.Publisher, key: Any, raw: bytes) -> bool:
    floor = await self._sight.newest_floor(key.domain, 0)
    if floor is not None and floor.version > key.version:
        raise Unavailable("a floor passed it")
    return await _OCCUPY(self, key, raw)


async def _no_floor_check(self: publisher.Publisher, manifest: Any, floor_number: int) -> int:
    return floor_number


async def _no_artifact_check(self: publisher.Publisher, written: Any, seen: Any) -> bool:
    return True


# --- finding the newest version -----------------------------------------------------------------


async def _follow_the_hint_only(self: sight.Sight, domain: Any, start: Any) -> Any:
    if start.known is not None:
        return start.known
    stored = await self._read.get(manifest_key(domain, start.version))
    if stored is None or digest(stored.body) != start.digest:
        return None
    return read_head(domain, start.version, stored.body)


async def _no_newest_floor(self: sight.Sight, domain: Any, number: int) -> None:
    return None


async def _gallop_without_bisecting(self: Any, start: int) -> Any:
    found, low, step = None, start, 1
    while (stored := await self.at(low + step)) is not None:
        low, found, step = low + step, stored, step * 2
    return None if found is None else (low, found)


async def _denied_is_absent(self: Any) -> None:
    self._doubt = None


async def _denied_is_refused(self: Any, number: int) -> Any:
    return await self._read.get(self._key_of(number))


async def _floor_of_the_first_asked(self: sight.Sight, domain: Any, number: int) -> Any:
    return await self.newest_floor(domain, number) or _NO_FLOOR


class _NoFloor:
    version = 0


_NO_FLOOR = _NoFloor()


def _head_of_other_bytes(domain: Any, version: int, raw: bytes) -> Any:
    head = read_head(domain, version, raw)
    return replace(head, digest=digest(json.dumps(json.loads(raw)).encode()))


# --- the lease ----------------------------------------------------------------------------------


async def _acquire_by_the_lock_alone(self: lease.Leases, seen: Any, *words: Any) -> Any:
    """Look at no version: the token is one more than the lock's, whatever the lock says."""
    manifest = type(seen.head.manifest)(**{**_fields(seen.head.manifest), "fencing_token": 0})
    return await _ACQUIRE(self, replace(seen, head=replace(seen.head, manifest=manifest)), *words)


def _record_without_token(self: lease.Leases, before: Any, state: Any, **more: Any) -> Any:
    record = _RECORD(self, before, state, **more)
    if state is LeaseState.RELEASED:
        return type(record)(**{**_fields(record), "fencing_token": 0})
    return record


def _record_that_repeats(self: lease.Leases, before: Any, state: Any, **more: Any) -> Any:
    record = _RECORD(self, before, state, **more)
    return type(record)(**{**_fields(record), "nonce": "0" * 32, "written_at_ms": 0})


def _fields(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__}


def _take_when_watched_a_little(self: lease.Leases, record: Any, unchanged_ms: int) -> bool:
    return unchanged_ms >= LEASE_MS // 2 or _MAY_TAKE(self, record, unchanged_ms)


def _take_by_the_wall_clock(self: lease.Leases, record: Any, unchanged_ms: int) -> bool:
    if record.state is LeaseState.RELEASED:
        return True
    return bool(self._clock.utc_ms() > record.written_at_ms + record.lease_ms)


# --- collection ---------------------------------------------------------------------------------


async def _raise_nothing(self: collect.Collector, before: Any, version: int) -> Any:
    return type(before)(**{**_fields(before), "version": version, "number": before.number + 1})


async def _raise_after_deleting(self: collect.Collector, before: Any, version: int) -> Any:
    await self._delete_manifests(before.domain, version)
    return await _RAISE(self, before, version)


async def _no_pins(self: collect.Collector, floor: Any) -> Any:
    return {}, []


async def _pins_without_a_second_look(self: collect.Collector, floor: Any) -> Any:
    """Return what the first look saw: the second one comes with a newer floor, or the same."""
    first = getattr(self, "first_look", None)
    if first is None:
        first = await _PINS(self, floor)
        self.first_look = first  # type: ignore[attr-defined]
        return first
    del self.first_look  # type: ignore[attr-defined]
    return first


async def _delete_work_in_progress(
    self: collect.Collector, floor: Any, limit: int, pinned: Any
) -> int:
    live = set(artifact_keys((await self._sight.newest(floor.domain)).head.manifest))
    return await _delete_but(self, floor, limit + 3, live)


async def _delete_what_the_head_does_not_need(
    self: collect.Collector, floor: Any, limit: int, pinned: Any
) -> int:
    live = set(artifact_keys((await self._sight.newest(floor.domain)).head.manifest))
    return await _delete_but(self, floor, limit, live)


async def _delete_but(self: collect.Collector, floor: Any, limit: int, live: set[Any]) -> int:
    for kind in (DeltaKey, BaseKey):
        for key in await collect.keys_of(self._stores.list, kind, floor.domain, limit):
            if key not in live:
                await self._stores.delete.delete(key)
    return 0


async def _pin_before_the_look(seen: Any, head: Any, reason: str, **more: Any) -> Any:
    """Look for the floor first, and create the pin after."""
    floor = await more["sight"].floor_from(head.domain, seen.floor_number)
    if floor.version > head.version:
        return pins.Collected(floor.version)

    class Passed:
        async def newest_floor(self, *_: Any) -> Any:
            return floor

        floor_from = newest_floor

    return await pin(seen, head, reason, **{**more, "sight": Passed()})


async def _no_probe(*_: Any) -> None:
    return None


_OCCUPY = publisher.Publisher._occupy
_RECORD = lease.Leases._record
_ACQUIRE = lease.Leases.acquire
_MAY_TAKE = lease.Leases._may_take
_RAISE = collect.Collector._raise_floor
_PINS = collect.Collector._pins

PUBLISHER, SIGHT, COLLECTOR = publisher.Publisher, sight.Sight, collect.Collector

QUIET = {"tamper/1": 0, "world/1": 3}
"""Requests and replies sleep long, now and then, and nobody tampers afterwards."""
KEEPING = {**QUIET, "cast/1": 2, "cast/2": 0, "cast/3": 4, "cast/5": 1, "cast/6": 4}
KEEPING |= {"cast/8": 1, "cast/11": 1}
"""A writer and an adopter with much to do, two collectors, two travellers."""
BUGS: tuple[Bug, ...] = (
    Bug(
        "no-fencing",
        "a stale holder may publish when it has a fresh version",
        150,
        (
            (publisher, "may_follow", _may_follow_any_token),
            (lease.PermitIssuer, "issue", _issue_to_anybody),
        ),
    ),
    Bug(
        "ulid-watermark",
        "an event with a lower ULID than the newest version counts as folded",
        20,
        habits=Habits(watermark=True),
    ),
    Bug(
        "parent-of-other-bytes",
        "a version names its parent by a re-encoding instead of the stored bytes",
        20,
        ((sight, "read_head", _head_of_other_bytes),),
    ),
    Bug(
        "hint-trusted",
        "the version that the hint names is taken for the newest",
        20,
        ((SIGHT, "_follow", _follow_the_hint_only),),
    ),
    Bug(
        "gallop-without-bisecting",
        "versions between the last two steps are overlooked",
        20,
        ((numbered.Numbered, "last_after", _gallop_without_bisecting),),
    ),
    Bug(
        "floors-not-asked",
        "a reader does not ask for newer floors",
        20,
        ((SIGHT, "newest_floor", _no_newest_floor),),
    ),
    Bug(
        "denied-is-absent",
        "403 means absent without a proof that the credential may read",
        150,
        ((numbered.Numbered, "confirm", _denied_is_absent),),
    ),
    Bug(
        "denied-is-refused",
        "403 for an absent version is passed on as a refusal",
        20,
        ((numbered.Numbered, "ask", _denied_is_refused),),
    ),
    Bug(
        "acknowledged-before-created",
        "a create that was not answered counts as done",
        60,
        ((PUBLISHER, "_occupy", _occupy_hoping),),
    ),
    Bug(
        "unknown-is-failed",
        "a create that was not answered counts as failed",
        60,
        ((PUBLISHER, "_occupy", _occupy_once),),
    ),
    Bug(
        "taken-is-lost",
        "a taken slot counts as lost without reading back who took it",
        150,
        ((PUBLISHER, "_occupy", _occupy_without_a_look),),
    ),
    Bug(
        "no-floor-check",
        "a version that landed below a newer floor is acknowledged",
        150,
        ((PUBLISHER, "_check_floor", _no_floor_check),),
    ),
    Bug(
        "floor-checked-before-create",
        "the floor is asked for before the create instead of after",
        1_500,
        (
            (PUBLISHER, "_check_floor", _no_floor_check),
            (PUBLISHER, "_occupy", _occupy_after_the_floor),
        ),
    ),
    Bug(
        "artifacts-unchecked",
        "an artifact is written after the version that refers to it",
        20,
        ((PUBLISHER, "_is_there", _no_artifact_check),),
        Habits(writes_after=True),
    ),
    Bug(
        "one-name",
        "attempts write their artifacts under one name, and take what exists for theirs",
        40,
        habits=Habits(one_name=True),
    ),
    Bug(
        "token-reset",
        "releasing or breaking a lease starts the tokens again",
        20,
        ((lease.Leases, "_record", _record_without_token),),
    ),
    Bug(
        "token-of-the-lock-alone",
        "a new token is one more than the lock's, though the lock may have been restored",
        600,
        ((lease.Leases, "acquire", _acquire_by_the_lock_alone),),
    ),
    Bug(
        "lock-repeats",
        "lock records have no nonce, so that their bytes come back",
        60,
        ((lease.Leases, "_record", _record_that_repeats),),
    ),
    Bug(
        "taken-early",
        "a contender takes over a lease that it watched for half its life",
        150,
        ((lease.Leases, "_may_take", _take_when_watched_a_little),),
    ),
    Bug(
        "wall-clock-lease",
        "a lease ends by wall clocks alone, and its holder does not stop earlier",
        40,
        (
            (lease.Leases, "_may_take", _take_by_the_wall_clock),
            (lease, "DRIFT_MS", 0),
        ),
    ),
    Bug(
        "collected-without-floor",
        "versions are deleted without a floor marker",
        20,
        ((COLLECTOR, "_raise_floor", _raise_nothing),),
    ),
    Bug(
        "floor-after-deleting",
        "the floor is raised after the deleting",
        20,
        ((COLLECTOR, "_raise_floor", _raise_after_deleting),),
    ),
    Bug(
        "pins-ignored",
        "the collector does not look at pins",
        150,
        ((COLLECTOR, "_pins", _no_pins),),
    ),
    Bug(
        "pins-listed-once",
        "the collector does not look at pins again after it raised the floor",
        600,
        ((COLLECTOR, "_pins", _pins_without_a_second_look),),
        forced=KEEPING,
    ),
    Bug(
        "pin-after-floor-check",
        "the floor is asked for before a version is pinned instead of after",
        1_500,
        ((readers, "pin", _pin_before_the_look),),
        forced=KEEPING,
    ),
    Bug(
        "work-in-progress-deleted",
        "artifacts that nothing refers to yet are deleted, though they could land still",
        20,
        ((COLLECTOR, "_delete_artifacts", _delete_work_in_progress),),
    ),
    Bug(
        "only-the-head-lives",
        "artifacts that the newest version does not need are deleted",
        20,
        ((COLLECTOR, "_delete_artifacts", _delete_what_the_head_does_not_need),),
    ),
    Bug(
        "older-floor-overlooked",
        "a rollback or a pin of an earlier version asks only for floors newer than the one seen",
        150,
        ((SIGHT, "floor_from", _floor_of_the_first_asked),),
    ),
    Bug(
        "store-overwrites",
        "the store ignores create-if-absent, and nobody probes it",
        20,
        ((initialise, "_probe_new", _no_probe),),
        Habits(store_overwrites=True),
    ),
    Bug(
        "store-tears",
        "a local store writes in place, so that half an object shows under its name",
        300,
        habits=Habits(store_tears=True),
    ),
)
BY_NAME = {bug.name: bug for bug in BUGS}
