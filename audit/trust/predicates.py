"""JSON Schemas of the predicates that are ours, generated from the records that are signed.

`schemas/predicate-*.schema.json` holds the result. They are open where those of a bundle are
closed: whoever reads an attestation ignores the fields that it does not know, as in-toto asks.
"""

from __future__ import annotations

import json
from typing import Any

from audit.render import schemas
from audit.trust import intoto


def all_schemas() -> dict[str, bytes]:
    """Return the schema of every predicate of ours as the bytes of its file, by file name."""
    made = {}
    for kind, (name, record) in intoto.PREDICATES.items():
        value = _open(schemas.record_schema(name, record)) | {"title": kind}
        made[value["$id"]] = (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
    return made


def _open(value: Any) -> Any:
    """The same schema, with unknown fields allowed everywhere."""
    if isinstance(value, list):
        return [_open(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: key == "additionalProperties" or _open(item) for key, item in value.items()}
