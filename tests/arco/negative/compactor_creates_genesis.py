"""Version 0 of a domain is made by `arco init` alone."""

from __future__ import annotations

from arco.core.keys import GenesisKey
from arco.scoped import CompactorStores


async def act(stores: CompactorStores, key: GenesisKey) -> None:
    # refused: mypy=arg-type pyright=reportArgumentType
    await stores.create.create(key, b"")
