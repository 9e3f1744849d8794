"""Who takes away in a run: collectors, of which there may be several at once."""

from __future__ import annotations

from arco.collector.collect import Collector
from arco.publish.sight import Sight
from arco.scoped import ScopedStorage
from arco.sim.choices import evenly
from arco.sim.scenes import DOMAIN, WORKSPACE, Scene
from arco.sim.world import Process, SimTasks
from arco.sim.writers import REST_MS, tolerated

ROUNDS = 6
KEEPS = evenly([4, 1, 2])
"""How many versions a collector leaves."""


async def collect(scene: Scene, process: Process) -> None:
    """Collect a few times."""
    backend = scene.store.backend(process)  # to list some prefixes is not to be told 404
    stores = ScopedStorage(backend, WORKSPACE).collector()
    collector = Collector(stores, Sight(stores.read, SimTasks()), process.clock)
    keep = process.choices.pick(KEEPS)
    for _ in range(ROUNDS):
        await SimTasks().sleep_ms(process.choices.pick(REST_MS))
        await tolerated(process, collector.collect(DOMAIN, keep))
