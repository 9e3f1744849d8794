"""The choice of cells can be repeated by anybody, favours none, and is worth what it says."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import Invalid
from audit.trust import replay_draw as drawing

ROOT = "ab" * 32
COUNTS = st.integers(1, 300)
SHARES = st.fractions(Fraction(1, 500), Fraction(1))

# Made by hand with `sha256sum`: 32 bytes of ab, eight of length, the nonce, eight of the place.
GOLDEN_KEYS = [
    (b"dice 4 2 6", 0, "4f906a13bf07deccf343820e1f57c5cc2cc2ae1c0ff3e98c4035588e103bcd92"),
    (b"dice 4 2 6", 1, "8cd7fe53029bd6b893efc07d2d6c413fb6298b3909dabf18ce6f1c1308af72f7"),
    (b"\x00", 258, "e1096bd6c4c36a6487578315366db2d4566608765eec352546d2f3d56e33699c"),
]


@pytest.mark.parametrize(("nonce", "place", "wanted"), GOLDEN_KEYS)
def test_a_key_is_what_a_tool_for_sha256_says(nonce: bytes, place: int, wanted: str) -> None:
    assert drawing.key(ROOT, nonce, place).hex() == wanted


def test_the_golden_draw() -> None:
    assert drawing.draw(ROOT, b"dice 4 2 6", range(20), 5) == (3, 7, 10, 12, 15)


@given(st.binary(min_size=1, max_size=40), COUNTS, st.data())
def test_a_smaller_sample_is_part_of_a_larger_one(
    nonce: bytes, cells: int, data: st.DataObject
) -> None:
    small = data.draw(st.integers(0, cells))
    large = data.draw(st.integers(small, cells))
    fewer = drawing.draw(ROOT, nonce, range(cells), small)
    more = drawing.draw(ROOT, nonce, range(cells), large)
    assert set(fewer) <= set(more)
    assert list(more) == sorted(set(more))
    assert len(more) == large


def test_another_root_nonce_or_length_is_another_choice() -> None:
    draws = {
        drawing.draw(root, nonce, range(500), 10)
        for root in (ROOT, "cd" * 32)
        for nonce in (b"a", b"b", b"a\0")
    }
    assert len(draws) == 6


def test_no_cell_is_favoured() -> None:
    cells, sample, rounds = 23, 5, 4_000
    seen: Counter[int] = Counter()
    for number in range(rounds):
        seen.update(drawing.draw(ROOT, number.to_bytes(4, "big"), range(cells), sample))
    share = sample / cells
    error = 4.5 * math.sqrt(rounds * share * (1 - share))
    assert all(abs(seen[place] - rounds * share) < error for place in range(cells))


@pytest.mark.parametrize(
    ("cells", "percent", "sample"), [(200, 5, 20), (200, 5, 59), (60, 10, 12), (500, 1, 100)]
)
def test_forged_cells_are_caught_as_often_as_the_formula_says(
    cells: int, percent: int, sample: int
) -> None:
    """The forger chooses before the nonce; the auditor's luck is counted."""
    share, rounds = Fraction(percent, 100), 1_500
    forged = set(range(0, cells, cells // drawing.false_cells(cells, share)))
    forged = set(sorted(forged)[: drawing.false_cells(cells, share)])
    hits = sum(
        bool(forged & set(drawing.draw(ROOT, f"nonce {number}".encode(), range(cells), sample)))
        for number in range(rounds)
    )
    wanted = float(drawing.caught(cells, sample, share))
    error = 4 * math.sqrt(rounds * wanted * (1 - wanted)) + 1
    assert abs(hits - rounds * wanted) < error


@given(COUNTS, SHARES, st.data())
def test_the_formula_is_that_of_counting(cells: int, share: Fraction, data: st.DataObject) -> None:
    sample = data.draw(st.integers(1, cells))
    left = Fraction(1)
    for drawn in range(sample):
        good = cells - drawing.false_cells(cells, share) - drawn
        left *= Fraction(max(0, good), cells - drawn)
    assert drawing.caught(cells, sample, share) == 1 - left


@given(COUNTS, SHARES, st.fractions(Fraction(1, 10), Fraction(99, 100)))
def test_the_sample_is_the_smallest_that_is_enough(
    cells: int, share: Fraction, wanted: Fraction
) -> None:
    sample = drawing.sample_for(cells, share, wanted)
    assert drawing.caught(cells, sample, share) >= wanted
    assert sample == 1 or drawing.caught(cells, sample - 1, share) < wanted


def test_fifty_nine_are_enough_for_many() -> None:
    assert drawing.sample_for(10**6) == 59
    assert drawing.caught(10**6, 59, Fraction(1, 20)) >= Fraction(95, 100)
    assert drawing.sample_for(0) == 0
    assert drawing.caught(0, 0, Fraction(1, 20)) == 0


@given(st.fractions(Fraction(0), Fraction(1)))
def test_a_decimal_never_says_more_than_is_known(value: Fraction) -> None:
    text = drawing.decimal(value)
    assert 0 <= value - Fraction(text) < Fraction(1, 10_000)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("00ff", b"\0\xff"),
        ("00FF", b"\0\xff"),
        ("abc", b"abc"),
        ("0 1", b"0 1"),
        ("é", b"\xc3\xa9"),
    ],
)
def test_a_nonce_is_hex_or_text(text: str, data: bytes) -> None:
    assert drawing.nonce_of(text) == data


@pytest.mark.parametrize("text", ["", "x" * 1025, "ab" * 1025, "\ud800"])
def test_a_nonce_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        drawing.nonce_of(text)


def test_the_rule_in_the_docstring_is_the_rule() -> None:
    raw = bytes.fromhex(ROOT) + b"\0" * 7 + b"\x03" + b"abc" + b"\0" * 6 + b"\x01\x02"
    assert drawing.key(ROOT, b"abc", 258) == hashlib.sha256(raw).digest()
