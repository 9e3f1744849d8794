"""A store in the memory of one process: for tests and for trying things; nothing outlives it.

Versions are numbers that never come again, not digests, so that what passes here by luck of equal
bytes fails; the conformance suite holds it to the same promises as every other store.
"""

from __future__ import annotations

from bisect import bisect_right, insort

from arco.adapters.ranges import check_range
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
from arco.core.errors import Invalid


class MemoryBackend:
    """Objects in a dictionary. No operation awaits, so each is atomic on one event loop."""

    def __init__(self) -> None:
        self._objects: dict[str, Stored] = {}
        self._paths: list[str] = []
        self._written = 0

    async def get(self, path: str, start: int = 0, end: int | None = None) -> Stored | None:
        """Return the bytes of a range, or None."""
        check_range(start, end, path)
        found = self._objects.get(path)
        if found is None or (start == 0 and end is None):
            return found
        return Stored(found.body[start:end], found.version)

    async def head(self, path: str) -> ObjectMeta | None:
        """Return size and version, or None."""
        found = self._objects.get(path)
        return None if found is None else ObjectMeta(len(found.body), found.version)

    async def create(self, path: str, body: bytes) -> Created | Exists:
        """Write what does not exist."""
        return Exists() if path in self._objects else Created(self._write(path, body))

    async def update(self, path: str, body: bytes, expected: StoreVersion) -> Updated | Changed:
        """Write over the expected version."""
        found = self._objects.get(path)
        if found is None or found.version != expected:
            return Changed()
        return Updated(self._write(path, body))

    async def replace(self, path: str, body: bytes) -> None:
        """Write whatever stands there."""
        self._write(path, body)

    async def delete(self, path: str) -> None:
        """Delete; absent is no error."""
        if self._objects.pop(path, None) is not None:
            self._paths.remove(path)

    async def list_page(self, prefix: str, after: str | None, limit: int) -> tuple[Named, ...]:
        """Return up to `limit` names behind `after`."""
        start = bisect_right(self._paths, max(prefix, after or ""))
        if prefix in self._objects and (after or "") < prefix:
            start -= 1
        found: list[Named] = []
        for path in self._paths[start:]:
            if len(found) == limit or not path.startswith(prefix):
                break
            found.append(Named(path, len(self._objects[path].body)))
        return tuple(found)

    async def sign(self, path: str, expires_s: int) -> str:
        """Refuse: nobody else can reach this memory."""
        raise Invalid(f"a memory store signs no addresses: path=`{path}` expires_s=`{expires_s}`")

    def _write(self, path: str, body: bytes) -> StoreVersion:
        if path not in self._objects:
            insort(self._paths, path)
        self._written += 1
        self._objects[path] = Stored(bytes(body), StoreVersion(f"m{self._written}"))
        return self._objects[path].version
