"""A key does not change once it is made."""

from __future__ import annotations

from arco.core.keys import DomainManifestKey


def act(key: DomainManifestKey) -> None:
    # refused: mypy=misc pyright=reportAttributeAccessIssue
    key.version = 9
