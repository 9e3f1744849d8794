"""A controller appends to the ledger and makes nothing visible."""

from __future__ import annotations

from arco.core.keys import DomainManifestKey
from arco.scoped import ControllerStores


async def act(stores: ControllerStores, key: DomainManifestKey) -> None:
    # refused: mypy=arg-type pyright=reportArgumentType
    await stores.create.create(key, b"")
