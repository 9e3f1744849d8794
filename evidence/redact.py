"""Secrets are taken out of every byte before it touches a disk or a screen.

Here live the rule that says which variables hold secrets, the spellings of a secret that are looked
for, and the stream that replaces them. Nothing here opens a file or reads the environment.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import re
import urllib.parse
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ahocorasick_rs import BytesAhoCorasick

SECRET_BYTES_MIN = 8
"""A shorter value would be found by accident all over a log; it is reported as not covered."""
WINDOW_BYTES = 512
"""Longest pattern; a longer spelling is looked for in overlapping windows of this size, so that the
bytes held back stay few however long a secret is."""
OVERLAP_BYTES = 64
"""How far two windows of one spelling overlap: their matches join to one."""
STEP_BYTES = 16_384
"""Bytes taken at a time where something was found: bounds the list of overlapping matches."""
DFA_BYTES_MAX = 65_536
"""Sum of patterns up to which the automaton is a full table (about 0.3 KiB a byte, and twice as
fast: 608 against 357 MB/s with 300 patterns); beyond it the compact one is built."""

_URLSAFE = bytes.maketrans(b"+/", b"-_")
_HEAD_BYTES = 4


class Rules:
    """The patterns that stand for secrets, their markers, and the automaton that finds them."""

    def __init__(self, patterns: Mapping[bytes, str]) -> None:
        self.patterns = sorted(patterns)
        """What is looked for; matches name a pattern by its place here."""
        self.markers = [_marker(patterns[pattern]) for pattern in self.patterns]
        """What replaces a match of each pattern."""
        self.longest = max(map(len, self.patterns), default=1)
        """Bytes of the longest pattern."""
        self._heads = {pattern[:_HEAD_BYTES] for pattern in self.patterns}
        self._automaton = _automaton(self.patterns) if patterns else None

    def clean(self, data: bytes) -> bool:
        """Return whether nothing is found in `data`."""
        automaton = self._automaton
        return automaton is None or not automaton.find_matches_as_indexes(data)

    def found(self, data: bytes) -> list[tuple[int, int, int]]:
        """Return all matches as (start, -end, pattern) in the order that names a marker."""
        if self._automaton is None:
            return []
        matches = self._automaton.find_matches_as_indexes(data, overlapping=True)
        return sorted((start, -end, pattern) for pattern, start, end in matches)

    def decided(self, data: bytes) -> int:
        """Return up to where `data` is decided: the first place that may still begin a match.

        No pattern that begins before it can end in bytes that are still to come, so what is cut
        there never depends on how the input was split.
        """
        first = max(0, len(data) - self.longest + 1)
        tail = data[first:]
        short = max(0, len(tail) - _HEAD_BYTES + 1)
        heads = self._heads
        for at in range(short):
            if tail[at : at + _HEAD_BYTES] in heads and self._begins(tail[at:]):
                return first + at
        for at in range(short, len(tail)):
            if self._begins(tail[at:]):
                return first + at
        return len(data)

    def _begins(self, piece: bytes) -> bool:
        at = bisect_left(self.patterns, piece)
        return at < len(self.patterns) and self.patterns[at].startswith(piece)


class Redactor:
    """Replaces every spelling of every secret by `[redacted:NAME]`.

    Looked for: plain, base64 (three alignments, both alphabets), hex, URL, JSON and XML escapes, of
    the value, of its lines, and of a password inside a connection string. All overlapping matches
    are joined and give one marker, named after the one that starts first.
    """

    def __init__(self, secrets: Mapping[str, str]) -> None:
        patterns: dict[bytes, str] = {}
        uncovered: list[str] = []
        for name in sorted(secrets):
            if secrets[name] and not all(map(_long_enough, _values(secrets[name]))):
                uncovered.append(name)
            for pattern in _patterns(secrets[name]):
                patterns.setdefault(pattern, name)
        self.rules = Rules(patterns)
        """What is looked for."""
        self.uncovered = tuple(uncovered)
        """Names whose value is too short to be looked for."""
        self.active = bool(patterns)
        """Whether anything is looked for at all."""

    def text(self, text: str) -> str:
        """Return `text` without secrets; a text without any comes back as the same object.

        Lone surrogates (names that are not UTF-8) survive outside of what is replaced.
        """
        errors = "surrogateescape"
        try:
            data = text.encode("utf-8", errors)
        except UnicodeEncodeError:
            errors = "surrogatepass"
            data = text.encode("utf-8", errors)
        if self.rules.clean(data):
            return text
        clean = self.data(data)
        try:
            return clean.decode("utf-8", errors)
        except UnicodeDecodeError:
            return clean.decode("utf-8", "replace")

    def data(self, data: bytes) -> bytes:
        """Return `data` without secrets; bytes without any come back as the same object."""
        if self.rules.clean(data):
            return data
        stream = self.stream()
        return stream.feed(data) + stream.flush()

    def stream(self) -> Stream:
        """Return a stream that redacts what is fed to it piece by piece."""
        return Stream(self.rules)


class Stream:
    """Redacts a stream of bytes, holding back fewer bytes than the longest pattern has.

    The bytes given out, joined, are a pure function of the bytes fed, joined.
    """

    __slots__ = ("_covered", "_held", "_rules")

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._held = b""
        self._covered = 0  # bytes of `_held` that belong to a match whose marker is out already

    def feed(self, chunk: bytes) -> bytes:
        """Return what is now certain; with no secret in force that is `chunk` itself."""
        rules = self._rules
        if not rules.patterns:
            return chunk
        data = self._held + chunk if self._held else chunk
        if not self._covered and rules.clean(data):
            decided = rules.decided(data)
            self._held = data[decided:]
            return data[:decided]
        pieces = (chunk[at : at + STEP_BYTES] for at in range(0, len(chunk), STEP_BYTES))
        return b"".join([self._step(piece) for piece in pieces])

    def flush(self) -> bytes:
        """Return what was held back: the stream has ended."""
        return self._step(b"", end=True)

    def _step(self, piece: bytes, *, end: bool = False) -> bytes:
        rules = self._rules
        data = self._held + piece
        if not data:
            return b""
        decided = len(data) if end else rules.decided(data)
        out: list[bytes] = []
        at = self._covered
        for start, minus_end, pattern in rules.found(data):
            if start >= decided:
                break
            if start >= at:
                out += (data[at:start], rules.markers[pattern])
            at = max(at, -minus_end)
        out.append(data[at:decided])
        self._covered = max(at, decided) - decided
        self._held = data[decided:]
        return b"".join(out)


def _automaton(patterns: list[bytes]) -> BytesAhoCorasick:
    # Late, because most commands never redact.
    from ahocorasick_rs import BytesAhoCorasick, Implementation

    table = sum(map(len, patterns)) <= DFA_BYTES_MAX
    kind = Implementation.DFA if table else Implementation.ContiguousNFA
    return BytesAhoCorasick(patterns, implementation=kind)


def _marker(name: str) -> bytes:
    return b"[redacted:" + re.sub(r"[^A-Za-z0-9_.-]", "_", name).encode() + b"]"


# --- what is looked for ---------------------------------------------------------------------------


def _patterns(value: str) -> Iterator[bytes]:
    for variant in filter(_long_enough, _variants(value)):
        for spelling in _spellings(variant):
            yield from _windows(spelling)


def _long_enough(value: str) -> bool:
    return len(_bytes(value)) >= SECRET_BYTES_MIN


def _bytes(value: str) -> bytes:
    try:
        return value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogatepass")


def _values(value: str) -> Iterator[str]:
    """Yield the secrets in one value: all of it, and the passwords of a connection string."""
    yield value
    for password in _passwords(value):
        yield password
        yield urllib.parse.unquote(password, errors="surrogateescape")


def _variants(value: str) -> Iterator[str]:
    """Yield the texts that give a value away: its secrets, stripped, and each of their lines."""
    for secret in _values(value):
        yield secret
        for line in secret.splitlines():
            yield line
            yield line.strip()


_URL_PASSWORD = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#\s:@]*:([^/?#\s]+)@")
_FIELD_PASSWORD = re.compile(
    r"(?i)(?:^|[;&?\s])(?:password|passwd|pwd|accountkey|sharedaccesskey|sig)\s*=\s*([^;&\s]+)"
)


def _passwords(value: str) -> list[str]:
    """Return the passwords that a URL or a `key=value;` connection string holds."""
    return _URL_PASSWORD.findall(value) + _FIELD_PASSWORD.findall(value)


def _spellings(value: str) -> set[bytes]:
    """Return every spelling of a value that is looked for; none is shorter than 8 bytes."""
    data = _bytes(value)
    spellings = {data, data.hex().encode(), data.hex().upper().encode()}
    spellings.update(_base64_forms(data))
    spellings.update(_url_forms(data))
    for ascii_only in (True, False):
        escaped = json.dumps(value, ensure_ascii=ascii_only)[1:-1]
        spellings |= {_bytes(escaped), _bytes(escaped.replace("/", "\\/"))}
    spellings.update(map(_bytes, _xml_forms(value)))
    return spellings


def _xml_forms(value: str) -> Iterator[str]:
    """Yield what writers of XML and HTML make of a value: they agree on `&` and `<` alone."""
    escaped = value.replace("&", "&amp;").replace("<", "&lt;")
    ways = ((">", ("&gt;",)), ('"', ("&quot;", "&#34;")), ("'", ("&#x27;", "&#39;", "&apos;")))
    choices = [[(sign, way) for way in (sign, *others)] for sign, others in ways if sign in value]
    for chosen in itertools.product(*choices):
        text = escaped
        for sign, way in chosen:
            text = text.replace(sign, way)
        yield text


def _base64_forms(data: bytes) -> Iterator[bytes]:
    """Yield what base64 makes of `data` behind 0, 1 or 2 other bytes, in both alphabets.

    Once only the digits that no neighbouring byte can change, once with the end of the text as it
    is when nothing follows.
    """
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + data)
        first = -(-8 * before // 6)
        for form in (encoded[first : 8 * (before + len(data)) // 6], encoded[first:]):
            yield form
            yield form.translate(_URLSAFE)


def _url_forms(data: bytes) -> Iterator[bytes]:
    """Yield the percent-encodings of `data`, with upper and lower hex digits."""
    for form in (
        urllib.parse.quote(data, safe=""),
        urllib.parse.quote(data, safe="/"),
        urllib.parse.quote_plus(data, safe=""),
    ):
        yield form.encode()
        yield re.sub("%..", lambda match: match[0].lower(), form).encode()


def _windows(spelling: bytes) -> Iterable[bytes]:
    if len(spelling) <= WINDOW_BYTES:
        return (spelling,)
    last = len(spelling) - WINDOW_BYTES
    starts = [*range(0, last, WINDOW_BYTES - OVERLAP_BYTES), last]
    return (spelling[start : start + WINDOW_BYTES] for start in starts)


# --- which variables hold secrets -----------------------------------------------------------------

_ANYWHERE = re.compile(
    "TOKEN(?!IZ)|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|COOKIE|WEBHOOK|CONNECTIONSTRING"
    "|(?:API|ACCESS|PRIVATE|SESSION|SECRET|SIGNING|ENCRYPTION|MASTER|DEPLOY|ACCOUNT|SSH|AUTH)KEY"
)
_WORDS = frozenset(("AUTH", "AUTHORIZATION", "BEARER", "DSN", "JWT", "PASS", "PAT", "PWD"))
_HARMLESS_END = re.compile(
    "SOCK|TTY|TYPE|FILE|PATH|DIR|HOST|PORT|USER|USERNAME|NAME|METHOD|MODE|TTL|LIFETIME|EXPIRY"
    "|EXPIRES|COUNT|LIMIT|SIZE|LENGTH|ENABLED|DISABLED"
)
_ADDRESS_ENDS = frozenset(("URL", "URI", "ENDPOINT"))
_HARMLESS_VALUE = re.compile(
    r"(?i)|true|false|yes|no|on|off|none|null|auto|default|enabled|disabled|basic|required|optional"
    r"|[0-9.]{1,7}"
)
_PLAIN_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://[^@?#\s]*")


def find_secrets(
    environ: Mapping[str, str],
    declared: Iterable[str] = (),
    *,
    exists: Callable[[str], bool] = os.path.exists,
) -> dict[str, str]:
    """Return the variables that hold secrets: the declared ones, and those that look like it.

    A name that says secret does not count when its value cannot be one (`true`, a short number, an
    existing path, an address without a password), since redacting it would only mangle the logs. A
    connection string with a password counts whatever its name says.
    """
    wanted = set(declared)
    return {
        name: value
        for name, value in environ.items()
        if value and (name in wanted or _looks_secret(name, value, exists))
    }


def _looks_secret(name: str, value: str, exists: Callable[[str], bool]) -> bool:
    if _URL_PASSWORD.search(value) or _FIELD_PASSWORD.search(value):
        return True
    words = [word.upper() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+", name)]
    if not words or _HARMLESS_END.fullmatch(words[-1]) or _HARMLESS_VALUE.fullmatch(value):
        return False
    joined = "".join(words)
    if not (_ANYWHERE.search(joined) or (words[-1] in _WORDS and joined not in _NOT_PASSWORDS)):
        return False
    if words[-1] in _ADDRESS_ENDS and "WEBHOOK" not in words and _PLAIN_ADDRESS.fullmatch(value):
        return False
    return not (value[0] in "/~." and exists(os.path.expanduser(value)))


_NOT_PASSWORDS = frozenset(("PWD", "OLDPWD"))
