"""The collector makes nothing visible."""

from __future__ import annotations

from arco.core.keys import DomainManifestKey
from arco.scoped import CollectorStores


async def act(stores: CollectorStores, key: DomainManifestKey) -> None:
    # refused: mypy=arg-type pyright=reportArgumentType
    await stores.create.create(key, b"")
