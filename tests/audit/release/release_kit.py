"""A toy project that is released by a signed tag: its files, its signer's key, its tag."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evidence import layout

TAG = "v1.2.0"
MANIFEST = '[project]\nname = "toy"\nversion = "1.2.0"\n'
LOG = """\
# Changelog

## [Unreleased]

## [1.2.0] - 2026-12-01

### Added

- A greeting.

## [1.1.0] - 2026-11-01

### Fixed

- A silence.
"""
NOTES = "# Toy 1.2.0\n\nIt greets.\n"
LOCK = """\
# made by a tool
click==8.3.1 \\
    --hash=sha256:981153a64e25f12d547d3426c367a4857371575ee7ad18df2a6183ab0545b2a6
colorama==0.4.6 ; sys_platform == 'win32' \\
    --hash=sha256:4f1d9991f5acc0ca119f9d443620b77f9d6b33703e51011c16baf57afb285fc6
    # via click
"""
DEFINITION = """\
[audit]
id = "toy-1"
title = "A toy"
date = "2026-12-01"

[[command]]
id = "hello"
run = "echo hello"

[[gate]]
id = 0
name = "Base"
[[gate.signal]]
id = "G0-001"
title = "It says hello"
owner = "SRE"
exit_test = "the greeting is printed"
closes_when = [{ command = "hello" }]
"""
FILES = {
    "pyproject.toml": MANIFEST,
    "CHANGELOG.md": LOG,
    f"docs/releases/{TAG}.md": NOTES,
    "requirements/base.txt": LOCK,
    "audit.toml": DEFINITION,
    ".gitignore": "release_evidence/\n",
}
"""What the toy holds when everything is as it should be."""


class Project:
    """The toy under git, with an SSH key that is allowed to sign: `signers` says so."""

    def __init__(self, repo: Any, keys: Path) -> None:
        self.repo = repo
        self.path: Path = repo.path
        self.keys = keys
        self.signers = keys / "allowed_signers"
        self.key = self.new_key("signer")
        self.allow(self.key)

    def new_key(self, name: str) -> Path:
        """Make a key pair; return the private one's path."""
        if shutil.which("ssh-keygen") is None:
            pytest.skip("could_not_run: no ssh-keygen")
        path = self.keys / name
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)]
        subprocess.run(words, check=True, capture_output=True)
        return path

    def allow(self, key: Path, options: str = 'namespaces="git"') -> None:
        """Write the file that allows one key and no other."""
        public = key.with_suffix(".pub").read_text("utf-8")
        self.signers.write_text(f"tester@example.invalid {options} {public}", "utf-8")

    def commit(self, changes: dict[str, str | None] | None = None) -> str:
        """Commit the toy's files with some changed; None leaves one out."""
        for path, text in {**FILES, **(changes or {})}.items():
            if text is None:
                (self.path / path).unlink(missing_ok=True)
            else:
                self.repo.write(path, text)
        return str(self.repo.commit())

    def tag(self, name: str = TAG, *words: str, key: Path | None = None) -> str:
        """Sign a tag by SSH; return the id of its object."""
        settings = ("-c", "gpg.format=ssh", "-c", f"user.signingkey={key or self.key}")
        self.repo.git(*settings, "tag", "-s", name, "-m", name, *words)
        return str(self.repo.git("rev-parse", name))


class Released:
    """A project with a signed tag and a run of its commit; `pack` calls the command on it."""

    def __init__(self, project: Project, call: Callable[..., Any]) -> None:
        self.project = project
        self.call = call
        self.object = project.tag() if project.commit() else ""
        assert call("run", "--repo", project.path).code == 0
        self.run = next((project.path / "release_evidence" / "toy-1").rglob(layout.PLAN)).parent

    def pack(self, *words: object, tag: str = TAG) -> Any:
        signers = ("--allowed-signers", self.project.signers, "--tag-object", self.object)
        return self.call("pack", tag, "--repo", self.project.path, *signers, *words)
