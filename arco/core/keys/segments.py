r"""What may stand in one field of a key, how it is spelled, and how it is read back.

The set of allowed characters is a list of what is safe everywhere: ASCII letters, digits, `-`, `_`.
So no field can hold a separator, a dot, `%`, a control or a letter that looks like another.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Any

from arco.core.errors import Invalid
from arco.core.ids import DIGEST_PATTERN, ULID_PATTERN, Ulid, is_ulid, ulid_ms

NUMBER_DIGITS = 20
NUMBER_MAX = 10**NUMBER_DIGITS - 1
SHOWN_MAX = 80
"""Characters of a refused value that a message shows."""


class DomainName(StrEnum):
    """A unit of atomicity, with one chain of manifests."""

    CATALOG = "catalog"
    """Catalogs, namespaces, tables, columns, lineage and search: tier 1."""
    EXECUTIONS = "executions"
    ORCHESTRATION = "orchestration"


class ReceiptPhase(StrEnum):
    """Where a receipt of the Iceberg routes stands."""

    PENDING = "pending"
    COMMITTED = "committed"


@dataclass(frozen=True)
class Segment:
    """One kind of field: the pattern of its spelling, and how values become words and back."""

    pattern: str
    spell: Callable[[Any], str] = str
    read: Callable[[str], Any] = str

    @cached_property
    def _matches(self) -> Callable[[str], object]:
        return re.compile(self.pattern, re.ASCII).fullmatch

    def check(self, value: object, literal: str) -> None:
        """Raise `Invalid` unless the value has a spelling that reads back as itself."""
        try:
            word = self.spell(value)
            good = self._matches(word) and self.read(word) == value
        except (KeyError, TypeError, ValueError):
            good = False
        if not good:
            raise Invalid(
                f"not allowed in a key: literal=`{literal}` value=`{respelled(value)}`",
                next_step="use lower-case ASCII letters, digits, `-` and `_`",
            )


def respelled(value: object) -> str:
    """Return a value for a message: printable ASCII, and not long."""
    return ascii(value)[1 : SHOWN_MAX + 1].rstrip("'\"") if isinstance(value, str) else repr(value)


def _number(value: object) -> str:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= NUMBER_MAX:
        raise ValueError(value)
    return f"{value:0{NUMBER_DIGITS}d}"


def _one_of(names: type[StrEnum]) -> Segment:
    spelled = {name: name.value for name in names}
    members = {name.value: name for name in names}
    return Segment("|".join(names), spelled.__getitem__, members.__getitem__)


@lru_cache(maxsize=1_024)  # a key asks for the date of its ulid each time that it is spelled
def date_of(ulid: str) -> str:
    """Return the UTC date, `YYYY-MM-DD`, of the instant in a ULID.

    Raises `Invalid` for what is no ULID, and for an instant after the year 9999.
    """
    try:
        if is_ulid(ulid):
            return datetime.fromtimestamp(ulid_ms(Ulid(ulid)) / 1000, UTC).strftime("%Y-%m-%d")
    except (OverflowError, ValueError):  # which of them depends on the system
        pass
    raise Invalid(f"no date in a ulid: ulid=`{respelled(ulid)}`")


ULID = Segment(ULID_PATTERN)
DIGEST = Segment(DIGEST_PATTERN)
NUMBER = Segment(f"[0-9]{{{NUMBER_DIGITS}}}", _number, int)
VERSION = Segment(f"(?!0{{{NUMBER_DIGITS}}}){NUMBER.pattern}", _number, int)
"""From 1 on: version 0 of a domain is made by the initialiser and has a family of its own."""
NAME = Segment("[a-z0-9_-]{1,64}")
UUID = Segment("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
DATE = Segment("[0-9]{4}-[0-9]{2}-[0-9]{2}")

SEGMENTS: dict[str, Segment] = {
    "domain": _one_of(DomainName),
    "phase": _one_of(ReceiptPhase),
    "version": VERSION,
    "number": NUMBER,
    "attempt": ULID,
    "ulid": ULID,
    "digest": DIGEST,
    "table": NAME,
    "tenant": NAME,
    "workspace": NAME,
    "table_uuid": UUID,
    "date": DATE,
}
"""Every field that a literal may name."""
