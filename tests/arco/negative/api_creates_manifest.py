"""The API does not create manifests: it makes nothing visible."""

from __future__ import annotations

from arco.core.keys import DomainManifestKey
from arco.scoped import ApiStores


async def act(stores: ApiStores, key: DomainManifestKey) -> None:
    # refused: mypy=arg-type pyright=reportArgumentType
    await stores.create.create(key, b"")
