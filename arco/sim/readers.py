"""Who reads in a run, and who makes reading harder: readers, and operators who turn hints back."""

from __future__ import annotations

from arco.core.canonical import encode
from arco.core.errors import Denied
from arco.core.ids import Digest
from arco.core.keys import DomainHintKey, LockKey, manifest_key
from arco.core.manifest import Head, read_head
from arco.core.records import Hint
from arco.publish.pins import Collected, pin
from arco.publish.sight import Seen
from arco.sim.choices import evenly
from arco.sim.scenes import DOMAIN, WORKSPACE, Desk, Scene
from arco.sim.world import Process, SimTasks, Violation
from arco.sim.writers import PAUSE_MS, REST_MS, tolerated

LOOKS = 5
TRAVELS = 4
PIN_MS = 600_000
"""How long a traveller pins a version: longer than any stay."""
STAY_MS = evenly([0, 4_000, 9_000, 45_000, 130_000])
"""How long a traveller takes over a version."""
REMEMBERS = evenly([False, True])
BACK = evenly([0, 1, 2, 4, 1_000])
"""By how many versions a traveller goes back, or an operator turns a hint back."""


async def watch(scene: Scene, process: Process) -> None:
    """Look what is newest a few times, from the hint or from what was seen, and read it all."""
    desk = scene.desk(process)
    since: Seen | None = None
    for _ in range(1 if process.world.calm else LOOKS):
        seen = await tolerated(process, _read(desk, since))
        since = seen if process.choices.pick(REMEMBERS) else None
        await desk.tasks.sleep_ms(process.choices.pick(PAUSE_MS))


async def _read(desk: Desk, since: Seen | None) -> Seen:
    seen = await desk.look(since)
    events = await desk.held(seen.head)
    if events is not None:
        desk.scene.oracle.holds(seen.head.version, events, desk.process.name)
    return seen


async def travel(scene: Scene, process: Process) -> None:
    """Pin versions, take a long time over them, and read them to the end."""
    desk = scene.desk(process)
    for _ in range(TRAVELS):
        await tolerated(process, _travelled(desk))
        await desk.tasks.sleep_ms(process.choices.pick(REST_MS))


async def _travelled(desk: Desk) -> None:
    oracle, process = desk.scene.oracle, desk.process
    seen = await desk.look()
    await desk.tasks.sleep_ms(process.choices.pick(PAUSE_MS))
    head = await _earlier(desk, seen, process.choices.pick(BACK))
    if head is None:
        return
    pinned = await pin(
        seen,
        head,
        "travel",
        create=desk.stores.create,
        sight=desk.sight,
        clock=process.clock,
        chance=process.chance,
        pin_ms=PIN_MS,
    )
    if isinstance(pinned, Collected):
        if not oracle.floor_version > head.version:
            raise Violation(f"a pin was refused for no reason: version=`{head.version}`")
        return
    path = WORKSPACE.locate(pinned.key)
    oracle.pinned(path, head.version, head.digest, PIN_MS)
    await desk.tasks.sleep_ms(process.choices.pick(STAY_MS))
    events = await desk.held(head, pinned=True)
    if events is not None:
        oracle.holds(head.version, events, process.name)
    oracle.let_go(path)


async def _earlier(desk: Desk, seen: Seen, back: int) -> Head | None:
    """Return a version that many before the newest, or None when it was collected."""
    version = seen.head.version - back
    if back == 0 or version < 0:
        return seen.head
    key = manifest_key(DOMAIN, version)
    try:
        found = await desk.stores.read.get(key)
    except Denied:
        if desk.process.refused:
            raise
        return None  # the store tells absence so
    return None if found is None else read_head(DOMAIN, version, found.body)


async def restore(scene: Scene, process: Process) -> None:
    """Put back the lock as `arco init` made it, as somebody does who restores a backup."""
    path = WORKSPACE.locate(LockKey(DOMAIN))
    first = scene.store.objects[path].body
    for _ in range(2):
        await SimTasks().sleep_ms(process.choices.pick(PAUSE_MS))
        scene.oracle.restored = True
        scene.oracle.broken()
        scene.store.replace(path, first)


async def turn_back(scene: Scene, process: Process) -> None:
    """Write old hints over new ones, as a put that lands late or a restored backup does."""
    desk = scene.desk(process)
    for _ in range(3):
        await desk.tasks.sleep_ms(process.choices.pick(PAUSE_MS))
        await tolerated(process, _turned_back(desk))


async def _turned_back(desk: Desk) -> None:
    oracle = desk.scene.oracle
    link = oracle.chain[max(0, oracle.head - desk.process.choices.pick(BACK))]
    hint = Hint(
        domain=DOMAIN,
        version=link.manifest.version,
        manifest_hash=Digest(link.digest),
        floor_number=link.manifest.floor_number,
    )
    await desk.stores.replace.replace(DomainHintKey(DOMAIN), encode(hint))
