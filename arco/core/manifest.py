"""The manifest of one version of a domain, and what may follow what. Pure.

Creating the manifest of version N+1 is the commit. Each names its predecessor by the digest of the
predecessor's raw stored bytes, so that a chain can be followed from any end and a swapped byte is
seen. Succession is judged by the publisher before it creates, and again by whoever verifies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from arco.core.canonical import Moment, Natural, Part, Record, decode
from arco.core.errors import Corrupt, Invalid
from arco.core.ids import Digest, Ulid, digest, is_digest, is_ulid
from arco.core.keys import BaseKey, DeltaKey, DomainName, StateKey, manifest_key
from arco.core.merkle import EMPTY_ROOT

INLINE_BYTES_MAX = 64 * 1024
"""The largest delta that is kept inside the manifest instead of as an object of its own."""
LIVE_DELTAS_MAX = 8
"""Deltas that readers may have to combine with a base."""


class Kind(StrEnum):
    """Why a version exists."""

    GENESIS = "genesis"
    """Version 0, made by `arco init`: empty; its parent is the root manifest."""
    COMMIT = "commit"
    CLAIM = "claim"
    """A new holder of the lease made its token known; nothing else changed."""
    NO_OP = "no-op"
    """A writer occupied the slot to learn the outcome of its own put."""
    ROLLBACK = "rollback"
    """The content of an earlier version, published again."""


class FoldedSegment(Part, frozen=True, kw_only=True):
    """A ledger segment that this version folded: its key, digest, and first and last position."""

    key: str
    digest: Digest
    first: Natural
    last: Natural


class Artifact(Part, frozen=True, kw_only=True):
    """A base or a delta: `key` names the object, or `inline` holds its bytes.

    `digest` is over the bytes, `size_bytes` their number, `rows` the rows per table.
    """

    size_bytes: Natural
    digest: Digest
    rows: dict[str, Natural]
    key: str | None = None
    inline: bytes | None = None


class Outcome(Part, frozen=True, kw_only=True):
    """What became of a request: digests of its idempotency key and body, and its event's index."""

    key_digest: Digest
    request_digest: Digest
    event_index: Natural


class Totals(Part, frozen=True, kw_only=True):
    """Running sums over the chain."""

    events: Natural = 0
    commits: Natural = 0


class Manifest(Record, frozen=True, kw_only=True):
    """One version of a domain. Times are Unix milliseconds."""

    domain: DomainName
    version: Natural
    kind: Kind
    commit_ulid: Ulid
    fencing_token: Natural
    parent_hash: Digest
    committed_at_ms: Moment
    writer: str
    segments: tuple[FoldedSegment, ...] = ()
    events: Natural = 0
    events_root: Digest
    positions: dict[str, Natural]
    outcomes: tuple[Outcome, ...] = ()
    bases: tuple[Artifact, ...] = ()
    deltas: tuple[Artifact, ...] = ()
    floor_number: Natural = 0
    totals: Totals = Totals()


@dataclass(frozen=True, slots=True)
class Head:
    """A version that was read: what it spells, the digest of its raw bytes, and these."""

    manifest: Manifest
    digest: Digest
    raw: bytes

    @property
    def domain(self) -> DomainName:
        """The domain of the version."""
        return self.manifest.domain

    @property
    def version(self) -> int:
        """The number of the version."""
        return self.manifest.version


def read_head(domain: DomainName, version: int, raw: bytes) -> Head:
    """Return what the raw bytes of a version spell.

    Raises `Corrupt` when they are not a manifest of that domain and version, or contradict
    themselves.
    """
    where = manifest_key(domain, version).path
    manifest = decode(raw, Manifest, where=where)
    if (manifest.domain, manifest.version) != (domain, version):
        raise Corrupt(
            f"manifest of another place: key=`{where}` domain=`{manifest.domain}` "
            f"version=`{manifest.version}`"
        )
    for problem in contradictions(manifest):
        raise Corrupt(f"{problem} key=`{where}`")
    return Head(manifest, digest(raw), raw)


def genesis(domain: DomainName, root_digest: Digest, ulid: Ulid, at_ms: int, by: str) -> Manifest:
    """Return version 0 of a domain, whose parent is the root manifest."""
    return Manifest(
        domain=domain,
        version=0,
        kind=Kind.GENESIS,
        commit_ulid=ulid,
        fencing_token=0,
        parent_hash=root_digest,
        committed_at_ms=at_ms,
        writer=by,
        events_root=Digest(EMPTY_ROOT.hex()),
        positions={},
    )


