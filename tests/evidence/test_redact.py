"""The redactor against a slow and plain model of itself, and canaries in every spelling."""

from __future__ import annotations

import base64
import html
import itertools
import json
import re
import tracemalloc
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.redact import WINDOW_BYTES, Redactor

CANARY = "s3cr3t/Kan+arie?ü&"
SPELLINGS = {
    "plain": CANARY.encode(),
    "hex": CANARY.encode().hex().encode(),
    "HEX": CANARY.encode().hex().upper().encode(),
    "base64": base64.b64encode(CANARY.encode()),
    "base64 behind 1": base64.b64encode(b"x" + CANARY.encode() + b"yz")[2:-4],
    "base64 behind 2": base64.b64encode(b"xy" + CANARY.encode() + b"z")[3:-3],
    "base64 urlsafe": base64.urlsafe_b64encode(CANARY.encode()),
    "url": urllib.parse.quote(CANARY, safe="").encode(),
    "url path": urllib.parse.quote(CANARY).encode(),
    "url lower": re.sub(
        "%..", lambda m: m[0].lower(), urllib.parse.quote(CANARY, safe="")
    ).encode(),
    "form": urllib.parse.quote_plus(CANARY).encode(),
    "json": json.dumps(CANARY)[1:-1].encode(),
    "json utf-8": json.dumps(CANARY, ensure_ascii=False)[1:-1].encode(),
    "json slash": json.dumps(CANARY)[1:-1].replace("/", "\\/").encode(),
    "xml": html.escape(CANARY, quote=False).encode(),
}

secret_values = st.one_of(
    st.text(alphabet="ab", min_size=8, max_size=14),
    st.text(min_size=8, max_size=20).filter(str.strip),
    st.sampled_from([CANARY, "line one is long\nline two is long\r\nx", "Zm9vYmFyYmF6"]),
)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def streamed(redactor: Redactor, chunks: list[bytes]) -> bytes:
    stream = redactor.stream()
    return b"".join([*map(stream.feed, chunks), stream.flush()])


def model(redactor: Redactor, data: bytes) -> bytes:
    """Cover every occurrence of every pattern, letter by letter."""
    found = []
    for number, pattern in enumerate(redactor.rules.patterns):
        at = data.find(pattern)
        while at >= 0:
            found.append((at, -(at + len(pattern)), number))
            at = data.find(pattern, at + 1)
    out, at = b"", 0
    for start, minus_end, number in sorted(found):
        if start >= at:
            out += data[at:start] + redactor.rules.markers[number]
        at = max(at, -minus_end)
    return out + data[at:]


