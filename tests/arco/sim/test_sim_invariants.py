"""The judge: for each rule, an effect or an answer that breaks it, and that it is seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from arco.core.canonical import encode
from arco.core.ids import Digest, Ulid, digest
from arco.core.keys import (
    DeltaKey,
    DomainHintKey,
    DomainManifestKey,
    FloorKey,
    GenesisKey,
    Key,
    LockKey,
    PinKey,
)
from arco.core.manifest import Kind, Manifest, genesis
from arco.core.records import Floor, Hint, LeaseState, LockRecord, Pin
from arco.publish.lease import HeldLease, Leases
from arco.publish.sight import Sight
from arco.scoped import ScopedStorage
from arco.sim.invariants import OPERATOR, Intent, Oracle, body_of, events_of
from arco.sim.scenes import DOMAIN, WORKSPACE, described, inlined
from arco.sim.store import DIALECTS, SimStore
from arco.sim.world import Process, SimTasks, Violation, World

ROOT = digest(b"root")


def ulid(number: int) -> Ulid:
    return Ulid(f"{number:026d}")


class Court:
    """A store and its judge, and a chain that is right so far."""

    def __init__(self) -> None:
        self.store = SimStore(World(1, {}), DIALECTS.items[0])
        self.oracle = Oracle(self.store, WORKSPACE, DOMAIN)
        self.store.watchers.append(self.oracle)
        self.create(GenesisKey(DOMAIN), encode(genesis(DOMAIN, ROOT, ulid(0), 0, "init")))
        self.floor(0, 0)

    def create(self, key: Key, body: bytes) -> None:
        self.store.create(WORKSPACE.locate(key), body)

    def floor(self, number: int, version: int, manifest_hash: str = "") -> None:
        floor = Floor(
            domain=DOMAIN,
            number=number,
            version=version,
            manifest_hash=Digest(manifest_hash or self.oracle.chain[version].digest),
            removed_root=ROOT,
            raised_at_ms=0,
        )
        self.create(FloorKey(DOMAIN, number), encode(floor))

    def next(self, **other: Any) -> Manifest:
        """Return a manifest that may follow, or one that differs from it."""
        link = self.oracle.chain[-1]
        event = f"w:{link.manifest.version + 1}".encode()
        fields: dict[str, Any] = {
            "domain": DOMAIN,
            "version": link.manifest.version + 1,
            "kind": Kind.COMMIT,
            "commit_ulid": ulid(link.manifest.version + 1),
            "fencing_token": 5,
            "parent_hash": link.digest,
            "committed_at_ms": 0,
            "writer": f"w#{link.manifest.version + 1}",
            "events_root": ROOT,
            "positions": {"w": link.manifest.version + 1},
            "deltas": (*link.manifest.deltas, inlined(event)),
            **other,
        }
        self.oracle.attempt(fields["writer"], Intent(adds=frozenset({event})))
        return Manifest(**fields)

    def commit(self, manifest: Manifest | None = None, **other: Any) -> Manifest:
        made = manifest or self.next(**other)
        self.create(DomainManifestKey(DOMAIN, made.version), encode(made))
        return made

    def lock(self, **other: Any) -> bytes:
        fields: dict[str, Any] = {
            "domain": DOMAIN,
            "state": LeaseState.HELD,
            "holder": "w",
            "fencing_token": 5,
            "nonce": "n",
            "written_at_ms": 0,
            **other,
        }
        return encode(LockRecord(**fields))

    def delta(self, version: int, body: bytes = b"w:1") -> DeltaKey:
        key = DeltaKey(DOMAIN, version, ulid(version))
        self.create(key, body)
        return key


def gap(court: Court) -> None:
    court.commit(version=3)


def token_back(court: Court) -> None:
    court.commit(fencing_token=4)


def ulid_back(court: Court) -> None:
    court.commit(commit_ulid=ulid(1))


def parent_other(court: Court) -> None:
    court.commit(parent_hash=ROOT)


def position_back(court: Court) -> None:
    court.commit(positions={"w": 0})


def floor_unknown(court: Court) -> None:
    court.commit(floor_number=1)


def attempt_twice(court: Court) -> None:
    court.commit(writer="w#1")


def attempt_refused(court: Court) -> None:
    manifest = court.next()
    court.oracle.told_refused(manifest.writer)
    court.commit(manifest)


def event_lost(court: Court) -> None:
    court.commit(deltas=())


def event_extra(court: Court) -> None:
    court.commit(deltas=(inlined(b"w:1"), inlined(b"w:2"), inlined(b"stranger")))


def event_twice(court: Court) -> None:
    court.commit(deltas=(inlined(b"w:1"), inlined(b"w:1"), inlined(b"w:2")))


def artifact_absent(court: Court) -> None:
    court.commit(deltas=(described(DeltaKey(DOMAIN, 2, ulid(2)), b"w:1\nw:2"),))


def artifact_torn(court: Court) -> None:
    key = court.delta(2, b"w:1\nw")
    court.commit(deltas=(described(key, b"w:1\nw:2"),))


def overwritten(court: Court) -> None:
    court.store.replace(WORKSPACE.locate(DomainManifestKey(DOMAIN, 1)), b"other")


def floor_gap(court: Court) -> None:
    court.floor(2, 1)


def floor_ahead(court: Court) -> None:
    court.floor(1, 2, ROOT)


def floor_other(court: Court) -> None:
    court.floor(1, 1, ROOT)


def deleted_above_floor(court: Court) -> None:
    court.store.delete(WORKSPACE.locate(DomainManifestKey(DOMAIN, 1)))


def deleted_genesis(court: Court) -> None:
    court.store.delete(WORKSPACE.locate(GenesisKey(DOMAIN)))


def deleted_pinned(court: Court) -> None:
    court.oracle.pinned("pin", 1, court.oracle.chain[1].digest, 9)
    court.commit()
    court.floor(1, 2)
    deleted_above_floor(court)


def deleted_in_progress(court: Court) -> None:
    court.store.delete(WORKSPACE.locate(court.delta(2)))


def deleted_referred(court: Court) -> None:
    key = court.delta(2, b"w:1\nw:2")
    court.commit(deltas=(described(key, b"w:1\nw:2"),))
    court.floor(1, 2)
    court.store.delete(WORKSPACE.locate(key))


def deleted_pin(court: Court) -> None:
    key = PinKey(DOMAIN, ulid(1))
    pin = Pin(
        domain=DOMAIN,
        version=1,
        manifest_hash=Digest(court.oracle.chain[1].digest),
        reason="x",
        pinned_at_ms=0,
        expires_at_ms=1,
    )
    court.create(key, encode(pin))
    court.oracle.pinned(WORKSPACE.locate(key), 1, court.oracle.chain[1].digest, 9)
    court.store.delete(WORKSPACE.locate(key))


def name_twice(court: Court) -> None:
    path = WORKSPACE.locate(court.delta(1, b"one"))
    court.floor(1, 1)
    court.store.delete(path)
    court.store.create(path, b"two")


def lock_token_back(court: Court) -> None:
    court.create(LockKey(DOMAIN), court.lock())
    court.store.replace(WORKSPACE.locate(LockKey(DOMAIN)), court.lock(fencing_token=4))


def lock_again(court: Court) -> None:
    court.create(LockKey(DOMAIN), court.lock())
    for nonce in ("other", "n"):
        court.store.replace(WORKSPACE.locate(LockKey(DOMAIN)), court.lock(nonce=nonce))


def shown_old(court: Court) -> None:
    court.oracle.saw(0, court.oracle.chain[0].digest, 0, (1, 0), "r")


def shown_other(court: Court) -> None:
    court.oracle.saw(1, ROOT, 0, (1, 0), "r")


def shown_old_floor(court: Court) -> None:
    court.floor(1, 1)
    court.oracle.saw(1, court.oracle.chain[1].digest, 0, (1, 1), "r")


def told_too_much(court: Court) -> None:
    court.oracle.published("w#2", 2, ROOT)


def told_failed(court: Court) -> None:
    court.oracle.told_refused("w#1")


def told_unknown(court: Court) -> None:
    court.oracle.told_known(b"w:9")


def read_other(court: Court) -> None:
    court.oracle.holds(1, [b"w:2"], "r")


def lost_at_the_end(court: Court) -> None:
    court.oracle.acknowledged.add(b"w:7")
    court.oracle.finish()


def totals_wrong(court: Court) -> None:
    court.commit(events=3)
    court.oracle.finish()


def gone_at_the_end(court: Court) -> None:
    del court.store.objects[WORKSPACE.locate(DomainManifestKey(DOMAIN, 1))]
    court.oracle.finish()


def pin_of_nothing(court: Court) -> None:
    court.oracle.pinned("pin", 1, ROOT, 9)


BROKEN: dict[Callable[[Court], None], str] = {
    gap: "not the next version",
    token_back: "a stale holder published",
    ulid_back: "commit_ulid did not grow",
    parent_other: "the parent is not the version before",
    position_back: "a position went back",
    floor_unknown: "a floor that does not exist",
    attempt_twice: "landed twice",
    attempt_refused: "told as failed",
    event_lost: "lost=`\\[b'w:1', b'w:2'\\]`",
    event_extra: "extra=`\\[b'stranger'\\]`",
    event_twice: "held twice",
    artifact_absent: "an absent artifact",
    artifact_torn: "a torn artifact",
    overwritten: "written over",
    floor_gap: "not the next floor",
    floor_ahead: "not the next floor",
    floor_other: "names another manifest",
    deleted_above_floor: "deleted above the floor",
    deleted_genesis: "must be kept",
    deleted_pinned: "a pinned version was deleted",
    deleted_in_progress: "could land still",
    deleted_referred: "that is referred to",
    deleted_pin: "a pin that holds was deleted",
    name_twice: "a name was used twice",
    lock_token_back: "a token went back",
    lock_again: "bytes of a lock came back",
    shown_old: "an old version as the newest",
    shown_other: "not in the chain",
    shown_old_floor: "an old floor as the newest",
    told_too_much: "told that it landed",
    told_failed: "told that it failed",
    told_unknown: "called known and is not",
    read_other: "found other events",
    lost_at_the_end: "acknowledged, and lost",
    totals_wrong: "totals do not add up",
    gone_at_the_end: "must be there is missing",
    pin_of_nothing: "what was pinned is not in the chain",
}


@pytest.mark.parametrize("act", BROKEN, ids=lambda act: act.__name__)
def test_each_rule_is_seen_to_be_broken(act: Callable[[Court], None]) -> None:
    court = Court()
    court.commit()
    court.oracle.finish()
    with pytest.raises(Violation, match=BROKEN[act]):
        act(court)


def test_a_chain_that_keeps_the_rules_passes() -> None:
    court = Court()
    first = court.commit()
    court.oracle.published("w#1", 1, court.oracle.chain[1].digest)
    court.oracle.saw(1, court.oracle.chain[1].digest, 0, (0, 0), "r")
    key = court.delta(2, body_of([b"w:2", b"w:1"]))
    court.commit(deltas=(described(key, b"w:1\nw:2"),))
    court.oracle.attempt("back", Intent(back_to=1))
    court.commit(
        msgspec.structs.replace(court.next(deltas=first.deltas, kind=Kind.ROLLBACK), writer="back")
    )
    assert court.oracle.chain[-1].state == frozenset({b"w:1"})
    court.floor(1, 2)
    court.store.delete(WORKSPACE.locate(DomainManifestKey(DOMAIN, 1)))
    court.create(DomainManifestKey(DOMAIN, 1), b"lands late, and is void")
    assert court.oracle.voided == 1
    court.oracle.finish()


def taken_by(court: Court, name: str) -> None:
    """Take the lease as a process of that name, from whoever has it, and let it be judged."""

    async def take(process: Process) -> None:
        stores = ScopedStorage(court.store.backend(process), WORKSPACE).compactor()
        await SimTasks().sleep_ms(1)
        sight = Sight(stores.read, SimTasks())
        leases = Leases(stores.read, stores.update, process.clock, process.chance, SimTasks())
        asked_ms = process.world.now_ms
        lease = await leases.acquire(await sight.newest(DOMAIN), name)
        assert isinstance(lease, HeldLease)
        court.oracle.took(process, lease, asked_ms)

    court.store.world.call(name, take)


def free(court: Court, operator: str) -> None:
    released = {"state": LeaseState.RELEASED, "holder": operator, "fencing_token": 6}
    record = court.lock(nonce=operator, **released)
    court.store.replace(WORKSPACE.locate(LockKey(DOMAIN)), record)


def leased() -> Court:
    court = Court()
    first = Digest(court.oracle.chain[0].digest)
    hint = Hint(domain=DOMAIN, version=0, manifest_hash=first, floor_number=0)
    court.store.replace(WORKSPACE.locate(DomainHintKey(DOMAIN)), encode(hint))
    court.create(LockKey(DOMAIN), court.lock(state=LeaseState.RELEASED))
    taken_by(court, "a")
    return court


def test_two_that_hold_the_lease_are_seen() -> None:
    court = leased()
    free(court, "b")
    with pytest.raises(Violation, match="two hold the lease at once: who=`b` other=`a`"):
        taken_by(court, "b")


def test_a_lease_is_broken_when_the_record_lands_whoever_is_told() -> None:
    court = leased()
    free(court, OPERATOR)
    taken_by(court, "b")
    assert [process.name for process, *_ in court.oracle.leases] == ["b"]


def test_artifacts_hold_events_as_lines_in_one_order() -> None:
    assert events_of(b"") == []
    assert events_of(body_of([b"b", b"a"])) == [b"a", b"b"]
