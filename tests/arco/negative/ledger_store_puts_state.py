"""Whoever was handed the ledger cannot write state with it."""

from __future__ import annotations

from arco.capabilities import LedgerPutStore
from arco.core.keys import DeltaKey


async def act(ledger: LedgerPutStore, key: DeltaKey) -> None:
    # refused: mypy=arg-type pyright=reportArgumentType
    await ledger.create(key, b"")
