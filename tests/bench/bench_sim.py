"""The simulator beside an event loop: steps a second.

(o) Nothing is promised; seeds have to be cheap, and asyncio is what the services run on otherwise.
`store` is a step whose operation is a request at the simulated store; `toy` are whole runs of three
writers and a reader with faults, and their histories judged.

`python tests/bench/bench_sim.py [ROUNDS]`.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # for what tests share

from arco.sim.store import DIALECTS, SimStore
from arco.sim.world import Main, Operation, Process, World
from tests.arco.sim.sim_toys import Toy
from tests.bench.figures import in_turns, machine

PROCESSES = 4
STEPS = 40_000
"""Steps of each process."""
TOYS = 100
SIMULATED, LOOP = "simulator, nothing but steps", "asyncio, nothing but steps"


def simulate(main: Main, world: World) -> int:
    """Run as many processes to their end; return the steps that it took."""
    for number in range(PROCESSES):
        world.start(f"p{number}", main)
    world.run()
    world.close()
    return world.steps


async def steps() -> None:
    """Step the world's processes, which do nothing."""

    async def main(process: Process) -> None:
        for _ in range(STEPS):
            await Operation()

    assert simulate(main, World(1, {})) >= PROCESSES * STEPS


async def loop() -> None:
    """Step as many tasks of this event loop, which do nothing."""

    async def main() -> None:
        for _ in range(STEPS):
            await asyncio.sleep(0)

    await asyncio.gather(*(main() for _ in range(PROCESSES)))


async def store() -> None:
    """Read what is absent, as often as there are steps above."""
    world = World(1, {})
    simulated = SimStore(world, DIALECTS.items[0])

    async def main(process: Process) -> None:
        backend = simulated.backend(process, may_list=True)
        for _ in range(STEPS // 4):
            await backend.get("absent")

    assert simulate(main, world) >= PROCESSES * STEPS // 4


async def toys() -> None:
    """Run small worlds with faults, each from its own seed, and judge what callers were told."""
    assert all(Toy(seed).run() for seed in range(TOYS))


async def main(rounds: int) -> None:
    """Print every row; always succeeds, because a figure is no verdict."""
    works = {SIMULATED: steps, LOOP: loop}
    turns = await in_turns(works, rounds, 1)
    print(f"(o) the simulator; {rounds} rounds, {machine()}")
    turns.show_rates(PROCESSES * STEPS, "steps/s")
    (await in_turns({"simulator, store": store}, rounds, 1)).show_rates(
        PROCESSES * STEPS // 4, "requests/s"
    )
    (await in_turns({"simulator, toy": toys}, rounds, 1)).show_rates(TOYS, "runs/s")
    print(f"  a step of the simulator is {turns.ratio(SIMULATED, LOOP):.2f} of one of asyncio")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if sys.argv[1:] else 7))
