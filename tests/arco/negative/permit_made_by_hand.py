"""A permit comes from an issuer and from nothing else."""

from __future__ import annotations

from arco.publish.lease import Lease, PublishPermit
from arco.publish.sight import Seen


def act(lease: Lease, seen: Seen) -> PublishPermit:
    # refused: mypy=arg-type pyright=reportArgumentType
    return PublishPermit(object(), lease, seen, 9)
