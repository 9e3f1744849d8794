"""JSON Schemas of the records in a bundle, generated from the dataclasses that define them.

Here a type becomes a schema; `schemas/*.schema.json` holds the result, so that others can read our
files without our code. The gate tracker's schema is written by hand and lies beside them.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import types
import typing
from collections.abc import Mapping
from typing import Any

from evidence import layout, model

DRAFT = "https://json-schema.org/draft/2020-12/schema"
DEFINITION = "audit.toml"
RECORDS: Mapping[str, type] = {
    layout.PLAN: model.Plan,
    layout.RUN: model.Run,
    layout.FACTS: model.Facts,
    layout.DECISION: model.Decision,
    layout.SEAL: model.Seal,
}


def all_schemas() -> dict[str, bytes]:
    """Return every generated schema as the bytes of its file, by file name.

    Those of the records depend on nothing but their types; the one of the definition is made by
    the pydantic that is installed, whose words may differ between versions.
    """
    values = {name: record_schema(name, kind) for name, kind in RECORDS.items()}
    values[DEFINITION] = definition_schema()
    return {_file_name(name): _written(value) for name, value in values.items()}


def definition_schema() -> dict[str, Any]:
    """Return the schema of the definition that people write, for their editors."""
    from audit import definition  # reached only here: it brings pydantic

    value = definition.schema()
    return {"$schema": DRAFT, "$id": _file_name(DEFINITION), **value, "title": DEFINITION}


def record_schema(name: str, kind: type) -> dict[str, Any]:
    """Return the schema of the file `name`, which holds one record of the dataclass `kind`."""
    definitions: dict[str, Any] = {}
    top = _of(kind, definitions)["$ref"].rpartition("/")[2]
    body = definitions.pop(top)
    return {
        "$schema": DRAFT,
        "$id": _file_name(name),
        "title": name,
        **body,
        "$defs": dict(sorted(definitions.items())),
    }


def _file_name(name: str) -> str:
    return f"{name.rpartition('.')[0] or name}.schema.json"


def _written(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode("utf-8")


def _of(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of a type; dataclasses are put into `definitions` and referred to."""
    simple = {str: "string", int: "integer", bool: "boolean", type(None): "null"}
    if kind in simple:
        return {"type": simple[kind]}
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin is tuple:
        return {"type": "array", "items": _of(arguments[0], definitions)}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_of(argument, definitions) for argument in arguments]}
    if not dataclasses.is_dataclass(kind):
        raise TypeError(f"no schema for {kind!r}")
    name = typing.cast(type, kind).__name__
    if name not in definitions:
        definitions[name] = {}  # stands here while its fields may refer to it
        definitions[name] = _of_record(kind, definitions)
    return {"$ref": f"#/$defs/{name}"}


def _of_record(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    fields = dataclasses.fields(kind)
    return {
        "description": " ".join((inspect.getdoc(kind) or "").split()),
        "type": "object",
        "additionalProperties": False,
        "required": [
            field.name
            for field in fields
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        ],
        "properties": {field.name: _of(hints[field.name], definitions) for field in fields},
    }
