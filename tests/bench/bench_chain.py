"""Verifying a workspace beside raw hashing over the same bytes.

(m) A chain of 20,000 small manifests, in memory and on a disk. Promised: at least 50,000 a second.
Each is read, decoded, compared with its canonical spelling, hashed and judged against the one
before. Beside it nothing but reading and SHA-256. Not promised, but shown: the same where each
version folded a segment of the ledger, which is read and hashed too, and holds a delta inline.
(n) Artifacts of 1 MiB and of 64 MiB on a disk. Promised: at least 80 % of the speed at which
SHA-256 goes over the same bytes in memory. Beside it `hashlib.file_digest`, which reads them too.

`python tests/bench/bench_chain.py [ROUNDS] [MANIFESTS]`; `BENCH_DIR` says on which disk. Nothing is
synced while the chain is laid out, and all is read once before, so that no disk is measured.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # for what tests share

from arco.adapters.local import LocalBackend
from arco.adapters.memory import MemoryBackend
from arco.capabilities import Backend
from arco.core.canonical import encode
from arco.core.draft import Draft, compose
from arco.core.ids import digest, make_ulid, ulid_after
from arco.core.keys import DomainManifestKey, LedgerKey
from arco.core.manifest import FoldedSegment, Head, Kind
from arco.scoped import ScopedStorage
from arco.verify import Verifier
from tests.arco.storage_kit import CATALOG, WORKSPACE, SeededChance
from tests.bench.figures import Work, in_turns, machine, verdict
from tests.bench.storage_world import EVENT, INLINE, World

MANIFESTS_S_MIN = 50_000
HASHING_SHARE_MIN = 0.8
MIB = 1 << 20
ARTIFACTS = {MIB: 64, 64 * MIB: 2}
"""How many artifacts of which size."""
IN_MEMORY, ON_DISK = "Verifier, in memory", "Verifier, on a disk"

Objects = dict[str, bytes]
"""Objects by path."""


# --- laying out -----------------------------------------------------------------------------------


def small(number: int) -> tuple[Draft, Objects]:
    """Return a version that changed a position and nothing else."""
    return Draft(Kind.COMMIT, "bench", {"api-0": number}), {}


def folded(number: int) -> tuple[Draft, Objects]:
    """Return a version that folded a segment and holds a delta inline."""
    key = LedgerKey(CATALOG, make_ulid(1_764_000_000_000 + number, bytes(10)))
    segment = FoldedSegment(key=key.path, digest=digest(EVENT), first=0, last=0)
    draft = replace(small(number)[0], segments=(segment,), events=(EVENT,), deltas=(INLINE,))
    return draft, {WORKSPACE.locate(key): EVENT}


def chain(head: Head, count: int, *, events: bool) -> Iterator[Objects]:
    """Yield the objects of each version that follows a head."""
    chance, at_ms = SeededChance(), head.manifest.committed_at_ms
    for number in range(count):
        draft, objects = (folded if events else small)(number)
        ulid = ulid_after(head.manifest.commit_ulid, at_ms, chance.take(10))
        manifest = compose(draft, head, token=1, ulid=ulid, at_ms=at_ms, floor_number=0)
        raw = encode(manifest)
        head = Head(manifest, digest(raw), raw)
        key = DomainManifestKey(CATALOG, head.version)
        yield {**objects, WORKSPACE.locate(key): raw}


async def lay_out(count: int, *, events: bool) -> tuple[MemoryBackend, Objects]:
    """Return a workspace with that many versions, and the objects of the versions."""
    backend = MemoryBackend()
    world = await World.make(backend)
    versions = chain(world.seen.head, count, events=events)
    objects = {path: raw for version in versions for path, raw in version.items()}
    for path, raw in objects.items():
        await backend.create(path, raw)
    return backend, objects


async def copy_out(backend: MemoryBackend, root: Path) -> None:
    """Write all objects of a store as files, with no sync."""
    for named in await backend.list_page("", None, sys.maxsize):
        found = await backend.get(named.path)
        assert found is not None
        path = root / named.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(found.body)


# --- measuring ------------------------------------------------------------------------------------


def verifying(backend: Backend, manifests: int) -> Work:
    """Return a verification of the catalog's chain, which must be whole and of that length."""
    read = ScopedStorage(backend, WORKSPACE).reader().read

    async def verify() -> None:
        verified = await Verifier(read, WORKSPACE).verify([CATALOG])
        assert verified.whole, verified.findings[:3]
        assert verified.manifests == manifests + 1

    return verify


