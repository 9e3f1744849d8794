"""Every store of this process answers any sequence of operations as a dictionary would.

Bodies never repeat, because versions may come again when they do.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from arco.adapters.local import LocalBackend
from arco.adapters.memory import MemoryBackend
from arco.capabilities import Backend, Changed, Created, Exists, StoreVersion, Updated
from tests.arco.adapters.backend_suite import FOLDER_NAMES

PATHS = st.sampled_from(FOLDER_NAMES)
PREFIXES = st.sampled_from(("", "a", "a/", "a/b", "b", "zz"))
MEMORY = Path("/dev/shm")
"""A folder that is no disk, where there is one: thousands of syncs would only cost time here."""
PLACES = st.integers(0, 12)


class Agreement(RuleBasedStateMachine):
    """A store beside a dictionary of path to body, and the versions that the store has told."""

    def open(self) -> Backend:
        """Return the store under test."""
        return MemoryBackend()

    @initialize()
    def start(self) -> None:
        self.runner = asyncio.Runner()
        self.backend = self.open()
        self.model: dict[str, bytes] = {}
        self.versions: dict[bytes, StoreVersion] = {}
        self.written = 0

    def teardown(self) -> None:
        """Close the loop on which all of it ran."""
        if hasattr(self, "runner"):
            self.runner.close()

    def next_body(self) -> bytes:
        """Return bytes that were never written before."""
        self.written += 1
        return f"body {self.written} ".encode() * (1 + self.written % 3)

    @rule(path=PATHS)
    def create(self, path: str) -> None:
        body = self.next_body()
        done = self.runner.run(self.backend.create(path, body))
        assert isinstance(done, Exists) is (path in self.model)
        if isinstance(done, Created):
            self.model[path], self.versions[body] = body, done.version

    @rule(path=PATHS, data=st.data())
    def update(self, path: str, data: st.DataObject) -> None:
        if not self.versions:
            return
        of = data.draw(st.sampled_from(sorted(self.versions)))
        body = self.next_body()
        done = self.runner.run(self.backend.update(path, body, self.versions[of]))
        assert isinstance(done, Changed) is (self.model.get(path) != of)
        if isinstance(done, Updated):
            self.model[path], self.versions[body] = body, done.version

    @rule(path=PATHS)
    def replace(self, path: str) -> None:
        self.model[path] = self.next_body()
        self.runner.run(self.backend.replace(path, self.model[path]))

    @rule(path=PATHS)
    def delete(self, path: str) -> None:
        self.runner.run(self.backend.delete(path))
        self.model.pop(path, None)

    @rule(path=PATHS, start=PLACES, length=st.none() | PLACES)
    def read(self, path: str, start: int, length: int | None) -> None:
        end = None if length is None else start + length
        found = self.runner.run(self.backend.get(path, start, end))
        body = self.model.get(path)
        assert (None if found is None else found.body) == (body and body[start:end])

    @rule(prefix=PREFIXES, after=st.none() | PATHS, limit=st.integers(0, 5))
    def page(self, prefix: str, after: str | None, limit: int) -> None:
        wanted = sorted(p for p in self.model if p.startswith(prefix) and p > (after or ""))
        page = self.runner.run(self.backend.list_page(prefix, after, limit))
        assert [name.path for name in page] == wanted[:limit]
        assert all(name.size_bytes == len(self.model[name.path]) for name in page)

    @invariant()
    def heads_agree(self) -> None:
        """Sizes and versions are those of what stands there."""
        for path, body in self.model.items():
            meta = self.runner.run(self.backend.head(path))
            assert meta is not None
            assert meta.size_bytes == len(body)
            assert meta.version == self.versions.setdefault(body, meta.version)


class LocalAgreement(Agreement):
    """The same on a disk, where each step is made by a process that has just opened the store."""

    def open(self) -> Backend:
        """Return a store in a folder of its own."""
        self.folder = tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None)
        return LocalBackend(Path(self.folder))

    @rule()
    def open_again(self) -> None:
        self.backend = LocalBackend(Path(self.folder))

    def teardown(self) -> None:
        """Remove the folder as well."""
        super().teardown()
        shutil.rmtree(getattr(self, "folder", ""), ignore_errors=True)


class ObjectsAgreement(Agreement):
    """The same through obstore."""

    def open(self) -> Backend:
        """Return a store in obstore's memory."""
        objects = pytest.importorskip(
            "arco.adapters.objects", reason="could_not_run: obstore is not installed"
        )
        store = objects.MemoryStore()
        backend: Any = objects.ObjectsBackend(store, store)
        return backend  # type: ignore[no-any-return]


TestMemoryAgrees = Agreement.TestCase
TestLocalAgrees = LocalAgreement.TestCase
TestObjectsAgree = ObjectsAgreement.TestCase
