"""`arco init` creates no state."""

from __future__ import annotations

from arco.core.keys import DeltaKey
from arco.scoped import InitialiserStores


async def act(stores: InitialiserStores, key: DeltaKey) -> None:
    # refused: mypy=arg-type pyright=reportArgumentType
    await stores.create.create(key, b"")
