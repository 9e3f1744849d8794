"""The API never deletes."""

from __future__ import annotations

from arco.core.keys import LedgerKey
from arco.scoped import ApiStores


async def act(stores: ApiStores, key: LedgerKey) -> None:
    # refused: mypy=attr-defined pyright=reportAttributeAccessIssue
    await stores.delete.delete(key)
