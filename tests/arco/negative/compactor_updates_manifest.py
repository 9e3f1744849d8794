"""A manifest is never swapped: the next number is created."""

from __future__ import annotations

from arco.capabilities import StoreVersion
from arco.core.keys import DomainManifestKey
from arco.scoped import CompactorStores


async def act(stores: CompactorStores, key: DomainManifestKey, seen: StoreVersion) -> None:
    # refused: mypy=arg-type pyright=reportArgumentType
    await stores.update.update(key, b"", seen)
