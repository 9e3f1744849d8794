"""Below a floor nothing under a number is believed: a create that lands late may stand there.

Each of these was found by the simulator, as a wrong answer, a lost artifact or a wrong refusal.
"""

from __future__ import annotations

from typing import Any

import pytest

from arco.core.draft import Written
from arco.core.errors import Conflict, Denied, Invalid, Unavailable
from arco.core.ids import Ulid
from arco.core.keys import DeltaKey, DomainManifestKey, FloorKey, Key
from arco.core.manifest import Artifact
from arco.publish.lease import Lease, PublishPermit
from arco.publish.pins import Collected, Pinned, pin
from arco.publish.publisher import Lost
from arco.publish.sight import Seen
from tests.arco.collector.test_collect import collector, grow, paths, put_delta, whole
from tests.arco.publish.test_rollback import rolling
from tests.arco.storage_kit import CATALOG, Stage, run


@pytest.fixture
def stage() -> Stage:
    return Stage()


def slot(version: int) -> DomainManifestKey:
    return DomainManifestKey(CATALOG, version)


def collect(stage: Stage, keep_versions: int = 1) -> None:
    run(collector(stage).collect(CATALOG, keep_versions))


def grow_deltas(stage: Stage, lease: Lease, versions: int) -> Seen:
    """Publish versions that keep the artifacts of those before."""
    seen = stage.newest()
    for _ in range(versions):
        more = put_delta(stage, seen.head.version + 1)
        deltas = (*seen.head.manifest.deltas, *more["deltas"])
        seen = stage.commit(lease, seen, deltas=deltas, written=more["written"])
    return seen


def land_late(stage: Stage, permit: PublishPermit, writer: str = "sleeper") -> None:
    """Create the version of a permit whose slot was collected: it lands, and is void."""
    with pytest.raises(Unavailable, match="a floor passed it"):
        run(stage.publisher.publish(permit, stage.draft(writer=writer)))


def permits(stage: Stage, lease: Lease, versions: int) -> list[PublishPermit]:
    """Publish versions, and return a permit that was issued before each and never used."""
    issued, seen = [], stage.newest()
    for _ in range(versions):
        issued.append(lease.permit_issuer().issue(seen))
        seen = stage.commit(lease, seen)
    return issued


def pinning(stage: Stage, seen: Seen, head: Any) -> Pinned | Collected:
    made = pin(
        *(seen, head, "an export"),
        create=stage.stores.create,
        sight=stage.sight,
        clock=stage.clock,
        chance=stage.chance,
    )
    return run(made)


# --- who may not list ---------------------------------------------------------------------------


def test_a_hint_below_the_floor_is_no_refusal_for_who_may_not_list(stage: Stage) -> None:
    seen = grow(stage, stage.acquire("a"), 5)  # the hint names version 1
    collect(stage)
    stage.backend.forbidden = True
    stage.wire()
    assert stage.newest().head == seen.head


@pytest.mark.parametrize("passed", range(1, 20))
def test_a_credential_that_expires_in_a_look_gives_no_old_answer(stage: Stage, passed: int) -> None:
    lease = stage.acquire("a")
    grow(stage, lease, 5)
    stage.clock.pass_ms(1_000)
    seen = grow(stage, lease, 1)  # writes the hint
    for keep_versions in (5, 4, 3, 2):
        collect(stage, keep_versions)
    stage.backend.forbidden = True
    stage.wire()
    stage.backend.requests.clear()
    stage.backend.fault = lambda op, path: (
        "denied" if stage.backend.requests.total() > passed else ""
    )
    try:
        found = stage.newest()
    except Denied:
        return
    assert (found.head, found.floor_number) == (seen.head, 4)


def unreadable(stage: Stage, key: Key) -> None:
    """Let one object be there for everybody but this process, as by the rights of its file."""
    stage.backend.fault = lambda op, path: (
        "unreadable" if op == "get" and path.endswith(key.path) else ""
    )


def test_a_version_that_may_not_be_read_is_not_absent(stage: Stage) -> None:
    grow(stage, stage.acquire("a"), 3)
    unreadable(stage, slot(3))
    with pytest.raises(Denied):
        stage.newest()


# --- publishing ---------------------------------------------------------------------------------


def test_a_writer_that_sleeps_past_its_artifact_has_lost(stage: Stage) -> None:
    lease = stage.acquire("a")
    permit = lease.permit_issuer().issue(stage.newest())
    written = put_delta(stage, 1)
    grow(stage, lease, 5)
    collect(stage)
    assert not any(written["deltas"][0].key == path for path in paths(stage, "state"))
    for forbidden in (False, True):
        stage.backend.forbidden = forbidden
        assert run(stage.publisher.publish(permit, stage.draft(**written))) == Lost(1)


