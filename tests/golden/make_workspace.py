"""Write the golden workspace of this version: `python tests/golden/make_workspace.py FOLDER`.

Clocks and chance are fixed, so that the same code writes the same bytes. Once committed a workspace
is never written again: later versions have to read it, whatever they would write themselves.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from arco.capabilities import Created
from arco.collector.collect import Collector
from arco.core.canonical import encode
from arco.core.draft import Draft, Written, unchanged
from arco.core.ids import digest, make_ulid
from arco.core.keys import BaseKey, DeltaKey, LedgerKey
from arco.core.manifest import Artifact, FoldedSegment, Kind, Outcome
from arco.core.receipt import receipt_for
from arco.publish.lease import HeldLease
from arco.publish.publisher import Published
from arco.publish.rollback import roll_back
from arco.publish.sight import Seen
from tests.arco.storage_kit import CATALOG, Stage, run

EVENTS = [b'{"created":"sales"}', b'{"created":"orders"}', b'{"dropped":"sales"}']
RECEIPT = "receipt.json"


def put(stage: Stage, key: BaseKey | DeltaKey, body: bytes) -> tuple[Artifact, Written]:
    """Put an artifact; return what a draft says of it."""
    answer = run(stage.stores.create.create(key, body))
    assert isinstance(answer, Created)
    made = Artifact(size_bytes=len(body), digest=digest(body), rows={"tables": 1}, key=key.path)
    return made, Written(key, len(body), answer.version)


def commit(stage: Stage, lease: HeldLease, seen: Seen, draft: Draft) -> Seen:
    """Publish a draft, a second after what came before."""
    stage.clock.pass_ms(1_000)
    done = run(stage.publisher.publish(lease.permit_issuer().issue(seen), draft))
    assert isinstance(done, Published)
    return done.seen


def make() -> tuple[Stage, bytes]:
    """Return a workspace with each kind of version, and the receipt of one event."""
    stage = Stage()
    lease = stage.acquire("writer-1")
    seen = stage.newest()
    for version in (1, 2):
        seen = commit(stage, lease, seen, Draft(Kind.COMMIT, "writer-1", {"a": version}))
    ledger = LedgerKey(CATALOG, make_ulid(stage.clock.utc_ms(), stage.chance.take(10)))
    body = b"\n".join(EVENTS)
    run(stage.storage.api().create.create(ledger, body))
    ulid = make_ulid(stage.clock.utc_ms(), stage.chance.take(10))
    base, base_written = put(stage, BaseKey(CATALOG, 3, ulid, "tables"), b"a base")
    delta, delta_written = put(stage, DeltaKey(CATALOG, 3, ulid), b"a delta")
    inline = Artifact(size_bytes=6, digest=digest(b"inline"), rows={"tables": 1}, inline=b"inline")
    seen = commit(
        stage,
        lease,
        seen,
        Draft(
            Kind.COMMIT,
            "writer-1",
            {"a": 5, "b": 1},
            segments=(FoldedSegment(key=ledger.path, digest=digest(body), first=3, last=5),),
            events=EVENTS,
            outcomes=(
                Outcome(key_digest=digest(b"key"), request_digest=digest(b"body"), event_index=1),
            ),
            bases=(base,),
            deltas=(delta, inline),
            written=(base_written, delta_written),
        ),
    )
    receipt = encode(receipt_for(seen.head, EVENTS, 1))
    run(stage.leases.release(lease))
    later = stage.acquire("writer-2")
    seen = commit(stage, later, seen, unchanged(seen.head, Kind.CLAIM, "writer-2"))
    positions = {**seen.head.manifest.positions, "b": 2}
    seen = commit(stage, later, seen, Draft(Kind.COMMIT, "writer-2", positions))
    stage.clock.pass_ms(1_000)
    rolled = run(
        roll_back(
            stage.publisher,
            later.permit_issuer().issue(seen),
            4,
            read=stage.stores.read,
            create=stage.stores.create,
            sight=stage.sight,
            clock=stage.clock,
            chance=stage.chance,
            writer="operator",
        )
    )
    assert isinstance(rolled, Published)
    run(Collector(stage.storage.collector(), stage.sight, stage.clock).collect(CATALOG, 4))
    return stage, receipt


def write(folder: Path) -> None:
    """Write the workspace's objects below a folder, and the receipt beside them."""
    stage, receipt = make()
    for named in run(stage.backend.inner.list_page("", None, 1_000)):
        found = run(stage.backend.inner.get(named.path))
        assert found is not None
        path = folder / "store" / named.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(found.body)
    (folder / RECEIPT).write_bytes(receipt)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
