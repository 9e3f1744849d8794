"""Merkle trees as RFC 6962 section 2.1 has them: roots, and proofs that a leaf is under a root.

`leaf_hash` is what a leaf counts as; proofs are the audit paths of section 2.1.1, verified as in
RFC 9162 section 2.1.3.2. Everything is SHA-256, 32 bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

EMPTY_ROOT = hashlib.sha256(b"").digest()
"""The root over no leaves."""


def leaf_hash(raw: bytes) -> bytes:
    """Return what raw bytes count as under a root."""
    return hashlib.sha256(b"\x00" + raw).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes, level by level; equal to the recursive definition."""
    if not leaves:
        return EMPTY_ROOT
    level = list(leaves)
    while len(level) > 1:
        paired = [_node(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = paired + level[len(paired) * 2 :]
    return level[0]


def prove(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Return the siblings from the leaf up. Raises `IndexError` when there is no such leaf."""
    if not 0 <= index < len(leaves):
        raise IndexError(index)
    proof, level = [], list(leaves)
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            proof.append(level[sibling])
        paired = [_node(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = paired + level[len(paired) * 2 :]
        index //= 2
    return tuple(proof)


def proves(proof: Sequence[bytes], leaf: bytes, index: int, size: int, expected: bytes) -> bool:
    """Say whether the proof shows that the leaf stands at that index under the expected root."""
    if not 0 <= index < size:
        return False
    found, last = leaf, size - 1
    for sibling in proof:
        if last == 0:
            return False
        if index % 2 or index == last:
            found = _node(sibling, found)
            while index % 2 == 0 and index:
                index, last = index >> 1, last >> 1
        else:
            found = _node(found, sibling)
        index, last = index >> 1, last >> 1
    return last == 0 and found == expected
