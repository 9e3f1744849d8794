"""`arco init` never deletes."""

from __future__ import annotations

from arco.core.keys import LockKey
from arco.scoped import InitialiserStores


async def act(stores: InitialiserStores, key: LockKey) -> None:
    # refused: mypy=attr-defined pyright=reportAttributeAccessIssue
    await stores.delete.delete(key)
