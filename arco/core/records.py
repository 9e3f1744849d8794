"""What is stored beside manifests: lock records, hints, floors, pins, the root; and their rules.

Every record is canonical JSON (`canonical`). Times are Unix milliseconds and only for people: no
rule compares the clocks of two machines, save where a lease may be taken over early.
"""

from __future__ import annotations

from enum import StrEnum

from arco.core.canonical import Moment, Natural, Record
from arco.core.ids import Digest
from arco.core.keys import DomainName

LEASE_MS = 30_000
"""How long a lease is held without renewal."""
DRIFT_MS = 5_000
"""What two monotonic clocks may differ by over one lease; the holder stops that much earlier."""
SKEW_MS = 10_000
"""What two wall clocks may differ by before a lease could be taken over early. Costs efficiency
only: creating the next version is what decides."""


class LeaseState(StrEnum):
    """Whether somebody holds a lease."""

    HELD = "held"
    RELEASED = "released"


class LockRecord(Record, frozen=True, kw_only=True):
    """Who holds the lease of a domain. Its bytes never repeat: the nonce is new in each.

    `fencing_token` never goes backwards, through release, expiry and force-break.
    """

    domain: DomainName
    state: LeaseState
    holder: str
    fencing_token: Natural
    nonce: str
    written_at_ms: Moment
    lease_ms: Natural = LEASE_MS


class Hint(Record, frozen=True, kw_only=True):
    """Where reading may start: a version, the digest of its manifest, the newest floor's number."""

    domain: DomainName
    version: Natural
    manifest_hash: Digest
    floor_number: Natural


class Floor(Record, frozen=True, kw_only=True):
    """A marker that below `version` everything is void, made before anything is deleted.

    `manifest_hash` is the digest of the manifest at the floor; `removed_root` is the RFC 6962 root
    over the digests of the manifests that went with it, from the floor before up to this one.
    """

    domain: DomainName
    number: Natural
    version: Natural
    manifest_hash: Digest
    removed_root: Digest
    raised_at_ms: Moment


class Pin(Record, frozen=True, kw_only=True):
    """A version that stays readable for a time, and why.

    Readers alone rely on pins: one whose pin ends while it sleeps finds objects missing and says
    so. No commit relies on one.
    """

    domain: DomainName
    version: Natural
    manifest_hash: Digest
    """Of the pinned version: what stands under its number after it was collected is not it."""
    reason: str
    pinned_at_ms: Moment
    expires_at_ms: Moment


class Root(Record, frozen=True, kw_only=True):
    """The root of a workspace: its domains, the probe that writers try, and what makes it unique.

    Version 0 of each domain names the digest of the root as its parent, so that no chain can be
    moved to another workspace.
    """

    tenant: str
    workspace: str
    domains: tuple[DomainName, ...]
    probe: str
    created_at_ms: Moment
