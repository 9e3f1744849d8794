"""The run's journal: framed, chained records, of which any prefix is a true story.

One line a record: 64 hex digits, a space, compact JSON, LF. The digits are the SHA-256 of the
digits before (64 zeros at the start) and this line's JSON, so that a torn tail, a changed line and
a line taken out all show. Pure functions over bytes; the runner decides when to write and sync.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from evidence import codec
from evidence.model import Attempt

START = "0" * 64


@dataclass(frozen=True, slots=True)
class Opened:
    """The first record: which run, under which plan root. Synced before any command starts."""

    kind: Literal["opened"]
    run: str
    label: str
    plan_root: str
    utc: str
    format_version: Literal[1] = 1


@dataclass(frozen=True, slots=True)
class Started:
    """An attempt is about to start. Synced before its process exists."""

    kind: Literal["started"]
    cell: str
    number: int
    utc: str


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt ended, and its log is on the disk. A cell with a verdict never runs again."""

    kind: Literal["ended"]
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Resumed:
    """A later process took the run up again."""

    kind: Literal["resumed"]
    utc: str


@dataclass(frozen=True, slots=True)
class Closed:
    """The last record: nothing more will run. `attempts` counts the `ended` records before it."""

    kind: Literal["closed"]
    utc: str
    attempts: int


Record = Opened | Started | Ended | Resumed | Closed


@dataclass(frozen=True, slots=True)
class Journal:
    """What a journal's bytes say: the records of its valid prefix.

    `valid_bytes` is where that prefix ends, `head` its last link; `problem` is empty when the
    prefix is the whole file.
    """

    records: tuple[Record, ...]
    valid_bytes: int
    head: str
    problem: str


@dataclass(frozen=True, slots=True)
class _Frame:
    record: Record


def frame(head: str, record: Record) -> tuple[str, bytes]:
    """Return the next head and the line that appends `record` after `head`."""
    payload = codec.compact(codec.to_value(record))
    link = _link(head, payload)
    return link, link.encode() + b" " + payload + b"\n"


def records_of(attempts: Sequence[Attempt], texts: Sequence[bytes]) -> dict[bytes, Record]:
    """Return the records that tell these attempts, by their payloads.

    `texts` are the attempts' canonical bytes, which make up most of an `ended` payload.
    """
    known: dict[bytes, Record] = {}
    for attempt, text in zip(attempts, texts, strict=True):
        known[b'{"attempt":%s,"kind":"ended"}' % text] = Ended("ended", attempt)
        cell, utc = codec.quoted(attempt.cell), codec.quoted(attempt.start_utc)
        line = f'{{"cell":{cell},"kind":"started","number":{attempt.number},"utc":{utc}}}'
        started = Started("started", attempt.cell, attempt.number, attempt.start_utc)
        known[line.encode("utf-8", "backslashreplace")] = started
    return known


def read(data: bytes, known: Mapping[bytes, Record] = MappingProxyType({})) -> Journal:
    """Return the longest valid prefix of a journal; never raises.

    `known` has records by their canonical payload, where the caller has them already: such a line
    need not be parsed again.
    """
    records: list[Record] = []
    head, at = START, 0
    while at < len(data):
        end = data.find(b"\n", at)
        if end < 0:
            return Journal(tuple(records), at, head, f"record {len(records)} is torn")
        link, space, payload = data[at : at + 64], data[at + 64 : at + 65], data[at + 65 : end]
        if space != b" " or link != _link(head, payload).encode():
            problem = f"record {len(records)} does not follow from the one before it"
            return Journal(tuple(records), at, head, problem)
        try:
            records.append(known.get(payload) or _record_of(payload))
        except codec.Malformed as error:
            return Journal(tuple(records), at, head, f"record {len(records)}: {error}")
        head, at = link.decode(), end + 1
    return Journal(tuple(records), at, head, "")


def _record_of(payload: bytes) -> Record:
    value: Any = {"record": codec.parse(payload)}
    return codec.from_value(_Frame, value).record


def gaps(records: Sequence[Record]) -> Iterator[tuple[str, str]]:
    """Yield (attempt, problem) where a finished run's records are not one whole story.

    It is opened once and closed at its end, and between them each start has its end and each end
    its start, but for cells that were skipped. The attempt is empty where no single one is meant.
    """
    running: set[tuple[str, int]] = set()
    for number, record in enumerate(records):
        match record:
            case Opened() if number:
                yield "", "was opened twice"
            case Closed() if number + 1 < len(records):
                yield "", "goes on after its close"
            case Started(cell=cell, number=attempt_number):
                running.add((cell, attempt_number))
            case Ended(attempt=attempt):
                key = attempt.cell, attempt.number
                if key not in running and attempt.result != "skipped":
                    yield attempt_name(*key), "ended without a start"
                running.discard(key)
    for key in sorted(running):
        yield attempt_name(*key), "started and never ended"


def attempt_name(cell: str, number: int) -> str:
    """Return what findings call an attempt."""
    return f"{cell} attempt {number}"


def _link(head: str, payload: bytes) -> str:
    return hashlib.sha256(head.encode() + payload).hexdigest()
