"""The schemas of Arco's records are those of the models, and the golden records keep them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import record_schemas
from jsonschema import Draft202012Validator

GOLDEN = record_schemas.ROOT / "tests" / "golden" / "workspaces"
NAMES = {
    "manifest": "manifests/*/*.manifest.json",
    "root": "manifests/root/*.manifest.json",
    "lock": "locks/*.lock.json",
    "hint": "hints/*.hint.json",
    "floor": "floors/*/*.floor.json",
}


@pytest.mark.parametrize("record", record_schemas.RECORDS)
def test_a_schema_is_what_the_model_makes(record: str) -> None:
    path = record_schemas.FOLDER / record_schemas.file_name(record)
    hint = "python tests/house/record_schemas.py writes it again"
    assert path.read_text("utf-8") == record_schemas.text(record), hint


def records(kind: str) -> list[Path]:
    found = sorted(GOLDEN.glob(f"*/store/*/*/{NAMES[kind]}"))
    return [path for path in found if (kind == "root") == (path.parent.name == "root")]


@pytest.mark.parametrize("kind", NAMES)
def test_golden_records_keep_their_schema(kind: str) -> None:
    check = Draft202012Validator(record_schemas.schema(kind))
    paths = records(kind)
    assert paths
    for path in paths:
        check.validate(json.loads(path.read_bytes()))


@pytest.mark.parametrize(
    "change",
    [
        {"unknown": 1},
        {"format_version": 2},
        {"version": "1"},
        {"domain": "other"},
        {"kind": "merge"},
        {"positions": {"p": "1"}},
    ],
)
def test_what_the_code_refuses_the_schema_refuses(change: dict[str, Any]) -> None:
    check = Draft202012Validator(record_schemas.schema("manifest"))
    manifest = json.loads(records("manifest")[0].read_bytes())
    assert check.is_valid(manifest)
    assert not check.is_valid({**manifest, **change})
