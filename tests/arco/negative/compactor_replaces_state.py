"""State is never written over."""

from __future__ import annotations

from arco.core.keys import BaseKey
from arco.scoped import CompactorStores


async def act(stores: CompactorStores, key: BaseKey) -> None:
    # refused: mypy=arg-type pyright=reportArgumentType
    await stores.replace.replace(key, b"")
