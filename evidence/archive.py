"""A bundle being written: durable files, and the seal over them.

The only place that writes sealed files, apart from the runner's logs, artifacts and journal. A run
is sealed when its checkpoint exists: that file is written last, after everything it covers.
Cost: one fsync per file put, and one per folder of the run at the end.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from evidence import chain, codec, layout, seal
from evidence.chain import Checkpoint
from evidence.folder import Folder
from evidence.model import Plan, Run, Seal

PARTIAL_SUFFIX = ".being-written"
"""Ending of a file that is still being written; a crash may leave one, and it is no evidence."""


class Busy(Exception):  # noqa: N818  (a state of the folder, not a fault)
    """Another process runs, resumes or seals this audit run."""


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Hold a run's folder for this process; the lock goes away with the process, however it ends.

    Raises:
        Busy: another process holds it.
    """
    path = folder / layout.LOCK
    flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    descriptor = os.open(path, flags, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not _still_there(path, descriptor):
            raise BlockingIOError("its holder left between our opening and our locking it")
    except BlockingIOError as error:
        os.close(descriptor)
        raise Busy(str(folder)) from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _still_there(path: Path, descriptor: int) -> bool:
    """Whether a name leads to the file that is open: a lock on another one would hold nobody."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def put(folder: Path, name: str, data: bytes) -> None:
    """Write a file of the bundle so that it is there whole or not at all. One fsync."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + PARTIAL_SUFFIX)
    with fresh(partial) as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    partial.rename(path)


def fresh(path: Path) -> BinaryIO:
    """Open a file for writing that holds nothing yet. What lies there by its name is taken away:
    a link that somebody put there would lead what is written to somewhere else.
    """
    path.unlink(missing_ok=True)
    return path.open("xb")


def put_all(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write several files of the bundle."""
    for name, data in files.items():
        put(folder, name, data)


def is_sealed(folder: Path) -> bool:
    """Whether a run was finished: nothing may be added to it any more."""
    return (folder / layout.CHECKPOINT).exists()


def close(folder: Path, plan: Plan, run: Run) -> Checkpoint:
    """Seal a run: digest every file, then write the leaves, the sums and, last, the checkpoint.

    Returns the checkpoint with both roots. Reads every sealed file but the logs once.
    """
    for leftover in folder.rglob("*" + PARTIAL_SUFFIX):
        if leftover.relative_to(folder).parts[0] != layout.ARTIFACTS:
            leftover.unlink()
    digests = _digests(folder)
    plan_leaves = seal.plan_leaves(plan)
    plan_root = seal.root_of(plan_leaves)
    final = seal.final_leaves(plan_root, run, digests)
    point = Checkpoint(plan.audit.id, plan.label, len(final), seal.root_of(final), plan_root)
    put(folder, layout.SEAL, codec.write(Seal(1, plan_leaves, final)))
    put(folder, layout.SUMS, seal.sums(digests))
    put(folder, layout.CHECKPOINT, chain.checkpoint_text(point))
    _sync_folders(folder)
    return point


def _sync_folders(folder: Path) -> None:
    """Sync every folder of a run, so that its names are on the disk as well as its bytes."""
    for path, _, _ in os.walk(folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _digests(folder: Path) -> dict[str, str]:
    source = Folder(str(folder))
    digests = {}
    for name in source.names():
        if seal.is_plain(name) and name != layout.LOCK:
            hasher = chain.new_sha256()
            for block in source.blocks(name):
                hasher.update(block)
            digests[name] = hasher.hexdigest()
    return digests
