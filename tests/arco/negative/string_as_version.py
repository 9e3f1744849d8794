"""What a swap expects is a version that a store gave, not a word."""

from __future__ import annotations

from arco.capabilities import LockStore
from arco.core.keys import LockKey


async def act(locks: LockStore, key: LockKey) -> None:
    # refused: mypy=arg-type pyright=reportArgumentType
    await locks.update(key, b"", "etag")
