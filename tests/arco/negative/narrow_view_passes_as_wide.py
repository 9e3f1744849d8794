"""A view of one family does not pass where a view of every family is asked for."""

from __future__ import annotations

from arco.capabilities import Create, LedgerPutStore
from arco.core.keys import Key


def needs_all(store: Create[Key]) -> None: ...


def act(ledger: LedgerPutStore) -> None:
    # refused: mypy=arg-type pyright=reportArgumentType
    needs_all(ledger)
