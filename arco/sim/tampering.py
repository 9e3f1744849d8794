"""What a hand or a broken store may do to a workspace at rest, and what must be said of it then.

Each act is done behind the judge's back, and afterwards somebody looks with the shipping services:
they must refuse with `Corrupt`, or give the right answer where the act cannot mislead; and `verify`
must find every act that took something away. Never a wrong answer.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from arco.capabilities import Stored, StoreVersion
from arco.core.canonical import encode
from arco.core.errors import ArcoError, Corrupt, Denied
from arco.core.ids import Digest
from arco.core.keys import (
    DomainHintKey,
    DomainName,
    FloorKey,
    Key,
    LockKey,
    manifest_key,
)
from arco.core.manifest import artifact_keys
from arco.core.records import Floor, Hint
from arco.publish.lease import HeldLease
from arco.sim.choices import evenly
from arco.sim.scenes import DOMAIN, WORKSPACE, Scene
from arco.sim.world import Process, Violation
from arco.verify import Verifier

Main: TypeAlias = Callable[[Scene, Process], Coroutine[Any, Any, None]]
FAR_MS = 1_800_000_000_000


@dataclass(frozen=True, slots=True)
class Act:
    """One act: what it does, whether looking or acquiring must fail, whether `verify` must see it.

    `do` says whether there was anything to do it to.
    """

    name: str
    do: Callable[[Scene], bool]
    look_fails: bool = False
    lock_fails: bool = False
    whole: bool = False


def _put(scene: Scene, key: Key, body: bytes) -> bool:
    path = WORKSPACE.locate(key)
    scene.store.objects[path] = Stored(body, StoreVersion(f"by hand {len(body)}"))
    return True


def _take(scene: Scene, key: Key) -> bool:
    return scene.store.objects.pop(WORKSPACE.locate(key), None) is not None


def _body(scene: Scene, key: Key) -> bytes:
    return scene.store.objects[WORKSPACE.locate(key)].body


def _hint(scene: Scene, version: int, ahead: int = 0, **other: object) -> bool:
    link = scene.oracle.chain[version]
    fields: dict[str, object] = {
        "domain": DOMAIN,
        "version": version + ahead,
        "manifest_hash": Digest(link.digest),
        "floor_number": link.manifest.floor_number,
        **other,
    }
    return _put(scene, DomainHintKey(DOMAIN), encode(Hint(**fields)))  # type: ignore[arg-type]


def _newest_hint(scene: Scene) -> bool:
    return _hint(scene, scene.oracle.head)


def _hint_back(scene: Scene) -> bool:
    return _hint(scene, scene.oracle.head // 2)


def _hint_ahead(scene: Scene) -> bool:
    return _hint(scene, scene.oracle.head, ahead=1)


def _hint_other_digest(scene: Scene) -> bool:
    return _hint(scene, scene.oracle.head, manifest_hash=Digest("0" * 64))


def _hint_other_domain(scene: Scene) -> bool:
    return _hint(scene, scene.oracle.head, domain=DomainName.CATALOG)


def _hint_lost(scene: Scene) -> bool:
    return _take(scene, DomainHintKey(DOMAIN))


def _hint_cut(scene: Scene) -> bool:
    key = DomainHintKey(DOMAIN)
    return _put(scene, key, _body(scene, key)[:-7])


def _hint_later_format(scene: Scene) -> bool:
    return _newest_hint(scene) and _hint(scene, scene.oracle.head, format_version=2)


def _head(scene: Scene) -> Key:
    _newest_hint(scene)
    return manifest_key(DOMAIN, scene.oracle.head)


def _head_deleted(scene: Scene) -> bool:
    return _take(scene, _head(scene))


def _head_swapped(scene: Scene) -> bool:
    before = WORKSPACE.locate(manifest_key(DOMAIN, scene.oracle.head - 1))
    if before not in scene.store.objects:
        return False
    return _put(scene, _head(scene), scene.store.objects[before].body)


def _head_flipped(scene: Scene) -> bool:
    key = _head(scene)
    raw = bytearray(_body(scene, key))
    raw[len(raw) // 3] ^= 1
    return _put(scene, key, bytes(raw))


def _head_empty(scene: Scene) -> bool:
    return _put(scene, _head(scene), b"")


def _floor_ahead(scene: Scene) -> bool:
    last = scene.oracle.floors[-1]
    floor = Floor(
        domain=DOMAIN,
        number=last.number + 1,
        version=scene.oracle.head + 3,
        manifest_hash=last.manifest_hash,
        removed_root=last.removed_root,
        raised_at_ms=FAR_MS,
    )
    return _put(scene, FloorKey(DOMAIN, floor.number), encode(floor))


def _floor_garbage(scene: Scene) -> bool:
    return _put(scene, FloorKey(DOMAIN, scene.oracle.floors[-1].number + 1), b"{}")


def _lock_lost(scene: Scene) -> bool:
    return _take(scene, LockKey(DOMAIN))


def _lock_garbage(scene: Scene) -> bool:
    return _put(scene, LockKey(DOMAIN), b'{"holder":"me"}')


def _artifact_lost(scene: Scene) -> bool:
    keys = artifact_keys(scene.oracle.chain[-1].manifest)
    return bool(keys) and _take(scene, keys[0])


def _artifact_torn(scene: Scene) -> bool:
    keys = artifact_keys(scene.oracle.chain[-1].manifest)
    return bool(keys) and _put(scene, keys[0], _body(scene, keys[0])[:-1])


ACTS = (
    Act("nothing", _newest_hint, whole=True),
    Act("hint turned back", _hint_back, whole=True),
    Act("hint ahead", _hint_ahead, look_fails=True),
    Act("hint with another digest", _hint_other_digest, look_fails=True),
    Act("hint of another domain", _hint_other_domain, look_fails=True),
    Act("hint lost", _hint_lost, look_fails=True),
    Act("hint cut off", _hint_cut, look_fails=True),
    Act("hint of a later format", _hint_later_format, look_fails=True),
    Act("head deleted", _head_deleted, look_fails=True),
    Act("head swapped for the version before", _head_swapped, look_fails=True),
    Act("head with a flipped bit", _head_flipped, look_fails=True),
    Act("head empty", _head_empty, look_fails=True),
    Act("floor ahead of the head", _floor_ahead, look_fails=True),
    Act("floor that is garbage", _floor_garbage, look_fails=True),
    Act("lock lost", _lock_lost, lock_fails=True),
    Act("lock that is garbage", _lock_garbage, lock_fails=True),
    Act("artifact lost", _artifact_lost),
    Act("artifact cut off", _artifact_torn),
)
TABLE = evenly(ACTS)


def tamper(scene: Scene) -> None:
    """Do one act to the workspace at rest, and judge what is said of it."""
    act = scene.world.choices.stream("tamper").pick(TABLE)
    if not act.do(scene):
        return
    scene.world.tell("operator", act.name, "", "")
    look = _ends(scene, "looker", _looks)
    _expect(act, "look", act.look_fails, look)
    if not act.look_fails:
        _expect(act, "lock", act.lock_fails, _ends(scene, "taker", _takes))
    _expect(act, "verify", not act.whole, _ends(scene, "verifier", _verifies))


def _expect(act: Act, what: str, fails: bool, ended: str) -> None:
    if (ended != "") != fails:
        raise Violation(f"{what} ended in error=`{ended}` after an act: act=`{act.name}`")


def _ends(scene: Scene, name: str, main: Main) -> str:
    """Return what somebody was told who did something; empty when nothing was refused.

    Who may not list is told 403 for what is lost, and can say no more than that.
    """
    expected: tuple[type[ArcoError], ...] = (Corrupt,)
    if scene.store.dialect.absent_is_denied:
        expected = (Corrupt, Denied)
    try:
        scene.world.call(name, partial(main, scene))
    except expected as error:
        return str(error) or "corrupt"
    except ArcoError as error:
        raise Violation(f"not called corrupt: who=`{name}` error=`{error}`") from error
    return ""


async def _looks(scene: Scene, process: Process) -> None:
    await scene.desk(process).look()


async def _takes(scene: Scene, process: Process) -> None:
    desk = scene.desk(process)
    lease = await desk.leases.acquire(await desk.look(), process.name, 60_000)
    if isinstance(lease, HeldLease):
        await desk.leases.release(lease)


async def _verifies(scene: Scene, process: Process) -> None:
    read = scene.desk(process).storage.reader().read
    verified = await Verifier(read, WORKSPACE).verify([DOMAIN])
    if not verified.whole:
        raise Corrupt(verified.findings[0].text)
