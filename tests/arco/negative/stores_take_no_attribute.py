"""Nobody adds a capability to the stores of a role."""

from __future__ import annotations

from arco.capabilities import Read
from arco.core.keys import Key
from arco.scoped import ReaderStores


def act(stores: ReaderStores, create: Read[Key]) -> None:
    # refused: mypy=misc pyright=reportAttributeAccessIssue
    stores.read = create
