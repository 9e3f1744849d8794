"""A workspace of a tenant: the prefix below which all its keys lie, and no key of another."""

from __future__ import annotations

from dataclasses import dataclass

from arco.core.errors import Invalid
from arco.core.keys.families import FAMILIES
from arco.core.keys.family import Key
from arco.core.keys.segments import SEGMENTS, respelled

LITERAL = "tenant={tenant}/workspace={workspace}/"


@dataclass(frozen=True, slots=True)
class Workspace:
    """A tenant and one of its workspaces: lower-case ASCII letters, digits, `-` and `_`.

    Raises `Invalid` for any other name, so that no two names look the same to people or stores.
    """

    tenant: str
    workspace: str

    def __post_init__(self) -> None:
        SEGMENTS["tenant"].check(self.tenant, LITERAL)
        SEGMENTS["workspace"].check(self.workspace, LITERAL)

    @property
    def prefix(self) -> str:
        """The path of the workspace, with its closing slash: `prod` never covers `prod2`."""
        return LITERAL.format(tenant=self.tenant, workspace=self.workspace)

    def locate(self, key: Key) -> str:
        """Return the whole path of a key."""
        return self.prefix + key.path

    def parse(self, path: str) -> Key:
        """Return the key that a whole path spells.

        Raises `Invalid` for a path of another workspace, and where no family has such a key.
        """
        if not path.startswith(self.prefix):
            raise Invalid(f"outside the workspace: path=`{respelled(path)}`")
        inside = path.removeprefix(self.prefix)
        for family in FAMILIES:
            try:
                return family.parse(inside)
            except Invalid:
                continue
        raise Invalid(f"no family has such a key: path=`{respelled(path)}`")
