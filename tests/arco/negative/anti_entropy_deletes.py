"""The anti-entropy scan reports; it never deletes."""

from __future__ import annotations

from arco.core.keys import LedgerKey
from arco.scoped import AntiEntropyStores


async def act(stores: AntiEntropyStores, key: LedgerKey) -> None:
    # refused: mypy=attr-defined pyright=reportAttributeAccessIssue
    await stores.delete.delete(key)
