"""A commit whose writes failed in the middle, tried again as a whole until it is there."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from arco.capabilities import Created
from arco.core.draft import Draft, Written
from arco.core.errors import Unavailable
from arco.core.ids import digest, make_ulid
from arco.core.keys import DeltaKey, LedgerKey
from arco.core.manifest import Artifact, FoldedSegment, Kind
from arco.publish.lease import Lease
from arco.publish.publisher import ATTEMPTS_MAX, Published
from arco.verify import Verifier
from tests.arco.collector.test_collect import collector, paths
from tests.arco.storage_kit import CATALOG, WORKSPACE, Stage, run

EVENT = b'{"created":"sales"}'
SEGMENT = LedgerKey(CATALOG, make_ulid(1, b"0" * 10))
TRIES_MAX = 6


def commit_once(stage: Stage, lease: Lease) -> bool:
    """Try the whole commit: segment, artifact, version; say whether it is there afterwards."""
    seen = stage.newest()
    if seen.head.manifest.positions.get("producer", 0) >= 1:
        return True  # an earlier try landed after all
    run(stage.storage.api().create.create(SEGMENT, EVENT))  # the same name: there once
    key = DeltaKey(CATALOG, seen.head.version + 1, make_ulid(1, stage.chance.take(10)))
    answer = run(stage.stores.create.create(key, EVENT))
    assert isinstance(answer, Created), "a name came twice"
    rows = {"tables": 1}
    kept = Artifact(size_bytes=len(EVENT), digest=digest(EVENT), rows=rows, key=key.path)
    draft = Draft(
        Kind.COMMIT,
        "writer",
        {"producer": 1},
        segments=(FoldedSegment(key=SEGMENT.path, digest=digest(EVENT), first=1, last=1),),
        events=(EVENT,),
        deltas=(kept,),
        written=(Written(key, len(EVENT), answer.version),),
    )
    permit = lease.permit_issuer().issue(seen)
    return isinstance(run(stage.publisher.publish(permit, draft)), Published)


def failing(family: str, fault: str, times: int) -> Any:
    """Return a fault plan for the first creates below a family."""
    left = itertools.chain([fault] * times, itertools.repeat(""))
    return lambda op, path: next(left) if op == "create" and f"/{family}/" in path else ""


@pytest.mark.parametrize("fault", ["before", "after", "late"])
@pytest.mark.parametrize(
    ("family", "times"),
    [("ledger", 1), ("state", 1), ("manifests", 1), ("manifests", ATTEMPTS_MAX)],
)
def test_partial_write_retry_converges_without_duplicates(
    family: str, times: int, fault: str
) -> None:
    stage = Stage()
    lease = stage.acquire("writer")
    stage.backend.fault = failing(family, fault, times)
    for _ in range(TRIES_MAX):
        try:
            if commit_once(stage, lease):
                break
        except Unavailable:
            stage.backend.land()
    else:
        raise AssertionError("did not converge")
    stage.backend.land()
    stage.wire()
    manifest = stage.newest().head.manifest
    assert manifest.positions == {"producer": 1}
    assert (manifest.totals.events, manifest.totals.commits) == (1, 1)
    assert len(manifest.deltas) == 1
    assert len(paths(stage, "ledger")) == 1
    assert run(Verifier(stage.storage.reader().read, WORKSPACE).verify()).findings == ()
    stage.commit(lease, positions=manifest.positions)  # which refers to nothing
    run(collector(stage).collect(CATALOG, keep_versions=1))
    assert paths(stage, "state") == []  # what failed tries left behind went too
