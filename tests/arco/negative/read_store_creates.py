"""Whoever was handed reading cannot write with it."""

from __future__ import annotations

from arco.capabilities import ReadStore
from arco.core.keys import LedgerKey


async def act(store: ReadStore, key: LedgerKey) -> None:
    # refused: mypy=attr-defined pyright=reportAttributeAccessIssue
    await store.create(key, b"")
