"""Roots are those of RFC 6962, and a checkpoint has one spelling."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import chain
from evidence.codec import Malformed

ENTRIES = [
    bytes.fromhex(text)
    for text in (
        *("", "00", "10", "2021", "3031", "40414243", "5051525354555657"),
        "606162636465666768696a6b6c6d6e6f",
    )
]
"""The leaf inputs that implementations of Certificate Transparency are tested with."""
ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
HASHES = st.lists(st.binary(min_size=32, max_size=32), max_size=70)


def plain_root(leaves: list[bytes]) -> bytes:
    """The definition of RFC 6962 section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    inner = plain_root(leaves[:split]) + plain_root(leaves[split:])
    return hashlib.sha256(b"\1" + inner).digest()


@pytest.mark.parametrize("size", range(len(ROOTS)))
def test_the_reference_roots(size: int) -> None:
    leaves = [chain.chunk_leaf(b"", entry) for entry in ENTRIES[:size]]
    assert chain.root(leaves).hex() == ROOTS[size]
    assert chain.root_of([leaf.hex() for leaf in leaves]) == ROOTS[size]


@given(HASHES)
def test_a_root_is_that_of_the_definition(leaves: list[bytes]) -> None:
    assert chain.root(iter(leaves)) == plain_root(leaves)


def test_every_size_up_to_some_hundreds() -> None:
    leaves = [hashlib.sha256(bytes([n % 256, n // 256])).digest() for n in range(260)]
    for size in range(len(leaves)):
        assert chain.root(leaves[:size]) == plain_root(leaves[:size]), size


@given(HASHES.filter(bool), st.data())
def test_any_change_of_leaves_changes_the_root(leaves: list[bytes], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(leaves) - 1))
    other = data.draw(st.binary(min_size=32, max_size=32))
    root = chain.root(leaves)
    for changed in (
        leaves[:at] + leaves[at + 1 :],
        [*leaves[:at], leaves[at], *leaves[at:]],
        [*leaves[:at], other, *leaves[at + 1 :]],
        leaves[::-1],
        [*leaves, other],
    ):
        assert (chain.root(changed) == root) == (changed == leaves)


def test_a_leaf_binds_its_name() -> None:
    digest = "ab" * 32
    entry = b"\0documents/a\0" + bytes.fromhex(digest)
    assert chain.leaf_hash("documents/a", digest) == hashlib.sha256(entry).hexdigest()
    assert chain.leaf_hash("documents/b", digest) != chain.leaf_hash("documents/a", digest)
    assert chain.leaf_hash("\udcff", digest) == hashlib.sha256(b"\0\xff\0" + entry[13:]).hexdigest()


@pytest.mark.parametrize("digest", ["zz" * 32, "AB" * 32, "ab " * 32, "abc", "\udc80" * 64])
def test_a_leaf_takes_one_spelling_of_a_digest(digest: str) -> None:
    with pytest.raises(Malformed) as caught:
        chain.leaf_hash("log/a", digest)
    assert caught.value.place == "log/a"


def test_a_name_that_no_file_can_have_is_malformed() -> None:
    with pytest.raises(Malformed, match="is no name in UTF-8"):
        chain.leaf_hash("\ud800", "ab" * 32)


@given(st.binary(min_size=16, max_size=16), st.binary(max_size=90))
def test_a_chunk_is_hashed_after_its_salt(salt: bytes, chunk: bytes) -> None:
    wanted = hashlib.sha256(b"\0" + salt + chunk).digest()
    assert chain.chunk_leaf(salt, chunk) == chain.chunk_leaf(salt, memoryview(chunk)) == wanted


@given(st.binary(max_size=100))
def test_salts_are_cut_in_order(data: bytes) -> None:
    salts = list(chain.salts_of(data))
    assert b"".join(salts) == data
    assert all(len(salt) == chain.SALT_BYTES for salt in salts[:-1])


POINTS = st.builds(
    chain.Checkpoint,
    audit=st.from_regex(r"[A-Za-z0-9._-]{1,20}", fullmatch=True),
    label=st.from_regex(r"[A-Za-z0-9._/-]{1,20}", fullmatch=True),
    size=st.integers(0, 10**12),
    final_root=st.binary(min_size=32, max_size=32).map(bytes.hex),
    plan_root=st.binary(min_size=32, max_size=32).map(bytes.hex),
)


@given(POINTS)
def test_a_checkpoint_survives_its_text(point: chain.Checkpoint) -> None:
    text = chain.checkpoint_text(point)
    assert chain.checkpoint_of(text) == point
    origin, size, root, rest = text.decode().split("\n", 3)
    assert origin == f"arco-audit/{point.audit}/{point.label}"
    assert (int(size), base64.b64decode(root).hex()) == (point.size, point.final_root)
    assert rest == f"plan-root {point.plan_root}\n"


POINT = chain.Checkpoint("a", "head/1", 7, "ab" * 32, "cd" * 32)
LINES = chain.checkpoint_text(POINT).decode().split("\n")


@pytest.mark.parametrize(
    "lines",
    [
        LINES[:-1],
        [*LINES, ""],
        ["", *LINES],
        [LINES[0].replace("arco", "other"), *LINES[1:]],
        ["arco-audit", *LINES[1:]],
        [LINES[0], "07", *LINES[2:]],
        [LINES[0], "+7", *LINES[2:]],
        [LINES[0], " 7", *LINES[2:]],
        [LINES[0], "\u0667", *LINES[2:]],
        [LINES[0], "7" * 5_000, *LINES[2:]],
        [LINES[0], "seven", *LINES[2:]],
        [LINES[0], "-7", *LINES[2:]],
        [*LINES[:2], base64.b64encode(b"a" * 33).decode(), *LINES[3:]],
        [*LINES[:3], LINES[3].upper().replace("PLAN-ROOT", "plan-root"), ""],
        [*LINES[:3], LINES[3][:-1], ""],
        [*LINES[:2], LINES[2].rstrip("="), *LINES[3:]],
        [*LINES[:2], LINES[2] + "=", *LINES[3:]],
        [*LINES[:2], LINES[2][:5] + " " + LINES[2][5:], *LINES[3:]],
        [*LINES[:2], LINES[2].replace("q", "\u00e9", 1), *LINES[3:]],
        [*LINES[:3], LINES[3].removeprefix("plan-root "), ""],
        [*LINES[:3], LINES[3] + "\r", ""],
        [*LINES[:2], LINES[3], LINES[2], ""],
    ],
)
def test_every_other_spelling_of_a_checkpoint_is_refused(lines: list[str]) -> None:
    with pytest.raises(Malformed) as caught:
        chain.checkpoint_of("\n".join(lines).encode())
    assert caught.value.place == "checkpoint"


@given(st.data())
def test_a_changed_byte_gives_another_checkpoint_or_none(data: st.DataObject) -> None:
    text = chain.checkpoint_text(POINT)
    at = data.draw(st.integers(0, len(text) - 1))
    changed = text[:at] + data.draw(st.binary(max_size=2)) + text[at + 1 :]
    try:
        found = chain.checkpoint_of(changed)
    except Malformed:
        return
    assert (found == POINT) == (changed == text)
    assert chain.checkpoint_text(found) == changed


@given(st.binary(max_size=60))
def test_garbage_is_no_checkpoint(data: bytes) -> None:
    with pytest.raises(Malformed):
        chain.checkpoint_of(data)
