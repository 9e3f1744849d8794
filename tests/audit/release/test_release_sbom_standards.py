"""Bills of materials are valid by the programs of those who wrote their standards."""

from __future__ import annotations

import importlib
import logging
from pathlib import Path
from typing import Any

import pytest

from audit.release import sbom
from audit.release.sbom import Pin

SUBJECT = sbom.Subject("toy", "1.2.0", "a" * 40, "2026-12-01T09:00:00Z")
PINS = {
    Pin("cargo", "serde", "1.0.2"): ("Cargo.lock",),
    Pin("pypi", "click", "8.3.1"): ("requirements/base.txt", "requirements/tests.txt"),
    Pin("pypi", "local", "1.0+é"): ("requirements/base.txt",),
}


def module(name: str, package: str) -> Any:
    """Import a module that no part of the program needs."""
    try:
        return importlib.import_module(name)
    except ImportError:
        pytest.skip(f"could_not_run: {package} is not installed")


def test_cyclonedx_is_valid_by_its_schema() -> None:
    versions = module("cyclonedx.schema", "cyclonedx-python-lib").SchemaVersion
    validation = module("cyclonedx.validation.json", "cyclonedx-python-lib")
    validator = validation.JsonStrictValidator(versions.V1_6)
    text = sbom.cyclonedx(SUBJECT, PINS).decode()
    assert validator.validate_str(text) is None
    assert validator.validate_str(text.replace('"library"', '"bibliotheque"')) is not None
    assert validator.validate_str(text.replace("urn:uuid:", "urn:uuid:x")) is not None


def test_spdx_is_valid_by_its_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parser = module("spdx_tools.spdx.parser.parse_anything", "spdx-tools")
    rules = module("spdx_tools.spdx.validation.document_validator", "spdx-tools")
    monkeypatch.setattr(logging.root, "disabled", True)
    path = tmp_path / "bill.spdx.json"
    data = sbom.spdx(SUBJECT, PINS)
    path.write_bytes(data)
    assert rules.validate_full_spdx_document(parser.parse_file(str(path))) == []
    path.write_bytes(data.replace(b"urn:uuid:", b"no uri at all "))
    assert rules.validate_full_spdx_document(parser.parse_file(str(path))) != []
