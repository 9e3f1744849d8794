"""Merkle roots and checkpoints: what makes an edit visible.

Leaf and node hashing follow RFC 6962 section 2.1 (prefix 0x00 for leaves, 0x01 for nodes); a
checkpoint is the note text of C2SP tlog-checkpoint. Pure functions over bytes.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from evidence.codec import Malformed

CHUNK_BYTES = 65_536
"""Bytes of a log under one salted leaf: the unit that can later be withheld."""
SALT_BYTES = 16
"""Bytes of the random salt of a log chunk; they lie outside every digest."""

ORIGIN = "arco-audit"
_HEX = re.compile("[0-9a-f]{64}")


def sha256(data: bytes) -> str:
    """Return the lowercase hex SHA-256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def new_sha256() -> hashlib._Hash:
    """Return a SHA-256 to be fed in pieces."""
    return hashlib.sha256()


def leaf_hash(name: str, digest: str) -> str:
    """Return the RFC 6962 leaf hash of a named digest: the entry is `name NUL digest-bytes`.

    The name is part of the entry, so that two files cannot be swapped.

    Raises:
        Malformed: the digest is not lowercase hex, or the name is none that a file can have.
    """
    try:
        raw = bytes.fromhex(digest)
    except ValueError as error:
        raise Malformed(name, "is no name in UTF-8 with a digest in hex") from error
    if raw.hex() != digest:
        raise Malformed(name, "has a digest that is not in lowercase hex")
    return _entry_hash(name, raw)


def data_leaf(name: str, data: bytes) -> str:
    """Return the leaf hash of named bytes, the same as that of their digest. Raises `Malformed`."""
    return _entry_hash(name, hashlib.sha256(data).digest())


def _entry_hash(name: str, raw: bytes) -> str:
    try:
        start = name.encode("utf-8", "surrogateescape")
    except ValueError as error:
        raise Malformed(name, "is no name in UTF-8 with a digest in hex") from error
    return hashlib.sha256(b"\0" + start + b"\0" + raw).hexdigest()


def chunk_leaf(salt: bytes, chunk: bytes | memoryview) -> bytes:
    """Return the leaf hash of a log chunk: the entry is `salt chunk`."""
    hasher = hashlib.sha256(b"\0" + salt)
    hasher.update(chunk)
    return hasher.digest()


def root(leaves: Iterable[bytes]) -> bytes:
    """Return the RFC 6962 Merkle tree hash over leaf hashes; that of no leaves is SHA-256 of ''.

    Level by level: the split at the largest power of two below n is what remains when neighbours
    are joined and a last one without a neighbour goes up as it is.
    """
    level = list(leaves)
    if not level:
        return hashlib.sha256(b"").digest()
    while len(level) > 1:
        joined = [_node(left, right) for left, right in zip(level[::2], level[1::2], strict=False)]
        level = [*joined, level[-1]] if len(level) % 2 else joined
    return level[0]


def root_of(hashes: Sequence[str]) -> str:
    """Return the hex root over hex leaf hashes."""
    return root(bytes.fromhex(leaf) for leaf in hashes).hex()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def salts_of(data: bytes) -> Iterator[bytes]:
    """Yield the salts that a `.salts` file holds, in chunk order."""
    for start in range(0, len(data), SALT_BYTES):
        yield data[start : start + SALT_BYTES]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The two roots of a finished run. `size` counts the leaves under the final root."""

    audit: str
    label: str
    size: int
    final_root: str
    plan_root: str


def checkpoint_text(point: Checkpoint) -> bytes:
    """Return the note text of a checkpoint: origin, size, base64 root, then our extension line.

    Source: C2SP tlog-checkpoint, whose extension lines may follow the root.
    """
    encoded = base64.b64encode(bytes.fromhex(point.final_root)).decode()
    lines = (f"{ORIGIN}/{point.audit}/{point.label}", str(point.size), encoded)
    return ("\n".join(lines) + f"\nplan-root {point.plan_root}\n").encode()


def checkpoint_of(data: bytes) -> Checkpoint:
    """Return the checkpoint that a note text holds.

    Raises:
        Malformed: not the four lines that `checkpoint_text` writes, to the byte.
    """
    try:
        origin, size, encoded, extension, rest = data.decode().split("\n")
        _, audit, label = origin.split("/", 2)
        plan_root = extension.removeprefix("plan-root ")
        point = Checkpoint(audit, label, int(size), base64.b64decode(encoded).hex(), plan_root)
    except ValueError as error:
        raise Malformed("checkpoint", "is not a checkpoint of four lines") from error
    whole = point.size >= 0 and len(point.final_root) == 64 and _HEX.fullmatch(plan_root)
    if rest or not whole or checkpoint_text(point) != data:
        raise Malformed("checkpoint", "is not written as a checkpoint is")
    return point
