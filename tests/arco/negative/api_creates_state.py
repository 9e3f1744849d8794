"""The API does not create state; the compactor alone does."""

from __future__ import annotations

from arco.core.keys import DeltaKey
from arco.scoped import ApiStores


async def act(stores: ApiStores, key: DeltaKey) -> None:
    # refused: mypy=arg-type pyright=reportArgumentType
    await stores.create.create(key, b"")
