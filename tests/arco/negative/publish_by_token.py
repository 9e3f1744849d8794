"""A token alone publishes nothing: a permit is for one version."""

from __future__ import annotations

from arco.core.draft import Draft
from arco.publish.lease import FencingToken
from arco.publish.publisher import Publisher


async def act(publisher: Publisher, token: FencingToken, draft: Draft) -> None:
    # refused: mypy=arg-type pyright=reportArgumentType
    await publisher.publish(token, draft)
