"""Reading logs: failures and skipped tests in closing lines, local paths, secrets.

Here bytes of a log become a `LogReading`. Only closing lines that a test runner prints at the start
of a line count as failures: a log may well speak of errors and be right.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

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
_FAILURE_HINT = re.compile(
    rb"FAIL|[1-9]\d* fail|could not compile|test failed|targets? failed|\d errors? in "
    rb"|# fail |Failures: | \*\*\* "
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
_IGNORED_HINT = re.compile(rb"[1-9]\d* (?:ignored|skipped)|skipped=|Skipped: |--- SKIP: ")
_LOCAL = re.compile(
    rb"(?<![\w./~-])(?:file://)?"
    rb"(?:/(?:Users|home)/(?!runner/|\.\.\.)[\w.-]+|/root|/private/var/folders|/var/folders)"
    rb"/[^\s:\"')\],;]*"
    rb"|(?<![\w])[A-Za-z]:\\\\?Users\\\\?[^\\\s:\"']+"
)
_LOCAL_HINT = re.compile(rb"/Users/|/home/|/root/|/var/folders/|:\\")
_SECRETS: tuple[tuple[str, re.Pattern[bytes]], ...] = (
    ("private key", re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----")),
    ("AWS access key", re.compile(rb"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b")),
    ("GitHub token", re.compile(rb"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{60,})")),
    ("GitLab token", re.compile(rb"\bglpat-[\w-]{20,}")),
    ("Slack token", re.compile(rb"\bxox[abprs]-[A-Za-z0-9-]{10,}")),
    ("Google API key", re.compile(rb"\bAIza[\w-]{35}\b")),
    ("Stripe key", re.compile(rb"\b[rs]k_live_[A-Za-z0-9]{16,}")),
    ("PyPI token", re.compile(rb"\bpypi-AgEIc[\w-]{50,}")),
    ("npm token", re.compile(rb"\bnpm_[A-Za-z0-9]{36}\b")),
    ("signed JSON web token", re.compile(rb"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{16,}")),
    (
        "password in a URL",
        re.compile(rb"[a-z]{2,8}://[^\s:/@*<\[]+:(?![*x<\[$])[^\s:/@]{6,}@[\w.-]"),
    ),
    ("bearer token", re.compile(rb"(?i)authorization: *bearer +(?!\*|<|\[)[\w.~+/-]{16,}")),
)
_SECRET_HINT = re.compile(
    rb"PRIVATE KEY|AKIA|ASIA|gh[pousr]_|github_pat_|glpat-|xox|AIza|[rs]k_live_|pypi-|npm_|eyJ"
    rb"|@[\w]|(?i:bearer)"
)


@dataclass(frozen=True, slots=True)
class Hit:
    """A first hit: 1-based line, what stands there, and how many there are in all."""

    line: int
    text: str
    count: int


@dataclass(frozen=True, slots=True)
class LogReading:
    """What a log says. `ignored.count` counts tests; `secret.text` is the kind, never the value."""

    failure: Hit | None
    ignored: Hit | None
    local: Hit | None
    secret: Hit | None


def read_log(data: bytes) -> LogReading:
    """Return what a log reports and leaks."""
    if b"\x1b[" in data:
        data = _ANSI.sub(b"", data)
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    return LogReading(_failure(data), _ignored(data), _local(data), _secret(data))


def _line(data: bytes, offset: int) -> int:
    return data.count(b"\n", 0, offset) + 1


def _closing(
    data: bytes, hint: re.Pattern[bytes], rule: re.Pattern[bytes]
) -> list[re.Match[bytes]]:
    """Return the matches of `rule` at the start of every line in which `hint` occurs."""
    starts = dict.fromkeys(data.rfind(b"\n", 0, hit.start()) + 1 for hit in hint.finditer(data))
    return [hit for start in starts if (hit := rule.match(data, start))]


def _failure(data: bytes) -> Hit | None:
    hits = _closing(data, _FAILURE_HINT, _FAILURES)
    if not hits:
        return None
    start = hits[0].start()
    end = data.find(b"\n", hits[0].end())
    text = data[start : end if end >= 0 else len(data)].strip().decode("utf-8", "replace")
    return Hit(_line(data, start), text, len(hits))


def _ignored(data: bytes) -> Hit | None:
    first, total = 0, 0
    for hit in _closing(data, _IGNORED_HINT, _IGNORED):
        number = next((group for group in hit.groups() if group), b"0")
        count = int(number) if number.isdigit() else 1
        first = first or (_line(data, hit.start()) if count else 0)
        total += count
    return Hit(first, "", total) if total else None


def _local(data: bytes) -> Hit | None:
    if not _LOCAL_HINT.search(data):
        return None
    hits = list(_LOCAL.finditer(data))
    if not hits:
        return None
    text = hits[0][0].decode("utf-8", "replace")
    return Hit(_line(data, hits[0].start()), text, len(hits))


def _secret(data: bytes) -> Hit | None:
    if not _SECRET_HINT.search(data):
        return None
    found = [(hit.start(), name) for name, rule in _SECRETS for hit in rule.finditer(data)]
    if not found:
        return None
    start, name = min(found)
    return Hit(_line(data, start), name, len(found))
