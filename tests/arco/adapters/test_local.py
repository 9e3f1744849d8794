"""The store on a disk keeps what every store promises, and what only a disk makes difficult."""

from __future__ import annotations

from pathlib import Path

import pytest

from arco.adapters.local import LocalBackend
from tests.arco.adapters.backend_suite import BackendSuite, Opened

NAMES = ("a-b", "a.b", "a/b-c", "a/b/c", "a0", "b/a", "ba", "B", "é", "ﬁ", "𝄞")
"""No object's name is a folder of another here."""


class TestLocal(BackendSuite):
    """Racers are threads with a store each; `tests/e2e` has processes that are killed."""

    names = NAMES

    @pytest.fixture
    def opened(self, tmp_path: Path) -> Opened:
        """Open the same folder again and again."""
        return lambda: LocalBackend.make(tmp_path / "store")
