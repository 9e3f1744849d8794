"""What lies in a bundle's files: where the bytes come from, and what they hash to.

How a bundle's bytes are reached is the caller's `Source`; nothing here opens a file, and nothing
here knows which file is evidence of what.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from evidence import chain, layout
from evidence.chain import CHUNK_BYTES, SALT_BYTES
from evidence.codec import Malformed
from evidence.model import Log

BLOCK_BYTES = 16 * CHUNK_BYTES
"""Bytes that a source hands out at a time; a whole number of log chunks."""

T = TypeVar("T")
R = TypeVar("R")


class Source(Protocol):
    """Where the bytes of a bundle come from."""

    def names(self) -> Iterable[str]:
        """Return the relative paths of all files, links and oddities."""
        ...

    def read(self, name: str) -> bytes:
        """Return a whole file. Raises `Malformed` where there is no regular file of that name."""
        ...

    def blocks(self, name: str) -> Iterator[bytes]:
        """Yield a file in blocks of `BLOCK_BYTES`, the last one shorter. Raises `Malformed`."""
        ...


class Mapper(Protocol):
    """`map`, or one that works on several files at a time."""

    def __call__(self, function: Callable[[T], R], items: Iterable[T], /) -> Iterable[R]: ...


def log_problem(source: Source, log: Log) -> str:
    """Return what is wrong with a log, its salts or its sealed leaves; empty when all agree."""
    try:
        salts = source.read(layout.salts_path(log.path))
        if len(salts) != SALT_BYTES * len(log.leaves):
            return "its salts are not one per chunk"
        leaves: list[bytes] = []
        size = 0
        for block in source.blocks(log.path):
            view = memoryview(block)
            for start in range(0, len(view), CHUNK_BYTES):
                at = len(leaves) * SALT_BYTES
                chunk = view[start : start + CHUNK_BYTES]
                leaves.append(chain.chunk_leaf(salts[at : at + SALT_BYTES], chunk))
            size += len(view)
    except Malformed as error:
        return f"{error.place}: {error.problem}"
    if size != log.bytes:
        return f"has {size} bytes, sealed were {log.bytes}"
    if len(leaves) != len(log.leaves):
        return f"has {len(leaves)} chunks, sealed were {len(log.leaves)}"
    for number, (leaf, sealed) in enumerate(zip(leaves, log.leaves, strict=True)):
        if leaf.hex() != sealed:
            return f"chunk {number} (from byte {number * CHUNK_BYTES}) is not what was sealed"
    return (
        "" if chain.root(leaves).hex() == log.root else "its root does not follow from its leaves"
    )


def digest(source: Source, name: str) -> str:
    """Return the SHA-256 of a file in hex, or why it cannot be read."""
    hasher = chain.new_sha256()
    try:
        for block in source.blocks(name):
            hasher.update(block)
    except Malformed as error:
        return error.problem
    return hasher.hexdigest()
