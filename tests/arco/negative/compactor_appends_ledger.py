"""The compactor folds the ledger and never writes it."""

from __future__ import annotations

from arco.core.keys import LedgerKey
from arco.scoped import CompactorStores


async def act(stores: CompactorStores, key: LedgerKey) -> None:
    # refused: mypy=arg-type pyright=reportArgumentType
    await stores.create.create(key, b"")
