"""A reader never lists."""

from __future__ import annotations

from arco.core.keys import LedgerKey
from arco.scoped import ReaderStores


async def act(stores: ReaderStores) -> None:
    # refused: mypy=attr-defined pyright=reportAttributeAccessIssue
    await stores.list.list_page(LedgerKey)
