"""An object store that several processes of a world share: dialects, and requests that go wrong.

Each effect is atomic and happens at one moment of virtual time; between a request and its effect,
and between the effect and the answer, lies what the world decided. Reasons for a dialect's manners
are cited where they stand. Watchers hear of every write when it takes effect.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, cast

from arco.capabilities import (
    Changed,
    Created,
    Exists,
    Named,
    ObjectMeta,
    Stored,
    StoreVersion,
    Updated,
)
from arco.core.errors import Denied, Invalid, Unavailable
from arco.sim.choices import evenly
from arco.sim.faults import CRASHES, PLAIN, Fault
from arco.sim.world import Operation, Process, Task, World


@dataclass(frozen=True, slots=True)
class Dialect:
    """In what stores differ, where a service could notice it."""

    name: str
    versions_repeat: bool
    """A version is a digest of the bytes (S3 ETags), so that A, B, A brings the first one back."""
    absent_is_denied: bool = False
    """Who may not list is told 403 for what is not there (S3 without `s3:ListBucket`)."""
    leaves_scraps: bool = False
    """A process that dies while it writes leaves a file under a name of its own (local disks)."""
    writes_in_place: bool = False
    """A process that dies while it writes leaves half of the bytes under the real name."""
    overwrites: bool = False
    """Create-if-absent is not honoured (old compatibles that ignore the header)."""


DIALECTS = evenly(
    [
        Dialect("gcs", versions_repeat=False),
        Dialect("s3", versions_repeat=True),
        Dialect("s3-no-list", versions_repeat=True, absent_is_denied=True),
        Dialect("azure", versions_repeat=False),
        Dialect("posix", versions_repeat=True, leaves_scraps=True),
    ]
)


class Watcher(Protocol):
    """Who hears of every effect that changes the store, at the moment when it happens."""

    def written(self, path: str, before: bytes | None, after: bytes) -> None:
        """Hear that bytes stand under a path, and which stood there before."""
        ...

    def deleted(self, path: str, before: bytes) -> None:
        """Hear that a path is gone."""
        ...


class SimStore:
    """The objects, and the effects on them; every effect takes place at once."""

    def __init__(self, world: World, dialect: Dialect) -> None:
        self.world, self.dialect = world, dialect
        self.objects: dict[str, Stored] = {}
        self.watchers: list[Watcher] = []
        self.requests = 0
        self._written = 0

    def backend(self, process: Process, *, may_list: bool = False) -> SimBackend:
        """Return the store as one process reaches it, with the credential that it has."""
        return SimBackend(self, process, may_list)

    def get(self, path: str, start: int, end: int | None) -> Stored | None:
        """Return the bytes of a range, or None."""
        if start < 0 or (end is not None and end < start):
            raise Invalid(f"not a range: start=`{start}` end=`{end}` path=`{path}`")
        found = self.objects.get(path)
        if found is None or (start == 0 and end is None):
            return found
        return Stored(found.body[start:end], found.version)

    def head(self, path: str) -> ObjectMeta | None:
        """Return size and version, or None."""
        found = self.objects.get(path)
        return None if found is None else ObjectMeta(len(found.body), found.version)

    def create(self, path: str, body: bytes) -> Created | Exists:
        """Write what does not exist."""
        if path in self.objects and not self.dialect.overwrites:
            return Exists()
        return Created(self._write(path, body))

    def update(self, path: str, body: bytes, expected: StoreVersion) -> Updated | Changed:
        """Write over the expected version."""
        found = self.objects.get(path)
        if found is None or found.version != expected:
            return Changed()
        return Updated(self._write(path, body))

    def replace(self, path: str, body: bytes) -> None:
        """Write whatever stands there."""
        self._write(path, body)

    def delete(self, path: str) -> None:
        """Delete; absent is no error."""
        found = self.objects.pop(path, None)
        if found is not None:
            for watcher in self.watchers:
                watcher.deleted(path, found.body)

    def list_page(self, prefix: str, after: str | None, limit: int) -> tuple[Named, ...]:
        """Return up to `limit` names behind `after`, as they are at this moment."""
        names = sorted(
            path for path in self.objects if path.startswith(prefix) and path > (after or "")
        )
        return tuple(Named(path, len(self.objects[path].body)) for path in names[:limit])

    def tear(self, path: str, body: bytes) -> None:
        """Leave what a write leaves whose process died in the middle of it."""
        half = body[: len(body) // 2]
        if self.dialect.writes_in_place:
            self._write(path, half)
        elif self.dialect.leaves_scraps:
            self.objects[f"{path}.{self.requests}.tmp"] = Stored(half, StoreVersion("scrap"))

    def _write(self, path: str, body: bytes) -> StoreVersion:
        before = self.objects.get(path)
        self._written += 1
        if self.dialect.versions_repeat:
            version = StoreVersion(hashlib.sha256(body).hexdigest()[:16])
        else:
            version = StoreVersion(f"{self._written}")
        self.objects[path] = Stored(bytes(body), version)
        for watcher in self.watchers:
            watcher.written(path, None if before is None else before.body, body)
        return version


class Request(Operation):
    """One request of one process: an effect on the store, by way of a plan of the world's."""

    __slots__ = ("_arguments", "_backend", "_effect", "_path", "_plan", "_verb")

    def __init__(
        self, backend: SimBackend, verb: str, effect: Callable[..., Any], *arguments: Any
    ) -> None:
        super().__init__()
        self._backend, self._verb, self._effect = backend, verb, effect
        self._arguments = arguments
        self._path: str = arguments[0]
        self._plan = PLAIN

    def begin(self, task: Task) -> None:
        """Let the world decide what becomes of it."""
        self.task = task
        world = task.process.world
        self._backend.store.requests += 1
        if not world.calm:
            self._plan = task.process.choices.pick(world.requests)
        fault = self._plan.fault
        if fault in CRASHES:
            self._crash(fault)
        elif fault is Fault.LOST or (fault is Fault.LATE and self._verb in READS):
            world.after(self._plan.before_ms, self._no_answer)
        elif fault is Fault.LATE:
            world.after(self._plan.after_ms, self._land)
            world.after(self._plan.before_ms, self._no_answer)
        else:
            world.after(self._plan.before_ms, self._take_effect)

    def _take_effect(self) -> None:
        world = self.task.process.world
        self._land()
        if self._plan.fault is Fault.TWICE:
            self._land()
        if self._plan.fault is Fault.REPLY_LOST:
            self.error = self._unknown()
        world.after(self._plan.after_ms, self.task.step)

    def _land(self) -> None:
        process = self.task.process
        self.error = None
        try:
            if process.refused:
                raise Denied(f"credential has expired: path=`{self._path}`")
            self.answer = self._effect(*self._arguments)
            if self.answer is None and self._verb in READS and self._backend.hides_absence:
                self.error = Denied(f"access denied: path=`{self._path}`")
        except Invalid as error:
            self.error = error
        if process.world.trace is not None:
            said = self.error if self.error is not None else _brief(self.answer)
            process.world.tell(
                process.name, self._verb, self._path, f"{said} [{self._plan.fault.value}]"
            )

    def _no_answer(self) -> None:
        self.error = self._unknown()
        self.task.step()

    def _unknown(self) -> Unavailable:
        return Unavailable(f"the store did not answer: verb=`{self._verb}` path=`{self._path}`")

    def _crash(self, fault: Fault) -> None:
        process = self.task.process
        if fault is Fault.CRASH_AFTER:
            process.world.after(self._plan.before_ms, self._land)
        elif fault is Fault.CRASH_IN_FLIGHT and self._verb not in READS:
            process.world.after(self._plan.after_ms, self._land)
        elif fault is Fault.CRASH_TORN and self._verb in WRITES:
            self._backend.store.tear(self._path, self._arguments[1])
        process.world.after(self._plan.before_ms, self._die)

    def _die(self) -> None:
        self.task.process.crash(self.task.life)


