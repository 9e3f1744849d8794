"""The import contracts hold on the tree, and each of them breaks when it should."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINT = "import sys; from importlinter.cli import lint_imports_command as run; sys.exit(run())"

PLANTED = {
    "evidence-rooms": ("evidence/codec.py", "from evidence import judge"),
    "audit-rooms": ("audit/repo.py", "from audit import steps"),
    "arco-rooms": ("arco/capabilities.py", "from arco import scoped"),
    "arco-core-rooms": ("arco/core/errors.py", "from arco.core import ids"),
    "arco-stands-alone": ("arco/core/merkle.py", "from evidence import chain"),
    "arco-effect-free": ("arco/verify.py", "import time"),
    "arco-sim-rooms": ("arco/sim/choices.py", "from arco.sim import faults"),
    "arco-sim-effect-free": ("arco/sim/world.py", "import asyncio"),
    "arco-adapters-are-wired-once": ("arco/scoped.py", "from arco.adapters import memory"),
    "door-records": ("arco/core/manifest.py", "import msgspec"),
    "door-objects": ("arco/adapters/opening.py", "import obstore"),
    "audit-stands-apart": ("audit/plan.py", "import arco"),
    "evidence-stands-alone": ("evidence/archive.py", "from audit import errors"),
    "door-subprocess": ("audit/steps.py", "import subprocess"),
    "door-git": ("audit/facts.py", "import git"),
    "door-pydantic": ("audit/plan.py", "from pydantic import BaseModel"),
    "door-jinja2": ("audit/steps.py", "from jinja2 import Template"),
    "door-jsonschema": ("audit/render/tracker.py", "import jsonschema"),
    "door-terminal": ("audit/steps.py", "import click"),
    "door-matcher": ("audit/runner/__init__.py", "import ahocorasick_rs"),
    "door-tables": ("audit/runs.py", "import pyarrow"),
    "door-iceberg": ("audit/history/store.py", "import pyiceberg"),
    "door-keys": ("audit/trust/attest.py", "import cryptography"),
    "door-sigstore": ("audit/trust/attest.py", "import sigstore"),
    "door-web": ("audit/trust/book.py", "import starlette"),
    "kernel": ("evidence/judge.py", "import time"),
    "acyclic": ("audit/errors.py", "from audit import plan"),
    "new room": ("audit/undeclared.py", '"""A room that nobody declared."""'),
}
"""For each contract, where a line is planted that breaks it."""


def contracts() -> dict[str, str]:
    """Return the name of every contract by its id."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return {c["id"]: c["name"] for c in table["tool"]["importlinter"]["contracts"]}


def lint(tree: Path) -> tuple[int, str]:
    """Return the exit code and the output of import-linter over a tree."""
    environ = {**os.environ, "PYTHONPATH": str(tree), "NO_COLOR": "1", "COLUMNS": "200"}
    words = [sys.executable, "-c", LINT, "--no-cache"]
    done = subprocess.run(words, cwd=tree, env=environ, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_tree_keeps_every_contract() -> None:
    code, said = lint(ROOT)
    assert code == 0, said[said.find("Contracts") :]


def test_every_contract_has_a_planted_violation() -> None:
    assert contracts().keys() == PLANTED.keys() - {"new room"}


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return what import-linter says of a copy of the tree with every violation planted."""
    tree = tmp_path_factory.mktemp("planted")
    for package in ("arco", "audit", "evidence"):
        ignore = shutil.ignore_patterns("__pycache__", "templates")
        shutil.copytree(ROOT / package, tree / package, ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", tree)
    for place, line in PLANTED.values():
        with (tree / place).open("a", encoding="utf-8") as stream:
            stream.write(f"\n{line}\n")
    return lint(tree)[1]


@pytest.mark.parametrize("name", [*contracts()])
def test_a_planted_violation_breaks_the_contract(broken: str, name: str) -> None:
    assert re.search(rf"^{re.escape(contracts()[name])} BROKEN$", broken, re.MULTILINE), broken


def test_a_room_that_nobody_declared_is_named(broken: str) -> None:
    assert "- audit.undeclared" in broken
