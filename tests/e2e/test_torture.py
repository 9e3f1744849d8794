"""Eight real processes on one local store, killed at random: nothing acknowledged is lost.

`ARCO_NIGHTLY=1` kills 1,000 times instead of 50.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from arco.adapters.local import LocalBackend
from arco.adapters.system import AsyncioTasks, SystemChance, SystemClock
from arco.core.keys import DomainName, Workspace
from arco.publish.initialise import initialise
from arco.publish.lease import Leases
from arco.publish.sight import Sight
from arco.scoped import ScopedStorage
from arco.verify import Verifier
from tests.e2e.process_kit import ROOT, environ

CATALOG = DomainName.CATALOG
WORKSPACE = Workspace("acme", "prod")
WRITERS = [f"writer-{n}" for n in range(7)]
COLLECTOR = "collector"
KILLS = 1_000 if os.environ.get("ARCO_NIGHTLY") else 50
GAP_S = (0.0, 0.25)
"""How long between two kills, at random."""
SEED = 20_261_127


class Herd:
    """The processes, the store that they work on, and what they had acknowledged."""

    def __init__(self, folder: Path) -> None:
        self.root, self.logs = folder / "store", folder
        self.backend = LocalBackend.make(self.root)
        self.storage = ScopedStorage(self.backend, WORKSPACE)
        self.clock, self.chance = SystemClock(), SystemChance()
        asyncio.run(initialise(self.storage.initialiser(), WORKSPACE, self.clock, self.chance))
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        program = str(ROOT / "tests" / "e2e" / "torture_worker.py")
        words = [sys.executable, program, str(self.root), name, str(self.logs / name)]
        more = ["collect"] if name == COLLECTOR else []
        with open(self.logs / f"{name}.err", "ab") as err:
            self.running[name] = subprocess.Popen([*words, *more], env=environ(), stderr=err)

    def kill(self, name: str) -> int:
        """Kill a process and let it be gone; return what it had exited with before, or -9."""
        process = self.running.pop(name)
        process.send_signal(signal.SIGKILL)
        return process.wait(60)

    def break_lease(self) -> None:
        """Do what an operator does for a dead holder, instead of waiting for its lease to end."""
        stores = self.storage.compactor()
        tasks = AsyncioTasks()
        leases = Leases(stores.read, stores.update, self.clock, self.chance, tasks)
        asyncio.run(leases.force_break(CATALOG, "operator"))

    def acknowledged(self, name: str) -> list[int]:
        log = self.logs / name
        return [int(line) for line in log.read_text().split()] if log.exists() else []


@pytest.fixture
def herd(tmp_path: Path) -> Herd:
    return Herd(tmp_path)


def test_no_acknowledged_write_is_lost_when_processes_are_killed(herd: Herd) -> None:
    chance = random.Random(SEED)
    names = [*WRITERS, COLLECTOR]
    exits: list[int] = []
    try:
        for name in names:
            herd.start(name)
        for _ in range(KILLS):
            time.sleep(chance.uniform(*GAP_S))
            victim = chance.choice(names)
            exits.append(herd.kill(victim))
            herd.break_lease()
            herd.start(victim)
        time.sleep(2)
    finally:
        exits += [herd.kill(name) for name in list(herd.running)]
    errors = {n: text for n in names if (text := (herd.logs / f"{n}.err").read_text())}
    assert not errors
    assert set(exits) == {-signal.SIGKILL}  # nobody ended by itself
    check(herd)


def check(herd: Herd) -> None:
    verified = asyncio.run(Verifier(herd.storage.reader().read, WORKSPACE).verify())
    assert verified.findings == ()
    sight = Sight(herd.storage.reader().read, AsyncioTasks())
    manifest = asyncio.run(sight.newest(CATALOG)).head.manifest
    acknowledged = {name: herd.acknowledged(name) for name in WRITERS}
    assert sum(map(len, acknowledged.values())) > KILLS, acknowledged
    for name, counts in acknowledged.items():
        assert counts == sorted(set(counts)), name  # no event twice
        assert manifest.positions.get(name, 0) >= max(counts, default=0), name  # none lost
    # What the chain says was committed is what its producers say, event by event.
    assert manifest.totals.events == manifest.totals.commits == sum(manifest.positions.values())
    assert manifest.totals.commits == manifest.version
    assert manifest.floor_number > 0  # the collector did work
