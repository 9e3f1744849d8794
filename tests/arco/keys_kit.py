"""One key of each family: what tests of views, policies and servers try everything with."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from arco.core.ids import Digest, Ulid
from arco.core.keys import FAMILIES, DomainName, Key, ReceiptPhase

ULID = Ulid("01ARZ3NDEKTSV4RRFFQ69G5FAV")
VALUES: dict[str, Any] = {
    "domain": DomainName.CATALOG,
    "phase": ReceiptPhase.PENDING,
    "version": 7,
    "number": 3,
    "attempt": ULID,
    "ulid": ULID,
    "digest": Digest("ab" * 32),
    "table": "tables",
    "table_uuid": "0191e4a0-0000-7000-8000-000000000001",
    "date": "2026-11-27",
}
"""A value for each field that a key may have."""


def sample(kind: type[Key], **changed: Any) -> Key:
    """Return a key of a family, with some of its fields as given."""
    return kind(**{f.name: changed.get(f.name, VALUES[f.name]) for f in fields(kind)})


SAMPLES: dict[type[Key], Key] = {kind: sample(kind) for kind in FAMILIES}
