"""The API writes hints of pointers only."""

from __future__ import annotations

from arco.core.keys import DomainHintKey
from arco.scoped import ApiStores


async def act(stores: ApiStores, key: DomainHintKey) -> None:
    # refused: mypy=arg-type pyright=reportArgumentType
    await stores.replace.replace(key, b"")
