"""What two attempts of one cell have in common: result, exit code, log, files.

Values and bytes in, an answer out. Noise (times, paths, ids) is no difference; the rules for it are
those of `evidence.normalise`. How the second attempt came about is not known here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

from audit import results
from evidence import normalise
from evidence.codec import Malformed
from evidence.model import Artifact, Attempt, Cell, Log

COMPARED_BYTES_MAX = 256 << 20
"""Largest log or file of which the lines are compared; a larger one is not compared."""
SHOWN_CHARS_MAX = 120
"""Characters of a differing line that are told."""
REDACTED = "[redacted:"
"""How a word begins that a secret was taken out of."""

Outcome = Literal["same", "differs", "not_compared"]
Part = Literal["chosen", "needed"]
Read = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class Side:
    """One attempt, how the files of its bundle are read (raises `Malformed`), and the paths of
    those of which something was withheld after the seal."""

    attempt: Attempt
    read: Read
    withheld: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Compared:
    """What a replay says of one cell. `notes` tell what differs, or why nothing can be said."""

    cell: str
    part: Part
    outcome: Outcome
    notes: tuple[str, ...]


class _UnknownError(Exception):
    """Something that cannot be compared, for the reason that this says."""


def out_of_reach(cell: Cell, attempts: Sequence[Attempt]) -> str:
    """Return why no replay can say anything of a cell, going by the sealed records; else nothing.

    `attempts` are those of the cell.
    """
    if not attempts:
        return "it has no sealed attempt"
    if len(attempts) > 1:
        return f"it took {len(attempts)} attempts, of which each found what the last one left"
    if attempts[0].result == "interrupted":
        return "it was interrupted"
    if attempts[0].result == "could_not_run":
        return f"it could not run then: {attempts[0].reason}"
    if any(REDACTED in word for word in (*cell.argv, *cell.env)):
        return "its words hold a secret, which the seal does not"
    return ""


def compare(cell: Cell, part: Part, sealed: Side, again: Side) -> Compared:
    """Return what differs between the sealed attempt of a cell and the one of a replay."""
    old, new = sealed.attempt, again.attempt
    if new.result in ("could_not_run", "interrupted"):
        return Compared(cell.id, part, "not_compared", (f"{new.result} here: {new.reason}",))
    differences: list[str] = []
    if old.result != new.result:
        why = f" ({new.reason})" if new.reason else ""
        differences.append(f"result: was {old.result}, is {new.result}{why}")
    if old.exit_code != new.exit_code:
        differences.append(f"exit code: was {_code(old)}, is {_code(new)}")
    unknown: list[str] = []
    for looked in (_logs(sealed, again), _files(cell, sealed, again)):
        try:
            differences += looked
        except _UnknownError as error:
            unknown.append(str(error))
    outcome: Outcome = "differs" if differences else "not_compared" if unknown else "same"
    return Compared(cell.id, part, outcome, (*differences, *unknown))


def _code(attempt: Attempt) -> str:
    return "none" if attempt.exit_code is None else str(attempt.exit_code)


def _logs(sealed: Side, again: Side) -> Iterator[str]:
    old, new = sealed.attempt.log, again.attempt.log
    if old is None or new is None:
        if old is not new:
            yield "log: was there, is not" if old else "log: was not there, is"
        return
    if old.truncated or new.truncated:
        raise _UnknownError("its log was cut at the output limit")
    if old.path in sealed.withheld:
        raise _UnknownError("part of its log was withheld")
    before, now = _said(sealed, old), _said(again, new)
    if before != now and Counter(before) != Counter(now):
        yield f"log: {_first_difference(before, now)}"


def _said(side: Side, log: Log) -> list[str]:
    return list(normalise.lines(_bytes(side, log.path, log.bytes)))


def _bytes(side: Side, path: str, size: int) -> bytes:
    if size > COMPARED_BYTES_MAX:
        raise _UnknownError(f"{path} is larger than {COMPARED_BYTES_MAX} bytes")
    try:
        return side.read(path)
    except Malformed as error:
        raise _UnknownError(f"{path} {error.problem}") from error


def _first_difference(before: Sequence[str], now: Sequence[str]) -> str:
    for number, (old, new) in enumerate(zip_longest(before, now), 1):
        if old != new:
            return f"line {number} {_was(old)}, {_is(new)}"
    return ""


def _was(line: str | None) -> str:
    return "was not there" if line is None else f"was `{line:.{SHOWN_CHARS_MAX}}`"


def _is(line: str | None) -> str:
    return "is not there" if line is None else f"is `{line:.{SHOWN_CHARS_MAX}}`"


# --- what a cell left -----------------------------------------------------------------------------


def _files(cell: Cell, sealed: Side, again: Side) -> Iterator[str]:
    old = {artifact.source: artifact for artifact in sealed.attempt.artifacts}
    new = {artifact.source: artifact for artifact in again.attempt.artifacts}
    for source in sorted(old.keys() - new.keys()):
        yield f"{source}: was left, is not"
    for source in sorted(new.keys() - old.keys()):
        yield f"{source}: was not left, is"
    formats = {result.path: result.format for result in cell.results}
    for source in sorted(old.keys() & new.keys()):
        if old[source].sha256 != new[source].sha256:
            told = _told(sealed, old[source]), _told(again, new[source])
            if difference := _difference(formats.get(source, ""), *told):
                yield f"{source}: {difference}"


def _told(side: Side, artifact: Artifact) -> bytes:
    return _bytes(side, artifact.path, artifact.bytes)


def _difference(format_: str, old: bytes, new: bytes) -> str:
    """What two files say differently; of JUnit, whose times and hosts always differ, the tests."""
    if format_ == "junit":
        try:
            return _tests_differ(results.junit(old), results.junit(new))
        except results.BrokenError as error:
            return f"its tests cannot be read: {error}"
    if b"\0" in old or b"\0" in new:
        return "is not the same bytes"
    before, now = list(normalise.lines(old)), list(normalise.lines(new))
    return "" if before == now else _first_difference(before, now)


def _tests_differ(old: Sequence[results.Test], new: Sequence[results.Test]) -> str:
    before = {test.key: test for test in old}
    now = {test.key: test for test in new}
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            return f"test {name} {_test(before.get(name), 'was')}, {_test(now.get(name), 'is')}"
    return ""


def _test(test: results.Test | None, word: str) -> str:
    if test is None:
        return f"{word} not there"
    return f"{word} {test.outcome}{' after a failure' if test.retried else ''}"
