"""What commands leave behind: JUnit XML in its many dialects, metrics JSON, nox reports.

Bytes in, plain values out; a `BrokenError` says why a file is none of these. Which file belongs to
which cell, and what counts, is decided elsewhere. JUnit has no standard; the dialects read here are
those of pytest (xunit1, xunit2), Surefire, Gradle, gotestsum, jest-junit, cargo-nextest, CTest,
GoogleTest, PHPUnit and RSpec.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any
from xml.parsers import expat

from evidence import judge
from evidence.model import Outcome

FILE_BYTES_MAX = 128 * 2**20
"""A larger result file is not read."""
TESTS_MAX = 500_000
DEPTH_MAX = 200
KEY_LETTERS_MAX = 2_000
NUMBER_LETTERS_MAX = 64

_RANK: tuple[Outcome, ...] = ("passed", "skipped", "failed", "error")
"""From best to worst: of several outcomes of one test the worst counts."""
_CHILDREN: dict[str, Outcome] = {"failure": "failed", "error": "error", "skipped": "skipped"}
_RETRIED = {"flakyfailure", "flakyerror", "rerunfailure", "rerunerror", "rerun"}
_WORDS: dict[str, Outcome] = {
    **dict.fromkeys(("skipped", "skip", "disabled", "ignored", "notrun", "suppressed"), "skipped"),
    **dict.fromkeys(("fail", "failed", "failure", "timeout"), "failed"),
    "error": "error",
}
"""Words in `status` or `result` of a test case; `run`, `completed` and others say nothing."""
_ROOTS = {"testsuites", "testsuite", "testrun", "assemblies"}
_NOT_XML = bytes(set(range(32)) - {9, 10, 13})


class BrokenError(ValueError):
    """A result file that is not whole, or is none; the text says where and why."""


@dataclass(frozen=True, slots=True)
class Test:
    """One test: its dotted key, its worst outcome, and whether it passed only when run again."""

    __test__ = False

    key: str
    outcome: Outcome
    retried: bool


def junit(data: bytes, clean: Callable[[str], str] | None = None) -> list[Test]:
    """Return the tests of a JUnit file, one per key, in order of first appearance.

    `clean` takes out of each attribute what must not be seen: XML can spell it in endless ways.

    A test case with several outcomes has the worst of them, and so has a key that stands there
    twice. `flakyFailure` and its kind, beside no failure, mean passed after failing: `retried`.

    Raises:
        BrokenError: no XML, cut off, with a document type, of another kind, or against itself.
    """
    reader = _Reader(clean)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.StartDoctypeDeclHandler = _no_doctype
    parser.EntityDeclHandler = _no_doctype
    try:
        parser.Parse(_clean(data), True)
    except expat.ExpatError as error:
        problem = expat.errors.messages.get(error.code, str(error))
        raise BrokenError(f"line {error.lineno}: {problem}") from error
    except BrokenError:  # is a ValueError, too
        raise
    except (LookupError, ValueError) as error:  # an unknown encoding, or one of several bytes
        raise BrokenError(f"its encoding cannot be read, {error}") from error
    return list(_worst(reader.tests))


def worse(one: Outcome, other: Outcome) -> Outcome:
    """Return the worse of two outcomes of one test."""
    return one if _RANK.index(one) >= _RANK.index(other) else other


def _clean(data: bytes) -> bytes:
    """Take out control characters that test tools copy from output, although XML has no such."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:4]:
        return data
    return data.translate(None, _NOT_XML)


def _no_doctype(*_: object) -> None:
    raise BrokenError("it has a document type, which results need for nothing")


def _worst(tests: list[Test]) -> Iterator[Test]:
    found: dict[str, Test] = {}
    for test in tests:
        other = found.get(test.key)
        if other is None:
            found[test.key] = test
        else:
            outcome = worse(other.outcome, test.outcome)
            found[test.key] = Test(test.key, outcome, other.retried or test.retried)
    yield from found.values()


@dataclass(slots=True)
class _Suite:
    name: str
    file: str
    declared: int
    red: int = 0


@dataclass(slots=True)
class _Case:
    key: str
    outcome: Outcome
    retried: bool = False
    depth: int = 0


