"""A desk with a sealed run that waits for people; the run is made once and copied."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.audit.cli.conftest import call, make_toy
from tests.audit.cli.sign_off_kit import WAITING, Desk

__all__ = ["call", "make_toy"]

_MADE: dict[str, Path] = {}


@pytest.fixture
def desk(
    call: Any,
    make_toy: Callable[..., Any],
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Desk:
    toy = tmp_path / "toy"
    if "toy" in _MADE:
        shutil.copytree(_MADE["toy"], toy, symlinks=True)
    else:
        path = make_toy(WAITING).path
        assert call("run", "--repo", path, "--label", "one").code == 1
        kept = tmp_path_factory.mktemp("made") / "toy"
        shutil.copytree(path, kept, symlinks=True)
        _MADE["toy"] = kept
    keys = tmp_path / "keys"
    keys.mkdir()
    return Desk(call, toy, keys)
