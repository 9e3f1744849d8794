"""`arco init` creates locks and takes none."""

from __future__ import annotations

from arco.capabilities import StoreVersion
from arco.core.keys import LockKey
from arco.scoped import InitialiserStores


async def act(stores: InitialiserStores, key: LockKey, seen: StoreVersion) -> None:
    # refused: mypy=attr-defined pyright=reportAttributeAccessIssue
    await stores.update.update(key, b"", seen)
