"""Rolling back by rolling forward, with artifacts copied under new names."""

from __future__ import annotations

from typing import Any

import pytest

from arco.core.errors import Corrupt, Invalid
from arco.core.manifest import Kind, state_key
from arco.publish.lease import Lease
from arco.publish.publisher import Lost, Published
from arco.publish.rollback import roll_back
from tests.arco.collector.test_collect import collector, grow, put_delta, whole
from tests.arco.storage_kit import CATALOG, Stage, run


def rolling(stage: Stage, lease: Lease, to_version: int, seen: Any = None) -> Published | Lost:
    return run(
        roll_back(
            stage.publisher,
            lease.permit_issuer().issue(seen or stage.newest()),
            to_version,
            read=stage.stores.read,
            create=stage.stores.create,
            sight=stage.sight,
            clock=stage.clock,
            chance=stage.chance,
            writer="operator",
        )
    )


def test_the_earlier_content_is_the_next_version_and_survives_collection() -> None:
    stage = Stage()
    lease = stage.acquire("a")
    first = stage.commit(lease, positions={"p": 1}, **put_delta(stage, 1))
    stage.commit(lease, first, positions={"p": 2}, **put_delta(stage, 2))
    done = rolling(stage, lease, 1)
    assert isinstance(done, Published)
    manifest = done.seen.head.manifest
    assert (manifest.version, manifest.kind, manifest.positions) == (3, Kind.ROLLBACK, {"p": 2})
    (old,), (new,) = first.head.manifest.deltas, manifest.deltas
    assert (old.digest, old.rows) == (new.digest, new.rows)
    assert old.key != new.key
    assert state_key(str(new.key)).version == 3
    run(collector(stage).collect(CATALOG, keep_versions=1))
    assert whole(stage)


def test_what_rolling_back_costs() -> None:
    stage = Stage()
    lease = stage.acquire("a")
    grow(stage, lease, 2)
    seen = stage.newest()
    stage.backend.requests.clear()
    assert isinstance(rolling(stage, lease, 1, seen), Published)
    publishing = {"create": 1, "get": 1, "head": 1}
    manifest, artifact, floors = 1, 1, 2
    assert dict(stage.backend.requests) == {
        "create": artifact + publishing["create"],
        "get": manifest + artifact + floors + publishing["get"],
        "head": publishing["head"],
    }


def test_two_that_roll_back_at_once_have_one_winner() -> None:
    stage = Stage()
    lease = stage.acquire("a")
    grow(stage, lease, 2)
    seen = stage.newest()
    assert isinstance(rolling(stage, lease, 1, seen), Published)
    assert rolling(stage, lease, 1, seen) == Lost(3)


@pytest.mark.parametrize("to_version", [2, 3, -1])
def test_only_an_earlier_version_can_be_rolled_back_to(to_version: int) -> None:
    stage = Stage()
    lease = stage.acquire("a")
    grow(stage, lease, 2)
    with pytest.raises(Invalid, match="not an earlier version"):
        rolling(stage, lease, to_version)


def test_what_was_collected_or_is_broken_is_refused_and_nothing_lands() -> None:
    stage = Stage()
    lease = stage.acquire("a")
    seen = grow(stage, lease, 4)
    stage.put(state_key(str(seen.head.manifest.deltas[0].key)), b"other")
    after = stage.commit(lease, seen)
    with pytest.raises(Corrupt, match="missing or differs"):
        rolling(stage, lease, 4)
    run(collector(stage).collect(CATALOG, keep_versions=1))
    with pytest.raises(Invalid, match="no such version any more"):
        rolling(stage, lease, 3)
    assert stage.newest().head == after.head
