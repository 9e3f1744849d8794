"""An issuer of permits comes from a lease and from nothing else."""

from __future__ import annotations

from arco.publish.lease import Lease, PermitIssuer


def act(lease: Lease) -> PermitIssuer:
    # refused: mypy=arg-type pyright=reportArgumentType
    return PermitIssuer(object(), lease)
