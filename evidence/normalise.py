"""What a log says, without what differs between two runs that say the same.

Times, durations, addresses, absolute paths, temporary names, process ids, UUIDs and hash seeds are
replaced by words such as `<time>`; everything else stays, so that a changed word is a changed line.
A replay compares logs through this, and the fingerprint of a failure is made from it. Pure
functions over text. Nothing here knows what a line means, and nothing compares or hashes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_BEFORE = r"(?<![\w.:/-])"
_CLOCK = r"\d\d:\d\d:\d\d(?:[.,]\d+)?"
_ZONE = r"(?: ?(?:Z|UTC|GMT|[+-]\d\d:?\d\d))?(?!\w)"
_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_NUMBER = r"\d+(?:[.,]\d+){0,4}(?:e[+-]?\d+)?"
"""Bounded, and each rule begins at a border, so that no line costs more than its length."""
_UNIT = r"(?:ns|nsecs?|[uµμ]s|usecs?|ms|msecs?|s|secs?|mins?|hrs?|(?:milli|micro|nano)?seconds?)"
_LONG_UNIT = r"(?:minutes?|hours?|days?)"
_PART = r"[^\s/:'\"`<>|,;()\[\]{}]+"
"""One component of a path: what ends it in prose and in code is left out."""

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
"""ECMA-48 control sequences: colours, titles and cursor movements, where they are whole: one that
never ends must not swallow the words behind it."""
_PATH = re.compile(rf"(?<![\w.\-/<>~$%])(?:file://)?(?P<dirs>/(?:{_PART}/)+)(?P<name>{_PART})?/?")
_TEMPORARY = frozenset(("/tmp/", "/var/tmp/", "/dev/shm/", "/private/tmp/"))
_SUFFIX = re.compile(r"\w\.[A-Za-z]\w{0,9}$")

_RULES = tuple(
    (re.compile(pattern, re.IGNORECASE if insensitive else 0), word)
    for pattern, word, insensitive in (
        (r"(?<!\w)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?!\w)", "<uuid>", True),
        (r"(?<!\w)0x[0-9a-f]{6,16}(?!\w)", "<address>", True),
        (rf"{_BEFORE}\d{{4}}([-/])\d\d\1\d\d(?:[T ]{_CLOCK}{_ZONE})?(?![\w-])", "<time>", False),
        (
            rf"(?:(?<!\w){_DAY},? )?(?:(?<!\w)\d\d? {_MONTH} \d{{4}} |(?<!\w){_MONTH}  ?\d\d? )"
            rf"{_CLOCK}{_ZONE}(?: \d{{4}}(?!\w))?",
            "<time>",
            False,
        ),
        (rf"{_BEFORE}{_CLOCK}{_ZONE}(?!:)", "<time>", False),
        (r"(?<![\w./])1[5-9]\d{8}\.\d+(?!\w)", "<time>", False),
        (rf"(?<![\w./]){_NUMBER} ?(?:[kMGT]?i?B|[a-zA-Z]{{2,12}})/s(?!\w)", "<rate>", False),
        (r"(?<![\w.:/])\d+:\d\d:\d\d(?:\.\d+)?(?![\w:])", "<duration>", False),
        (r"(?<![\w./])(?:\d+h ?)?\d+m ?\d+(?:\.\d+)?s(?!\w)", "<duration>", False),
        (r"(?<![\w./])\d+h ?\d+m(?!\w)", "<duration>", False),
        (rf"(?<![\w./]){_NUMBER} ?{_UNIT}(?![\w/])", "<duration>", False),
        (rf"(?<![\w./]){_NUMBER} {_LONG_UNIT}(?![\w/])", "<duration>", False),
        (
            r"((?<![a-z])(?:elapsed|took|duration|time)[\"']?(?: ?[=:] ?| )[\"']?)"
            r"\d+\.\d+(?![\w.])",
            r"\1<duration>",
            True,
        ),
    )
)
"""What is replaced before paths, in this order: a UUID holds what looks like a number."""

_NAMES = tuple(
    (re.compile(pattern, re.IGNORECASE if insensitive else 0), word)
    for pattern, word, insensitive in (
        (r"(?<![\w-])(?:tmp[a-z0-9_]{8}|tmp\.[A-Za-z0-9]{6,10})(?![\w-])", "<temp>", False),
        (r"(?<![\w.-])pytest-of-[\w.-]+/pytest-\d+(?!\w)", "<temp>", False),
        (r"((?<![a-z])p?pid[\"']?(?: ?[=:] ?| )[\"']?)\d+(?!\w)", r"\1<pid>", True),
        (r"((?<![a-z])process(?: id)?(?: ?[=:#] ?| ))\d{2,}(?!\w)", r"\1<pid>", True),
        (r"(?<=\w)\[\d{3,}\](?=:)", "[<pid>]", False),
        (r"==\d+==", "==<pid>==", False),
        (
            r"((?<!\w)\w*seed[\"']?(?: ?[=:] ?| )[\"']?)\d+(?!\w)",
            r"\1<seed>",
            True,
        ),
        (r"((?:127\.0\.0\.1|0\.0\.0\.0|localhost|\[::1?\]):)\d{2,5}(?!\w)", r"\1<port>", True),
        (r"(?<!\w)gw\d+(?!\w)", "<worker>", False),
        (r"([=_~*#-])\1{3,}", r"\1\1\1", False),
        (r"\s+", " ", False),
    )
)
"""What is replaced after paths. Rules and spaces have the width that a number left them."""


def lines(data: bytes) -> Iterator[str]:
    """Yield what each line of a log says, in order; empty lines are left out.

    A carriage return ends a line too, so that what a progress bar wrote over is still seen. Bytes
    that are not UTF-8 are shown as escapes, never dropped.
    """
    start = 0
    while start < len(data):
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        for piece in data[start:end].split(b"\r"):
            if said := line(piece.decode("utf-8", "backslashreplace")):
                yield said
        start = end + 1


def line(text: str) -> str:
    """Return what one line says: the same text for the same words, whatever the noise.

    The last name of a path stays when it has a suffix, with the line number behind it: a failure in
    another file is another failure. Applied twice, it changes nothing more.
    """
    text = _ESCAPES.sub("", text)
    for pattern, word in _RULES:
        text = pattern.sub(word, text)
    text = _PATH.sub(_path, text)
    for pattern, word in _NAMES:
        text = pattern.sub(word, text)
    return text.strip()


def _path(found: re.Match[str]) -> str:
    name = found["name"] or ""
    end = "." if name.endswith(".") else ""
    name = name.rstrip(".")
    if found["dirs"] in _TEMPORARY or not _SUFFIX.search(name):
        return f"<path>{end}"
    return f"<path>/{name}{end}"
