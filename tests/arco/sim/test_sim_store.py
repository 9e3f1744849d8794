"""The simulated store: each fault means what it says, dialects differ where stores do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from arco.adapters.memory import MemoryBackend
from arco.capabilities import Changed, Created, Exists, Named, Stored, StoreVersion, Updated
from arco.core.errors import Denied, Invalid, Unavailable
from arco.sim.choices import Table
from arco.sim.faults import PLAIN, Fault, Plan
from arco.sim.store import DIALECTS, Dialect, SimBackend, SimStore
from arco.sim.world import Process, World

BY_NAME = {dialect.name: dialect for dialect in DIALECTS.items}


def ask(
    plan: Plan,
    act: Callable[[SimBackend], Awaitable[Any]],
    *,
    dialect: str = "s3",
    before: dict[str, bytes] | None = None,
) -> tuple[Any, SimStore]:
    """Return what one request answers under a plan, or its error, and the store afterwards."""
    world = World(1, {})
    store = SimStore(world, BY_NAME[dialect])
    for path, body in (before or {}).items():
        store.create(path, body)
    world.requests = Table([(plan, 1.0)])
    answers: list[Any] = []

    async def main(process: Process) -> None:
        if process.life > 1:
            return
        try:
            answers.append((await act(store.backend(process)), world.now_ms))
        except (Unavailable, Denied, Invalid) as error:
            answers.append((type(error), world.now_ms))

    world.start("p", main)
    world.run()
    world.close()
    return (answers[0] if answers else None), store


async def create(backend: SimBackend) -> Any:
    return type(await backend.create("a", b"new"))


async def get(backend: SimBackend) -> Any:
    return await backend.get("a")


WRITTEN = [
    (Plan(Fault.NONE, 5, 7), (Created, 12), True),
    (Plan(Fault.LOST, 5, 7), (Unavailable, 5), False),
    (Plan(Fault.REPLY_LOST, 5, 7), (Unavailable, 12), True),
    (Plan(Fault.LATE, 5, 700), (Unavailable, 5), True),
    (Plan(Fault.TWICE, 5, 7), (Exists, 12), True),
    (Plan(Fault.CRASH_BEFORE, 5, 7), None, False),
    (Plan(Fault.CRASH_IN_FLIGHT, 5, 700), None, True),
    (Plan(Fault.CRASH_AFTER, 5, 7), None, True),
    (Plan(Fault.CRASH_TORN, 5, 7), None, False),
]


@pytest.mark.parametrize(("plan", "answer", "landed"), WRITTEN, ids=lambda x: str(x)[:40])
def test_a_fault_means_what_it_says_for_a_write(plan: Plan, answer: object, landed: bool) -> None:
    told, store = ask(plan, create)
    assert told == answer
    assert ("a" in store.objects) == landed


def test_a_late_write_lands_after_whatever_was_created_meanwhile() -> None:
    async def twice(backend: SimBackend) -> Any:
        with pytest.raises(Unavailable):
            await backend.create("a", b"first")
        backend.store.create("a", b"second")
        return None

    _, store = ask(Plan(Fault.LATE, 5, 700), twice)
    assert store.objects["a"].body == b"second"


def test_a_late_read_is_a_lost_one() -> None:
    assert ask(Plan(Fault.LATE, 5, 700), get)[0] == (Unavailable, 5)


@pytest.mark.parametrize("name", BY_NAME)
def test_who_may_not_list_is_told_403_for_what_is_absent_on_one_dialect(name: str) -> None:
    told, _ = ask(PLAIN, get, dialect=name)
    assert told is not None
    assert told[0] is (Denied if name == "s3-no-list" else None)


def test_who_may_list_is_told_that_it_is_absent() -> None:
    world = World(1, {})
    store = SimStore(world, BY_NAME["s3-no-list"])
    assert world.call("p", lambda p: store.backend(p, may_list=True).get("a")) is None


@pytest.mark.parametrize("name", BY_NAME)
def test_versions_come_back_with_the_bytes_where_they_are_digests(name: str) -> None:
    store = SimStore(World(1, {}), BY_NAME[name])
    first = store.create("a", b"A")
    assert isinstance(first, Created)
    second = store.update("a", b"B", first.version)
    assert isinstance(second, Updated)
    third = store.update("a", b"A", second.version)
    assert isinstance(third, Updated)
    again = store.update("a", b"C", first.version)
    assert isinstance(again, Updated if BY_NAME[name].versions_repeat else Changed)


def test_a_torn_write_leaves_a_scrap_under_another_name_on_local_disks_only() -> None:
    torn = Plan(Fault.CRASH_TORN, 1, 1)
    assert ask(torn, create, dialect="s3")[1].objects == {}
    (path,) = ask(torn, create, dialect="posix")[1].objects
    assert path.startswith("a.")
    assert path.endswith(".tmp")


def test_a_store_that_writes_in_place_tears_the_object_itself() -> None:
    store = SimStore(World(1, {}), Dialect("bad", versions_repeat=True, writes_in_place=True))
    store.tear("a", b"abcdef")
    assert store.objects["a"].body == b"abc"


def test_watchers_hear_of_every_change_and_of_nothing_else() -> None:
    heard: list[object] = []

    class Ear:
        def written(self, path: str, before: bytes | None, after: bytes) -> None:
            heard.append((path, before, after))

        def deleted(self, path: str, before: bytes) -> None:
            heard.append((path, before))

    store = SimStore(World(1, {}), BY_NAME["gcs"])
    store.watchers.append(Ear())
    store.create("a", b"1")
    store.create("a", b"2")
    store.update("a", b"3", StoreVersion("no such version"))
    store.replace("a", b"4")
    store.delete("a")
    store.delete("a")
    assert heard == [("a", None, b"1"), ("a", b"1", b"4"), ("a", b"4")]


def test_nobody_signs() -> None:
    told, _ = ask(PLAIN, lambda backend: backend.sign("a", 60))
    assert told[0] is Invalid


PATHS = st.sampled_from(["a", "a/1", "a/2", "a/b/1", "b", "é", "\uffff", "\U0001f600"])
BODIES = st.binary(max_size=3)


class StoreMachine(RuleBasedStateMachine):
    """The same calls on the simulated store and on the memory backend: the same answers."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = MemoryBackend()
        self.world = World(1, {})
        self.store = SimStore(self.world, BY_NAME["gcs"])
        self.calls = 0

    def both(self, act: Callable[[Any], Any]) -> tuple[Any, Any]:
        """Return what each answers."""
        self.calls += 1
        there = self.world.call(f"p{self.calls}", lambda p: act(self.store.backend(p)))
        return asyncio.run(act(self.memory)), there

    @rule(path=PATHS, body=BODIES)
    def create(self, path: str, body: bytes) -> None:
        """Create on both."""
        here, there = self.both(lambda backend: backend.create(path, body))
        assert type(here) is type(there)

    @rule(path=PATHS, body=BODIES, stale=st.booleans())
    def update(self, path: str, body: bytes, stale: bool) -> None:
        """Swap on both, at the version that each calls its own."""

        async def act(backend: Any) -> object:
            found = await backend.head(path)
            expected = StoreVersion("gone") if stale or found is None else found.version
            return await backend.update(path, body, expected)

        here, there = self.both(act)
        assert type(here) is type(there)

    @rule(path=PATHS, body=BODIES)
    def replace(self, path: str, body: bytes) -> None:
        """Write over on both."""
        self.both(lambda backend: backend.replace(path, body))

    @rule(path=PATHS)
    def delete(self, path: str) -> None:
        """Delete on both."""
        self.both(lambda backend: backend.delete(path))

    @rule(path=PATHS, start=st.integers(0, 4), end=st.none() | st.integers(0, 4))
    def get(self, path: str, start: int, end: int | None) -> None:
        """Read a range on both."""

        async def act(backend: Any) -> Any:
            try:
                return await backend.get(path, start, end)
            except Invalid:
                return Stored(b"refused", StoreVersion(""))

        here, there = self.both(act)
        assert _body(here) == _body(there)

    @rule(prefix=st.sampled_from(["", "a", "a/", "a/b/", "zz"]), after=st.none() | PATHS)
    def list(self, prefix: str, after: str | None) -> None:
        """List on both."""
        here, there = self.both(lambda backend: backend.list_page(prefix, after, 3))
        assert here == there
        assert all(isinstance(name, Named) for name in there)

    @invariant()
    def holds_the_same(self) -> None:
        """Every object has the same bytes, and a version of its own."""
        here = {path: found.body for path, found in self.memory._objects.items()}
        assert here == {path: found.body for path, found in self.store.objects.items()}
        versions = [found.version for found in self.store.objects.values()]
        assert len(set(versions)) == len(versions)


def _body(found: Stored | None) -> bytes | None:
    return None if found is None else found.body


StoreMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestTheSimulatedStoreAgreesWithTheMemoryBackend = StoreMachine.TestCase
