"""A log and its leaves never depend on how the output was split."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.runner.capture import LINE_CHARS_MAX, Capture, measure_log, printable
from evidence import chain, layout
from evidence.redact import Redactor
from tests.examples import share

SECRET = "geheim-geheim"
pieces = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from([SECRET.encode(), SECRET[:7].encode(), SECRET[7:].encode()]),
        st.integers(1, 70_000).map(bytes),
    ),
    max_size=12,
)


@share(40)
@given(pieces, st.integers(1, 150_000))
def test_log_leaves_and_cut_are_those_of_the_whole_stream(chunks: list[bytes], limit: int) -> None:
    redactor = Redactor({"S": SECRET})
    whole = redactor.data(b"".join(chunks))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        capture = Capture(folder, "command-logs/a.log", redactor, limit)
        for chunk in chunks:
            capture.feed(chunk)
        log = capture.finish()
        capture.close()
        data = (folder / log.path).read_bytes()
        salts = (folder / layout.salts_path(log.path)).read_bytes()
        assert data == whole[:limit]
        assert log.truncated == (len(whole) > limit)
        assert log.bytes == len(data)
        parts = [data[n : n + chain.CHUNK_BYTES] for n in range(0, len(data), chain.CHUNK_BYTES)]
        leaves = list(map(chain.chunk_leaf, chain.salts_of(salts), parts))
        assert len(salts) == chain.SALT_BYTES * len(parts)
        assert log.leaves == tuple(leaf.hex() for leaf in leaves)
        assert log.root == chain.root(leaves).hex()
        again = measure_log(folder, log.path)
        assert again.bytes == log.bytes
        # New salts: nobody can tell from the leaves that the bytes are the same.
        assert not data or again.leaves != log.leaves


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[1;31mred\x1b[0m text", "red text"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x07", "link"),
        ("a\tb\x00\x07\x08c", "a bc"),
        ("x\u202egnp.exe\u2066\u200b", "xgnp.exe"),
        ("\ud800lone\udcff", "lone"),
        ("\x9b31mc1", "31mc1"),
        ("  spaces  ", "spaces"),
        ("", ""),
        ("\x1b", ""),
    ],
)
def test_a_line_for_the_screen_is_harmless(line: str, shown: str) -> None:
    assert printable(line) == shown


@given(st.text())
def test_whatever_the_line_nothing_unprintable_is_left(line: str) -> None:
    clean = printable(line)
    assert len(clean) <= LINE_CHARS_MAX
    assert "\x1b" not in clean
    assert "\n" not in clean
    clean.encode()


def test_the_last_line_is_the_last_that_says_something(tmp_path: Path) -> None:
    capture = Capture(tmp_path, "command-logs/a.log", Redactor({}), 1 << 20)
    capture.feed(b"first\n" + b"x" * 10_000 + b"\nprogress 10%\rprogress 90%\r\n \t\n\n")
    assert capture.take_line() == "progress 90%"
    assert not capture.news
    capture.feed(b"\xff\xfe\n")
    assert capture.last_line() == "\\xff\\xfe"
    capture.close()
