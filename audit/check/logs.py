"""Reading logs: failures and skipped tests in closing lines, local paths, secrets.

Here bytes of a log become a `LogReading`. Only closing lines that a test runner prints at the start
of a line count as failures: a log may well speak of errors and be right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

CLOSING_BYTES_MAX = 1024
"""How much of a line is looked at as the closing line of a test runner: a bound on time."""
LINE_BYTES_MAX = 1024 * 1024
"""How much of a line is searched for secrets: a bound on time."""
HEAD_BYTES = 2048
"""How far into a log a commit is looked for: later ones are what a test printed."""
_COMMIT = re.compile(
    rb"(?i)(?:commit|head|revision|sha)[^\n]{0,40}?\b[0-9a-f]{40}(?:[0-9a-f]{24})?\b"
)
_ANSI = re.compile(rb"\x1b\[[0-9;?]*[ -/]*[@-~]")

_FAILURES = re.compile(
    rb"^[ \t]*(?:"
    rb"test result: FAILED\b"  # cargo test
    rb"|error: could not compile\b|error: test failed\b|error: \d+ targets? failed"  # cargo
    rb"|=+ [^\n]*\b[1-9]\d* (?:failed|errors?)\b[^\n]* in [\d.]+s\b"  # pytest
    rb"|[1-9]\d* failed(?:,[^\n]*)? in [\d.]+s\b"  # pytest -q
    rb"|[1-9]\d* errors? in [\d.]+s\b"  # pytest -q, collection
    rb"|--- FAIL: |FAIL\t|FAIL$"  # go test
    rb"|Tests:\s+[1-9]\d* failed\b|Test Suites:\s+[1-9]\d* failed\b"  # jest
    rb"|Tests\s+[1-9]\d* failed\b"  # vitest
    rb"|FAILED \((?:failures|errors)="  # unittest
    rb"|(?:\[ERROR\] )?Tests run: \d+, Failures: (?:[1-9]\d*|\d+, Errors: [1-9]\d*)"  # surefire
    rb"|BUILD FAIL(?:ED|URE)\b|\[INFO\] BUILD FAILURE"  # gradle, ant, maven
    rb"|[1-9]\d* failing$"  # mocha
    rb"|# fail [1-9]"  # TAP of node
    rb"|Summary \[[^\n]*\b[1-9]\d* failed\b"  # cargo nextest
    rb"|(?:[a-z]+ (?:ok|FAILED), )*(?:advisories|bans|licenses|sources) FAILED\b"  # cargo deny
    rb"|make(?:\[\d+\])?: \*\*\* "
    rb")",
    re.MULTILINE,
)
_FAILURE_HINTS = (
    *(b"FAIL", b" failed", b" failing", b"could not compile", b"test failed", b" error in "),
    *(b" errors in ", b"# fail ", b"Failures: ", b" *** "),
)
_IGNORED = re.compile(
    rb"^[ \t]*(?:"
    rb"test result: [^\n]*?\b(\d+) ignored"  # cargo
    rb"|(?:=+ )?(?:[^\n=]*, )?(\d+) skipped\b[^\n]* in [\d.]+s"  # pytest
    rb"|Tests:\s+[^\n]*?\b(\d+) skipped"  # jest
    rb"|(?:OK|FAILED) \([^\n)]*skipped=(\d+)"  # unittest
    rb"|Tests run: \d+, [^\n]*Skipped: (\d+)\s*$"  # surefire
    rb"|(--- SKIP: )"  # go
    rb")",
    re.MULTILINE,
)
_IGNORED_HINTS = (b" ignored", b" skipped", b"skipped=", b"Skipped: ", b"--- SKIP: ")
_LOCAL = re.compile(
    rb"(?<![\w./~-])(?:file://)?"
    rb"(?:/(?:Users|home)/(?!runner/|\.\.\.)[\w.-]+|/root|/private/var/folders|/var/folders)"
    rb"/[^\s:\"')\],;]{0,4096}"
    rb"|(?<![\w])[A-Za-z]:\\\\?Users\\\\?[^\\\s:\"']+"
)
_LOCAL_HINTS = (b"/Users/", b"/home/", b"/root/", b"/var/folders/", b":\\")
_SECRETS: tuple[tuple[str, tuple[bytes, ...], re.Pattern[bytes]], ...] = (
    (
        "private key",
        (b"PRIVATE KEY",),
        re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----"),
    ),
    ("AWS access key", (b"AKIA", b"ASIA"), re.compile(rb"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b")),
    (
        "GitHub token",
        (b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_"),
        re.compile(rb"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{60,})"),
    ),
    ("GitLab token", (b"glpat-",), re.compile(rb"\bglpat-[\w-]{20,}")),
    ("Slack token", (b"xox",), re.compile(rb"\bxox[abprs]-[A-Za-z0-9-]{10,}")),
    ("Google API key", (b"AIza",), re.compile(rb"\bAIza[\w-]{35}\b")),
    ("Stripe key", (b"k_live_",), re.compile(rb"\b[rs]k_live_[A-Za-z0-9]{16,}")),
    ("PyPI token", (b"pypi-AgEI",), re.compile(rb"\bpypi-AgEIc[\w-]{50,}")),
    ("npm token", (b"npm_",), re.compile(rb"\bnpm_[A-Za-z0-9]{36}\b")),
    (
        "signed JSON web token",
        (b"eyJ",),
        re.compile(rb"\beyJ[\w-]{8,2048}\.eyJ[\w-]{8,4096}\.[\w-]{16,}"),
    ),
    (
        "password in a URL",
        (b"@",),
        re.compile(rb"[a-z]{2,8}://[^\s:/@*<\[]{1,256}:(?![*x<\[$])[^\s:/@]{6,256}@[\w.-]"),
    ),
    (
        "bearer token",
        (b"Bearer ", b"bearer "),
        re.compile(rb"(?i)authorization: *bearer +(?!\*|<|\[)[\w.~+/-]{16,}"),
    ),
)
"""Kinds of secrets: the name, what stands in every one of them, and the rule."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A first hit: 1-based line, what stands there, and how many there are in all."""

    line: int
    text: str
    count: int