def hashing(bodies: Mapping[str, bytes]) -> Work:
    """Return nothing but SHA-256 over bytes in memory."""

    async def run() -> None:
        for body in bodies.values():
            hashlib.sha256(body).hexdigest()

    return run


def reading(root: Path, objects: Objects) -> Work:
    """Return nothing but opening each file in its folder, reading it at once, and SHA-256."""
    inside: dict[str, list[str]] = {}
    for path in sorted(objects):
        above, _, name = path.rpartition("/")
        inside.setdefault(above, []).append(name)

    async def run() -> None:
        for above, names in inside.items():
            folder = os.open(root / above, os.O_RDONLY)
            for name in names:
                file = os.open(name, os.O_RDONLY, dir_fd=folder)
                hashlib.sha256(os.read(file, MIB)).hexdigest()
                os.close(file)
            os.close(folder)

    return run


def digesting(paths: list[Path]) -> Work:
    """Return what the standard library has to digest a file."""

    async def run() -> None:
        for path in paths:
            with path.open("rb") as file:
                hashlib.file_digest(file, "sha256")

    return run


async def measure_chain(folder: Path, rounds: int, count: int, *, events: bool) -> None:
    """Measure and print (m)."""
    backend, objects = await lay_out(count, events=events)
    await copy_out(backend, folder)
    works = {
        IN_MEMORY: verifying(backend, count),
        ON_DISK: verifying(LocalBackend(folder), count),
        "raw SHA-256, in memory": hashing(objects),
        "raw reading and SHA-256, on a disk": reading(folder, objects),
    }
    turns = await in_turns(works, rounds, 1)
    what = "with a segment and an inline delta each" if events else "small"
    print(f"(m) {count:,} manifests, {what}; {rounds} rounds, {machine()}")
    turns.show_rates(count, "manifests/s")
    if events:
        return
    for name in (IN_MEMORY, ON_DISK):
        rate = count / turns.seconds(name)
        verdict(f"{name} >= {MANIFESTS_S_MIN:,}/s", rate >= MANIFESTS_S_MIN, f"{rate:,.0f}/s")


async def measure_artifacts(folder: Path, rounds: int, size: int) -> None:
    """Measure and print (n)."""
    world = await World.make(LocalBackend.make(folder))
    lease = await world.acquire()
    pairs, bodies = [], {}
    for attempt, body in ((world.ulid(), os.urandom(size)) for _ in range(ARTIFACTS[size])):
        key = world.base_key(attempt)
        pairs.append(await world.put(key, body))
        bodies[WORKSPACE.locate(key)] = body
    await world.publish(lease, bases=[one for one, _ in pairs], written=[two for _, two in pairs])
    ours, alone = f"Verifier, {size // MIB} MiB", "raw SHA-256, in memory"
    works = {
        ours: verifying(LocalBackend(folder), 1),
        alone: hashing(bodies),
        "hashlib.file_digest": digesting([folder / path for path in bodies]),
    }
    turns = await in_turns(works, rounds, 1)
    total = size * ARTIFACTS[size]
    print(f"(n) {ARTIFACTS[size]} artifacts of {size // MIB} MiB; {rounds} rounds, {machine()}")
    turns.show_rates(total / 1e6, "MB/s")
    share = turns.ratio(alone, ours)
    verdict(f"{ours} >= {HASHING_SHARE_MIN:.0%}", share >= HASHING_SHARE_MIN, f"{share:.0%}")


async def main(rounds: int, count: int) -> None:
    """Print every row; always succeeds, because a figure is no verdict."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as name:
        root = Path(name)
        for events in (False, True):
            await measure_chain(root / f"chain-{events}", rounds, count, events=events)
        for size in ARTIFACTS:
            await measure_artifacts(root / f"artifacts-{size}", rounds, size)


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    asyncio.run(main(*(given + [7, 20_000][len(given) :])))
