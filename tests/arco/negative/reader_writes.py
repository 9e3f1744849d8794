"""A reader never writes."""

from __future__ import annotations

from arco.core.keys import LedgerKey
from arco.scoped import ReaderStores


async def act(stores: ReaderStores, key: LedgerKey) -> None:
    # refused: mypy=attr-defined pyright=reportAttributeAccessIssue
    await stores.create.create(key, b"")
