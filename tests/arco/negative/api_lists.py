"""The API never lists."""

from __future__ import annotations

from arco.core.keys import LedgerKey
from arco.scoped import ApiStores


async def act(stores: ApiStores) -> None:
    # refused: mypy=attr-defined pyright=reportAttributeAccessIssue
    await stores.list.list_page(LedgerKey)
