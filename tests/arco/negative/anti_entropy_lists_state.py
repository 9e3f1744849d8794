"""The anti-entropy scan lists the ledger only."""

from __future__ import annotations

from arco.core.keys import DeltaKey
from arco.scoped import AntiEntropyStores


async def act(stores: AntiEntropyStores) -> None:
    # refused: mypy=arg-type pyright=reportArgumentType
    await stores.list.list_page(DeltaKey)
