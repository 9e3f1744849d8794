"""Which actors a seed brings together, and the course of one run from `arco init` to the end.

After the last actor everything is calm: late requests land, and then the workspace must work for
somebody who comes anew. What the mix is decides what is found; the world only decides when.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

from arco.core.errors import ArcoError
from arco.publish.initialise import initialise
from arco.scoped import ScopedStorage
from arco.sim.choices import Table, Taken, evenly
from arco.sim.invariants import Oracle
from arco.sim.keepers import collect
from arco.sim.linearizable import NEVER, ChainModel, explain
from arco.sim.readers import restore, travel, turn_back, watch
from arco.sim.scenes import DOMAIN, WORKSPACE, Habits, Scene
from arco.sim.store import DIALECTS, SimStore
from arco.sim.tampering import tamper
from arco.sim.world import Process, Violation, World
from arco.sim.writers import adopt, commit, go_back, take_over, tolerated

Actor: TypeAlias = Callable[[Scene, Process], Coroutine[Any, Any, None]]

RIGHT = Habits()
BROKE = "the code broke"
"""How the violation begins where an exception came up that no service raises on purpose."""

EVENTS = evenly([1, 2, 3, 4, 6])
"""What a producer has to commit in a run."""
BEGINS_MS = evenly([0, 300, 5_000, 31_000])
"""When an actor begins."""

ACTORS: dict[str, Actor] = {
    "writer": commit,
    "adopter": adopt,
    "claimer": take_over,
    "restorer": go_back,
    "collector": collect,
    "reader": watch,
    "traveller": travel,
    "hinter": turn_back,
    "operator": restore,
}
BEGINNERS: Table[tuple[str, ...]] = Table(
    [((), 6.0), (("init-a",), 1.0), (("init-a", "init-b"), 1.0)]
)
"""Who makes the workspace while things go wrong, before it is made when all is calm."""
Mix: TypeAlias = dict[str, tuple[int, ...]]
"""How many of each actor there may be; the first number is the plain one."""
MIXES: tuple[Mix, ...] = (
    {
        "writer": (1, 2, 3),
        "adopter": (0, 1),
        "claimer": (0, 1),
        "restorer": (0, 1),
        "collector": (0, 1, 2),
        "reader": (0, 1, 2),
        "traveller": (0, 1),
        "hinter": (0, 1),
        "operator": (0, 0, 1),
    },
    # Who writes and who takes away, and nobody who waits for a lease.
    {"writer": (1, 2), "adopter": (1, 2, 3), "restorer": (0, 1), "collector": (2, 1)},
    # Who takes away, and who wants to keep.
    {"writer": (1, 2), "adopter": (0, 1), "collector": (1, 2), "traveller": (1, 2)},
    # Who takes the lease from whom.
    {"writer": (2, 3), "claimer": (1, 2), "adopter": (0, 1), "operator": (0, 1)},
)
PRODUCERS = frozenset({"writer", "adopter"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a run: what was violated, if anything, and the choices that led there."""

    seed: int
    violation: str
    taken: Taken
    steps: int
    requests: int
    versions: int
    trace: tuple[tuple[int, str, str, str, str], ...] = ()


def play(
    seed: int,
    replayed: Mapping[str, int] | None = None,
    *,
    habits: Habits = RIGHT,
    forced: Mapping[str, int] | None = None,
    traced: bool = False,
) -> Outcome:
    """Run one seed, or a list of choices, to its end, and judge it."""
    world = World(seed, replayed, forced)
    world.trace = [] if traced else None
    scene = _scene(world, habits)
    violation = ""
    try:
        _course(scene)
    except (Violation, ArcoError) as error:  # the judge reads records, which may be torn
        violation = str(error)
    except Exception as error:
        violation = f"{BROKE}: {type(error).__name__}: {error}"
    finally:
        world.close()
    return Outcome(
        seed,
        violation,
        world.choices.taken,
        world.steps,
        scene.store.requests,
        len(scene.oracle.chain),
        tuple(world.trace or ()),
    )


def _scene(world: World, habits: Habits) -> Scene:
    dialect = world.choices.stream("dialect").pick(DIALECTS)
    dialect = replace(
        dialect, overwrites=habits.store_overwrites, writes_in_place=habits.store_tears
    )
    store = SimStore(world, dialect)
    oracle = Oracle(store, WORKSPACE, DOMAIN)
    store.watchers.append(oracle)
    return Scene(world, store, oracle, habits)


def _course(scene: Scene) -> None:
    world = scene.world
    for name in world.choices.stream("init").pick(BEGINNERS):
        world.start(name, partial(_begin, scene))
    world.run()
    world.calm = True
    world.call("init", partial(_init, scene))
    world.calm = False
    _cast(scene)
    world.run()
    for process in world.processes.values():
        if process.error is not None:
            raise Violation(f"an actor ended badly: who=`{process.name}` error=`{process.error}`")
    world.calm = True
    _afterwards(scene)
    scene.oracle.finish()
    calls = [c for c in scene.history.all() if c.ended != NEVER or c.asked[0] != "read"]
    if explain(calls, ChainModel()) is None:
        raise Violation("what callers were told could not have happened in any order")
    tamper(scene)


async def _init(scene: Scene, process: Process) -> None:
    storage = ScopedStorage(scene.store.backend(process, may_list=True), WORKSPACE)
    await initialise(storage.initialiser(), WORKSPACE, process.clock, process.chance)


async def _begin(scene: Scene, process: Process) -> None:
    await tolerated(process, _init(scene, process))


def _cast(scene: Scene) -> None:
    stream = scene.world.choices.stream("cast")
    for kind, counts in stream.pick(evenly(MIXES)).items():
        actor = ACTORS[kind]
        for number in range(stream.pick(evenly(counts))):
            name = f"{kind}-{number}"
            if kind in PRODUCERS:
                scene.todo[name] = list(range(stream.pick(EVENTS)))
            scene.world.start(name, partial(actor, scene), after_ms=stream.pick(BEGINS_MS))


def _afterwards(scene: Scene) -> None:
    """Let somebody who comes anew commit, and somebody read it."""
    scene.todo["late-writer"] = [0]
    for name, actor in (("late-writer", commit), ("late-reader", watch)):
        try:
            scene.world.call(name, partial(actor, scene))
        except ArcoError as error:
            raise Violation(f"nobody can go on: who=`{name}` error=`{error}`") from error
    if scene.todo["late-writer"]:
        raise Violation("nobody can commit any more, though nothing fails")
