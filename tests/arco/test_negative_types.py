"""What the type checkers must refuse: one file of `negative/` per forbidden act, one error each.

In each file a comment names the error codes that are expected in the line below it. Exactly these
errors must be found, so that an act that becomes legal is reported, and so is any other error. Each
checker runs once for all files. Both are installed in `nox -s types`, where this runs.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

NEGATIVE = Path(__file__).parent / "negative"
FILES = sorted(NEGATIVE.glob("*.py"))
MARK = re.compile(r"# refused: mypy=([a-z-]+) pyright=(report\w+)$")
PYRIGHT = ("--outputjson", f"--pythonpath={sys.executable}")
TIMEOUT_S = 300

Error = tuple[str, int, str]
"""File, line from 1, code."""


def marks(path: Path) -> list[tuple[int, str, str]]:
    """Return the line below each mark of a file, with mypy's code and pyright's code for it."""
    lines = enumerate(path.read_text("utf-8").splitlines(), 2)
    return [(number, m[1], m[2]) for number, line in lines if (m := MARK.search(line))]


def expected(checker: int) -> set[Error]:
    """Return what the first or second checker must say."""
    return {(path.name, line, codes[checker]) for path in FILES for line, *codes in marks(path)}


def run(checker: str, *words: str, root: Path) -> str:
    """Run a checker over all files, and return what it printed; skip where it is not installed."""
    if find_spec(checker) is None:
        pytest.skip(f"could_not_run: {checker} is not installed here; `nox -s types` has it")
    done = subprocess.run(
        [sys.executable, "-m", checker, *words, *(str(path) for path in FILES)],
        cwd=root,
        env={**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"},
        check=False,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def test_each_file_forbids_one_act_and_says_which() -> None:
    assert len(FILES) >= 40
    for path in FILES:
        assert len(marks(path)) == 1, path.name
        text = path.read_text("utf-8")
        assert text.startswith('"""'), path.name
        assert text.count("type: ignore") == text.count("pyright: ignore") == 0, path.name


def test_mypy_refuses_each_act_and_nothing_else(repository_root: Path, tmp_path: Path) -> None:
    said = run("mypy", "--output=json", f"--cache-dir={tmp_path}", root=repository_root)
    errors = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    found = {
        (Path(e["file"]).name, e["line"], e["code"]) for e in errors if e["severity"] == "error"
    }
    assert found == expected(0)


def test_pyright_refuses_each_act_and_nothing_else(repository_root: Path) -> None:
    said = json.loads(run("pyright", *PYRIGHT, root=repository_root))
    found = {
        (Path(e["file"]).name, e["range"]["start"]["line"] + 1, e.get("rule", ""))
        for e in said["generalDiagnostics"]
        if e["severity"] == "error"
    }
    assert found == expected(1)
