"""Collecting: what goes, what stays, in which order, and what a crash in between leaves."""

from __future__ import annotations

from typing import Any

import pytest

from arco.capabilities import Created
from arco.collector.collect import PIN_GRACE_MS, Collector, removed_root
from arco.core.canonical import encode
from arco.core.draft import Written
from arco.core.errors import ArcoError, Conflict, Corrupt, Denied, Unavailable
from arco.core.ids import digest, make_ulid
from arco.core.keys import DeltaKey, DomainManifestKey, FloorKey, PinKey
from arco.core.manifest import Artifact, Head, read_head
from arco.core.records import Floor
from arco.publish.lease import Lease
from arco.publish.pins import PIN_MS, Collected, Pinned, pin
from arco.publish.sight import Seen, read_floor
from arco.verify import Verifier
from tests.arco.storage_kit import CATALOG, WORKSPACE, Stage, run


@pytest.fixture
def stage() -> Stage:
    return Stage()


def collector(stage: Stage) -> Collector:
    return Collector(stage.storage.collector(), stage.sight, stage.clock)


def put_delta(stage: Stage, version: int) -> dict[str, Any]:
    """Put an artifact for a version, and return what a draft says of it."""
    key = DeltaKey(CATALOG, version, make_ulid(version, stage.chance.take(10)))
    body = f"rows of {version}".encode()
    answer = run(stage.stores.create.create(key, body))
    assert isinstance(answer, Created)
    kept = Artifact(size_bytes=len(body), digest=digest(body), rows={}, key=key.path)
    return {"deltas": (kept,), "written": (Written(key, len(body), answer.version),)}


def grow(stage: Stage, lease: Lease, versions: int) -> Seen:
    """Publish versions that each have an artifact of their own."""
    seen = stage.newest()
    for _ in range(versions):
        seen = stage.commit(lease, seen, **put_delta(stage, seen.head.version + 1))
    return seen


def paths(stage: Stage, word: str) -> list[str]:
    named = run(stage.backend.inner.list_page(WORKSPACE.prefix, None, 1_000))
    return [n.path.removeprefix(WORKSPACE.prefix) for n in named if f"{word}/catalog" in n.path]


def whole(stage: Stage) -> bool:
    return run(Verifier(stage.storage.reader().read, WORKSPACE).verify([CATALOG])).whole


def test_what_is_older_goes_and_readers_start_at_the_floor(stage: Stage) -> None:
    lease = stage.acquire("a")
    seen = grow(stage, lease, 10)
    orphan = put_delta(stage, 8)["written"][0].key  # an attempt at version 8 that lost
    ahead = put_delta(stage, 11)["written"][0].key  # an attempt that may still win
    old = [stage.raw(DomainManifestKey(CATALOG, v)) for v in range(1, 8)]
    swept = run(collector(stage).collect(CATALOG, keep_versions=3))
    assert (swept.floor_before, swept.floor_after, swept.manifests) == (0, 8, 7)
    assert swept.artifacts == 8  # those of versions 1 to 7, and the orphan
    assert len(paths(stage, "manifests")) == 4  # version 0, and the three kept
    assert orphan.path not in paths(stage, "state")
    assert ahead.path in paths(stage, "state")
    floor = read_floor(CATALOG, 1, stage.raw(FloorKey(CATALOG, 1)))
    first = stage.opened
    genesis = run(stage.backend.inner.get(WORKSPACE.prefix + paths(stage, "manifests")[0]))
    assert first is not None
    assert genesis is not None
    assert floor.removed_root == removed_root(tuple(map(digest, [genesis.body, *old])))
    stage.wire()
    assert stage.newest().head == seen.head
    assert whole(stage)
    after = stage.commit(lease)
    assert after.head.manifest.floor_number == 1


def test_again_there_is_nothing_to_do(stage: Stage) -> None:
    grow(stage, stage.acquire("a"), 5)
    run(collector(stage).collect(CATALOG, keep_versions=2))
    stage.backend.requests.clear()
    swept = run(collector(stage).collect(CATALOG, keep_versions=2))
    assert (swept.manifests, swept.artifacts, swept.floor_after) == (0, 0, 4)
    assert stage.backend.requests["delete"] == 0
    assert stage.backend.requests["create"] == 1  # the marker that is there


