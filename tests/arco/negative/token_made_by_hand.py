"""A fencing token comes from a lease and from nothing else."""

from __future__ import annotations

from arco.core.keys import DomainName
from arco.publish.lease import FencingToken


def act() -> FencingToken:
    # refused: mypy=arg-type pyright=reportArgumentType
    return FencingToken(object(), DomainName.CATALOG, 7)
