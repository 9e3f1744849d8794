"""What lies in a bundle's files: where the bytes come from, and what they hash to.

How a bundle's bytes are reached is the caller's `Source`; nothing here opens a file, and nothing
here knows which file is evidence of what.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Seen:
    """What is wrong with a log, empty when all agrees, and which of its chunks were withheld."""

    problem: str
    withheld: tuple[int, ...] = ()


NO_SALT = bytes(SALT_BYTES)
"""What is left of the salt of a chunk that was withheld, so that nobody can guess at its text."""
REASON_BYTES_MAX = 1_000
"""Bytes of a reason that stand in a log in place of what was withheld."""
_BARE = b"[withheld]"


def marker(reason: str, size: int) -> bytes:
    """Return the `size` bytes that stand in place of a chunk: one line, filled up with spaces.

    Where the reason finds no room it is left out; of a chunk of a few bytes the first remain.
    """
    plain = "".join(char if char.isprintable() else " " for char in reason)
    told = b"[withheld: " + plain.encode("utf-8", "replace")[:REASON_BYTES_MAX] + b"]"
    return _filled(told if len(told) < size else _BARE, size)


def is_marker(chunk: bytes) -> bool:
    """Whether a chunk is what `marker` makes: nothing else may stand where a text was withheld."""
    line = chunk[:-1].rstrip(b" ")
    told = line.startswith(b"[withheld: ") and line.endswith(b"]")
    plain = all(byte >= 0x20 and byte != 0x7F for byte in line)
    return chunk == _filled(line if told and plain else _BARE, len(chunk))


def _filled(line: bytes, size: int) -> bytes:
    return (line.ljust(size - 1) + b"\n")[:size]


def look_at(source: Source, log: Log) -> Seen:
    """Return what is wrong with a log, its salts or its sealed leaves, and what was withheld.

    A chunk whose salt is all zeros and whose text is the marker was withheld: of it only the sealed
    leaf is left, and the root has to follow from that.
    """
    try:
        salts = source.read(layout.salts_path(log.path))
        if len(salts) != SALT_BYTES * len(log.leaves):
            return Seen("its salts are not one per chunk")
        leaves, withheld, size = _leaves(source, log, salts)
    except Malformed as error:
        return Seen(f"{error.place}: {error.problem}")
    if size != log.bytes:
        return Seen(f"has {size} bytes, sealed were {log.bytes}")
    if len(leaves) != len(log.leaves):
        return Seen(f"has {len(leaves)} chunks, sealed were {len(log.leaves)}")
    for number, (leaf, sealed) in enumerate(zip(leaves, log.leaves, strict=True)):
        if leaf.hex() != sealed:
            place = f"chunk {number} (from byte {number * CHUNK_BYTES})"
            return Seen(f"{place} is not what was sealed")
    if chain.root(leaves).hex() != log.root:
        return Seen("its root does not follow from its leaves")
    return Seen("", tuple(withheld))


def _leaves(source: Source, log: Log, salts: bytes) -> tuple[list[bytes], list[int], int]:
    leaves: list[bytes] = []
    withheld: list[int] = []
    size = 0
    for block in source.blocks(log.path):
        view = memoryview(block)
        for start in range(0, len(view), CHUNK_BYTES):
            number = len(leaves)
            salt = salts[number * SALT_BYTES : (number + 1) * SALT_BYTES]
            chunk = view[start : start + CHUNK_BYTES]
            if salt == NO_SALT and number < len(log.leaves) and is_marker(bytes(chunk)):
                withheld.append(number)
                leaves.append(_raw(log.leaves[number]))
            else:
                leaves.append(chain.chunk_leaf(salt, chunk))
        size += len(view)
    return leaves, withheld, size


def _raw(leaf: str) -> bytes:
    """A leaf hash as bytes; text that is none gives bytes that agree with nothing."""
    try:
        return bytes.fromhex(leaf)
    except ValueError:
        return b""


def digest(source: Source, name: str) -> str:
    """Return the SHA-256 of a file in hex, or why it cannot be read."""
    hasher = chain.new_sha256()
    try:
        for block in source.blocks(name):
            hasher.update(block)
    except Malformed as error:
        return error.problem
    return hasher.hexdigest()
