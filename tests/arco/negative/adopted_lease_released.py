"""Who adopted a lease does not release it."""

from __future__ import annotations

from arco.publish.lease import AdoptedLease, Leases


async def act(leases: Leases, lease: AdoptedLease) -> None:
    # refused: mypy=arg-type pyright=reportArgumentType
    await leases.release(lease)
