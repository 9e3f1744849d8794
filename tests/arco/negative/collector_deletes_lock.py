"""A lock is never deleted, so that its token never goes backwards."""

from __future__ import annotations

from arco.core.keys import LockKey
from arco.scoped import CollectorStores


async def act(stores: CollectorStores, key: LockKey) -> None:
    # refused: mypy=arg-type pyright=reportArgumentType
    await stores.delete.delete(key)
