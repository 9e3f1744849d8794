"""The collector lists what it collects."""

from __future__ import annotations

from arco.core.keys import LockKey
from arco.scoped import CollectorStores


async def act(stores: CollectorStores) -> None:
    # refused: mypy=arg-type pyright=reportArgumentType
    await stores.list.list_page(LockKey)
