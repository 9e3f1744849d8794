"""The store on a disk keeps what every store promises, and what only a disk makes difficult."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arco.adapters import folders, local
from arco.adapters.local import LocalBackend
from arco.capabilities import Backend, Changed, Created, Exists, StoreVersion
from arco.core.errors import ArcoError, Corrupt, Denied, Invalid, Unavailable
from tests.arco.adapters.backend_suite import (
    EVERY_OPERATION,
    FOLDER_NAMES,
    TEN,
    BackendSuite,
    Opened,
    body_of,
    call,
    run,
    written,
)

DEEP = "tenant=t/workspace=w/ledger/x"


class TestLocal(BackendSuite):
    """Racers are threads with a store each; `tests/e2e` has processes that are killed."""

    names = FOLDER_NAMES

    @pytest.fixture
    def opened(self, tmp_path: Path) -> Opened:
        """Open the same folder again and again."""
        return lambda: LocalBackend.make(tmp_path / "store")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the root of a store that holds the object `x`."""
    path = tmp_path / "store"
    run(written(LocalBackend.make(path), "x", TEN))
    return path


def names_below(root: Path) -> list[str]:
    """Return every file below a root that is no lock, so what is staged too."""
    files = (path for path in root.rglob("*") if not path.is_dir())
    inside = (path.relative_to(root).as_posix() for path in files)
    return sorted(name for name in inside if not name.startswith(local.LOCKS))


