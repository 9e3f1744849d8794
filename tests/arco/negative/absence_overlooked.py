"""Whether there was anything to read is looked at before its bytes are used."""

from __future__ import annotations

from arco.capabilities import ReadStore
from arco.core.keys import LockKey


async def act(store: ReadStore, key: LockKey) -> bytes:
    found = await store.get(key)
    # refused: mypy=union-attr pyright=reportOptionalMemberAccess
    return found.body
