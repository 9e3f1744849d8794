"""What the wheel holds: the packages, and the data that they read when installed."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Return the wheel of this tree, built by the locked backend."""
    folder = tmp_path_factory.mktemp("wheel")
    words = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_the_wheel_holds_every_module_and_nothing_else_to_import(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"arco", "audit", "evidence"}
    here = {
        path.relative_to(ROOT).as_posix()
        for package in ("arco", "audit", "evidence")
        for path in (ROOT / package).rglob("*.py")
    }
    assert here == {name for name in wheel.namelist() if name.endswith(".py")}


def test_the_wheel_holds_the_data_that_the_packages_read(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    assert {
        "arco/py.typed",
        "audit/py.typed",
        "evidence/py.typed",
        "evidence/standalone/verify.py",
    } <= names
    schemas = {f"audit/schemas/{path.name}" for path in (ROOT / "schemas").iterdir()}
    assert schemas
    templates = {
        path.relative_to(ROOT).as_posix()
        for room in ("render", "board")
        for path in (ROOT / "audit" / room / "templates").rglob("*")
        if path.is_file()
    }
    assert templates
    assert schemas | templates <= names


def test_the_wheel_says_what_it_is(wheel: zipfile.ZipFile) -> None:
    (info,) = {name.split("/")[0] for name in wheel.namelist() if ".dist-info/" in name}
    metadata = wheel.read(f"{info}/METADATA").decode()
    assert "Name: arco-readiness\n" in metadata
    assert "Requires-Python: >=3.11\n" in metadata
    assert "License-Expression: Apache-2.0\n" in metadata
    assert "arco-audit = audit.cli:main" in wheel.read(f"{info}/entry_points.txt").decode()
