"""The root manifest is made by `arco init` alone."""

from __future__ import annotations

from arco.core.keys import RootManifestKey
from arco.scoped import CompactorStores


async def act(stores: CompactorStores, key: RootManifestKey) -> None:
    # refused: mypy=arg-type pyright=reportArgumentType
    await stores.create.create(key, b"")
