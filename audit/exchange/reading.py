"""Reading JSON that others wrote: strictly, with a place for everything that is wrong.

Here lives a cursor over a parsed document that knows where it stands. Unknown members are never
looked at; a member that is looked at has the right type or is refused. Nothing here knows a format.
"""

from __future__ import annotations

import base64
import binascii
import collections
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from audit.errors import Invalid

_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}"
    r"(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_NEXT_STEP = "write the file again with the tool that made it"


def refused(problem: str, place: str) -> Invalid:
    """Return the refusal of a file of others."""
    return Invalid(problem, place=place, next_step=_NEXT_STEP)


def parse(data: bytes, place: str) -> Look:
    """Return a cursor on the JSON document in `data`; `place` is what the file is called.

    Raises:
        Invalid: not UTF-8, cut off, no JSON, a key twice, a number that is none, too deep.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            counts = collections.Counter(name for name, _ in pairs)
            twice = next(name for name, count in counts.items() if count > 1)
            raise refused(f"a key stands there twice key=`{twice:.80}`", place)
        return members

    def finite(text: str) -> float:
        number = float(text)
        if not math.isfinite(number):
            raise refused(f"no number that can be reckoned with value=`{text:.40}`", place)
        return number

    try:
        value = json.loads(
            data.decode("utf-8-sig"),
            object_pairs_hook=unique,
            parse_float=finite,
            parse_constant=finite,
        )
    except UnicodeDecodeError as error:
        raise refused(f"byte {error.start} is not UTF-8", place) from error
    except json.JSONDecodeError as error:
        problem = f"line {error.lineno}, column {error.colno}: {error.msg.lower()}"
        raise refused(problem, place) from error
    except RecursionError as error:
        raise refused("it is nested too deeply", place) from error
    except ValueError as error:
        # Digits beyond what Python turns into a number.
        raise refused(f"a number is too long: {error}".lower()[:200], place) from error
    return Look(value, place)


@dataclass(frozen=True, slots=True)
class Look:
    """A value of a document and its place, such as `scan.sarif: runs[0].results[3]`."""

    value: Any
    place: str

    def wrong(self, problem: str) -> Invalid:
        """Return the refusal of this value."""
        return refused(problem, self.place)

    def has(self, name: str) -> bool:
        """Whether this is an object with that member, other than null."""
        return isinstance(self.value, dict) and self.value.get(name) is not None

    def at(self, name: str) -> Look:
        """Return a member that must be there. Raises `Invalid`."""
        if not isinstance(self.value, dict):
            raise self.wrong(f"wants an object, holds {_kind(self.value)}")
        if self.value.get(name) is None:
            raise self.wrong(f"{name} is missing")
        return Look(self.value[name], self._inside(name))

    def maybe(self, name: str) -> Look | None:
        """Return a member, or None where it is not there. Raises `Invalid` on no object."""
        if not isinstance(self.value, dict):
            raise self.wrong(f"wants an object, holds {_kind(self.value)}")
        return self.at(name) if self.has(name) else None

    def text(self) -> str:
        """Return a string. Raises `Invalid`."""
        if not isinstance(self.value, str):
            raise self.wrong(f"wants a string, holds {_kind(self.value)}")
        return self.value

    def word(self, *allowed: str) -> str:
        """Return a string that is one of those. Raises `Invalid`."""
        text = self.text()
        if text not in allowed:
            raise self.wrong(f"wants one of {', '.join(allowed)} value=`{text:.80}`")
        return text

    def count(self) -> int:
        """Return a whole number that is not negative. Raises `Invalid`."""
        number = self.whole()
        if number < 0:
            raise self.wrong(f"wants a count, holds {number}")
        return number

    def whole(self) -> int:
        """Return a whole number. Raises `Invalid`."""
        value = self.value
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.wrong(f"wants a whole number, holds {_kind(self.value)}")
        return value

    def flag(self) -> bool:
        """Return true or false. Raises `Invalid`."""
        if not isinstance(self.value, bool):
            raise self.wrong(f"wants true or false, holds {_kind(self.value)}")
        return self.value

    def items(self) -> Iterator[Look]:
        """Yield the elements of a list. Raises `Invalid`."""
        if not isinstance(self.value, list):
            raise self.wrong(f"wants a list, holds {_kind(self.value)}")
        return (Look(item, f"{self.place}[{n}]") for n, item in enumerate(self.value))

    def members(self) -> Iterator[tuple[str, Look]]:
        """Yield the members of an object. Raises `Invalid`."""
        if not isinstance(self.value, dict):
            raise self.wrong(f"wants an object, holds {_kind(self.value)}")
        return ((name, Look(item, self._inside(name))) for name, item in self.value.items())

    def utc(self) -> str:
        """Return an RFC 3339 instant as it is written. Raises `Invalid` without a zone."""
        text = self.text()
        try:
            whole = bool(_TIME.fullmatch(text)) and datetime.fromisoformat(text.upper())
        except ValueError:
            whole = False
        if not whole:
            raise self.wrong(f"no RFC 3339 time with a zone value=`{text:.40}`")
        return text

    def base64(self) -> bytes:
        """Return the bytes of a base64 string, of either alphabet. Raises `Invalid`."""
        text = self.text().replace("-", "+").replace("_", "/")
        try:
            return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except (binascii.Error, ValueError) as error:
            raise self.wrong("is no base64") from error

    def _inside(self, name: str) -> str:
        # The file's name ends with a colon once something inside it is named.
        dot = "." if ": " in self.place else ": "
        return f"{self.place}{dot}{name:.80}"


def _kind(value: Any) -> str:
    words = {dict: "an object", list: "a list", str: "a string", bool: "true or false"}
    return words.get(type(value), "a number" if value is not None else "nothing")
