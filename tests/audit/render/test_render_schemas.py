"""The committed schemas are those of the records, and the records are valid under them."""

from __future__ import annotations

import json
import tomllib
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


RECORDS = sorted(f"{name.partition('.')[0]}.schema.json" for name in schemas.RECORDS)


@pytest.mark.parametrize("name", RECORDS)
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


def keys_of(value: Any) -> Any:
    """The shape of a schema without the words that a version of pydantic chooses."""
    tables = {"": value, **value["$defs"]}
    return {
        name: (sorted(table.get("properties", ())), sorted(table.get("required", ())))
        for name, table in tables.items()
    }


def test_committed_schema_of_the_definition_is_current() -> None:
    found = json.loads(schema.schema_folder().joinpath("audit.schema.json").read_bytes())
    assert keys_of(found) == keys_of(schemas.definition_schema()), REMAKE


def test_the_definition_is_valid_under_its_schema() -> None:
    check = validator("audit.schema.json")
    text = """
    [audit]
    id = "toy"
    title = "Toy"
    [[command]]
    id = "tests"
    run = "python -m pytest -q"
    [[gate]]
    id = 2
    name = "Storage"
    [[gate.signal]]
    id = "G2-001"
    title = "t"
    owner = "o"
    exit_test = "e"
    closes_when = [{ command = "tests" }, { absent = "x", in = "src/**" }]
    """
    value = tomllib.loads(text)
    check.validate(value)
    assert not check.is_valid(value | {"comand": []})
    value["gate"][0]["signal"][0]["closes_when"].append({"comand": "tests"})
    assert not check.is_valid(value)