# --- what it costs --------------------------------------------------------------------------------


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows by what each sync was of: `file` or `folder`."""
    seen: list[str] = []
    fsync = os.fsync

    def counted(descriptor: int) -> None:
        seen.append("folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", counted)
    return seen


def test_syncs_are_as_the_docstrings_say(root: Path, synced: list[str]) -> None:
    backend = LocalBackend(root)

    async def steps() -> dict[str, list[str]]:
        await written(backend, "warm", TEN)  # the folders of this process are known from here
        version = await written(backend, "y", TEN)
        await backend.update("y", b"one", version)
        costs = {}
        for name, step in {
            "create": backend.create("z", TEN),
            "create again": backend.create("z", TEN),
            "update": backend.update("z", b"two", version),
            "update late": backend.update("z", b"three", version),
            "replace": backend.replace("z", b"four"),
            "get": backend.get("z"),
            "head": backend.head("z"),
            "list_page": backend.list_page("", None, 10),
            "delete": backend.delete("z"),
            "delete again": backend.delete("z"),
        }.items():
            synced.clear()
            await step
            costs[name] = list(synced)
        return costs

    assert run(steps()) == {
        "create": ["file", "folder"],
        "create again": ["folder"],
        "update": ["file", "folder"],
        "update late": [],
        "replace": ["file", "folder"],
        "get": [],
        "head": [],
        "list_page": [],
        "delete": ["folder"],
        "delete again": [],
    }


def test_a_folder_costs_one_sync_per_process_whoever_made_it(root: Path, synced: list[str]) -> None:
    """Its maker may have died before its own sync, so everybody who writes there syncs it."""

    async def steps() -> list[int]:
        counts: list[int] = []
        for _ in range(2):
            backend = LocalBackend(root)
            for number in range(2):
                synced.clear()
                await backend.create(f"{DEEP}/{len(counts)}", bytes(number))
                counts.append(len(synced))
        return counts

    # Four folders of the path and two of our own, then none.
    assert run(steps()) == [2 + 4 + 2, 2, 2 + 4 + 2, 2]


def test_making_a_root_syncs_each_new_folder(tmp_path: Path, synced: list[str]) -> None:
    LocalBackend.make(tmp_path / "a/b/c")
    assert synced == ["folder"] * 3
    LocalBackend.make(tmp_path / "a/b/c")
    assert len(synced) == 3


def test_a_listing_reads_no_folder_in_vain(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = LocalBackend(root)
    for folder in "abcdef":
        for name in ("1/x", "2/x"):
            run(written(backend, f"p/{folder}/{name}", TEN))
    read: list[str] = []
    scandir = os.scandir

    def counted(descriptor: Any) -> Any:
        read.append(os.path.relpath(os.readlink(f"/proc/self/fd/{descriptor}"), root))
        return scandir(descriptor)

    monkeypatch.setattr(os, "scandir", counted)
    page = run(backend.list_page("p/", "p/c/1/x", 2))
    assert [name.path for name in page] == ["p/c/2/x", "p/d/1/x"]
    assert read == ["p", "p/c", "p/c/1", "p/c/2", "p/d", "p/d/1"]
    read.clear()
    assert len(run(backend.list_page("p/e/2", None, 10))) == 1
    assert read == ["p/e", "p/e/2"]


def test_few_folders_are_held_open(root: Path) -> None:
    backend = LocalBackend(root)
    before = len(os.listdir("/proc/self/fd"))
    for number in range(2 * folders.HELD_MAX):
        run(written(backend, f"many/{number}/x", TEN))
    assert len(os.listdir("/proc/self/fd")) <= before + folders.HELD_MAX
    del backend
    assert len(os.listdir("/proc/self/fd")) < before


# --- a disk that refuses in the middle ------------------------------------------------------------

STEPS = (
    *("open", "write", "fsync", "link", "rename", "unlink", "mkdir", "rmdir", "pread"),
    *("stat", "lstat", "scandir"),
)
"""Every call of the system by which an operation does something or learns something."""
REFUSALS = {
    errno.EACCES: Denied,
    errno.EROFS: Denied,
    errno.ENOSPC: Unavailable,
    errno.EDQUOT: Unavailable,
    errno.EIO: Unavailable,
}


class Faulty:
    """Lets so many calls of the system through, then refuses one, or all from there on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, number: int, *, for_good: bool) -> None:
        self.left, self.number, self.for_good = -1, number, for_good
        self.refused = False
        monkeypatch.setattr(os, "fsync", lambda _: None)  # thousands, of which the disk knows none
        for name in STEPS:
            monkeypatch.setattr(os, name, self.wrapped(getattr(os, name)))
        monkeypatch.setattr(fcntl, "flock", self.wrapped(fcntl.flock))

    def wrapped(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return a call that counts down, and refuses when its turn has come."""

        def counted(*arguments: Any, **named: Any) -> Any:
            if self.left == 0:
                self.refused = True
                self.left -= 0 if self.for_good else 1
                raise OSError(self.number, os.strerror(self.number))
            self.left -= 1
            return call(*arguments, **named)

        return counted


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_told_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    backend = LocalBackend.make(tmp_path)
    faulty = Faulty(monkeypatch, number, for_good=True)
    faulty.left = 3
    with pytest.raises(Unavailable, match="the disk has no room") as told:
        run(backend.create("x", TEN))
    assert "make room" in told.value.next_step


@pytest.mark.parametrize("for_good", [False, True])
@pytest.mark.parametrize("number", REFUSALS)
@pytest.mark.parametrize("operation", EVERY_OPERATION)
def test_whatever_the_disk_refuses_nothing_is_half_done(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    number: int,
    for_good: bool,
) -> None:
    """Refuses each call in turn, until the operation needs none that is refused."""
    faulty = Faulty(monkeypatch, number, for_good=for_good)
    expected = StoreVersion(local._version(TEN))
    monkeypatch.setitem(EVERY_OPERATION, "update", lambda b: b.update("x", b"two", expected))
    for count in range(100):
        root = tmp_path / str(count)
        faulty.left, faulty.refused = -1, False
        run(written(LocalBackend.make(root), "x", TEN))
        backend = LocalBackend(root)
        faulty.left = count
        told = run(outcome(backend, operation))
        faulty.left = -1
        check_whole(root, operation, told, REFUSALS[number])
        if not faulty.refused:
            assert not isinstance(told, ArcoError)
            assert count > 1
            return
    pytest.fail("it never ends")


async def outcome(backend: Backend, operation: str) -> object:
    """Return what an operation answered, or how it was refused."""
    try:
        return await call(backend, operation)
    except ArcoError as error:
        return error


def check_whole(root: Path, operation: str, told: object, kind: type[ArcoError]) -> None:
    """All or nothing happened; what was denied did not; what was answered is there."""
    after = {
        "create": {"x": TEN, "y": b"one"},
        "update": {"x": b"two"},
        "replace": {"x": b"two"},
        "delete": {},
    }.get(operation, {"x": TEN})
    before = {"x": TEN}
    store = LocalBackend(root)
    names = [name.path for name in run(store.list_page("", None, 100))]
    found = {name: run(body_of(store, name)) for name in names}
    assert found in (before, after)
    if isinstance(told, ArcoError):
        assert isinstance(told, kind | Unavailable), told
        assert told.next_step
        assert "`" in told.problem
    if isinstance(told, Denied):
        assert found == before
        assert not told.hides_absence
    if not isinstance(told, ArcoError):
        assert found == after
    assert len(names_below(root)) <= len(found) + 1, "staged once, and left at most once"


def test_a_store_that_can_only_be_read_can_be_read(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(root / local.OWN)
    real = os.open

    def opened(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if flags & (os.O_CREAT | os.O_WRONLY):
            raise OSError(errno.EROFS, "read-only")
        return real(path, flags, *more, **named)

    def refused(*_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, "read-only")

    monkeypatch.setattr(os, "open", opened)
    monkeypatch.setattr(os, "mkdir", refused)
    backend = LocalBackend(root)
    assert run(body_of(backend, "x")) == TEN
    assert len(run(backend.list_page("", None, 10))) == 1
    for operation in ("create", "update", "replace", "delete"):
        with pytest.raises(Denied, match="read-only file system"):
            run(call(backend, operation))


def test_a_disk_that_does_not_confirm_is_an_unknown_outcome(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even by an error that would be a denial earlier: the name is there for everybody to read."""
    backend = LocalBackend(root)
    run(written(backend, "w", TEN))
    syncs = iter([None, OSError(errno.EROFS, "read-only")])

    def fsync(_: int) -> None:
        if (error := next(syncs)) is not None:
            raise error

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(Unavailable, match="did not confirm"):
        run(backend.create("y", TEN))
    monkeypatch.undo()
    assert run(backend.create("y", TEN)) == Exists()


# --- what else may lie in a folder ----------------------------------------------------------------


@pytest.fixture(params=sorted(EVERY_OPERATION.keys() - {"list_page"}))
def touched(request: pytest.FixtureRequest) -> Callable[[Backend, str], object]:
    """Return a function that makes one call, of any kind, on a path."""
    version = StoreVersion(local._version(TEN))
    steps: dict[str, Callable[[Backend, str], Any]] = {
        "get": lambda b, p: b.get(p),
        "get_range": lambda b, p: b.get(p, 1, 2),
        "head": lambda b, p: b.head(p),
        "create": lambda b, p: b.create(p, b"new"),
        "update": lambda b, p: b.update(p, b"new", version),
        "replace": lambda b, p: b.replace(p, b"new"),
        "delete": lambda b, p: b.delete(p),
    }
    return lambda backend, path: run(steps[request.param](backend, path))


Touched = Callable[[Backend, str], object]


def test_no_link_is_followed_to_a_folder(root: Path, tmp_path: Path, touched: Touched) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x").write_bytes(TEN)
    (root / "away").symlink_to(outside)
    with pytest.raises(Corrupt, match="neither an object nor a folder"):
        touched(LocalBackend(root), "away/x")
    assert names_below(outside) == ["x"]
    assert (outside / "x").read_bytes() == TEN


def test_no_link_is_followed_to_an_object(root: Path, tmp_path: Path, touched: Touched) -> None:
    (tmp_path / "secret").write_bytes(TEN)
    (root / "y").symlink_to(tmp_path / "secret")
    (root / "z").symlink_to(tmp_path / "nowhere")
    for name in "yz":
        with pytest.raises(Corrupt, match="neither an object nor a folder"):
            touched(LocalBackend(root), name)
    assert (tmp_path / "secret").read_bytes() == TEN
    assert not (tmp_path / "nowhere").exists()


def test_a_link_that_is_put_there_later_is_not_followed(
    root: Path, tmp_path: Path, touched: Touched
) -> None:
    """What is known of a folder is forgotten when another one is there."""
    backend = LocalBackend(root)
    run(written(backend, "a/b/x", TEN))
    shutil.move(root / "a", tmp_path / "moved")
    (root / "a").symlink_to(tmp_path / "outside")
    shutil.copytree(tmp_path / "moved", tmp_path / "outside")
    with pytest.raises(Corrupt, match="neither an object nor a folder"):
        touched(backend, "a/b/x")
    assert names_below(tmp_path / "outside") == ["b/x"]


def test_a_pipe_is_no_object(root: Path, touched: Touched) -> None:
    os.mkfifo(root / "pipe")
    with pytest.raises(Corrupt, match="neither an object nor a folder"):
        touched(LocalBackend(root), "pipe")


def test_a_name_is_of_an_object_or_of_a_folder(root: Path, touched: Touched) -> None:
    backend = LocalBackend(root)
    run(written(backend, "a/b", TEN))
    for path in ("a", "a/b/c", "x/y/z"):
        with pytest.raises(Invalid, match="an object and of a folder"):
            touched(backend, path)
    assert run(body_of(backend, "a/b")) == TEN


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "/x", "x/", "a//b", ".", "..", "../x", "a/../x", "a/./b", ".local/locks/00"),
        *(".hidden", "a/.b", "nul\0", "half \ud800", "x" * 1025, "d/" * 70 + "x"),
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(root: Path, path: str, touched: Touched) -> None:
    before = names_below(root)
    with pytest.raises(Invalid, match="not a path of a local store"):
        touched(LocalBackend(root), path)
    assert names_below(root) == before


