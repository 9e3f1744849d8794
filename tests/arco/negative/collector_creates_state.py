"""The collector creates floors only."""

from __future__ import annotations

from arco.core.keys import DeltaKey
from arco.scoped import CollectorStores


async def act(stores: CollectorStores, key: DeltaKey) -> None:
    # refused: mypy=arg-type pyright=reportArgumentType
    await stores.create.create(key, b"")
