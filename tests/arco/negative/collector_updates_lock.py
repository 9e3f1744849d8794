"""The collector takes no lease."""

from __future__ import annotations

from arco.capabilities import StoreVersion
from arco.core.keys import LockKey
from arco.scoped import CollectorStores


async def act(stores: CollectorStores, key: LockKey, seen: StoreVersion) -> None:
    # refused: mypy=attr-defined pyright=reportAttributeAccessIssue
    await stores.update.update(key, b"", seen)
