"""The compactor's fast path never lists."""

from __future__ import annotations

from arco.core.keys import LedgerKey
from arco.scoped import CompactorStores


async def act(stores: CompactorStores) -> None:
    # refused: mypy=attr-defined pyright=reportAttributeAccessIssue
    await stores.list.list_page(LedgerKey)
