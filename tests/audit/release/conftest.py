"""The toy project of `release_kit`, committed and tagged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.audit.release.release_kit import Project


@pytest.fixture
def project(make_repo: Callable[..., Any], tmp_path: Path) -> Project:
    """A repository without a commit, and a key that may sign."""
    keys = tmp_path / "keys"
    keys.mkdir()
    return Project(make_repo("toy"), keys)