@dataclass(frozen=True, slots=True)
class LogReading:
    """What a log says. `ignored.count` counts tests; `secret.text` is the kind, never the value.

    `names_commit`: its first lines name the commit it ran at.
    """

    failure: Hit | None
    ignored: Hit | None
    local: Hit | None
    secret: Hit | None
    names_commit: bool


def read_log(data: bytes) -> LogReading:
    """Return what a log reports and leaks."""
    if b"\x1b[" in data:
        data = _ANSI.sub(b"", data)
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    named = names_commit(data[:HEAD_BYTES])
    return LogReading(_failure(data), _ignored(data), _local(data), _secret(data), named)


def names_commit(data: bytes) -> bool:
    """Return whether a text names a full commit id as one."""
    return bool(_COMMIT.search(data))


def _line(data: bytes, offset: int) -> int:
    return data.count(b"\n", 0, offset) + 1


def _places(data: bytes, words: Iterable[bytes]) -> Iterator[int]:
    """Yield where any of the words stands; `bytes.find` is far faster than a rule of its own."""
    for word in words:
        at = data.find(word)
        while at >= 0:
            yield at
            at = data.find(word, at + 1)


def _lines(data: bytes, words: Iterable[bytes]) -> list[int]:
    """Return where the lines begin in which any of the words stands, in order."""
    starts: set[int] = set()
    for word in words:
        searched = 0  # always where a line begins, so that a long line is looked at once
        while (at := data.find(word, searched)) >= 0:
            starts.add(data.rfind(b"\n", searched, at) + 1 or searched)
            end = data.find(b"\n", at)
            if end < 0:
                break
            searched = end + 1
    return sorted(starts)


def _span(data: bytes, at: int, limit: int = CLOSING_BYTES_MAX) -> tuple[int, int]:
    """Return where a line begins and ends, cut at the limit."""
    end = data.find(b"\n", at, at + limit)
    return at, end if end >= 0 else min(at + limit, len(data))


def _failure(data: bytes) -> Hit | None:
    lines = _lines(data, _FAILURE_HINTS)
    hits = [hit for at in lines if (hit := _FAILURES.match(data, *_span(data, at)))]
    if not hits:
        return None
    start = hits[0].start()
    end = data.find(b"\n", hits[0].end())
    text = data[start : end if end >= 0 else len(data)].strip().decode("utf-8", "replace")
    return Hit(_line(data, start), text, len(hits))


def _ignored(data: bytes) -> Hit | None:
    first, total = 0, 0
    for at in _lines(data, _IGNORED_HINTS):
        hit = _IGNORED.match(data, *_span(data, at))
        number = next((group for group in hit.groups() if group), b"0") if hit else b"0"
        count = int(number) if number.isdigit() else 1
        first = first or (_line(data, at) if count else 0)
        total += count
    return Hit(first, "", total) if total else None


def _local(data: bytes) -> Hit | None:
    found: dict[int, re.Match[bytes]] = {}
    for place in _places(data, _LOCAL_HINTS):
        for before in (b"file://", b"/private", b""):
            start = place - len(before) - (data[place : place + 1] == b":")
            if start >= 0 and data.startswith(before, start) and (hit := _LOCAL.match(data, start)):
                found[start] = hit
                break
    if not found:
        return None
    start = min(found)
    return Hit(_line(data, start), found[start][0].decode("utf-8", "replace"), len(found))


def _secret(data: bytes) -> Hit | None:
    found: list[tuple[int, str]] = []
    for name, words, rule in _SECRETS:
        for at in _lines(data, words):
            span = _span(data, at, LINE_BYTES_MAX)
            found += [(hit.start(), name) for hit in rule.finditer(data, *span)]
    if not found:
        return None
    start, kind = min(found)
    return Hit(_line(data, start), kind, len(found))
