"""The store in memory keeps what every store promises."""

from __future__ import annotations

import pytest

from arco.adapters.memory import MemoryBackend
from tests.arco.adapters.backend_suite import BackendSuite, Job, Opened, race_tasks


class TestMemory(BackendSuite):
    """One store in one process: its racers are tasks of one loop."""

    versions_repeat = False

    def race(self, opened: Opened, job: Job) -> None:
        """Run a job by tasks."""
        race_tasks(opened, job)

    @pytest.fixture
    def opened(self) -> Opened:
        """Return the one store, each time."""
        backend = MemoryBackend()
        return lambda: backend
