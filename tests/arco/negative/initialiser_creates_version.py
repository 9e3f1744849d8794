"""`arco init` creates version 0 and no other."""

from __future__ import annotations

from arco.core.keys import DomainManifestKey
from arco.scoped import InitialiserStores


async def act(stores: InitialiserStores, key: DomainManifestKey) -> None:
    # refused: mypy=arg-type pyright=reportArgumentType
    await stores.create.create(key, b"")
