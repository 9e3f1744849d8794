"""The first version of a domain is kept."""

from __future__ import annotations

from arco.core.keys import GenesisKey
from arco.scoped import CollectorStores


async def act(stores: CollectorStores, key: GenesisKey) -> None:
    # refused: mypy=arg-type pyright=reportArgumentType
    await stores.delete.delete(key)
