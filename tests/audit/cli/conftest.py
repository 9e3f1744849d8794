"""A toy repository with a definition, and the command line called in this process."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit.cli import failure
from audit.cli.commands import group
from audit.runner import MARKER
from tests.audit.release.release_kit import Project, Released

TOY = """\
[audit]
id = "toy-1"
title = "A toy"
date = "2026-12-01"

[[command]]
id = "hello"
run = "echo hello"

[[command]]
id = "fails"
shell = "echo broken >&2; exit 3"
required = false

[[gate]]
id = 0
name = "Base"
[[gate.signal]]
id = "G0-001"
title = "It says hello"
owner = "SRE"
exit_test = "the greeting is printed"
closes_when = [{ command = "hello" }, { file = "README.md" }]

[[gate.signal]]
id = "G0-002"
title = "The run is sealed"
owner = "SRE"
exit_test = "the plan root comes first"
closes_when = [{ engine = "plan_sealed" }, { engine = "tracker_valid" }]
"""


@dataclasses.dataclass
class Said:
    """What a call printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def value(self) -> Any:
        return json.loads(self.out)


Call = Callable[..., Said]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    """`call("run", "--repo", …)`: the command line, without a process of its own."""
    monkeypatch.delenv(MARKER, raising=False)

    def called(*words: object) -> Said:
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["arco-audit", *map(str, words)])
        code = failure.run(group)
        out, err = capfd.readouterr()
        return Said(code, out, err)

    return called


@pytest.fixture
def make_toy(make_repo: Callable[..., Any]) -> Callable[..., Any]:
    """`make_toy(definition, name)`: a committed repository with that definition."""

    def made(definition: str = TOY, name: str = "toy") -> Any:
        repo = make_repo(name)
        repo.write("README.md", "a toy\n")
        repo.write(".gitignore", "release_evidence/\nbuild/\n.nox/\n")
        repo.write("audit.toml", definition)
        repo.commit()
        return repo

    return made


@pytest.fixture
def toy(make_toy: Callable[..., Any]) -> Path:
    path: Path = make_toy().path
    return path


@pytest.fixture
def project(make_repo: Callable[..., Any], tmp_path: Path) -> Project:
    """A toy project with a signer's key, whose tag is not made yet."""
    keys = tmp_path / "keys"
    keys.mkdir()
    return Project(make_repo("toy"), keys)


@pytest.fixture
def released(project: Project, call: Callable[..., Any]) -> Released:
    """The project with its signed tag and a run of its commit."""
    return Released(project, call)
