"""A ULID was made or checked; a word is none."""

from __future__ import annotations

from arco.core.keys import DomainName, LedgerKey


def act() -> LedgerKey:
    key = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    # refused: mypy=arg-type pyright=reportArgumentType
    return LedgerKey(DomainName.CATALOG, key)
