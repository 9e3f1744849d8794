"""Publishing: what becomes visible, what is refused, and what is never called failed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from arco.capabilities import Created
from arco.core.canonical import encode
from arco.core.draft import Written
from arco.core.errors import ArcoError, Corrupt, Denied, Fenced, Invalid, Unavailable
from arco.core.ids import Ulid, digest
from arco.core.keys import (
    DeltaKey,
    DomainHintKey,
    DomainManifestKey,
    DomainName,
    FloorKey,
    LockKey,
)
from arco.core.manifest import INLINE_BYTES_MAX, Artifact, FoldedSegment, Kind, Manifest
from arco.core.receipt import disproof, receipt_for
from arco.core.records import Floor
from arco.publish.lease import Busy
from arco.publish.publisher import ATTEMPTS_MAX, Lost, Published
from tests.arco.collector.test_collect import collector, paths
from tests.arco.storage_kit import CATALOG, WORKSPACE, FaultyBackend, Stage, run


@pytest.fixture
def stage() -> Stage:
    return Stage()


def slot(version: int) -> DomainManifestKey:
    return DomainManifestKey(CATALOG, version)


def test_a_commit_is_the_next_version_and_everybody_sees_it(stage: Stage) -> None:
    lease = stage.acquire("a")
    first = stage.commit(lease, positions={"p": 1})
    second = stage.commit(lease, first, positions={"p": 2})
    assert [first.head.version, second.head.version] == [1, 2]
    assert second.head.manifest.parent_hash == digest(stage.raw(slot(1)))
    assert second.head.raw == stage.raw(slot(2))
    stage.wire()
    assert stage.newest() == second


def test_stale_holder_cannot_publish_even_with_fresh_version(stage: Stage) -> None:
    stale = stage.acquire("a")
    assert run(stage.leases.force_break(CATALOG, "operator"))
    current = stage.acquire("b")
    assert current.token.value > stale.token.value
    stage.commit(current)
    fresh = stage.newest()  # after b's version
    with pytest.raises(Fenced, match="stale token"):
        stale.permit_issuer().issue(fresh)
    assert stage.newest() == fresh


def test_stale_holder_before_first_publish_of_new_holder(stage: Stage) -> None:
    stale = stage.acquire("a")
    run(stage.leases.force_break(CATALOG, "operator"))
    current = stage.acquire("b")
    expected = stage.newest()
    # Nothing says yet that b is there, so a's create may win: one of the two versions is lost by
    # nobody, because creating decides.
    late = stage.commit(stale, expected)
    beaten = run(stage.publisher.publish(current.permit_issuer().issue(expected), stage.draft()))
    assert beaten == Lost(late.head.version)
    claim = stage.commit(current, kind=Kind.CLAIM)  # and from the claim on, a is fenced
    with pytest.raises(Fenced, match="stale token"):
        stale.permit_issuer().issue(claim)


def test_an_adopter_is_fenced_as_soon_as_the_lock_says_so(stage: Stage) -> None:
    held = stage.acquire("a")
    adopted = run(stage.leases.adopt(CATALOG, held.token.value))
    permit = adopted.permit_issuer().issue(stage.newest())
    run(stage.leases.release(held))
    with pytest.raises(Fenced, match="not held under this token"):
        run(stage.publisher.publish(permit, stage.draft()))
    with pytest.raises(Fenced, match="not held under this token"):
        run(stage.leases.adopt(CATALOG, held.token.value))
    assert stage.newest().head.version == 0


def test_two_with_the_same_expectation_have_one_winner(stage: Stage) -> None:
    lease = stage.acquire("a")
    seen = stage.newest()
    one, two = lease.permit_issuer().issue(seen), lease.permit_issuer().issue(seen)
    assert isinstance(run(stage.publisher.publish(one, stage.draft(writer="one"))), Published)
    assert run(stage.publisher.publish(two, stage.draft(writer="two"))) == Lost(1)
    assert stage.newest().head.manifest.writer == "one"


def test_a_permit_is_good_once_and_not_for_long(stage: Stage) -> None:
    lease = stage.acquire("a")
    permit = lease.permit_issuer().issue(stage.newest())
    run(stage.publisher.publish(permit, stage.draft()))
    with pytest.raises(Fenced, match="used before"):
        run(stage.publisher.publish(permit, stage.draft()))
    expired = lease.permit_issuer().issue(stage.newest())
    stage.clock.pass_ms(10_000)
    with pytest.raises(Fenced, match="permit has expired"):
        run(stage.publisher.publish(expired, stage.draft()))
    stage.clock.pass_ms(60_000)
    with pytest.raises(Fenced, match="lease is over"):
        lease.permit_issuer()


def test_a_wall_clock_that_jumps_ends_no_lease_and_breaks_no_order(stage: Stage) -> None:
    lease = stage.acquire("a")
    first = stage.commit(lease)
    stage.clock.utc -= 10 * 365 * 24 * 3_600_000
    second = stage.commit(lease, first)
    stage.clock.utc += 20 * 365 * 24 * 3_600_000
    third = stage.commit(lease, second)
    ulids = [seen.head.manifest.commit_ulid for seen in (first, second, third)]
    assert ulids == sorted(set(ulids))


# --- what does not land, and what may have landed -----------------------------------------------


def faults(*said: str) -> Any:
    """Return a fault plan for creates of manifests: one word for each, then none."""
    words = iter(said)
    return lambda op, path: next(words, "") if op == "create" and "manifests" in path else ""


@pytest.mark.parametrize("first", ["before", "after", "late"])
def test_late_landing_put_is_never_reported_failed(stage: Stage, first: str) -> None:
    lease = stage.acquire("a")
    stage.backend.fault = faults(first)
    stage.tasks.meanwhile = stage.backend.land
    seen = stage.commit(lease)
    assert seen.head.version == 1
    assert stage.newest() == seen


@pytest.mark.parametrize("kind", ["before", "after", "late"])
def test_an_unanswered_create_is_unknown_and_found_later(stage: Stage, kind: str) -> None:
    lease = stage.acquire("a")
    stage.backend.fault = faults(*[kind] * ATTEMPTS_MAX)
    permit = lease.permit_issuer().issue(stage.newest())
    with pytest.raises(Unavailable, match="outcome unknown"):
        run(stage.publisher.publish(permit, stage.draft()))
    stage.backend.fault = faults()
    stage.backend.land()
    assert stage.newest().head.version == (0 if kind == "before" else 1)


def test_a_late_create_that_lost_its_slot_stays_lost(stage: Stage) -> None:
    lease = stage.acquire("a")
    seen = stage.newest()
    stage.backend.fault = faults("late")
    other = lease.permit_issuer().issue(seen)

    def win() -> None:
        stage.backend.fault = faults()
        assert isinstance(run(stage.publisher.publish(other, stage.draft(writer="b"))), Published)

    stage.tasks.meanwhile = win
    permit = lease.permit_issuer().issue(seen)
    assert run(stage.publisher.publish(permit, stage.draft(writer="a"))) == Lost(1)
    stage.backend.land()
    assert stage.newest().head.manifest.writer == "b"


def test_a_credential_that_expires_meanwhile_leaves_the_outcome_unknown(stage: Stage) -> None:
    lease = stage.acquire("a")
    stage.backend.fault = faults("late", "denied")
    with pytest.raises(Unavailable, match="refused meanwhile"):
        run(stage.publisher.publish(lease.permit_issuer().issue(stage.newest()), stage.draft()))
    stage.backend.fault = faults("denied")
    with pytest.raises(Denied):  # nothing was sent before: this one is sure
        run(stage.publisher.publish(lease.permit_issuer().issue(stage.newest()), stage.draft()))


class Refusing(FaultyBackend):
    """A store that refuses as clouds do with 400: neither the credential nor the time is wrong."""

    refused: ArcoError | None = None
    where = ""

    async def _do(self, operation: str, path: str, work: Any) -> Any:
        if self.refused and f"{operation} {path}".find(self.where) >= 0:
            raise self.refused
        return await super()._do(operation, path, work)


REFUSALS = [Invalid("400"), Corrupt("not as long as the store says"), Denied("403")]


@pytest.mark.parametrize("refused", REFUSALS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("step", ["create", "get"])
def test_no_refusal_after_an_unanswered_create_says_that_it_failed(
    refused: ArcoError, step: str
) -> None:
    backend = Refusing()
    stage = Stage(backend)
    lease = stage.acquire("a")
    backend.fault = faults("after" if step == "get" else "late")
    backend.where = f"{step} {WORKSPACE.locate(slot(1))}"

    def then() -> None:
        backend.refused = refused

    stage.tasks.meanwhile = then
    permit = lease.permit_issuer().issue(stage.newest())
    with pytest.raises(Unavailable, match="refused meanwhile"):
        run(stage.publisher.publish(permit, stage.draft()))
    backend.refused = None
    backend.land()
    assert stage.newest().head.version == 1


@pytest.mark.parametrize("refused", REFUSALS, ids=lambda error: type(error).__name__)
def test_floors_that_cannot_be_read_make_a_created_version_unknown(refused: ArcoError) -> None:
    backend = Refusing()
    stage = Stage(backend)
    lease = stage.acquire("a")
    permit = lease.permit_issuer().issue(stage.newest())
    backend.where, backend.refused = f"get {WORKSPACE.prefix}floors", refused
    with pytest.raises(Unavailable, match="the floor could not be read"):
        run(stage.publisher.publish(permit, stage.draft()))


def test_a_broken_floor_makes_a_created_version_unknown(stage: Stage) -> None:
    lease = stage.acquire("a")
    seen = stage.newest()
    stage.put(FloorKey(CATALOG, 1), b"{}")
    with pytest.raises(Unavailable, match="the floor could not be read"):
        run(stage.publisher.publish(lease.permit_issuer().issue(seen), stage.draft()))
    assert stage.raw(slot(1))


@pytest.mark.parametrize("refused", REFUSALS, ids=lambda error: type(error).__name__)
def test_a_hint_that_is_refused_does_not_unmake_the_version(refused: ArcoError) -> None:
    backend = Refusing()
    stage = Stage(backend)
    backend.where, backend.refused = "replace", refused
    assert stage.commit(stage.acquire("a")).head.version == 1


def test_a_floor_that_was_seen_is_not_looked_for_again(stage: Stage) -> None:
    lease = stage.acquire("a")
    head = stage.commit(lease)
    raise_floor(stage, 1, 1, head.head.digest)
    raise_floor(stage, 2, 1, head.head.digest)
    second = stage.commit(lease, head)
    assert second.floor_number == 2
    stage.backend.requests.clear()
    third = stage.commit(lease, second)
    assert dict(stage.backend.requests) == {"create": 1, "get": 1}
    assert third.head.manifest.floor_number == 2


def test_a_create_below_a_newer_floor_is_not_acknowledged(stage: Stage) -> None:
    lease = stage.acquire("a")
    seen = stage.newest()
    sleeper = lease.permit_issuer().issue(seen)
    head = seen
    for _ in range(3):
        head = stage.commit(lease, head)
    raise_floor(stage, 1, head.head.version, head.head.digest)
    for version in (1, 2):
        stage.remove(slot(version))
    with pytest.raises(Unavailable, match="a floor passed it"):
        run(stage.publisher.publish(sleeper, stage.draft(writer="sleeper")))
    stage.wire()
    assert stage.newest().head == head.head  # what the sleeper created is void


def raise_floor(stage: Stage, number: int, version: int, manifest_hash: Any) -> None:
    floor = Floor(
        domain=CATALOG,
        number=number,
        version=version,
        manifest_hash=manifest_hash,
        removed_root=digest(b""),
        raised_at_ms=0,
    )
    stage.put(FloorKey(CATALOG, number), encode(floor))


# --- artifacts ----------------------------------------------------------------------------------


def put_delta(stage: Stage, version: int, body: bytes = b"rows") -> tuple[Artifact, Written]:
    attempt = Ulid("01ARZ3NDEKTSV4RRFFQ69G5FAV")
    key = DeltaKey(CATALOG, version, attempt)
    answer = run(stage.stores.create.create(key, body))
    assert isinstance(answer, Created)
    artifact = Artifact(size_bytes=len(body), digest=digest(body), rows={"t": 1}, key=key.path)
    return artifact, Written(key, len(body), answer.version)


def test_mid_write_crash_never_referenced(stage: Stage) -> None:
    lease = stage.acquire("a")
    artifact, written = put_delta(stage, 1)
    permit = lease.permit_issuer().issue(stage.newest())

    def dies(operation: str, path: str) -> str:
        if operation == "create":
            raise KeyboardInterrupt
        return ""

    stage.backend.fault = dies
    with pytest.raises(KeyboardInterrupt):
        run(stage.publisher.publish(permit, stage.draft(deltas=(artifact,), written=(written,))))
    stage.backend.fault = lambda operation, path: ""
    stage.wire()
    assert stage.newest().head.version == 0
    assert paths(stage, "state") == [written.key.path]
    # Whoever comes next does not refer to it, and the collector takes it.
    stage.commit(lease)
    stage.commit(lease)
    run(collector(stage).collect(CATALOG, keep_versions=1))
    assert stage.newest().head.manifest.deltas == ()
    assert paths(stage, "state") == []


def test_artifact_verification_uses_metastore(stage: Stage) -> None:
    lease = stage.acquire("a")
    artifact, written = put_delta(stage, 1)
    seen = stage.newest()
    for broken in (
        replace(written, size_bytes=written.size_bytes + 1),  # cut off
        replace(written, version="another"),  # written over
    ):
        said = msgspec.structs.replace(artifact, size_bytes=broken.size_bytes)
        permit = lease.permit_issuer().issue(seen)
        with pytest.raises(Corrupt, match="not what was put"):
            run(stage.publisher.publish(permit, stage.draft(deltas=(said,), written=(broken,))))
    stage.remove(written.key)
    permit = lease.permit_issuer().issue(seen)
    with pytest.raises(Corrupt, match="found=`absent`"):
        run(stage.publisher.publish(permit, stage.draft(deltas=(artifact,), written=(written,))))
    assert stage.newest() == seen

    artifact, written = put_delta(stage, 1)
    stage.backend.requests.clear()
    stage.backend.paths.clear()
    stage.commit(lease, seen, deltas=(artifact,), written=(written,))
    assert stage.backend.requests["head"] == 1
    assert stage.backend.paths.count(WORKSPACE.locate(written.key)) == 1  # never read
    later = stage.commit(lease, deltas=(artifact,))  # inherited: covered by the predecessor
    assert stage.backend.requests["head"] == 1
    assert later.head.manifest.deltas == (artifact,)


def test_an_artifact_that_nobody_wrote_for_this_version_is_refused(stage: Stage) -> None:
    lease = stage.acquire("a")
    stage.commit(lease)
    artifact, written = put_delta(stage, 1)
    permit = lease.permit_issuer().issue(stage.newest())
    with pytest.raises(Invalid, match="an earlier version"):
        run(stage.publisher.publish(permit, stage.draft(deltas=(artifact,), written=(written,))))
    with pytest.raises(Invalid, match="neither inherited nor written"):
        run(stage.publisher.publish(permit, stage.draft(deltas=(artifact,))))
    twice = replace(written, key=replace(written.key, version=2))
    longer = msgspec.structs.replace(artifact, key=twice.key.path, size_bytes=99)
    with pytest.raises(Invalid, match="as it is said to be"):
        run(stage.publisher.publish(permit, stage.draft(deltas=(longer,), written=(twice,))))
    wrong = Artifact(size_bytes=3, digest=digest(b"abc"), rows={}, inline=b"abd")
    with pytest.raises(Invalid, match="inline bytes"):
        run(stage.publisher.publish(permit, stage.draft(deltas=(wrong,))))
    body = bytes(INLINE_BYTES_MAX + 1)
    large = Artifact(size_bytes=len(body), digest=digest(body), rows={}, inline=body)
    with pytest.raises(Invalid, match="too many inline bytes"):
        run(stage.publisher.publish(permit, stage.draft(deltas=(large,))))


def test_an_inherited_artifact_stays_what_it_was(stage: Stage) -> None:
    lease = stage.acquire("a")
    artifact, written = put_delta(stage, 1)
    stage.commit(lease, deltas=(artifact,), written=(written,))
    for changes in ({"digest": digest(b"other")}, {"rows": {"t": 9}}, {"size_bytes": 5}):
        other = msgspec.structs.replace(artifact, **changes)
        permit = lease.permit_issuer().issue(stage.newest())
        with pytest.raises(Invalid, match="neither inherited nor written"):
            run(stage.publisher.publish(permit, stage.draft(deltas=(other,))))
    stage.commit(lease, bases=(artifact,))  # where it stands does not matter


# --- succession ---------------------------------------------------------------------------------


def swap(stage: Stage, version: int, **changes: Any) -> None:
    """Write a version by hand with fields changed, as nobody may."""
    manifest = msgspec.json.decode(stage.raw(slot(version)), type=Manifest)
    stage.put(slot(version), encode(msgspec.structs.replace(manifest, **changes)))


def test_pointer_regression_rejected(stage: Stage) -> None:
    lease = stage.acquire("a")
    first = stage.commit(lease)
    second = stage.commit(lease, first)
    stage.clock.pass_ms(2_000)
    third = stage.commit(lease, second)  # writes the hint
    good = stage.raw(slot(3))
    swap(stage, 3, writer="another")  # follows version 2 as well as the true one does
    another = stage.raw(slot(3))
    cut_or_spoilt = (good[:-10], good + b" ", b"", b"{}", b"\xff", good[1:])
    for bad in (another, stage.raw(slot(2)), *cut_or_spoilt):
        stage.put(slot(3), bad)
        stage.wire()
        with pytest.raises(Corrupt):
            stage.newest()
    stage.remove(slot(3))
    with pytest.raises(Corrupt, match="missing or differs"):
        stage.newest()
    stage.put(slot(3), third.head.raw)
    assert stage.newest() == third


def test_parent_hash_detects_concurrent_modification(stage: Stage) -> None:
    lease = stage.acquire("a")
    first = stage.commit(lease)
    second = stage.commit(lease, first)
    assert second.head.manifest.parent_hash == digest(stage.raw(slot(1)))
    swap(stage, 2, parent_hash=digest(b"another"))
    with pytest.raises(Corrupt, match="parent_hash has to be"):
        run(stage.sight.newest(CATALOG, first))
    # The same content spelled otherwise is other bytes, and other bytes are another parent.
    stage.put(slot(2), second.head.raw)
    stage.put(slot(1), first.head.raw.replace(b'"bases":[]', b'"bases": []'))
    stage.wire()
    with pytest.raises(Corrupt):
        run(stage.sight.newest(CATALOG))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fencing_token": 1, "kind": Kind.COMMIT}, "fencing_token has to be"),
        ({"commit_ulid": Ulid("0" * 26)}, "commit_ulid has to be"),
        ({"positions": {"p": 1}}, "positions has to be"),
        ({"positions": {}}, "positions has to be"),
        ({"floor_number": 0}, "floor_number has to be"),
    ],
)
def test_what_goes_back_is_corrupt(stage: Stage, changes: dict[str, Any], said: str) -> None:
    run(stage.leases.release(stage.acquire("earlier")))
    lease = stage.acquire("a")
    seen = stage.newest()
    raise_floor(stage, 1, 0, seen.head.digest)
    first = stage.commit(lease, positions={"p": 2})
    assert first.head.manifest.floor_number == 1
    stage.commit(lease, first, positions={"p": 2})
    swap(stage, 2, **changes)
    with pytest.raises(Corrupt, match=said):
        run(stage.sight.newest(CATALOG, first))


def test_a_draft_whose_positions_go_back_is_refused(stage: Stage) -> None:
    lease = stage.acquire("a")
    stage.commit(lease, positions={"p": 2})
    permit = lease.permit_issuer().issue(stage.newest())
    with pytest.raises(Invalid, match="positions has to be"):
        run(stage.publisher.publish(permit, stage.draft(positions={"p": 1})))


def test_a_permit_of_another_domain_is_refused(stage: Stage) -> None:
    lease = stage.acquire("a")
    other = run(stage.sight.newest(DomainName.EXECUTIONS))
    with pytest.raises(Fenced, match="lease of another domain"):
        lease.permit_issuer().issue(other)


# --- receipts, hints, costs ---------------------------------------------------------------------


def test_a_receipt_proves_its_event_and_no_other(stage: Stage) -> None:
    lease = stage.acquire("a")
    events = [f'{{"n":{n}}}'.encode() for n in range(5)]
    segment = FoldedSegment(key="k", digest=digest(b"".join(events)), first=1, last=5)
    seen = stage.commit(lease, events=events, segments=(segment,))
    raw = stage.raw(slot(1))
    for index, event in enumerate(events):
        receipt = receipt_for(seen.head, events, index)
        assert disproof(receipt, event, raw) == ""
        assert disproof(receipt, b"{}", raw) == "another event"
        assert disproof(receipt, event, raw + b" ") == "another manifest"
    other = stage.commit(lease, seen, events=[b"x", *events[1:]])
    receipt = receipt_for(other.head, [b"x", *events[1:]], 1)
    for changes, said in (
        ({"event_index": 2}, "does not lead"),
        ({"proof": receipt.proof[:-1]}, "does not lead"),
        ({"fencing_token": 9}, "another parent"),
        ({"events": 4}, "another parent"),
    ):
        forged = msgspec.structs.replace(receipt, **changes)
        assert said in disproof(forged, events[1], stage.raw(slot(2)))


def test_a_hint_of_another_domain_is_corrupt(stage: Stage) -> None:
    stage.put(DomainHintKey(CATALOG), stage.raw(DomainHintKey(DomainName.EXECUTIONS)))
    with pytest.raises(Corrupt, match="hint of another domain"):
        stage.newest()


def test_the_hint_is_written_at_most_once_a_second_and_may_fail(stage: Stage) -> None:
    lease = stage.acquire("a")
    stage.backend.requests.clear()
    head = stage.newest()
    for _ in range(5):
        head = stage.commit(lease, head)
    assert stage.backend.requests["replace"] == 1
    stage.clock.pass_ms(1_000)
    stage.backend.fault = lambda op, path: "before" if op == "replace" else ""
    head = stage.commit(lease, head)
    stage.wire()
    assert stage.newest() == head  # from the old hint forward


def test_what_a_publish_and_a_read_cost(stage: Stage) -> None:
    lease = stage.acquire("a")
    seen = stage.commit(lease)
    stage.backend.requests.clear()
    stage.clock.pass_ms(1_000)
    seen = stage.commit(lease, seen)
    assert dict(stage.backend.requests) == {"create": 1, "get": 1, "replace": 1}
    stage.backend.requests.clear()
    seen = stage.commit(lease, seen)
    assert dict(stage.backend.requests) == {"create": 1, "get": 1}
    adopted = run(stage.leases.adopt(CATALOG, lease.token.value))
    stage.backend.requests.clear()
    stage.clock.pass_ms(1_000)
    seen = stage.commit(adopted, seen)
    assert dict(stage.backend.requests) == {"create": 1, "get": 2, "replace": 1}
    stage.wire()
    stage.backend.requests.clear()
    assert stage.newest() == seen
    assert dict(stage.backend.requests) == {"get": 4}
    stage.backend.requests.clear()
    stage.newest(seen)
    assert dict(stage.backend.requests) == {"get": 2}


def test_what_a_publish_and_a_read_cost_who_may_not_list(stage: Stage) -> None:
    stage.backend.forbidden = True
    lease = stage.acquire("a")
    seen = stage.commit(lease)
    stage.clock.pass_ms(1_000)
    stage.backend.requests.clear()
    seen = stage.commit(lease, seen)
    assert dict(stage.backend.requests) == {"create": 1, "get": 2, "replace": 1}
    for since, reads in ((None, 5), (seen, 3)):
        stage.backend.requests.clear()
        assert stage.newest(since) == seen
        assert dict(stage.backend.requests) == {"get": reads}


def test_who_may_not_list_reads_the_same(stage: Stage) -> None:
    stage.backend.forbidden = True
    assert stage.newest().head.version == 0
    lease = stage.acquire("a")
    seen = stage.newest()
    for _ in range(6):
        seen = stage.commit(lease, seen)
    stage.wire()
    stage.backend.requests.clear()
    assert stage.newest() == seen
    gallop = stage.backend.requests["get"]
    stage.clock.pass_ms(1_000)
    seen = stage.commit(lease, seen)
    stage.backend.requests.clear()
    stage.wire()
    assert stage.newest() == seen
    assert dict(stage.backend.requests) == {"get": 5}  # one more than where absence is a 404
    assert gallop > 5
    for key in (slot(1), DomainHintKey(CATALOG), LockKey(CATALOG)):
        stage.remove(key)
    stage.put(DomainHintKey(CATALOG), b"{}")
    with pytest.raises(Corrupt, match="not readable"):
        stage.newest()
    with pytest.raises(Denied):
        run(stage.leases.acquire(seen, "b"))


def test_a_busy_lease_says_who_has_it(stage: Stage) -> None:
    stage.acquire("a")
    assert run(stage.leases.acquire(stage.newest(), "b")) == Busy("a", 1)
