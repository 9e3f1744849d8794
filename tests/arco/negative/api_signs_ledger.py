"""The API signs addresses of state only."""

from __future__ import annotations

from arco.core.keys import LedgerKey
from arco.scoped import ApiStores


async def act(stores: ApiStores, key: LedgerKey) -> None:
    # refused: mypy=arg-type pyright=reportArgumentType
    await stores.sign.sign(key, 60)
