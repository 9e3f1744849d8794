"""`audit.toml`, the only source that people write: read, understood, and refused with a reason.

`load` and `parse` give a `Definition`; `schema` its JSON Schema for editors. Nothing here runs a
command or looks at a repository.
"""

from __future__ import annotations

from typing import Any

from audit.definition.claims import load_claims
from audit.definition.load import load, parse
from audit.definition.models import Definition

__all__ = ["Definition", "load", "load_claims", "parse", "schema"]


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of `audit.toml`, as a JSON value."""
    return Definition.model_json_schema(by_alias=True)
