"""A domain is one of those that exist, not a word."""

from __future__ import annotations

from arco.core.keys import LockKey


def act() -> LockKey:
    # refused: mypy=arg-type pyright=reportArgumentType
    return LockKey("catalog")
