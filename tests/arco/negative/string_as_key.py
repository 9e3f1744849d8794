"""A path in words is no key."""

from __future__ import annotations

from arco.capabilities import ReadStore


async def act(store: ReadStore) -> None:
    # refused: mypy=arg-type pyright=reportArgumentType
    await store.get("locks/catalog.lock.json")
