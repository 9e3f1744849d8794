"""Locks exist from `arco init`; a controller only swaps them."""

from __future__ import annotations

from arco.core.keys import LockKey
from arco.scoped import ControllerStores


async def act(stores: ControllerStores, key: LockKey) -> None:
    # refused: mypy=arg-type pyright=reportArgumentType
    await stores.create.create(key, b"")
