"""Merkle roots and proofs against the recursive definition of RFC 6962, at every size."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arco.core import merkle


def recursive(leaves: list[bytes]) -> bytes:
    """Return the root as RFC 6962 section 2.1 writes it."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    left, right = recursive(leaves[:split]), recursive(leaves[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


LEAVES = [merkle.leaf_hash(bytes([i])) for i in range(70)]


@pytest.mark.parametrize("size", range(70))
def test_roots_are_those_of_the_definition_and_every_leaf_is_proved(size: int) -> None:
    leaves = LEAVES[:size]
    root = merkle.root(leaves)
    assert root == recursive(leaves)
    for index, leaf in enumerate(leaves):
        proof = merkle.prove(leaves, index)
        assert merkle.proves(proof, leaf, index, size, root)
        assert not merkle.proves(proof, LEAVES[-1], index, size, root) or leaf == LEAVES[-1]


@given(st.integers(1, 40), st.data())
def test_a_proof_proves_no_other_place_size_or_root(size: int, data: st.DataObject) -> None:
    leaves = LEAVES[:size]
    index = data.draw(st.integers(0, size - 1))
    proof, root = merkle.prove(leaves, index), merkle.root(leaves)
    other = data.draw(st.integers(-1, size + 2).filter(lambda at: at != index))
    assert not merkle.proves(proof, leaves[index], other, size, root)
    assert not merkle.proves((*proof, root), leaves[index], index, size, root)
    assert not merkle.proves(proof, leaves[index], index, size, merkle.leaf_hash(root))
    if proof:
        assert not merkle.proves(proof[:-1], leaves[index], index, size, root)


def test_there_is_no_proof_of_what_is_not_there() -> None:
    with pytest.raises(IndexError):
        merkle.prove(LEAVES[:3], 3)
