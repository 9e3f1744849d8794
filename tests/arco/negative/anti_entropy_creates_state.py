"""The anti-entropy scan folds nothing."""

from __future__ import annotations

from arco.core.keys import DeltaKey
from arco.scoped import AntiEntropyStores


async def act(stores: AntiEntropyStores, key: DeltaKey) -> None:
    # refused: mypy=arg-type pyright=reportArgumentType
    await stores.create.create(key, b"")
