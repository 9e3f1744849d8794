"""Real processes on one local store, killed at any moment: what was answered is there, whole."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from arco.adapters import local
from arco.adapters.local import LocalBackend
from arco.capabilities import Created
from tests.e2e import process_kit, store_worker

T = TypeVar("T")

WRITERS = 6
KILLS = 1_000 if os.environ.get("ARCO_NIGHTLY") else 50
SEED = int(os.environ.get("ARCO_SEED", "1"))
LIFE_S_MAX = 0.4
"""How long a writer lives, once it has said something."""


class Writers:
    """Processes on one store; each life of each has a log of its own."""

    def __init__(self, folder: Path) -> None:
        self.root, self.logs = folder / "store", folder / "logs"
        self.logs.mkdir()
        self.lives = 0
        self.running: list[tuple[subprocess.Popen[bytes], Path]] = []

    def start(self) -> None:
        """Start one more writer, and wait until it has said something."""
        self.lives += 1
        log = self.logs / str(self.lives)
        words = [sys.executable, "-m", "tests.e2e.store_worker"]
        process = subprocess.Popen(
            [*words, str(self.root), str(log), f"{SEED}-{self.lives}"],
            cwd=process_kit.ROOT,
            env=process_kit.environ(),
            stdin=subprocess.DEVNULL,
        )
        self.running.append((process, log))

    def kill(self, number: int) -> None:
        """Kill a writer that lives and has said something."""
        process, log = self.running[number]
        process_kit.wait_until(lambda: (log.exists() and log.stat().st_size > 0) or ended(process))
        assert not ended(process), f"a writer ended by itself, with code {process.returncode}"
        process.kill()
        process.wait()
        del self.running[number]  # not before: whoever interrupts us leaves nobody behind

    def said(self) -> list[list[Any]]:
        """Return every whole line of every log."""
        lines = (line for log in self.logs.iterdir() for line in log.read_bytes().split(b"\n")[:-1])
        return [json.loads(line) for line in lines]


def ended(process: subprocess.Popen[bytes]) -> bool:
    """Say whether a process has ended."""
    return process.poll() is not None


@pytest.fixture(scope="module")
def survived(tmp_path_factory: pytest.TempPathFactory) -> Writers:
    """Let writers live and be killed; return what is left of them."""
    writers = Writers(tmp_path_factory.mktemp("kill"))
    backend = LocalBackend.make(writers.root)
    made = asyncio.run(backend.create(store_worker.COUNTER, b'{"number": 0}'))
    assert isinstance(made, Created)
    chance = random.Random(SEED)
    try:
        for _ in range(WRITERS):
            writers.start()
        for _ in range(KILLS):
            time.sleep(chance.random() * LIFE_S_MAX)
            writers.kill(chance.randrange(WRITERS))
            writers.start()
        assert not [process for process, _ in writers.running if ended(process)]
    finally:
        for process, _ in writers.running:
            process.kill()
            process.wait()
    return writers


def seen(writers: Writers, paths: Iterable[str], of: Callable[[bytes], T]) -> dict[str, T]:
    """Return something of the bytes of each object; all of them have to be there."""

    async def read() -> dict[str, T]:
        backend, found = LocalBackend(writers.root), {}
        for path in paths:
            stored = await backend.get(path)
            assert stored is not None, path
            found[path] = of(stored.body)
        return found

    return asyncio.run(read())


def digest(body: bytes) -> str:
    """Return the SHA-256 of bytes, as writers say it."""
    return hashlib.sha256(body).hexdigest()


def test_what_was_answered_is_there(survived: Writers) -> None:
    created = {words[1]: words[2] for words in survived.said() if words[0] == "created"}
    assert len(created) > KILLS
    assert seen(survived, created, digest) == created


def test_nothing_that_is_there_is_torn(survived: Writers) -> None:
    async def names(prefix: str) -> list[str]:
        backend, found, after = LocalBackend(survived.root), [], None
        while page := await backend.list_page(prefix, after, 1_000):
            found += [name.path for name in page]
            after = page[-1].path
        return found

    for prefix in ("own/", "race/", "advisory/"):
        paths = asyncio.run(names(prefix))
        assert paths == sorted(set(paths))
        assert paths
        found = seen(survived, paths, store_worker.whole)
        assert [path for path, whole in found.items() if not whole] == []


def test_create_race_has_one_winner(survived: Writers) -> None:
    said = [words for words in survived.said() if words[0] == "won"]
    won = {f"race/{slot:06}": told for _, slot, told in said}
    lost = [words for words in survived.said() if words[0] == "lost"]
    assert min(len(won), len(lost)) > KILLS // 2, "nobody raced"
    assert len(won) == len(said), "a slot has two winners"
    assert seen(survived, won, digest) == won


def test_no_swap_is_lost(survived: Writers) -> None:
    """Each number was made once; what is missing was made by somebody who died before saying so."""
    numbers = [words[1] for words in survived.said() if words[0] == "swapped"]
    assert len(numbers) > KILLS
    assert len(numbers) == len(set(numbers)), "two writers made the same number: one swap is lost"
    (counter,) = seen(survived, [store_worker.COUNTER], json.loads).values()
    last = counter["number"]
    assert max(numbers) <= last
    assert last - len(numbers) <= survived.lives


def test_what_was_deleted_is_gone_and_so_are_its_folders(survived: Writers) -> None:
    deleted = [words[1] for words in survived.said() if words[0] == "deleted"]
    assert len(deleted) > KILLS
    left = list((survived.root / "gone").glob("*"))
    assert len(left) <= survived.lives
    assert not {path.name for path in left} & {path.split("/")[1] for path in deleted}


def test_what_the_dead_had_staged_is_swept(
    survived: Writers, monkeypatch: pytest.MonkeyPatch
) -> None:
    staging = survived.root / local.STAGING
    assert len(list(staging.iterdir())) <= survived.lives
    monkeypatch.setattr(local, "STAGING_AGE_S", -60)
    LocalBackend(survived.root)
    assert list(staging.iterdir()) == []
