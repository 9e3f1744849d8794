"""ULIDs: made from what is given, and always greater than the one before."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arco.core.errors import Invalid
from arco.core.ids import Ulid, make_ulid, ulid_after, ulid_ms

instants = st.integers(0, (1 << 48) - 2)  # at the last one there may be no greater ulid
chance = st.binary(min_size=10, max_size=10)


@given(instants, chance)
def test_a_ulid_holds_its_instant_and_sorts_by_it(utc_ms: int, taken: bytes) -> None:
    made = make_ulid(utc_ms, taken)
    assert len(made) == 26
    assert ulid_ms(made) == utc_ms
    if utc_ms:
        assert make_ulid(utc_ms - 1, b"\xff" * 10) < made


@given(instants, chance, st.lists(st.tuples(instants, chance), max_size=8))
def test_commit_ulid_monotonic(utc_ms: int, taken: bytes, later: list[tuple[int, bytes]]) -> None:
    previous = make_ulid(utc_ms, taken)
    for now, more in later:  # whatever the clock says
        following = ulid_after(previous, now, more)
        assert following > previous
        previous = following


def test_after_the_last_ulid_there_is_none() -> None:
    with pytest.raises(Invalid, match="no ulid is greater"):
        ulid_after(Ulid("7" + "Z" * 25), 0, b"\0" * 10)


@pytest.mark.parametrize(("utc_ms", "taken"), [(-1, b"\0" * 10), (1 << 48, b"\0" * 10), (0, b"")])
def test_what_is_no_instant_or_no_chance_is_refused(utc_ms: int, taken: bytes) -> None:
    with pytest.raises(Invalid):
        make_ulid(utc_ms, taken)