@dataclass(slots=True)
class _Reader:
    """Collects test cases while expat walks; keeps no text and no tree."""

    clean: Callable[[str], str] | None = None
    tests: list[Test] = field(default_factory=list)
    suites: list[_Suite] = field(default_factory=list)
    case: _Case | None = None
    depth: int = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition(":")[2].lower()
        if self.clean is not None:
            attributes = {key: self.clean(value) for key, value in attributes.items()}
        self.depth += 1
        if self.depth == 1 and name not in _ROOTS:
            raise BrokenError(f"it begins with <{tag:.60}>, not with <testsuites> or <testsuite>")
        if self.depth > DEPTH_MAX:
            raise BrokenError("it is nested too deeply")
        if self.case is not None:
            self._inside_case(name)
        elif name == "testcase":
            self._open_case(attributes)
        elif name in _ROOTS:
            self.suites.append(_suite(attributes))
        elif name in ("failure", "error") and self.suites:
            # A suite that failed as a whole, such as one that could not be set up.
            key = judge.test_key(f"{self.suites[-1].name or 'suite'}::{name}")
            self._add(Test(key, _CHILDREN[name], False))

    def end(self, tag: str) -> None:
        name = tag.rpartition(":")[2].lower()
        if self.case is not None and self.depth == self.case.depth:
            self._add(Test(self.case.key, self.case.outcome, self.case.retried))
            self.case = None
        elif self.case is None and name in _ROOTS:
            self._close_suite()
        self.depth -= 1

    def _open_case(self, attributes: dict[str, str]) -> None:
        outcome: Outcome = "passed"
        for word in (attributes.get("status", ""), attributes.get("result", "")):
            outcome = worse(outcome, _WORDS.get(word.lower(), "passed"))
        suite = self.suites[-1] if self.suites else _Suite("", "", 0)
        self.case = _Case(_key(attributes, suite), outcome, depth=self.depth)

    def _inside_case(self, name: str) -> None:
        if self.case is None or self.depth != self.case.depth + 1:
            return
        if name in _CHILDREN:
            self.case.outcome = worse(self.case.outcome, _CHILDREN[name])
        self.case.retried = self.case.retried or name in _RETRIED

    def _add(self, test: Test) -> None:
        if len(self.tests) >= TESTS_MAX:
            raise BrokenError(f"it has more than {TESTS_MAX} tests")
        self.tests.append(test)
        if test.outcome in ("failed", "error") or test.retried:
            for suite in self.suites:
                suite.red += 1

    def _close_suite(self) -> None:
        suite = self.suites.pop()
        if suite.declared and not suite.red:
            raise BrokenError(
                f"suite {suite.name:.60} counts {suite.declared} failures and shows none"
            )


def _suite(attributes: dict[str, str]) -> _Suite:
    counts = (attributes.get(name, "") for name in ("failures", "errors"))
    declared = sum(int(text) for text in counts if re.fullmatch(r"[0-9]{1,9}", text))
    return _Suite(attributes.get("name", ""), attributes.get("file", ""), declared)


def _key(attributes: dict[str, str], suite: _Suite) -> str:
    """Return the key of a test case: of its class and name, or of its file where that says more.

    A file counts when it is relative and the class is not named after it already.
    """
    name, owner = attributes.get("name", ""), attributes.get("classname", "")
    file = (attributes.get("file") or suite.file).replace("\\", "/").removeprefix("./")
    path = PurePosixPath(file)
    if file and not path.is_absolute() and file[1:2] != ":":
        dotted = ".".join(path.with_suffix("").parts)
        if not f"{owner}.".startswith(f"{dotted}."):
            owner = f"{file}::{owner}" if owner and owner != name else file
    owner = owner or suite.name
    return judge.test_key(f"{owner}::{name}" if owner else name)[:KEY_LETTERS_MAX]


# --- metrics --------------------------------------------------------------------------------------


class _Number(str):
    __slots__ = ()


def metrics(data: bytes, wanted: frozenset[str] | None = None) -> dict[str, str]:
    """Return the numbers of a JSON document by dotted path, as they are written there.

    Elements of lists are numbered from 0: `files.0.lines`. `wanted` keeps only these paths.

    Raises:
        BrokenError: no JSON, a key twice, `NaN` or `Infinity`, or a number too long to be measured.
    """
    found: dict[str, str] = {}
    waiting: list[tuple[str, Any]] = [("", _json(data))]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, _Number):
            if wanted is None or path in wanted:
                found[path] = _plain(path, value)
        elif isinstance(value, dict | list):
            items = value.items() if isinstance(value, dict) else enumerate(value)
            dot = f"{path}." if path else ""
            waiting += [(f"{dot}{key}", item) for key, item in items]
    return dict(sorted(found.items()))


def _plain(path: str, value: str) -> str:
    if len(value) > NUMBER_LETTERS_MAX:
        raise BrokenError(f"the number at {path:.60} has {len(value)} letters")
    return str(value)


def _json(data: bytes) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            raise BrokenError("a key stands there twice")
        return members

    def no_constant(text: str) -> Any:
        raise BrokenError(f"{text} is no number")

    try:
        return json.loads(
            data.decode("utf-8-sig"),
            object_pairs_hook=unique,
            parse_float=_Number,
            parse_int=_Number,
            parse_constant=no_constant,
        )
    except UnicodeDecodeError as error:
        raise BrokenError(f"byte {error.start} is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise BrokenError(f"line {error.lineno}: {error.msg.lower()}") from error
    except RecursionError as error:
        raise BrokenError("it is nested too deeply") from error


# --- nox ------------------------------------------------------------------------------------------


def nox_sessions(data: bytes) -> dict[str, str]:
    """Return what a nox report says of each session: name to `success`, `skipped`, `failed`, ….

    Source: `nox --report`, an object whose `sessions` are objects with `name` and `result`. The
    worst counts when a name stands there twice.

    Raises:
        BrokenError: another shape, or no session at all.
    """
    value = _json(data)
    sessions = value.get("sessions") if isinstance(value, dict) else None
    if not isinstance(sessions, list) or not sessions:
        raise BrokenError("it names no session")
    found: dict[str, str] = {}
    for session in sessions:
        name = session.get("name") if isinstance(session, dict) else None
        result = session.get("result") if isinstance(session, dict) else None
        if type(name) is not str or type(result) is not str:
            raise BrokenError("a session lacks its name or its result")
        if found.get(name, "success") == "success":
            found[name] = result
    return found