def test_a_marker_that_another_made_is_durable_before_anything_goes(stage: Stage) -> None:
    grow(stage, stage.acquire("a"), 6)

    def dies(op: str, path: str) -> str:
        return "before" if op == "delete" else ""

    stage.backend.fault = dies
    with pytest.raises(Unavailable):
        run(collector(stage).collect(CATALOG, keep_versions=2))
    asked: list[tuple[str, str]] = []

    def note(op: str, path: str) -> str:
        asked.append((op, path))
        return ""

    stage.backend.fault = note
    assert run(collector(stage).collect(CATALOG, keep_versions=2)).manifests == 4
    changes = [(op, path) for op, path in asked if op in ("create", "delete")]
    assert changes[0] == ("create", WORKSPACE.locate(FloorKey(CATALOG, 1)))


def pinning(stage: Stage, seen: Seen, head: Head | None = None) -> Pinned | Collected:
    return run(
        pin(
            *(seen, head or seen.head, "an export"),
            create=stage.stores.create,
            sight=stage.sight,
            clock=stage.clock,
            chance=stage.chance,
        )
    )


def test_a_pin_holds_the_floor_until_it_is_long_expired(stage: Stage) -> None:
    lease = stage.acquire("a")
    old = grow(stage, lease, 3)
    assert isinstance(pinning(stage, old), Pinned)
    grow(stage, lease, 5)
    assert run(collector(stage).collect(CATALOG, keep_versions=1)).floor_after == 3
    assert stage.raw(DomainManifestKey(CATALOG, 3)) == old.head.raw
    stage.clock.pass_ms(PIN_MS + PIN_GRACE_MS + 1)
    swept = run(collector(stage).collect(CATALOG, keep_versions=1))
    assert (swept.floor_after, swept.pins) == (8, 1)


def test_what_a_pin_costs(stage: Stage) -> None:
    lease = stage.acquire("a")
    old = grow(stage, lease, 1)
    seen = grow(stage, lease, 1)
    for head, reads in ((seen.head, 1), (old.head, 2)):
        stage.backend.requests.clear()
        assert isinstance(pinning(stage, seen, head), Pinned)
        assert dict(stage.backend.requests) == {"create": 1, "get": reads}


def test_a_pin_behind_the_floor_is_refused(stage: Stage) -> None:
    lease = stage.acquire("a")
    old = grow(stage, lease, 3)
    grow(stage, lease, 5)
    run(collector(stage).collect(CATALOG, keep_versions=1))
    assert pinning(stage, old) == Collected(8)


def test_a_pin_made_while_the_floor_is_raised_is_honoured_or_refused(stage: Stage) -> None:
    lease = stage.acquire("a")
    old = grow(stage, lease, 3)
    grow(stage, lease, 5)
    pinned: list[Pinned | Collected] = []

    def at(moment: str) -> Any:
        def fault(op: str, path: str) -> str:
            if op == moment and not pinned and (op != "create" or "floors" in path):
                stage.backend.fault = lambda op, path: ""
                pinned.append(pinning(stage, old))
            return ""

        return fault

    stage.backend.fault = at("create")  # before the marker: the second listing sees it
    run(collector(stage).collect(CATALOG, keep_versions=1))
    assert isinstance(pinned[0], Pinned)
    assert stage.raw(DomainManifestKey(CATALOG, 3)) == old.head.raw
    assert paths(stage, "manifests")[1].endswith("3.manifest.json")


