"""Floor markers are kept: they are contiguous from 0."""

from __future__ import annotations

from arco.core.keys import FloorKey
from arco.scoped import CollectorStores


async def act(stores: CollectorStores, key: FloorKey) -> None:
    # refused: mypy=arg-type pyright=reportArgumentType
    await stores.delete.delete(key)
