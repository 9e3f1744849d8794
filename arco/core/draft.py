"""What a writer wants the next version to hold, and the manifest that comes of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from arco.core.errors import Invalid
from arco.core.ids import Digest, Ulid
from arco.core.keys import StateKey
from arco.core.manifest import (
    Artifact,
    FoldedSegment,
    Head,
    Kind,
    Manifest,
    Outcome,
    Totals,
    state_key,
)
from arco.core.merkle import leaf_hash, root


@dataclass(frozen=True, slots=True)
class Written:
    """An artifact that was put for this version: its key, size, and version as the put answered."""

    key: StateKey
    size_bytes: int
    version: str


@dataclass(frozen=True, slots=True)
class Draft:
    """The content of a version that is not one yet.

    `events` are the raw events folded, in order; `positions` the whole table of producers;
    `bases` and `deltas` all artifacts that readers combine; `written` those that are new.
    """

    kind: Kind
    writer: str
    positions: dict[str, int]
    segments: tuple[FoldedSegment, ...] = ()
    events: Sequence[bytes] = ()
    outcomes: tuple[Outcome, ...] = ()
    bases: tuple[Artifact, ...] = ()
    deltas: tuple[Artifact, ...] = ()
    written: tuple[Written, ...] = field(default=())


def unchanged(head: Head, kind: Kind, writer: str) -> Draft:
    """Return a draft that changes nothing: a claim, or a no-op."""
    before = head.manifest
    return Draft(kind, writer, before.positions, bases=before.bases, deltas=before.deltas)


def compose(
    draft: Draft, head: Head, *, token: int, ulid: Ulid, at_ms: int, floor_number: int
) -> Manifest:
    """Return the manifest that a draft makes after a head."""
    before = head.manifest
    events = len(draft.events)
    leaves = [leaf_hash(event) for event in draft.events]
    commits = before.totals.commits + (draft.kind is Kind.COMMIT)
    return Manifest(
        domain=before.domain,
        version=before.version + 1,
        kind=draft.kind,
        commit_ulid=ulid,
        fencing_token=token,
        parent_hash=head.digest,
        committed_at_ms=at_ms,
        writer=draft.writer,
        segments=draft.segments,
        events=events,
        events_root=Digest(root(leaves).hex()),
        positions=draft.positions,
        outcomes=draft.outcomes,
        bases=draft.bases,
        deltas=draft.deltas,
        floor_number=floor_number,
        totals=Totals(events=before.totals.events + events, commits=commits),
    )


def check_artifacts(draft: Draft, following: Manifest, before: Manifest) -> None:
    """Raise `Invalid` unless each artifact is inherited as it was, or written and may be new here.

    So a reference, once dropped, never comes back after the version in the artifact's name: what
    the collector relies on.
    """
    inherited = {artifact.key: artifact for artifact in (*before.bases, *before.deltas)}
    written = {entry.key: entry.size_bytes for entry in draft.written}
    for artifact in (*following.bases, *following.deltas):
        if artifact.key is None or artifact == inherited.get(artifact.key):
            continue
        key = state_key(artifact.key)
        if written.get(key) != artifact.size_bytes:
            raise Invalid(
                f"artifact neither inherited nor written as it is said to be: key=`{key.path}`"
            )
        if key.domain != following.domain or key.version < following.version:
            raise Invalid(
                f"artifact is named for another domain or an earlier version: key=`{key.path}` "
                f"version=`{following.version}`",
                next_step="write it again under a name for the version that comes next",
            )