def contradictions(manifest: Manifest) -> Iterator[str]:
    """Yield what is wrong in a manifest by itself, as clauses that end in their values."""
    if {manifest.version == 0, manifest.fencing_token == 0, manifest.kind is Kind.GENESIS} not in (
        {True},
        {False},
    ):
        yield f"version 0 alone is the genesis and has token 0: token=`{manifest.fencing_token}`"
    if not (is_ulid(manifest.commit_ulid) and is_digest(manifest.events_root)):
        ulid, events_root = manifest.commit_ulid, manifest.events_root
        yield f"no ulid, or no digest: commit_ulid=`{ulid}` events_root=`{events_root}`"
    for artifact in (*manifest.bases, *manifest.deltas):
        if (artifact.key is None) == (artifact.inline is None):
            yield "an artifact is either a key or inline: "
        elif artifact.inline is not None:
            if digest(artifact.inline) != artifact.digest:
                yield f"inline bytes are not those of their digest: digest=`{artifact.digest}`"
            if len(artifact.inline) != artifact.size_bytes:
                yield f"inline bytes are of another number: size_bytes=`{artifact.size_bytes}`"
            if len(artifact.inline) > INLINE_BYTES_MAX:
                size = len(artifact.inline)
                yield f"too many inline bytes: size_bytes=`{size}` max=`{INLINE_BYTES_MAX}`"
    if len(manifest.deltas) > LIVE_DELTAS_MAX:
        yield f"too many live deltas: deltas=`{len(manifest.deltas)}` max=`{LIVE_DELTAS_MAX}`"
    for segment in manifest.segments:
        if segment.first > segment.last:
            yield f"positions run backwards: segment=`{segment.key}`"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of succession: the field it is about, what it asks in words, and the question."""

    field: str
    asks: str
    breaks: Callable[[Head, Manifest], str]
    """Return how a manifest breaks the rule after a head, as a clause; empty when it does not."""


SUCCESSION = (
    Rule("domain", "the same", lambda head, new: _differs(new.domain, head.domain)),
    Rule("version", "exactly one more", lambda head, new: _differs(new.version, head.version + 1)),
    Rule(
        "parent_hash",
        "the SHA-256 of the raw stored bytes before",
        lambda head, new: _differs(new.parent_hash, head.digest),
    ),
    Rule(
        "fencing_token",
        "not lower",
        lambda head, new: _lower(new.fencing_token, head.manifest.fencing_token),
    ),
    Rule(
        "commit_ulid",
        "strictly greater",
        lambda head, new: (
            ""
            if new.commit_ulid > head.manifest.commit_ulid
            else f"new=`{new.commit_ulid}` before=`{head.manifest.commit_ulid}`"
        ),
    ),
    Rule(
        "floor_number",
        "not lower",
        lambda head, new: _lower(new.floor_number, head.manifest.floor_number),
    ),
    Rule(
        "positions",
        "not lower for any producer",
        lambda head, new: _positions_back(head.manifest.positions, new.positions),
    ),
)
"""What a version has to be to follow another; the guide's table is drawn from this."""


def may_follow(head: Head, following: Manifest) -> str:
    """Say why a manifest may not follow a head, as a clause; empty when it may."""
    for rule in SUCCESSION:
        broken = rule.breaks(head, following)
        if broken:
            return f"{rule.field} has to be {rule.asks}: {broken}"
    return ""


def _differs(new: object, wanted: object) -> str:
    return "" if new == wanted else f"new=`{new}` wanted=`{wanted}`"


def _lower(new: int, before: int) -> str:
    return "" if new >= before else f"new=`{new}` before=`{before}`"


def _positions_back(before: dict[str, int], new: dict[str, int]) -> str:
    if new == before:
        return ""
    lost = (name for name, position in before.items() if new.get(name, -1) < position)
    producer = next(lost, None)
    return "" if producer is None else f"producer=`{producer}` before=`{before[producer]}`"


def state_key(path: str) -> StateKey:
    """Return the key of an artifact. Raises `Invalid` when the path is no state key."""
    for kind in (DeltaKey, BaseKey):
        try:
            return kind.parse(path)
        except Invalid:
            continue
    raise Invalid(f"not a state key: key=`{path}`")


def artifact_keys(manifest: Manifest) -> tuple[StateKey, ...]:
    """Return the keys of the objects that a manifest refers to."""
    kept = (*manifest.bases, *manifest.deltas)
    return tuple(state_key(artifact.key) for artifact in kept if artifact.key is not None)
