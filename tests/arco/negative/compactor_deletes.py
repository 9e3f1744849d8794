"""The compactor never deletes; the collector does, after the floor."""

from __future__ import annotations

from arco.core.keys import DeltaKey
from arco.scoped import CompactorStores


async def act(stores: CompactorStores, key: DeltaKey) -> None:
    # refused: mypy=attr-defined pyright=reportAttributeAccessIssue
    await stores.delete.delete(key)
