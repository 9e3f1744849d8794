"""Whether a create landed is looked at before its version is used."""

from __future__ import annotations

from arco.capabilities import CasStore, StoreVersion
from arco.core.keys import DomainManifestKey


async def act(manifests: CasStore, key: DomainManifestKey) -> StoreVersion:
    made = await manifests.create(key, b"")
    # refused: mypy=union-attr pyright=reportAttributeAccessIssue
    return made.version