def test_a_floor_that_may_not_be_read_is_not_absent(stage: Stage) -> None:
    lease = stage.acquire("a")
    issued = permits(stage, lease, 5)
    collect(stage)
    unreadable(stage, FloorKey(CATALOG, 1))
    with pytest.raises(Unavailable, match="the floor could not be read"):  # it landed, and is void
        run(stage.publisher.publish(issued[1], stage.draft()))


def test_an_artifact_that_may_not_be_looked_at_is_refused(stage: Stage) -> None:
    permit = stage.acquire("a").permit_issuer().issue(stage.newest())
    key = DeltaKey(CATALOG, 1, Ulid("0" * 26))
    kept = Artifact(size_bytes=1, digest=stage.newest().head.digest, rows={}, key=key.path)
    draft = stage.draft(deltas=(kept,), written=(Written(key, 1, "m1"),))
    stage.backend.forbidden = True
    with pytest.raises(Denied):
        run(stage.publisher.publish(permit, draft))


def test_a_version_that_landed_and_was_collected_is_never_called_lost(stage: Stage) -> None:
    lease = stage.acquire("a")
    sleeper, other = (lease.permit_issuer().issue(stage.newest()) for _ in range(2))

    def meanwhile() -> None:
        stage.tasks.meanwhile = lambda: None
        stage.backend.fault = lambda op, path: ""
        grow(stage, lease, 3)
        collect(stage)
        land_late(stage, other, "another")

    stage.tasks.meanwhile = meanwhile
    stage.backend.fault = lambda op, path: "after" if op == "create" else ""
    with pytest.raises(Unavailable, match="outcome unknown"):
        run(stage.publisher.publish(sleeper, stage.draft(writer="sleeper")))
    assert b"another" in stage.raw(slot(1))


# --- rolling back, pinning, collecting ----------------------------------------------------------


def test_a_void_version_is_not_rolled_back_to(stage: Stage) -> None:
    lease = stage.acquire("a")
    issued = permits(stage, lease, 5)
    collect(stage)
    land_late(stage, issued[1])
    assert b"sleeper" in stage.raw(slot(2))
    for forbidden in (False, True):
        stage.backend.forbidden = forbidden
        for version in (2, 3):
            with pytest.raises(Invalid, match="no such version any more"):
                rolling(stage, lease, version)


def test_an_earlier_version_is_pinned_only_above_the_floor(stage: Stage) -> None:
    lease = stage.acquire("a")
    heads = [stage.commit(lease).head for _ in range(6)]
    collect(stage, keep_versions=2)
    seen = stage.newest()
    assert pinning(stage, seen, heads[1]) == Collected(5)
    stage.commit(lease)
    assert isinstance(pinning(stage, stage.newest(), heads[4]), Pinned)


def test_a_pin_that_came_too_late_does_not_stop_the_collector(stage: Stage) -> None:
    lease = stage.acquire("a")
    issued = permits(stage, lease, 2)
    old = stage.newest()
    grow(stage, lease, 4)
    collect(stage)
    assert isinstance(pinning(stage, old, old.head), Collected)
    grow(stage, lease, 2)
    collect(stage)
    assert len(paths(stage, "manifests")) == 2  # version 0, and the newest
    land_late(stage, issued[1])  # what stands under the pinned number is not what was pinned
    grow(stage, lease, 2)
    collect(stage)
    assert len(paths(stage, "manifests")) == 2
    assert len(paths(stage, "state")) == 1


def test_a_void_version_never_says_what_lives(stage: Stage) -> None:
    lease = stage.acquire("a")
    grow_deltas(stage, lease, 4)
    collect(stage)  # a floor at version 4, whose artifacts live on
    grow_deltas(stage, lease, 2)
    asleep = True

    def fault(op: str, path: str) -> str:
        nonlocal asleep
        if op == "list" and "state" in path and asleep:
            asleep = False
            collect(stage)  # another collector goes further, and deletes version 4
            stage.put(slot(4), void)
        return ""

    elsewhere = Stage()
    permits(elsewhere, elsewhere.acquire("a"), 4)
    void = elsewhere.raw(slot(4))  # a version 4 that refers to nothing
    stage.backend.fault = fault
    with pytest.raises(Conflict, match="another collector went further"):
        run(collector(stage).collect(CATALOG, keep_versions=3))
    assert not asleep
    stage.backend.fault = lambda op, path: ""
    assert whole(stage)
