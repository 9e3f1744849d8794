"""On which line of a TOML text a key stands.

`tomllib` gives values without places. This scanner walks a text that `tomllib` has already accepted
and notes where each key and element begins; it never interprets a value. Where it meets something
that it does not know it stops, and the nearest place before counts.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence

Key = str | int
Path = tuple[Key, ...]
Twice = tuple[Path, int, int]
"""A key or table that a text defines again: its path, its first line and its second."""

_SPACE = re.compile(r"[ \t]*")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}'
    r"|'''(?:[^']|'(?!''))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\n\r]+")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "e": "\x1b"}


class Lines:
    """The lines of a text by key path: `Lines(text).of(("command", 0, "run"))`, from 1.

    `twice` is the first key or table that stands there again, which `tomllib` never accepts.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._counted = 0
        self._found: dict[Path, int] = {(): 1}
        self._lengths: dict[Path, int] = {}
        self._whole: dict[Path, int] = {}
        self._values: dict[Path, int] = {}
        self._section = 0
        self.twice: Twice | None = None
        # Where it gets lost, what it found up to there is still right.
        with contextlib.suppress(_LostError, RecursionError):
            self._document()

    def of(self, path: Sequence[Key]) -> int:
        """Return the line of `path`, or of the nearest key around it."""
        known = tuple(path)
        while known not in self._found:
            known = known[:-1]
        return self._found[known]

    def _document(self) -> None:
        table: Path = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            if self._text.startswith("[[", self._at):
                table = self._header(2, many=True)
            elif self._text[self._at] == "[":
                table = self._header(1, many=False)
            else:
                self._pair(table)
            self._skip(_BLANK)

    def _header(self, brackets: int, *, many: bool) -> Path:
        line = self._section = self._here()
        self._at += brackets
        keys = self._keys()
        self._skip(_SPACE)
        self._expect("]" * brackets)
        path = (*self._resolve(keys[:-1]), keys[-1])
        self._note_header(path, line, many=many)
        if many:
            number = self._lengths.get(path, 0)
            self._lengths[path] = number + 1
            self._found.setdefault(path, line)
            path = (*path, number)
        else:
            path = self._resolve(keys)
        self._found.setdefault(path, line)
        return path

    def _note_header(self, path: Path, line: int, *, many: bool) -> None:
        """Note a table that cannot stand there: one of many may follow only others of them."""
        if many and path not in self._lengths:
            self._note_twice(path, self._found.get(path), line)
        elif not many:
            listed = self._found[path] if path in self._lengths else None
            self._note_twice(path, self._whole.get(path, listed), line)
            self._whole.setdefault(path, line)

    def _note_twice(self, path: Path, first: int | None, second: int) -> None:
        if first is not None and self.twice is None:
            self.twice = (path, first, second)

    def _resolve(self, keys: Sequence[str]) -> Path:
        """Return the path of a table's keys, in the last element of each array on the way."""
        path: Path = ()
        for key in keys:
            path = (*path, key)
            self._note_twice(path, self._values.get(path), self._here())
            if path in self._lengths:
                path = (*path, self._lengths[path] - 1)
            self._found.setdefault(path, self._here())
        return path

    def _pair(self, table: Path) -> None:
        line = self._here()
        path, keys = table, self._keys()
        for number, key in enumerate(keys, 1):
            path = (*path, key)
            known = self._found.get(path) if number == len(keys) else self._closed(path)
            self._note_twice(path, known, line)
            self._found.setdefault(path, line)
            self._whole.setdefault(path, line)
        self._values.setdefault(path, line)
        self._skip(_SPACE)
        self._expect("=")
        self._skip(_SPACE)
        self._value(path)

    def _closed(self, path: Path) -> int | None:
        """Return where a table was written that dotted keys may not go through, or None.

        They may share one that dotted keys of the same section made, but not go through a value,
        nor add to a table of an earlier section.
        """
        whole = self._found[path] if path in self._lengths else self._whole.get(path)
        if whole is not None and whole <= self._section:
            return whole
        return self._values.get(path)

    def _keys(self) -> list[str]:
        keys = []
        while True:
            self._skip(_SPACE)
            keys.append(self._key())
            self._skip(_SPACE)
            if not self._text.startswith(".", self._at):
                return keys
            self._at += 1

    def _key(self) -> str:
        found = _BARE.match(self._text, self._at)
        if found is None:
            found = _STRING.match(self._text, self._at)
            if found is None:
                raise _LostError
            self._at = found.end()
            body = found[0][1:-1]
            return _ESCAPE.sub(_unescape, body) if found[0][0] == '"' else body
        self._at = found.end()
        return found[0]

    def _value(self, path: Path) -> None:
        self._found.setdefault(path, self._here())
        opening = self._text[self._at : self._at + 1]
        if opening == "[":
            self._array(path)
        elif opening == "{":
            self._inline_table(path)
        else:
            pattern = _STRING if opening in ("'", '"') else _SCALAR
            found = pattern.match(self._text, self._at)
            if found is None:
                raise _LostError
            self._at = found.end()

    def _array(self, path: Path) -> None:
        self._at += 1
        number = 0
        self._skip(_BLANK)
        while not self._text.startswith("]", self._at):
            self._value((*path, number))
            number += 1
            self._comma("]")
        self._at += 1

    def _inline_table(self, path: Path) -> None:
        self._at += 1
        self._skip(_BLANK)
        while not self._text.startswith("}", self._at):
            self._pair(path)
            self._comma("}")
        self._at += 1

    def _comma(self, closing: str) -> None:
        self._skip(_BLANK)
        if self._text.startswith(",", self._at):
            self._at += 1
            self._skip(_BLANK)
        elif not self._text.startswith(closing, self._at):
            raise _LostError

    def _skip(self, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self._text, self._at)
        self._at = found.end() if found else self._at

    def _expect(self, text: str) -> None:
        if not self._text.startswith(text, self._at):
            raise _LostError
        self._at += len(text)

    def _here(self) -> int:
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line


class _LostError(Exception):
    """The scanner met something that it does not know."""


def _unescape(found: re.Match[str]) -> str:
    letter = found[1]
    if letter[0] in "uU":
        return chr(int(letter[1:], 16)) if len(letter) > 1 else letter
    return _ESCAPES.get(letter, letter)
