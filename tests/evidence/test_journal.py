"""Whatever is cut off or changed in a journal, what is left is a true story up to there."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import codec, journal, model
from evidence.journal import Closed, Ended, Opened, Resumed, Started
from tests.evidence.kernel_kit import LATER, UTC, any_of
from tests.examples import share

OPENED = Opened("opened", "run-1", "head/1", "ab" * 32, UTC)
CLOSED = Closed("closed", LATER, 1)


def attempt(cell: str, number: int = 1, result: model.Result = "passed") -> model.Attempt:
    log = model.Log(f"command-logs/{cell}.log", 3, "cd" * 32, ("cd" * 32,), truncated=False)
    return model.Attempt(cell, number, result, "", 0, UTC, LATER, 5, log, (), 0)


def started(cell: str, number: int = 1) -> Started:
    return Started("started", cell, number, UTC)


def ended(cell: str, number: int = 1, result: model.Result = "passed") -> Ended:
    return Ended("ended", attempt(cell, number, result))


STORY: list[journal.Record] = [
    *(OPENED, started("a"), started("b\t\u202e\udcff"), ended("a")),
    *(Resumed("resumed", LATER), ended("b\t\u202e\udcff", 1, "interrupted"), CLOSED),
]


def written(records: list[Any]) -> tuple[bytes, list[int], list[str]]:
    """The journal of some records, where each ends, and its head after each."""
    head, data = journal.START, b""
    ends, heads = [0], [head]
    for record in records:
        head, line = journal.frame(head, record)
        data += line
        ends.append(len(data))
        heads.append(head)
    return data, ends, heads


@share(40)
@given(st.lists(any_of(journal.Record), max_size=5))
def test_a_journal_tells_the_records_that_were_written(records: list[Any]) -> None:
    data, ends, heads = written(records)
    assert journal.read(data) == journal.Journal(tuple(records), ends[-1], heads[-1], "")


def test_cut_at_every_offset_it_is_a_valid_prefix() -> None:
    data, ends, heads = written(STORY)
    for size in range(len(data) + 1):
        told = journal.read(data[:size])
        whole = max(n for n, end in enumerate(ends) if end <= size)
        assert told.records == tuple(STORY[:whole])
        assert (told.valid_bytes, told.head) == (ends[whole], heads[whole])
        assert bool(told.problem) == (size not in ends)
        # What is appended behind the valid prefix is a journal again.
        _, line = journal.frame(told.head, CLOSED)
        again = journal.read(data[: told.valid_bytes] + line)
        assert again.records == (*STORY[:whole], CLOSED)
        assert not again.problem


@pytest.mark.parametrize("bit", [0, 5, 7])
def test_every_flipped_byte_shows_and_ends_the_story_there(bit: int) -> None:
    data, ends, _ = written(STORY)
    for at in range(len(data)):
        flipped = data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1 :]
        told = journal.read(flipped)
        before = max(n for n, end in enumerate(ends) if end <= at)
        assert told.problem, at
        assert told.records == tuple(STORY[:before]), at


@pytest.mark.parametrize("n", range(len(STORY)))
def test_a_line_taken_out_doubled_or_moved_shows(n: int) -> None:
    data, _, _ = written(STORY)
    lines = data.splitlines(keepends=True)
    gone = b"".join(lines[:n] + lines[n + 1 :])
    assert bool(journal.read(gone).problem) == (n < len(lines) - 1)
    assert journal.read(b"".join([*lines[: n + 1], *lines[n:]])).problem
    moved = [*lines[:n], *lines[n + 1 :], lines[n]]
    assert bool(journal.read(b"".join(moved)).problem) == (moved != lines)


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        (b"{", "record 0: "),
        (b'{"kind":"opened"}', "record 0: record.label: is missing"),
        (b'{"kind":"erased"}', "record 0: record: wants kind one of opened, started, ended"),
        (b"null", "record 0: record: wants kind"),
        (b"[" * 100_000, "record 0: document: nested too deeply"),
        (b'{"kind":"closed","utc":"","attempts":1.5}', "is not an integer"),
    ],
)
def test_a_linked_line_that_is_no_record_ends_the_story(payload: bytes, problem: str) -> None:
    link = chain_of(payload)
    told = journal.read(link + b" " + payload + b"\n")
    assert (told.records, told.valid_bytes, told.head) == ((), 0, journal.START)
    assert problem in told.problem


def chain_of(payload: bytes) -> bytes:
    from evidence import chain

    return chain.sha256(journal.START.encode() + payload).encode()


@given(st.binary(max_size=300))
def test_garbage_is_an_empty_story(data: bytes) -> None:
    told = journal.read(data)
    assert told.records == ()
    assert bool(told.problem) == bool(data)


def test_a_record_is_one_line_whatever_its_names() -> None:
    _, line = journal.frame(journal.START, started("a\nb\r\u2028\x85"))
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert codec.parse(line[65:])["cell"] == "a\nb\r\u2028\x85"


@pytest.mark.parametrize(
    ("records", "gaps"),
    [
        ([OPENED, started("a"), ended("a"), CLOSED], []),
        ([OPENED, ended("a", 1, "skipped"), CLOSED], []),
        ([OPENED, started("a"), Resumed("resumed", UTC), ended("a"), CLOSED], []),
        ([OPENED, started("a"), CLOSED], [("a attempt 1", "started and never ended")]),
        ([OPENED, ended("a"), CLOSED], [("a attempt 1", "ended without a start")]),
        (
            [OPENED, ended("a"), started("a"), CLOSED],
            [("a attempt 1", "ended without a start"), ("a attempt 1", "started and never ended")],
        ),
        (
            [OPENED, started("a"), ended("a"), ended("a"), CLOSED],
            [("a attempt 1", "ended without a start")],
        ),
        ([OPENED, OPENED, CLOSED], [("", "was opened twice")]),
        ([OPENED, CLOSED, CLOSED], [("", "goes on after its close")]),
    ],
)
def test_gaps_in_a_finished_story(records: list[Any], gaps: list[tuple[str, str]]) -> None:
    assert list(journal.gaps(records)) == gaps


@share(40)
@given(st.lists(any_of(model.Attempt), max_size=4))
def test_records_that_are_known_are_the_records_that_would_be_read(
    attempts: list[model.Attempt],
) -> None:
    texts = [codec.compact(codec.to_value(told)) for told in attempts]
    known = journal.records_of(attempts, texts)
    for payload, record in known.items():
        assert payload == codec.compact(codec.to_value(record))
    data, _, _ = written([OPENED, *known.values(), CLOSED])
    assert journal.read(data, known) == journal.read(data)
    other = ended("another")
    data, _, _ = written([other, *known.values()])
    assert journal.read(data, known).records[0] == other
