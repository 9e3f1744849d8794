"""A lock is swapped by its version, never written over."""

from __future__ import annotations

from arco.core.keys import LockKey
from arco.scoped import CompactorStores


async def act(stores: CompactorStores, key: LockKey) -> None:
    # refused: mypy=arg-type pyright=reportArgumentType
    await stores.replace.replace(key, b"")
