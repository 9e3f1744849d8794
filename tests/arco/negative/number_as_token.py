"""A number is no fencing token."""

from __future__ import annotations

from arco.publish.lease import FencingToken


def needs_token(token: FencingToken) -> None: ...


def act() -> None:
    # refused: mypy=arg-type pyright=reportArgumentType
    needs_token(7)
