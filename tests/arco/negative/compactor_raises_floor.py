"""The floor is raised by the collector alone."""

from __future__ import annotations

from arco.core.keys import FloorKey
from arco.scoped import CompactorStores


async def act(stores: CompactorStores, key: FloorKey) -> None:
    # refused: mypy=arg-type pyright=reportArgumentType
    await stores.create.create(key, b"")