@given(st.data())
def test_however_the_stream_is_split_it_equals_the_model(data: st.DataObject) -> None:
    values = data.draw(st.lists(secret_values, min_size=1, max_size=4))
    redactor = Redactor({f"NAME_{n}": value for n, value in enumerate(values)})
    parts = st.one_of(
        st.sampled_from(redactor.rules.patterns or [b"-"]),
        st.sampled_from(redactor.rules.patterns or [b"-"]).map(lambda p: p[: len(p) // 2]),
        st.sampled_from(redactor.rules.patterns or [b"-"]).map(lambda p: p[len(p) // 3 :]),
        st.binary(max_size=8),
        st.text(alphabet="ab", max_size=30).map(str.encode),
    )
    text = b"".join(data.draw(st.lists(parts, max_size=12)))
    places = data.draw(st.lists(st.integers(0, 5000), max_size=20))
    expected = model(redactor, text)
    assert streamed(redactor, cut(text, places)) == expected
    assert streamed(redactor, [text[n : n + 1] for n in range(len(text))]) == expected
    assert redactor.data(text) == expected
    if len(values) == 1:
        value = values[0].encode("utf-8", "surrogatepass")
        assert value not in expected


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
def test_a_canary_leaks_in_no_spelling(spelling: str, size: int) -> None:
    redactor = Redactor({"KEY": CANARY})
    data = b"before " + SPELLINGS[spelling] + b" after\n"
    clean = streamed(redactor, [data[n : n + size] for n in range(0, len(data), size)])
    # Base64 digits that also belong to a neighbour's byte stay.
    assert re.fullmatch(rb"before .?\[redacted:KEY\].{,2} after\n", clean)


@pytest.mark.parametrize("size", [5, 4096, 100_000])
def test_a_found_secret_far_inside_a_chunk_is_cut_out_alone(size: int) -> None:
    noise = bytes(range(256)) * 400
    data = noise + CANARY.encode() * 2 + noise + CANARY.encode().hex().encode() + noise
    clean = streamed(
        Redactor({"K": CANARY}), [data[n : n + size] for n in range(0, len(data), size)]
    )
    assert clean == noise + b"[redacted:K]" * 2 + noise + b"[redacted:K]" + noise


def test_overlapping_secrets_give_one_marker_named_after_the_first() -> None:
    redactor = Redactor({"B": "cdefghijkl", "A": "abcdefgh", "C": "abcdefghij"})
    assert redactor.data(b"<abcdefghijkl>") == b"<[redacted:C]>"
    assert redactor.data(b"<abcdefghi>") == b"<[redacted:A]i>"


def test_an_endless_overlap_is_one_marker_and_holds_little() -> None:
    redactor = Redactor({"A": "a" * 8, "B": "a" * 11})
    stream, out, peaks = redactor.stream(), b"", []
    tracemalloc.start()
    for _ in range(8):
        tracemalloc.reset_peak()
        out += stream.feed(b"a" * 4096)
        peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    assert out + stream.flush() == b"[redacted:B]"
    assert max(peaks) < peaks[1] + 4096  # six chunks more, and less than one of them is held


def test_a_long_secret_is_covered_whole_and_in_part_with_little_held_back() -> None:
    long = "".join(f"{n:x}-" for n in range(5000))
    redactor = Redactor({"LONG": long})
    assert redactor.rules.longest <= WINDOW_BYTES
    assert redactor.data(b"[" + long.encode() + b"]") == b"[[redacted:LONG]]"
    assert redactor.data(base64.b64encode(long.encode())) == b"[redacted:LONG]"
    assert b"redacted:LONG" in redactor.data(long.encode()[:2000])


def test_what_cannot_become_a_secret_is_given_out_at_once() -> None:
    stream = Redactor({"A": "hunter2-hunter2"}).stream()
    assert stream.feed(b"building wheels\n") == b"building wheels\n"
    assert stream.feed(b"hunter2-") == b""
    assert stream.feed(b"x") == b"hunter2-x"


def test_without_secrets_the_same_object_comes_back() -> None:
    redactor, chunk = Redactor({}), b"some output"
    stream = redactor.stream()
    assert not redactor.active
    assert stream.feed(chunk) is chunk
    assert stream.flush() == b""
    assert redactor.data(chunk) is chunk


def test_a_short_value_is_reported_and_an_empty_one_is_nothing() -> None:
    redactor = Redactor({"SHORT": "hunter2", "EMPTY": "", "UMLAUT": "ääää"})
    assert redactor.uncovered == ("SHORT",)
    assert redactor.text("hunter2 ääää") == "hunter2 [redacted:UMLAUT]"


def test_lines_of_a_long_value_are_covered_each() -> None:
    redactor = Redactor({"PEM": "-----BEGIN-----\nAAAABBBBCCCC\nabc\n"})
    assert redactor.text("x AAAABBBBCCCC abc") == "x [redacted:PEM] abc"


@pytest.mark.parametrize(
    ("value", "leak"),
    [
        ("postgres://bob:geheim-99@db/x", "geheim-99"),
        ("postgres://bob:ge%2Fheim%2099@db/x", "ge/heim 99"),
        ("Server=db;User=bob;Password=geheim-99;Port=1", "geheim-99"),
        ("host=db password=geheim-99", "geheim-99"),
    ],
)
def test_the_password_inside_a_connection_string_is_covered_alone(value: str, leak: str) -> None:
    assert Redactor({"DB": value}).text(f"login with {leak}") == "login with [redacted:DB]"


def test_a_short_password_inside_a_connection_string_is_reported() -> None:
    redactor = Redactor({"DB": "postgres://bob:abc@db/x"})
    assert redactor.uncovered == ("DB",)
    assert redactor.text("postgres://bob:abc@db/x") == "[redacted:DB]"


@pytest.mark.parametrize("text", ["plain", "caf\udce9 name", "\ud800 alone", "", "ü\0\x1b"])
def test_text_without_a_secret_is_the_same_object(text: str) -> None:
    assert Redactor({"A": "hunter2-hunter2"}).text(text) is text


@pytest.mark.parametrize("odd", ["ü", chr(0xDCE9), chr(0xD800)], ids=["umlaut", "byte", "lone"])
def test_text_keeps_what_is_odd_around_a_secret(odd: str) -> None:
    clean = Redactor({"A": "hunter2-hunter2"}).text(f"{odd}hunter2-hunter2{odd}")
    assert clean == f"{odd}[redacted:A]{odd}"


def test_a_secret_that_is_not_utf8_is_found_in_bytes_and_text() -> None:
    redactor = Redactor({"RAW": "key\udcff\udcfe-key"})
    assert redactor.data(b"<key\xff\xfe-key>") == b"<[redacted:RAW]>"
    assert redactor.text("<key\udcff\udcfe-key>") == "<[redacted:RAW]>"


def test_a_name_cannot_write_into_the_log() -> None:
    redactor = Redactor({"A\n::error::x\x1b[2J": "hunter2-hunter2"})
    assert redactor.data(b"hunter2-hunter2") == b"[redacted:A___error__x__2J]"


def test_many_long_secrets_take_the_compact_automaton() -> None:
    values = {f"K{n}": "".join(f"{n:x}.{m:x}" for m in range(300)) for n in range(12)}
    redactor = Redactor(values)
    assert sum(map(len, redactor.rules.patterns)) > 65_536
    for name, value in values.items():
        assert redactor.text(value) == f"[redacted:{name}]"
