"""Logs of which something was withheld: what verifies, what is told, and what is no withholding."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import chain, contents, layout
from evidence.codec import Malformed
from evidence.model import Log

SALT = b"0123456789abcdef"
PATH = layout.log_path("tests", 1, 1)


@dataclass
class InMemory:
    """A `Source` over a few files."""

    files: dict[str, bytes]

    def names(self) -> Iterator[str]:
        yield from self.files

    def read(self, name: str) -> bytes:
        if name not in self.files:
            raise Malformed(name, "is not there")
        return self.files[name]

    def blocks(self, name: str) -> Iterator[bytes]:
        data = self.read(name)
        for at in range(0, len(data), contents.BLOCK_BYTES):
            yield data[at : at + contents.BLOCK_BYTES]


def sealed(data: bytes) -> tuple[InMemory, Log]:
    chunks = [data[at : at + chain.CHUNK_BYTES] for at in range(0, len(data), chain.CHUNK_BYTES)]
    leaves = [chain.chunk_leaf(SALT, chunk) for chunk in chunks]
    salts = SALT * len(chunks)
    log = Log(PATH, len(data), chain.root(leaves).hex(), tuple(x.hex() for x in leaves), False)
    return InMemory({PATH: data, layout.salts_path(PATH): salts}), log


def withhold(source: InMemory, number: int, text: bytes | None = None) -> None:
    """Do to a chunk what is done to it when it is withheld; `text` stands there instead."""
    data, salts = source.files[PATH], source.files[layout.salts_path(PATH)]
    start = number * chain.CHUNK_BYTES
    size = len(data[start : start + chain.CHUNK_BYTES])
    text = contents.marker("a key", size) if text is None else text
    source.files[PATH] = data[:start] + text + data[start + size :]
    at = number * chain.SALT_BYTES
    blank = salts[:at] + contents.NO_SALT + salts[at + chain.SALT_BYTES :]
    source.files[layout.salts_path(PATH)] = blank


DATA = b"fine\n" * 50_000


def test_the_root_follows_from_what_is_left() -> None:
    source, log = sealed(DATA)
    assert contents.look_at(source, log) == contents.Seen("")
    withhold(source, 1)
    assert contents.look_at(source, log) == contents.Seen("", (1,))
    withhold(source, 3)
    assert contents.look_at(source, log) == contents.Seen("", (1, 3))
    forged = replace(log, leaves=(*log.leaves[:3], "00" * 32))
    assert contents.look_at(source, forged).problem == "its root does not follow from its leaves"
    assert contents.look_at(source, replace(log, leaves=(*log.leaves[:3], "zz"))).problem


Forge = Callable[[InMemory], None]


def _full(start: bytes) -> bytes:
    return start.ljust(chain.CHUNK_BYTES - 1) + b"\n"


@pytest.mark.parametrize(
    "forge",
    [
        lambda source: withhold(source, 1, _full(b"all tests passed")),
        lambda source: withhold(source, 1, _full(b"[withheld: a]\n3 passed [x]")),
        lambda source: withhold(source, 1, _full(b"[withheld: \x1b[2Ja]")),
        lambda source: withhold(source, 1, contents.marker("a", chain.CHUNK_BYTES)[:-1] + b"x"),
        lambda source: source.files.update({layout.salts_path(PATH): bytes(64)}),
    ],
)
def test_nothing_but_the_marker_stands_where_a_text_was(forge: Forge) -> None:
    source, log = sealed(DATA)
    forge(source)
    assert "is not what was sealed" in contents.look_at(source, log).problem


def test_a_marker_with_its_salt_is_a_forgery() -> None:
    source, log = sealed(DATA)
    data = source.files[PATH]
    source.files[PATH] = contents.marker("a", chain.CHUNK_BYTES) + data[chain.CHUNK_BYTES :]
    assert "chunk 0" in contents.look_at(source, log).problem


@given(st.text(), st.integers(1, 300))
def test_a_marker_has_the_size_of_what_it_stands_for(reason: str, size: int) -> None:
    line = contents.marker(reason, size)
    assert len(line) == size
    assert contents.is_marker(line)
    assert b"\n" not in line[:-1]


@given(st.binary(min_size=1, max_size=80))
def test_other_text_is_no_marker(data: bytes) -> None:
    assert contents.is_marker(data) == (data == b"[withheld]\n".ljust(len(data))[: len(data)])
