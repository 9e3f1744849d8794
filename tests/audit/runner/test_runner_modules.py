"""A Python is asked for a package; whatever goes wrong there is no answer, never an error."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from audit.runner import modules


@pytest.mark.parametrize(
    ("argv", "package"),
    [
        (["python", "-m", "pytest", "-q"], "pytest"),
        (["/usr/bin/python3.12", "-m", "coverage.cmdline"], "coverage"),
        (["python3", "-m"], ""),
        (["python3", "x.py", "-m", "pytest"], ""),
        (["pythonic", "-m", "pytest"], ""),
        (["pytest", "-m", "slow"], ""),
        ([], ""),
    ],
)
def test_what_a_command_asks_of_python(argv: list[str], package: str) -> None:
    assert modules.wanted(argv) == package


def test_a_python_is_asked_from_where_the_command_runs(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").write_text("raise SystemExit('it was run')\n")
    assert modules.has(sys.executable, "mine", tmp_path) is True
    assert modules.has(sys.executable, "json", tmp_path) is True
    assert modules.has(sys.executable, "no_such_package", tmp_path) is False


def test_no_answer(tmp_path: Path) -> None:
    assert modules.has("/no/such/python", "json", tmp_path) is None
    assert modules.has(sys.executable, "json", tmp_path / "nowhere") is None
    assert modules.has(sys.executable, "a\0b", tmp_path) is None
    assert modules.has("false", "json", tmp_path) is None
    assert modules.has("echo", "json", tmp_path) is None
