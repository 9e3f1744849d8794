"""What the tests of bad input share: pieces of definitions, and what a refusal looks like."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Make = Callable[..., Any]
Patch = pytest.MonkeyPatch

AUDIT = '[audit]\nid = "toy-1"\ntitle = "A toy"\n'


def cell(name: str, shell: str, **more: str) -> str:
    """A command that runs a line of shell; `more` are keys with their TOML text."""
    keys = "".join(f"{key} = {text}\n" for key, text in more.items())
    return f"[[command]]\nid = {json.dumps(name)}\nshell = {json.dumps(shell)}\n{keys}"


def gate(conditions: str) -> str:
    return (
        '[[gate]]\nid = 0\nname = "Base"\n[[gate.signal]]\nid = "G0-001"\ntitle = "t"\n'
        f'owner = "o"\nexit_test = "e"\ncloses_when = [{conditions}]\n'
    )


def folder_of(toy: Path) -> Path:
    return next(toy.glob("release_evidence/toy-1/*"))


def refused(said: Any, *, code: int = 2) -> str:
    """A refusal that a person can use; returns what it says."""
    text: str = said.out + said.err
    assert said.code == code, text
    assert "Traceback" not in text
    assert "internal error" not in text
    assert not [char for char in text if not (char.isprintable() or char == "\n")]
    return text
