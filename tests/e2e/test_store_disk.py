"""A local store on a disk that is full, read-only, somebody else's or taken away: nothing torn."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from arco.adapters.local import LocalBackend
from arco.capabilities import Created
from arco.core.errors import Denied, Unavailable
from tests.e2e import process_kit
from tests.e2e.disk_kit import Mount, fill

T = TypeVar("T")
ROOMS_KIB = (0, 4, 8, 64, 192, 196, 300)
"""Room left on the disk: from nothing at all to just enough for the body and its folders."""
BODY = bytes(200_000)
ENOUGH_KIB = 196
NOBODY = 65_534
"""The user who owns nothing, on every Linux."""


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a loop of its own."""
    return asyncio.run(coroutine)


@pytest.fixture
def place() -> Iterator[Path]:
    """Return a folder where every user may come by; pytest's own are its user's alone."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.fixture
def disk(place: Path, mount: Mount) -> Path:
    """Return a small disk with a store that holds an object."""
    root = place / "disk"
    mount(root, "size=1m")
    run(LocalBackend(root).create("a/x", b"one"))
    return root


@pytest.mark.parametrize("operation", ["create", "replace", "update"])
@pytest.mark.parametrize("room_kib", ROOMS_KIB)
def test_a_full_disk_is_said_and_nothing_is_torn(disk: Path, room_kib: int, operation: str) -> None:
    backend = LocalBackend(disk)
    meta = run(backend.head("a/x"))
    assert meta is not None
    steps: dict[str, Coroutine[Any, Any, object]] = {
        "create": backend.create("b/y", BODY),
        "replace": backend.replace("a/x", BODY),
        "update": backend.update("a/x", BODY, meta.version),
    }
    step = steps.pop(operation)
    for other in steps.values():
        other.close()
    filler = fill(disk, room_kib)
    if room_kib < ENOUGH_KIB:
        with pytest.raises(Unavailable, match="no space left on device") as told:
            run(step)
        assert "room" in told.value.next_step
        assert bodies(backend) == {"a/x": b"one"}
        filler.unlink()
        assert isinstance(run(backend.create("b/y", BODY)), Created)
    else:
        run(step)
        assert BODY in bodies(backend).values()
    assert list((disk / ".local/staging").iterdir()) == []


def bodies(backend: LocalBackend) -> dict[str, bytes]:
    """Return every object of a store, but for what fills its disk."""
    paths = {name.path for name in run(backend.list_page("", None, 9))} - {"filler"}
    found = {path: run(backend.get(path)) for path in paths}
    return {path: stored.body for path, stored in found.items() if stored is not None}


def test_a_limit_on_files_is_a_full_disk_too(tmp_path: Path) -> None:
    LocalBackend.make(tmp_path / "store")
    code = (
        "import asyncio, resource, sys; from pathlib import Path;"
        "from arco.adapters.local import LocalBackend; from arco.core.errors import Unavailable\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: asyncio.run(LocalBackend(Path(sys.argv[1])).create('x', bytes(200_000)))\n"
        "except Unavailable as error: print(error)"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "store")]
    done = subprocess.run(
        words, env=process_kit.environ(), capture_output=True, text=True, check=True
    )
    assert "file too large" in done.stdout
    assert run(LocalBackend(tmp_path / "store").list_page("", None, 10)) == ()


def test_a_read_only_disk_can_be_read(disk: Path, mount: Mount) -> None:
    mount(disk, "ro")
    backend = LocalBackend(disk)
    found = run(backend.get("a/x"))
    assert found is not None
    assert found.body == b"one"
    assert len(run(backend.list_page("", None, 10))) == 1
    writes: list[Coroutine[Any, Any, object]] = [
        backend.create("a/y", b""),
        backend.replace("a/x", b""),
        backend.update("a/x", b"", found.version),
        backend.delete("a/x"),
    ]
    for write in writes:
        with pytest.raises(Denied, match="read-only file system") as told:
            run(write)
        assert "mounted" in told.value.next_step


def test_a_disk_that_is_taken_away_is_not_an_empty_store(disk: Path) -> None:
    backend = LocalBackend(disk)
    subprocess.run(["umount", "-l", str(disk)], check=True)
    try:
        for step in (backend.get("a/x"), backend.get("b/y"), backend.list_page("", None, 10)):
            with pytest.raises(Unavailable, match="the folder of the store is gone"):
                run(step)
        with pytest.raises(Unavailable, match="the folder of the store is gone"):
            run(backend.create("a/z", b""))
        assert list(disk.iterdir()) == []
    finally:  # so that the fixture has something to take away
        subprocess.run(["mount", "-t", "tmpfs", "arco-test", str(disk)], check=True)


ACTS = """
import asyncio, os, sys
from pathlib import Path
from arco.adapters.local import LocalBackend
from arco.core.errors import ArcoError

os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[2]))
steps = {
    "get": lambda b: b.get("a/x"),
    "create": lambda b: b.create("a/y", b"two"),
    "create in a new folder": lambda b: b.create("n/y", b"two"),
    "replace": lambda b: b.replace("a/x", b"two"),
    "delete": lambda b: b.delete("a/x"),
    "list": lambda b: b.list_page("", None, 10),
}
for name, step in steps.items():
    try:
        asyncio.run(step(LocalBackend(Path(sys.argv[1]))))
        print(name, "done", sep=": ")
    except ArcoError as error:
        print(name, type(error).__name__, sep=": ")
"""


def as_nobody(root: Path) -> dict[str, str]:
    """Return how each act on a store ends for a user to whom nothing belongs."""
    if os.getuid() != 0:
        pytest.skip("could_not_run: only root can become another user")
    done = subprocess.run(
        [sys.executable, "-c", ACTS, str(root), str(NOBODY)],
        env=process_kit.environ(),
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(line.split(": ") for line in done.stdout.splitlines())


def test_a_store_of_somebody_else_can_be_read_as_far_as_they_let(disk: Path) -> None:
    run(LocalBackend(disk).create("s/x", b"secret"))
    denied = dict.fromkeys(
        ("create", "create in a new folder", "replace", "delete"), Denied.__name__
    )
    disk.chmod(0o755)
    assert as_nobody(disk) == {"get": "done", "list": "done", **denied}
    (disk / "s").chmod(0o700)
    assert as_nobody(disk) == {"get": "done", "list": Denied.__name__, **denied}
    (disk / "a").chmod(0o700)
    assert as_nobody(disk)["get"] == Denied.__name__
    disk.chmod(0o700)
    told = as_nobody(disk)
    assert told == dict.fromkeys(told, Denied.__name__)
    found = run(LocalBackend(disk).get("a/x"))
    assert found is not None
    assert found.body == b"one"


def test_permission_that_goes_in_the_middle_leaves_nothing_half_done(disk: Path) -> None:
    """The folder of the objects may not be written to, the one of what is staged may."""
    if os.getuid() != 0:
        pytest.skip("could_not_run: only root can become another user")
    for path in (disk, *disk.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    os.chown(disk / "a", 0, 0)
    told = as_nobody(disk)
    assert told == {
        "get": "done",
        "create": "Denied",
        "create in a new folder": "done",
        "replace": "Denied",
        "delete": "Denied",
        "list": "done",
    }
    names = run(LocalBackend(disk).list_page("", None, 10))
    assert [name.path for name in names] == ["a/x", "n/y"]
    assert list((disk / ".local/staging").iterdir()) == []