def test_a_name_longer_than_the_disk_allows_is_refused(root: Path, touched: Touched) -> None:
    with pytest.raises(Invalid, match="this disk cannot hold it"):
        touched(LocalBackend(root), "a" * 300)


def test_a_listing_names_what_is_no_object_and_goes_nowhere_else(
    root: Path, tmp_path: Path
) -> None:
    (root / "away").symlink_to(tmp_path)
    (root / "broken").symlink_to("nowhere")
    os.mkfifo(root / "pipe")
    backend = LocalBackend(root)
    page = run(backend.list_page("", None, 10))
    assert [name.path for name in page] == ["away", "broken", "pipe", "x"]
    for prefix in ("../", "//", ".local/", "a/../"):
        with pytest.raises(Invalid, match="not a path"):
            run(backend.list_page(prefix, None, 10))


def test_an_object_that_is_cut_while_it_is_read_is_corrupt(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = iter([b"01", b""])
    monkeypatch.setattr(os, "pread", lambda *_: next(parts))
    with pytest.raises(Corrupt, match=r"missing_bytes=`8`"):
        run(LocalBackend(root).get("x"))


# --- the root -------------------------------------------------------------------------------------


def test_a_root_that_is_missing_or_a_file_is_refused(root: Path, tmp_path: Path) -> None:
    for path in (tmp_path / "none", root / "x", root / "x" / "y"):
        with pytest.raises(Invalid, match="no such folder") as told:
            LocalBackend(path)
        assert "arco init" in told.value.next_step
    for path in (root / "x", root / "x" / "y"):
        with pytest.raises(Invalid, match="in the way"):
            LocalBackend.make(path)


def test_a_root_may_be_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    assert run(body_of(LocalBackend(tmp_path / "link"), "x")) == TEN


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("operation", EVERY_OPERATION)
def test_a_root_that_went_away_is_not_an_empty_store(
    root: Path, operation: str, again: bool
) -> None:
    """A disk that was unmounted would answer that nothing exists, which is never true."""
    backend = LocalBackend(root)
    run(written(backend, "a/b", TEN))
    root.rename(root.with_name("moved"))
    if again:
        root.mkdir()
    with pytest.raises(Unavailable, match="the folder of the store is gone"):
        run(call(backend, operation))


# --- other processes ------------------------------------------------------------------------------


def test_what_was_staged_long_ago_is_swept_when_opened(root: Path) -> None:
    staging = root / local.STAGING
    for name, age_s in {"old": local.STAGING_AGE_S + 60, "young": local.STAGING_AGE_S - 60}.items():
        (staging / name).write_bytes(TEN)
        os.utime(staging / name, (time.time() - age_s,) * 2)
    LocalBackend(root)
    assert [path.name for path in staging.iterdir()] == ["young"]
    assert [name.path for name in run(LocalBackend(root).list_page("", None, 9))] == ["x"]


def test_an_update_waits_for_a_lock_and_not_for_ever(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = LocalBackend(root)
    monkeypatch.setattr(local, "LOCK_COUNT", 1)
    run(backend.replace("x", TEN))
    moments = iter(range(1_000))
    pauses: list[float] = []
    monkeypatch.setattr(time, "monotonic", lambda: next(moments))
    monkeypatch.setattr(time, "sleep", pauses.append)
    with (root / local.LOCKS / "00").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(Unavailable, match="another process holds the lock"):
            run(backend.replace("x", b"two"))
        assert run(body_of(backend, "x")) == TEN
        assert isinstance(run(backend.create("y", TEN)), Created)
    assert len(pauses) == local.LOCK_WAIT_S
    run(backend.replace("x", b"two"))


def test_emptied_folders_go_and_come_again(root: Path) -> None:
    one, other = LocalBackend(root), LocalBackend(root)

    async def steps() -> None:
        for body in (b"one", b"two", b"three"):
            version = await written(one, DEEP, body)
            assert await other.create(DEEP, b"no") == Exists()
            await other.delete(DEEP)
            assert not (root / "tenant=t").exists()
            assert await one.update(DEEP, b"no", version) == Changed()
            assert await one.list_page("", None, 10) == await other.list_page("", None, 10)

    run(steps())


@pytest.mark.parametrize("times", [1, local.MOVES_MAX - 1, local.MOVES_MAX])
def test_a_folder_that_is_taken_away_is_made_again_but_not_for_ever(
    root: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """Another process prunes the empty folder between its making and our link, again and again."""
    taken: list[str] = []
    link = os.link

    def beaten(*arguments: Any, **named: Any) -> None:
        if len(taken) < times:
            taken.append("folder")
            (root / "a").rmdir()
        link(*arguments, **named)

    monkeypatch.setattr(os, "link", beaten)
    create = LocalBackend(root).create("a/x", TEN)
    if times < local.MOVES_MAX:
        assert isinstance(run(create), Created)
    else:
        with pytest.raises(Unavailable, match="went away again and again"):
            run(create)
    assert len(taken) == times
    assert len(names_below(root)) == 1 + (times < local.MOVES_MAX)


def test_a_create_that_loses_at_the_link_is_exists(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process creates the name after our look and before our link."""
    link = os.link

    def beaten(*arguments: Any, **named: Any) -> None:
        (root / "y").write_bytes(b"theirs")
        link(*arguments, **named)

    monkeypatch.setattr(os, "link", beaten)
    backend = LocalBackend(root)
    assert run(backend.create("y", b"ours")) == Exists()
    assert run(body_of(backend, "y")) == b"theirs"
    assert names_below(root) == ["x", "y"]


def test_a_local_store_signs_nothing(root: Path) -> None:
    with pytest.raises(Invalid, match="signs no addresses"):
        run(LocalBackend(root).sign("x", 60))


def test_an_object_that_is_made_while_it_is_looked_for_was_absent(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = LocalBackend(root)
    opened = os.open

    def late(name: Any, *words: Any, **more: Any) -> int:
        try:
            return opened(name, *words, **more)
        except FileNotFoundError:
            (root / str(name)).write_bytes(TEN)  # another process, a moment after
            raise

    monkeypatch.setattr(os, "open", late)
    assert run(backend.get("late")) is None
    found = run(backend.get("late"))
    assert found is not None
    assert found.body == TEN