def test_a_pin_of_a_void_version_does_not_say_what_lives(stage: Stage) -> None:
    lease = stage.acquire("a")
    first = grow(stage, lease, 1)
    stale = lease.permit_issuer().issue(first)
    for _ in range(5):  # each refers to the artifact of version 1
        stage.commit(lease, deltas=first.head.manifest.deltas)
    run(collector(stage).collect(CATALOG, keep_versions=2))
    stage.wire()
    with pytest.raises(Unavailable):  # version 2 again, and void
        run(stage.publisher.publish(stale, stage.draft()))
    void = read_head(CATALOG, 2, stage.raw(DomainManifestKey(CATALOG, 2)))
    assert void.manifest.deltas == ()
    assert pinning(stage, stage.newest(), void) == Collected(5)  # and the pin lies there
    run(collector(stage).collect(CATALOG, keep_versions=1))
    assert whole(stage)


def test_a_pin_that_came_too_late_stops_nobody_who_may_list_a_part(stage: Stage) -> None:
    lease = stage.acquire("a")
    old = grow(stage, lease, 2)
    grow(stage, lease, 4)
    run(collector(stage).collect(CATALOG, keep_versions=1))
    assert pinning(stage, old) == Collected(6)  # and the pin lies there
    grow(stage, lease, 2)
    stage.backend.forbidden = True  # S3, to who may list some prefixes only: 403 for what is absent
    run(collector(stage).collect(CATALOG, keep_versions=1))
    assert len(paths(stage, "manifests")) == 2


def test_a_pinned_version_that_may_not_be_read_is_not_taken_for_gone(stage: Stage) -> None:
    lease = stage.acquire("a")
    old = grow(stage, lease, 2)
    assert isinstance(pinning(stage, old), Pinned)
    grow(stage, lease, 4)
    # as where the pin was created after the first look, and before the marker
    stage.put(FloorKey(CATALOG, 1), raised_over(stage, 6))
    path = DomainManifestKey(CATALOG, 2).path
    stage.backend.fault = lambda op, at: "denied" if op == "get" and at.endswith(path) else ""
    with pytest.raises(Denied):
        run(collector(stage).collect(CATALOG, keep_versions=1))
    assert stage.backend.requests["delete"] == 0


def raised_over(stage: Stage, version: int) -> bytes:
    """Return the marker of a collector that raised the floor and died."""
    made = Floor(
        domain=CATALOG,
        number=1,
        version=version,
        manifest_hash=digest(stage.raw(DomainManifestKey(CATALOG, version))),
        removed_root=removed_root(()),
        raised_at_ms=0,
    )
    return encode(made)


def test_two_collectors_at_once_agree(stage: Stage) -> None:
    lease = stage.acquire("a")
    seen = grow(stage, lease, 10)
    done: list[object] = []

    def fault(op: str, path: str) -> str:
        if op == "create" and not done:
            done.append(None)
            done.append(run(collector(stage).collect(CATALOG, keep_versions=5)))
        return ""

    stage.backend.fault = fault
    swept = run(collector(stage).collect(CATALOG, keep_versions=2))
    assert swept.floor_after == 6  # the other's marker has the number, and is honoured
    stage.wire()
    assert stage.newest().head == seen.head
    assert whole(stage)


def test_a_collector_that_is_behind_stops(stage: Stage) -> None:
    lease = stage.acquire("a")
    grow(stage, lease, 10)
    done: list[object] = []

    def fault(op: str, path: str) -> str:
        if op == "get" and path.endswith(DomainManifestKey(CATALOG, 4).path) and not done:
            done.append(None)
            run(collector(stage).collect(CATALOG, keep_versions=2))
        return ""

    stage.backend.fault = fault
    with pytest.raises(Conflict, match="another collector went further"):
        run(collector(stage).collect(CATALOG, keep_versions=3))
    assert whole(stage)


def at_request(stage: Stage, number: int, fault: str) -> Any:
    return lambda op, path: fault if stage.backend.requests.total() == number else ""


