"""The committed schemas are those of the records, and the records are valid under them."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import jsonschema
import pytest

from audit.render import schema, schemas
from evidence import codec, layout, model

REMAKE = (
    "from audit.render import schemas; from pathlib import Path; "
    "[Path('schemas', n).write_bytes(d) for n, d in schemas.all_schemas().items()]"
)


@pytest.mark.parametrize("name", sorted(schemas.all_schemas()))
def test_committed_schema_is_current(name: str) -> None:
    found = schema.schema_folder().joinpath(name).read_bytes()
    assert found == schemas.all_schemas()[name], f'stale; remake: python -c "{REMAKE}"'


def validator(name: str) -> Any:
    value = json.loads(schemas.all_schemas()[name])
    jsonschema.Draft202012Validator.check_schema(value)
    return jsonschema.Draft202012Validator(value)


@pytest.mark.parametrize("world", ["toy", "green", "hostile"])
def test_records_are_valid(worlds: ModuleType, world: str) -> None:
    records = getattr(worlds, world)()
    for name, record in zip(("plan", "run", "facts", "decision"), records, strict=True):
        validator(f"{name}.schema.json").validate(codec.to_value(record))


def test_unknown_key_missing_key_and_wrong_type_are_refused(worlds: ModuleType) -> None:
    value = codec.to_value(worlds.toy()[0])
    check = validator("plan.schema.json")
    assert not check.is_valid(value | {"more": 1})
    assert not check.is_valid({key: item for key, item in value.items() if key != "cells"})
    assert not check.is_valid(value | {"format_version": 2})
    value["cells"][0]["timeout_ms"] = "20m"
    assert not check.is_valid(value)


def test_optional_fields_are_not_required() -> None:
    definition = schemas.record_schema(layout.PLAN, model.Plan)["$defs"]["CommandPassed"]
    assert "max_age_ms" in definition["properties"]
    assert "max_age_ms" not in definition["required"]


def test_other_rooms_add_theirs() -> None:
    made = schemas.all_schemas({"audit.toml": {"type": "object"}})
    assert json.loads(made["audit.schema.json"])["$schema"] == schemas.DRAFT
