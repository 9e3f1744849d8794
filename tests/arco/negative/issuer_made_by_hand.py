"""An issuer of permits comes from a lease and from nothing else."""

from __future__ import annotations

from arco.publish.lease import PermitIssuer


def act() -> PermitIssuer:
    # refused: mypy=call-arg pyright=reportCallIssue
    return PermitIssuer()
