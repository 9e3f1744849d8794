"""What every backend promises, as tests that each backend inherits.

A subclass has a fixture `opened`: a function that opens the store under test once more, as another
thread or process would. Each test has a prefix of its own, so that one server serves them all.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, ClassVar, TypeVar
from urllib.request import urlopen

import pytest

from arco.capabilities import Backend, Changed, Created, Exists, Stored, StoreVersion, Updated
from arco.core.errors import ArcoError, Invalid

T = TypeVar("T")
Opened = Callable[[], Backend]
Job = Callable[[Backend, int], Coroutine[Any, Any, None]]

TEN = b"0123456789"
BIG_BYTES = 9 * 1024 * 1024 + 1
"""More than any client sends in one piece when it is left alone, and not a round number."""
RACERS = 6
RACES = 20
INCREMENTS = 15
NAMES = ("a", "a-b", "a.b", "a/b", "a/b-c", "a/b/c", "a0", "b/a", "ba", "B", "é", "ﬁ", "𝄞")
"""Names whose order differs between folders, whole paths, UTF-16 and the order of creation."""
FOLDER_NAMES = tuple(name for name in NAMES if name not in ("a", "a/b"))
"""The same for stores on folders, where no object's name can be a folder of another."""
STARTS = ("", "a", "a,", "a/", "a/b", "a/bb", "a1", "zzz", "b")
"""Where a page may begin: behind any text, whether an object has that name or not."""


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on an event loop of its own."""
    return asyncio.run(coroutine)


def race_threads(opened: Opened, job: Job) -> None:
    """Run a job in threads, each with its own store and loop; fail when one of them fails."""
    failures: list[BaseException] = []
    start = threading.Barrier(RACERS)

    def racer(number: int) -> None:
        try:
            backend = opened()
            start.wait()
            run(job(backend, number))
        except BaseException as error:
            failures.append(error)
            start.abort()

    threads = [threading.Thread(target=racer, args=(n,)) for n in range(RACERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def race_tasks(opened: Opened, job: Job) -> None:
    """Run a job in tasks of one loop: for a store that lives in one process and loop."""

    async def together() -> None:
        await asyncio.gather(*(job(opened(), n) for n in range(RACERS)))

    run(together())


async def written(backend: Backend, path: str, body: bytes) -> StoreVersion:
    """Create an object that does not exist; return its version."""
    done = await backend.create(path, body)
    assert isinstance(done, Created)
    return done.version


async def body_of(backend: Backend, path: str) -> bytes | None:
    """Return the bytes of an object, or None."""
    found = await backend.get(path)
    return None if found is None else found.body


async def all_pages(backend: Backend, prefix: str, limit: int) -> list[tuple[str, int]]:
    """Return the names below a prefix, asked for a page at a time, and their sizes."""
    names: list[tuple[str, int]] = []
    after = None
    while page := await backend.list_page(prefix, after, limit):
        assert len(page) <= limit
        names += [(name.path, name.size_bytes) for name in page]
        after = page[-1].path
    return names


class BackendSuite:
    """The promises. Nothing here knows which store it talks to."""

    versions_repeat: ClassVar[bool] = True
    """Whether a version comes again with the bytes: then what is swapped needs a nonce."""
    signs: ClassVar[bool] = False
    names: ClassVar[tuple[str, ...]] = NAMES
    starts: ClassVar[tuple[str, ...]] = STARTS

    def race(self, opened: Opened, job: Job) -> None:
        """Run a job by several racers at once; in threads, unless a store is of one loop."""
        race_threads(opened, job)

    @pytest.fixture
    def backend(self, opened: Opened) -> Backend:
        """The store under test."""
        return opened()

    @pytest.fixture
    def at(self, request: pytest.FixtureRequest) -> str:
        """A prefix that only this test uses."""
        return "suite/" + hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:12] + "/"

    # --- create ---------------------------------------------------------------------------------

    def test_what_is_created_is_read_back(self, backend: Backend, at: str) -> None:
        async def steps() -> None:
            version = await written(backend, at + "x/y.json", TEN)
            assert await backend.get(at + "x/y.json") == Stored(TEN, version)
            meta = await backend.head(at + "x/y.json")
            assert meta is not None
            assert (meta.size_bytes, meta.version) == (10, version)

        run(steps())

    @pytest.mark.parametrize("size", [0, 1, BIG_BYTES])
    def test_a_body_may_have_any_size(self, backend: Backend, at: str, size: int) -> None:
        async def steps() -> None:
            body = b"ab\0c" * (size // 4) + b"z" * (size % 4)
            version = await written(backend, at + "x", body)
            assert await body_of(backend, at + "x") == body
            assert isinstance(await backend.update(at + "x", body + b"!", version), Updated)
            await backend.replace(at + "x", body + b"?")
            assert await body_of(backend, at + "x") == body + b"?"
            meta = await backend.head(at + "x")
            assert meta is not None
            assert meta.size_bytes == size + 1

        run(steps())

    def test_what_exists_is_not_created_again(self, backend: Backend, at: str) -> None:
        async def steps() -> None:
            await written(backend, at + "x", b"first")
            assert await backend.create(at + "x", b"second") == Exists()
            assert await backend.create(at + "x", b"first") == Exists()
            assert await body_of(backend, at + "x") == b"first"

        run(steps())

    def test_create_race_has_one_winner(self, opened: Opened, at: str) -> None:
        won: list[tuple[int, int]] = []

        async def job(backend: Backend, racer: int) -> None:
            for race in range(RACES):
                done = await backend.create(f"{at}{race}", f"racer {racer}".encode())
                if isinstance(done, Created):
                    won.append((race, racer))
                else:
                    assert done == Exists()

        self.race(opened, job)
        assert sorted(race for race, _ in won) == list(range(RACES))

        async def check(backend: Backend) -> None:
            for race, racer in won:
                assert await body_of(backend, f"{at}{race}") == f"racer {racer}".encode()

        run(check(opened()))

    # --- update ---------------------------------------------------------------------------------

    def test_an_update_needs_the_version_that_stands(self, backend: Backend, at: str) -> None:
        async def steps() -> None:
            first = await written(backend, at + "x", b"one")
            done = await backend.update(at + "x", b"two", first)
            assert isinstance(done, Updated)
            assert await backend.update(at + "x", b"three", first) == Changed()
            assert await backend.get(at + "x") == Stored(b"two", done.version)
            assert first != done.version

        run(steps())

    def test_the_version_of_a_get_or_a_head_will_do(self, backend: Backend, at: str) -> None:
        async def steps() -> None:
            await written(backend, at + "x", b"one")
            found = await backend.get(at + "x")
            assert found is not None
            assert isinstance(await backend.update(at + "x", b"two", found.version), Updated)
            meta = await backend.head(at + "x")
            assert meta is not None
            assert isinstance(await backend.update(at + "x", b"three", meta.version), Updated)

        run(steps())

    def test_an_update_of_what_is_missing_is_changed(self, backend: Backend, at: str) -> None:
        async def steps() -> None:
            version = await written(backend, at + "x", b"one")
            assert await backend.update(at + "y", b"two", version) == Changed()
            assert await backend.get(at + "y") is None
            await backend.delete(at + "x")
            assert await backend.update(at + "x", b"two", version) == Changed()
            assert await backend.get(at + "x") is None

        run(steps())

    def test_no_increment_of_a_counter_is_lost(self, opened: Opened, at: str) -> None:
        run(written(opened(), at + "counter", b"0"))

        async def job(backend: Backend, _: int) -> None:
            done = 0
            while done < INCREMENTS:
                found = await backend.get(at + "counter")
                assert found is not None
                more = str(int(found.body) + 1).encode()
                swapped = await backend.update(at + "counter", more, found.version)
                done += isinstance(swapped, Updated)

        self.race(opened, job)
        assert run(body_of(opened(), at + "counter")) == str(RACERS * INCREMENTS).encode()

    def test_a_version_may_come_again_with_the_bytes(self, backend: Backend, at: str) -> None:
        """A-B-A: where it does, an update with the first version goes through."""

        async def steps() -> None:
            first = await written(backend, at + "x", b"a")
            second = await backend.update(at + "x", b"b", first)
            assert isinstance(second, Updated)
            third = await backend.update(at + "x", b"a", second.version)
            assert isinstance(third, Updated)
            assert (third.version == first) is self.versions_repeat
            late = await backend.update(at + "x", b"c", first)
            assert isinstance(late, Updated) is self.versions_repeat

        run(steps())

    # --- replace and delete ---------------------------------------------------------------------

    def test_replace_writes_whatever_stands_there(self, backend: Backend, at: str) -> None:
        async def steps() -> None:
            await backend.replace(at + "x", b"one")
            before = await backend.get(at + "x")
            await backend.replace(at + "x", b"two")
            after = await backend.get(at + "x")
            assert before is not None
            assert after is not None
            assert (before.body, after.body) == (b"one", b"two")
            assert before.version != after.version
            assert await backend.create(at + "x", b"three") == Exists()

        run(steps())

    def test_what_is_replaced_is_never_seen_in_part(self, opened: Opened, at: str) -> None:
        run(written(opened(), at + "x", b"0" * 70_000))

        async def job(backend: Backend, racer: int) -> None:
            for number in range(RACES // 2):
                if racer % 2:
                    letter = bytes([97 + (racer * RACES + number) % 26])
                    await backend.replace(at + "x", letter * (60_000 + 1_000 * racer))
                else:
                    body = await body_of(backend, at + "x")
                    assert body is not None
                    assert len(body) >= 61_000
                    assert body == body[:1] * len(body)

        self.race(opened, job)

    def test_what_is_deleted_is_gone(self, backend: Backend, at: str) -> None:
        async def steps() -> None:
            await written(backend, at + "x/y", b"one")
            await backend.delete(at + "x/y")
            assert await backend.get(at + "x/y") is None
            assert await backend.head(at + "x/y") is None
            assert await backend.list_page(at, None, 10) == ()
            await written(backend, at + "x/y", b"two")

        run(steps())

    def test_deleting_what_is_absent_is_no_error(self, backend: Backend, at: str) -> None:
        async def steps() -> None:
            await backend.delete(at + "x")
            await written(backend, at + "x", b"one")
            await backend.delete(at + "x")
            await backend.delete(at + "x")

        run(steps())

    # --- reading --------------------------------------------------------------------------------

    def test_what_is_absent_is_none(self, backend: Backend, at: str) -> None:
        async def steps() -> None:
            assert await backend.get(at + "x") is None
            assert await backend.get(at + "x/y/z", 0, 5) is None
            assert await backend.get(at + "x", 5) is None
            assert await backend.get(at + "x", 5, 5) is None
            assert await backend.head(at + "x/y") is None

        run(steps())

    @pytest.mark.parametrize(
        ("start", "end"),
        [
            (0, 1),
            (3, 7),
            (5, None),
            (0, 10),
            (0, 100),
            (9, 11),
            (3, 3),
            (0, 0),
            (10, 20),
            (12, None),
        ],
    )
    def test_a_range_is_what_a_slice_is(
        self, backend: Backend, at: str, start: int, end: int | None
    ) -> None:
        async def steps() -> None:
            await written(backend, at + "x", TEN)
            found = await backend.get(at + "x", start, end)
            assert found is not None
            assert found.body == TEN[start:end]

        run(steps())

    @pytest.mark.parametrize(("start", "end"), [(0, None), (0, 1), (0, 0), (1, None)])
    def test_a_range_of_nothing_is_nothing(
        self, backend: Backend, at: str, start: int, end: int | None
    ) -> None:
        async def steps() -> None:
            await written(backend, at + "x", b"")
            found = await backend.get(at + "x", start, end)
            assert found is not None
            assert found.body == b""

        run(steps())

    @pytest.mark.parametrize(("start", "end"), [(-1, None), (0, -1), (5, 3)])
    def test_what_is_no_range_is_refused(
        self, backend: Backend, at: str, start: int, end: int | None
    ) -> None:
        async def steps() -> None:
            await written(backend, at + "x", TEN)
            with pytest.raises(Invalid, match="not a range"):
                await backend.get(at + "x", start, end)

        run(steps())

    # --- listing --------------------------------------------------------------------------------

    @pytest.fixture
    def filled(self, backend: Backend, at: str) -> tuple[str, ...]:
        """Objects of many names; returns them in the order of code points."""

        async def steps() -> None:
            for size, name in enumerate(reversed(self.names)):
                await written(backend, at + name, b"x" * size)

        run(steps())
        return tuple(sorted(at + name for name in self.names))

    @pytest.mark.parametrize("limit", [1, 2, 5, 1_000])
    def test_names_are_listed_in_order_by_pages(
        self, backend: Backend, at: str, filled: tuple[str, ...], limit: int
    ) -> None:
        listed = run(all_pages(backend, at, limit))
        assert tuple(path for path, _ in listed) == filled
        sizes = {at + name: size for size, name in enumerate(reversed(self.names))}
        assert dict(listed) == sizes

    @pytest.mark.parametrize("inside", ["a", "a/", "a/b", "b", "a-", "zz", "a/d/e"])
    def test_a_prefix_may_end_anywhere(
        self, backend: Backend, at: str, filled: tuple[str, ...], inside: str
    ) -> None:
        listed = run(all_pages(backend, at + inside, 3))
        wanted = [path for path in filled if path.startswith(at + inside)]
        assert [path for path, _ in listed] == wanted

    def test_a_page_begins_behind_any_name(
        self, backend: Backend, at: str, filled: tuple[str, ...]
    ) -> None:
        async def steps() -> None:
            for start in (*self.starts, *self.names):
                page = await backend.list_page(at, at + start, 1_000)
                wanted = [path for path in filled if path > at + start]
                assert [name.path for name in page] == wanted, start

        run(steps())

    def test_a_page_of_nothing_is_empty(self, backend: Backend, at: str) -> None:
        async def steps() -> None:
            await written(backend, at + "x", TEN)
            assert await backend.list_page(at, None, 0) == ()
            assert await backend.list_page(at + "none/", None, 5) == ()

        run(steps())

    # --- signing --------------------------------------------------------------------------------

    def test_a_signed_address_reads_the_object(self, backend: Backend, at: str) -> None:
        async def steps() -> str:
            await written(backend, at + "x", TEN)
            return await backend.sign(at + "x", 60)

        if not self.signs:
            with pytest.raises(Invalid, match="signs no addresses"):
                run(steps())
            return
        with urlopen(run(steps())) as answer:
            assert answer.read() == TEN


Steps = Callable[[Backend], Awaitable[object]]

EVERY_OPERATION: dict[str, Steps] = {
    "get": lambda b: b.get("x"),
    "get_range": lambda b: b.get("x", 1, 3),
    "head": lambda b: b.head("x"),
    "create": lambda b: b.create("y", b"one"),
    "update": lambda b: b.update("x", b"two", StoreVersion('"0"')),
    "replace": lambda b: b.replace("x", b"two"),
    "delete": lambda b: b.delete("x"),
    "list_page": lambda b: b.list_page("", None, 10),
}
"""One call of everything that asks the store: for tests of refusals and of stores that are away."""


async def call(backend: Backend, operation: str) -> object:
    """Make one call, by its name in `EVERY_OPERATION`."""
    return await EVERY_OPERATION[operation](backend)


async def kinds(
    backend: Backend, operations: Iterable[str] = tuple(EVERY_OPERATION)
) -> dict[str, str]:
    """Return how each operation is refused, by the name of its error, or what it answered.

    A refusal that shows a secret, or has no next step, is another kind.
    """
    told = {}
    for operation in operations:
        try:
            told[operation] = repr(await call(backend, operation))
        except ArcoError as error:
            told[operation] = type(error).__name__
            leaks = "word" in str(error) or error.__cause__ is not None
            if leaks or not error.next_step:
                told[operation] += f", badly told: {error!r}"
    return told
