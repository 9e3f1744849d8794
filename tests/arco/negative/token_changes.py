"""A fencing token does not change."""

from __future__ import annotations

from arco.publish.lease import FencingToken


def act(token: FencingToken) -> None:
    # refused: mypy=misc pyright=reportAttributeAccessIssue
    token.value = 9
