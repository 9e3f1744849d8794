"""The JSON Schemas of Arco's records, generated from the models that read them.

Run as a program to write them again. Lives with the tests because the package needs none of it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from arco.core.canonical import FORMAT_VERSION, Record
from arco.core.manifest import Manifest
from arco.core.receipt import Receipt
from arco.core.records import Floor, Hint, LockRecord, Pin, Root

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
RECORDS: dict[str, type[Record]] = {
    "manifest": Manifest,
    "root": Root,
    "lock": LockRecord,
    "hint": Hint,
    "floor": Floor,
    "pin": Pin,
    "receipt": Receipt,
}
"""Every record that is stored or handed out, by the name in its schema's file."""


def file_name(record: str) -> str:
    """Return the name of a record's schema."""
    return f"arco-{record}-v{FORMAT_VERSION}.schema.json"


def schema(record: str) -> dict[str, Any]:
    """Return the schema of a record, which names the format and refuses unknown keys."""
    made = msgspec.json.schema(RECORDS[record])
    part = made["$defs"][RECORDS[record].__name__]
    part["properties"]["format_version"] = {"const": FORMAT_VERSION}
    part["required"] = ["format_version", *part["required"]]
    head = {"$schema": DIALECT, "$id": file_name(record), "title": part["title"]}
    return {**head, **made}


def text(record: str) -> str:
    """Return a schema as the file holds it."""
    return json.dumps(schema(record), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> int:
    """Write the schemas again."""
    for record in RECORDS:
        (FOLDER / file_name(record)).write_text(text(record), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
