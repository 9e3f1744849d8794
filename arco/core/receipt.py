"""Receipts: what one event's author keeps, to show that it was committed. Pure.

With read access anybody checks one in a few lines: the manifest under `manifest_key` has the digest
`manifest_hash`; its `parent_hash`, `fencing_token` and `events_root` are those of the receipt; and
the proof leads from the event's own bytes to that root.
"""

from __future__ import annotations

from collections.abc import Sequence

from arco.core.canonical import Natural, Record
from arco.core.ids import Digest, digest, is_digest
from arco.core.keys import DomainName
from arco.core.manifest import Head, read_head
from arco.core.merkle import leaf_hash, prove, proves


class Receipt(Record, frozen=True, kw_only=True):
    """That one event is in one version: digests in hexadecimal, the proof from the leaf up."""

    domain: DomainName
    version: Natural
    manifest_hash: Digest
    parent_hash: Digest
    fencing_token: Natural
    event_digest: Digest
    event_index: Natural
    events: Natural
    proof: tuple[Digest, ...]


def receipt_for(head: Head, events: Sequence[bytes], index: int) -> Receipt:
    """Return the receipt of the event at `index` among all raw events of a version, in order.

    Raises `IndexError` when there is no such event.
    """
    leaves = [leaf_hash(event) for event in events]
    manifest = head.manifest
    return Receipt(
        domain=manifest.domain,
        version=manifest.version,
        manifest_hash=head.digest,
        parent_hash=manifest.parent_hash,
        fencing_token=manifest.fencing_token,
        event_digest=digest(events[index]),
        event_index=index,
        events=len(events),
        proof=tuple(Digest(step.hex()) for step in prove(leaves, index)),
    )


def disproof(receipt: Receipt, event: bytes, raw_manifest: bytes) -> str:
    """Say what of a receipt is not true of an event and the stored manifest; empty when all is.

    Raises `Corrupt` when the manifest cannot be read.
    """
    if digest(event) != receipt.event_digest:
        return "another event"
    if digest(raw_manifest) != receipt.manifest_hash:
        return "another manifest"
    manifest = read_head(receipt.domain, receipt.version, raw_manifest).manifest
    said = (receipt.parent_hash, receipt.fencing_token, receipt.events)
    if said != (manifest.parent_hash, manifest.fencing_token, manifest.events):
        return "another parent, token or number of events than the manifest's"
    if not all(map(is_digest, receipt.proof)):
        return "the proof is no list of digests"
    proof = [bytes.fromhex(step) for step in receipt.proof]
    root = bytes.fromhex(manifest.events_root)
    if not proves(proof, leaf_hash(event), receipt.event_index, receipt.events, root):
        return "the proof does not lead to the manifest's root"
    return ""