@pytest.mark.parametrize("fault", ["before", "after"])
def test_a_crash_anywhere_loses_nothing_and_is_finished(fault: str) -> None:
    for dies_at in range(1, 60):
        stage = Stage()
        seen = grow(stage, stage.acquire("a"), 6)
        stage.backend.requests.clear()
        stage.backend.fault = at_request(stage, dies_at, fault)
        try:
            run(collector(stage).collect(CATALOG, keep_versions=2))
            crashed = False
        except Unavailable:
            crashed = True
        stage.backend.fault = lambda op, path: ""
        stage.wire()
        assert stage.newest().head == seen.head
        assert whole(stage), dies_at
        run(collector(stage).collect(CATALOG, keep_versions=2))
        assert len(paths(stage, "manifests")) == 3
        assert len(paths(stage, "state")) == 2
        if not crashed:
            return
    raise AssertionError("never reached the end")


@pytest.mark.parametrize("version", [1, 3, 4])
def test_a_version_that_does_not_follow_stops_the_collector(stage: Stage, version: int) -> None:
    lease = stage.acquire("a")
    grow(stage, lease, 4)
    stage.clock.pass_ms(1_000)
    grow(stage, lease, 2)  # writes the hint
    key = DomainManifestKey(CATALOG, version)
    stage.put(key, stage.raw(key).replace(b'"writer":"test"', b'"writer":"evil"'))
    with pytest.raises(Corrupt, match="does not follow"):
        run(collector(stage).collect(CATALOG, keep_versions=1))
    assert stage.backend.requests["delete"] == 0
    assert not whole(stage)


def test_a_void_version_is_told_from_a_broken_chain(stage: Stage) -> None:
    lease = stage.acquire("a")
    stale = lease.permit_issuer().issue(grow(stage, lease, 2))
    grow(stage, lease, 5)
    stage.clock.pass_ms(1_000)
    grow(stage, lease, 1)  # writes the hint
    fourth = stage.raw(DomainManifestKey(CATALOG, 4))
    done: list[object] = []

    def fault(op: str, path: str) -> str:
        if op == "get" and path.endswith(DomainManifestKey(CATALOG, 3).path) and not done:
            done.append(None)
            run(collector(stage).collect(CATALOG, keep_versions=2))
            with pytest.raises(Unavailable):  # version 3 again, and void
                run(stage.publisher.publish(stale, stage.draft()))
            stage.put(DomainManifestKey(CATALOG, 4), fourth)  # as if its delete came late
        return ""

    stage.backend.fault = fault
    with pytest.raises(Conflict, match="another collector went further"):
        run(collector(stage).collect(CATALOG, keep_versions=3))
    assert done
    assert whole(stage)


def test_what_a_collection_costs(stage: Stage) -> None:
    lease = stage.acquire("a")
    grow(stage, lease, 9)
    stage.clock.pass_ms(1_000)
    seen = grow(stage, lease, 1)  # writes the hint
    assert isinstance(pinning(stage, seen), Pinned)
    stage.backend.requests.clear()
    run(collector(stage).collect(CATALOG, keep_versions=3))
    look, floor, pins, limit = 4, 1, 1, 1
    versions = 9  # from 0, the old floor, to 8, the new one
    assert dict(stage.backend.requests) == {
        "get": look + floor + 2 * pins + versions + limit,
        "create": 1,
        "list": 2 + 3,
        "delete": 7 + 7,
    }


def test_a_hole_above_the_floor_stops_the_collector(stage: Stage) -> None:
    lease = stage.acquire("a")
    grow(stage, lease, 5)
    stage.clock.pass_ms(1_000)
    grow(stage, lease, 1)  # writes the hint
    stage.remove(DomainManifestKey(CATALOG, 2))
    with pytest.raises(ArcoError) as caught:
        run(collector(stage).collect(CATALOG, keep_versions=2))
    assert isinstance(caught.value, Corrupt)
    assert stage.backend.requests["delete"] == 0


def test_a_broken_pin_is_corrupt_and_deletes_nothing(stage: Stage) -> None:
    grow(stage, stage.acquire("a"), 6)
    stage.put(PinKey(CATALOG, make_ulid(1, b"0" * 10)), b"{}")
    with pytest.raises(Corrupt) as caught:
        run(collector(stage).collect(CATALOG, keep_versions=2))
    assert "delete the pin" in caught.value.next_step
    assert stage.backend.requests["delete"] == 0
