"""Every family of keys: its literal, its mutability and who may do what, in one definition each.

This is the only place that spells a path. `docs/guide/storage.md` shows it as a table, drawn from
here; `arco iam` turns it into cloud policies. Who lists needs it to find what nobody refers to any
more: no read of a catalog ever lists.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from arco.core.ids import Digest, Ulid
from arco.core.keys.family import Family, Key, Mutability, Role, grants
from arco.core.keys.segments import DomainName, ReceiptPhase, date_of

API, COMPACTOR, CONTROLLER = Role.API, Role.COMPACTOR, Role.CONTROLLER
ANTI_ENTROPY, COLLECTOR = Role.ANTI_ENTROPY, Role.COLLECTOR
INITIALISER, READER = Role.INITIALISER, Role.READER

IMMUTABLE, SWAPPED, ADVISORY = Mutability.IMMUTABLE, Mutability.SWAPPED, Mutability.ADVISORY

_READ = dict.fromkeys((API, COMPACTOR, ANTI_ENTROPY, COLLECTOR, CONTROLLER, READER), "get")
"""Who reads what everybody reads."""


@dataclass(frozen=True, slots=True, order=True)
class LedgerKey(Key):
    """What writers append: immutable segments of events, by date of their ULID."""

    domain: DomainName
    ulid: Ulid

    FAMILY: ClassVar[Family] = Family(
        "ledger/{domain}/{date}/{ulid}.segment.json",
        IMMUTABLE,
        grants(
            {
                **_READ,
                API: "get create",
                CONTROLLER: "get create",
                ANTI_ENTROPY: "get list",
                COLLECTOR: "get list delete",
            }
        ),
    )

    @property
    def date(self) -> str:
        """The UTC date of the ULID; part of the path, so that a scan can be bounded by date."""
        return date_of(self.ulid)


# --- state: what the compactor folds ------------------------------------------------------------

_STATE = grants(
    {**_READ, API: "get sign", COMPACTOR: "get head create", COLLECTOR: "get list delete"}
)


@dataclass(frozen=True, slots=True, order=True)
class StateKey(Key):
    """An artifact of a domain: the last version that may newly refer to it, and the attempt.

    A commit names its delta for the very version that it creates; a merge, whose head moves while
    it works, for one further on. A name is never used twice, and whether an unreferenced artifact
    may still become referenced follows from its name alone: only while its version is above the
    floor. So orphans are told from work in progress without a clock.
    """

    domain: DomainName
    version: int
    attempt: Ulid


@dataclass(frozen=True, slots=True, order=True)
class DeltaKey(StateKey):
    """A delta: what one commit changed, over all tables of the domain."""

    FAMILY: ClassVar[Family] = Family(
        "state/{domain}/l0/{version}-{attempt}.parquet", IMMUTABLE, _STATE
    )


@dataclass(frozen=True, slots=True, order=True)
class BaseKey(StateKey):
    """A base: one table of the domain as a whole, as of a version."""

    table: str

    FAMILY: ClassVar[Family] = Family(
        "state/{domain}/base/{version}-{attempt}/{table}.parquet", IMMUTABLE, _STATE
    )


# --- manifests: what makes a version visible ----------------------------------------------------


@dataclass(frozen=True, slots=True, order=True)
class ManifestKey(Key):
    """A numbered manifest; creating the next one is the commit."""


@dataclass(frozen=True, slots=True, order=True)
class RootManifestKey(ManifestKey):
    """The root: the format and the domains of a workspace."""

    number: int

    FAMILY: ClassVar[Family] = Family(
        "manifests/root/{number}.manifest.json",
        IMMUTABLE,
        grants({**_READ, INITIALISER: "get create"}),
    )


@dataclass(frozen=True, slots=True, order=True)
class GenesisKey(ManifestKey):
    """Version 0 of a domain: empty, and a family of its own, because `arco init` creates it.

    So the initialiser needs no right to any later version, and whoever may not list can tell an
    empty domain from one that it may not read.
    """

    domain: DomainName

    FAMILY: ClassVar[Family] = Family(
        "manifests/{domain}/00000000000000000000.manifest.json",
        IMMUTABLE,
        grants({**_READ, INITIALISER: "get create"}),
    )


@dataclass(frozen=True, slots=True, order=True)
class DomainManifestKey(ManifestKey):
    """One version of a domain, from 1 on."""

    domain: DomainName
    version: int

    FAMILY: ClassVar[Family] = Family(
        "manifests/{domain}/{version}.manifest.json",
        IMMUTABLE,
        grants({**_READ, COMPACTOR: "get create", COLLECTOR: "get list delete"}),
    )


# --- what guards and guides a domain ------------------------------------------------------------


@dataclass(frozen=True, slots=True, order=True)
class LockKey(Key):
    """The lock record of a domain: who holds the lease, and the last fencing token."""

    domain: DomainName

    FAMILY: ClassVar[Family] = Family(
        "locks/{domain}.lock.json",
        SWAPPED,
        grants(
            {
                **_READ,
                API: "get update",
                CONTROLLER: "get update",
                COMPACTOR: "get create update",
                INITIALISER: "get create",
            }
        ),
    )


@dataclass(frozen=True, slots=True, order=True)
class FloorKey(Key):
    """A marker: below the version that it names, manifests are void. Contiguous from 0, kept."""

    domain: DomainName
    number: int

    FAMILY: ClassVar[Family] = Family(
        "floors/{domain}/{number}.floor.json",
        IMMUTABLE,
        grants({**_READ, COLLECTOR: "get create", INITIALISER: "get create"}),
    )


@dataclass(frozen=True, slots=True, order=True)
class PinKey(Key):
    """A version that must stay readable: time travel, an export, a running merge."""

    domain: DomainName
    ulid: Ulid

    FAMILY: ClassVar[Family] = Family(
        "pins/{domain}/{ulid}.pin.json",
        IMMUTABLE,
        grants({**_READ, API: "get create", COMPACTOR: "get create", COLLECTOR: "get list delete"}),
    )


@dataclass(frozen=True, slots=True, order=True)
class HintKey(Key):
    """Where reading may start; believed only as far as what it names agrees."""


@dataclass(frozen=True, slots=True, order=True)
class DomainHintKey(HintKey):
    """The hint to the newest manifest of a domain."""

    domain: DomainName

    FAMILY: ClassVar[Family] = Family(
        "hints/{domain}.hint.json",
        ADVISORY,
        grants({**_READ, COMPACTOR: "get replace", INITIALISER: "get create"}),
    )


@dataclass(frozen=True, slots=True, order=True)
class PointerHintKey(HintKey):
    """The hint to the newest Iceberg pointer of a table."""

    table_uuid: str

    FAMILY: ClassVar[Family] = Family(
        "hints/iceberg/{table_uuid}.hint.json",
        ADVISORY,
        grants({**_READ, API: "get replace", COLLECTOR: "get list delete"}),
    )


@dataclass(frozen=True, slots=True, order=True)
class CursorKey(Key):
    """Where the anti-entropy scan of a domain goes on."""

    domain: DomainName

    FAMILY: ClassVar[Family] = Family(
        "cursors/{domain}.cursor.json", ADVISORY, grants({ANTI_ENTROPY: "get create replace"})
    )


@dataclass(frozen=True, slots=True, order=True)
class QuarantineKey(Key):
    """A segment that could not be folded, kept verbatim."""

    domain: DomainName
    ulid: Ulid

    FAMILY: ClassVar[Family] = Family(
        "quarantine/{domain}/{ulid}.segment.json",
        IMMUTABLE,
        grants({COMPACTOR: "get create", COLLECTOR: "get list delete", ANTI_ENTROPY: "get"}),
    )


@dataclass(frozen=True, slots=True, order=True)
class ProbeKey(Key):
    """What a probe of the store writes, to see that create-if-absent is honoured.

    Made by the initialiser and kept: a writer that opens creates the same name again, and wants to
    be refused, which costs one request and leaves nothing behind.
    """

    ulid: Ulid

    FAMILY: ClassVar[Family] = Family(
        "probes/{ulid}.probe",
        IMMUTABLE,
        grants(
            {
                INITIALISER: "get create",
                API: "create",
                COMPACTOR: "create",
                CONTROLLER: "create",
            }
        ),
    )


# --- deployments --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, order=True)
class DeploymentKey(Key):
    """A deployment manifest: what a code deployment declared."""

    ulid: Ulid

    FAMILY: ClassVar[Family] = Family(
        "deployments/{ulid}.deployment.json",
        IMMUTABLE,
        grants({API: "get create", CONTROLLER: "get", READER: "get", COLLECTOR: "get list delete"}),
    )


@dataclass(frozen=True, slots=True, order=True)
class DeploymentIndexKey(Key):
    """Which deployment is the latest."""

    FAMILY: ClassVar[Family] = Family(
        "deployments/index.json",
        SWAPPED,
        grants({API: "get create update", CONTROLLER: "get", READER: "get", COLLECTOR: "get"}),
    )


@dataclass(frozen=True, slots=True, order=True)
class IdempotencyKey(Key):
    """The outcome of a request, by the digest of its idempotency key."""

    digest: Digest


_IDEMPOTENCY = grants({API: "get create update", COLLECTOR: "get list delete"})


@dataclass(frozen=True, slots=True, order=True)
class DeploymentIdempotencyKey(IdempotencyKey):
    """The outcome of a deployment request."""

    FAMILY: ClassVar[Family] = Family(
        "deployments/idempotency/{digest}.json", SWAPPED, _IDEMPOTENCY
    )


# --- Iceberg ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, order=True)
class PointerKey(Key):
    """One version of an Iceberg table: where its metadata is. Creating the next is the commit."""

    table_uuid: str
    version: int

    FAMILY: ClassVar[Family] = Family(
        "iceberg/pointers/{table_uuid}/{version}.pointer.json",
        IMMUTABLE,
        grants({API: "get create", READER: "get", COLLECTOR: "get list delete"}),
    )


@dataclass(frozen=True, slots=True, order=True)
class IcebergIdempotencyKey(IdempotencyKey):
    """The outcome of an Iceberg request."""

    FAMILY: ClassVar[Family] = Family("iceberg/idempotency/{digest}.json", SWAPPED, _IDEMPOTENCY)


@dataclass(frozen=True, slots=True, order=True)
class TransactionKey(Key):
    """A transaction over several Iceberg tables."""

    ulid: Ulid

    FAMILY: ClassVar[Family] = Family(
        "iceberg/transactions/{ulid}.json",
        SWAPPED,
        grants({API: "get create update", COLLECTOR: "get list delete"}),
    )


@dataclass(frozen=True, slots=True, order=True)
class ReceiptKey(Key):
    """What an Iceberg commit leaves for the caller, by digest of its metadata location."""

    date: str
    phase: ReceiptPhase
    digest: Digest

    FAMILY: ClassVar[Family] = Family(
        "iceberg/receipts/{date}/{phase}/{digest}.json",
        IMMUTABLE,
        grants({API: "get create", READER: "get", COLLECTOR: "get list delete"}),
    )


FAMILIES: tuple[type[Key], ...] = (
    *(LedgerKey, BaseKey, DeltaKey),
    *(RootManifestKey, GenesisKey, DomainManifestKey),
    *(LockKey, FloorKey, PinKey, DomainHintKey, PointerHintKey, CursorKey, QuarantineKey, ProbeKey),
    *(DeploymentKey, DeploymentIndexKey, DeploymentIdempotencyKey),
    *(PointerKey, IcebergIdempotencyKey, TransactionKey, ReceiptKey),
)
"""Every family that has keys of its own, in the order of the guide's table."""


@lru_cache(maxsize=128, typed=True)  # who walks a chain asks for each several times
def manifest_key(domain: DomainName, version: int) -> GenesisKey | DomainManifestKey:
    """Return the key of a version of a domain, which for version 0 is the genesis."""
    return DomainManifestKey(domain, version) if version else GenesisKey(domain)
