"""Keys of every family: what tests of keys, views, policies and servers try everything with."""

from __future__ import annotations

import string
from dataclasses import fields
from typing import Any

from hypothesis import strategies as st

from arco.core.ids import Digest, Ulid, make_ulid
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

ulids = st.builds(
    make_ulid, st.integers(0, 253_402_300_799_999), st.binary(min_size=10, max_size=10)
)
names = st.text(string.ascii_lowercase + string.digits + "-_", min_size=1, max_size=64)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "domain": st.sampled_from(DomainName),
    "phase": st.sampled_from(ReceiptPhase),
    "version": st.integers(1, 10**20 - 1),
    "number": st.integers(0, 10**20 - 1),
    "attempt": ulids,
    "ulid": ulids,
    "digest": st.binary(min_size=32, max_size=32).map(bytes.hex),
    "table": names,
    "table_uuid": st.uuids().map(str),
    "date": st.dates().map(str),
}


@st.composite
def any_key(draw: st.DrawFn) -> Key:
    """Draw a key of any family."""
    kind = draw(st.sampled_from(FAMILIES))
    return kind(**{name: draw(FIELDS[name]) for name in (f.name for f in fields(kind))})
