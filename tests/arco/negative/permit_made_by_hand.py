"""A permit comes from an issuer and from nothing else."""

from __future__ import annotations

from arco.publish.lease import PublishPermit


def act() -> PublishPermit:
    # refused: mypy=call-arg pyright=reportCallIssue
    return PublishPermit()