READS = frozenset({"get", "head"})
WRITES = frozenset({"create", "update", "replace"})


def _brief(answer: object) -> str:
    if isinstance(answer, Stored):
        return f"{len(answer.body)} bytes {answer.version}"
    if isinstance(answer, tuple):
        return f"{len(answer)} names"
    return str(answer)


class SimBackend:
    """The store as one process reaches it: a `Backend` whose every operation the world steps."""

    __slots__ = ("_process", "hides_absence", "store")

    def __init__(self, store: SimStore, process: Process, may_list: bool) -> None:
        self.store, self._process = store, process
        self.hides_absence = store.dialect.absent_is_denied and not may_list

    async def get(self, path: str, start: int = 0, end: int | None = None) -> Stored | None:
        """Return the bytes of a range, or None."""
        return cast(Stored | None, await Request(self, "get", self.store.get, path, start, end))

    async def head(self, path: str) -> ObjectMeta | None:
        """Return size and version, or None."""
        return cast(ObjectMeta | None, await Request(self, "head", self.store.head, path))

    async def create(self, path: str, body: bytes) -> Created | Exists:
        """Write what does not exist."""
        return cast(Created | Exists, await Request(self, "create", self.store.create, path, body))

    async def update(self, path: str, body: bytes, expected: StoreVersion) -> Updated | Changed:
        """Write over the expected version."""
        request = Request(self, "update", self.store.update, path, body, expected)
        return cast(Updated | Changed, await request)

    async def replace(self, path: str, body: bytes) -> None:
        """Write whatever stands there."""
        await Request(self, "replace", self.store.replace, path, body)

    async def delete(self, path: str) -> None:
        """Delete; absent is no error."""
        await Request(self, "delete", self.store.delete, path)

    async def list_page(self, prefix: str, after: str | None, limit: int) -> tuple[Named, ...]:
        """Return up to `limit` names behind `after`."""
        request = Request(self, "list", self.store.list_page, prefix, after, limit)
        return cast(tuple[Named, ...], await request)

    async def sign(self, path: str, expires_s: int) -> str:
        """Refuse: nobody outside the world can reach it."""
        raise Invalid(f"a simulated store signs no addresses: path=`{path}`")
