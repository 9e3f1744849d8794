"""Durations, sizes, dates and bounds as people write them in a definition, and as numbers.

Text in, values out; a `WrongError` says what is the matter and what to write instead. Nothing here
knows the keys in which they stand.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

DURATION_MS = {
    "ms": 1,
    "s": 1_000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
}
SIZE_BYTES = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
DURATION_MAX_MS = 10 * 365 * 86_400_000
"""Ten years: a longer span is a slip of the pen."""
SIZE_MAX_BYTES = 2**50
DIGITS_MAX = 40
"""Digits of a bound; a number with more is not one that a program measured."""

_QUANTITY = re.compile(r"(\d{1,12})(?:\.(\d{1,9}))?\s*([A-Za-z]+)", re.ASCII)


class WrongError(ValueError):
    """A value that cannot stand where it stands; `next_step` says what could."""

    def __init__(self, problem: str, next_step: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.next_step = next_step


def kind_of(value: Any) -> str:
    """Return what a TOML value is, in words for people."""
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, str):
        return "text"
    if isinstance(value, int | float | Decimal):
        return "a number"
    if isinstance(value, list | tuple):
        return "a list"
    return "a table" if isinstance(value, dict) else "a date or time"


def duration_ms(value: Any) -> int:
    """Return the milliseconds of a span such as `20m`, `1.5h` or `30d`. Raises `WrongError`."""
    example = "write a whole or decimal number and a unit, such as `90s`, `20m`, `12h` or `30d`"
    amount = _quantity(value, DURATION_MS, example, "no duration")
    if not 0 < amount <= DURATION_MAX_MS:
        raise WrongError(f"an impossible duration value=`{value}`", example)
    return amount


def size_bytes(value: Any) -> int:
    """Return the bytes of a size such as `64 MB` or `1 GiB`. Raises `WrongError`.

    `kB`, `MB`, `GB` count in thousands, `KiB`, `MiB`, `GiB` in 1024s.
    """
    example = "write a number and a unit, such as `64 MB` (decimal) or `1 GiB` (binary)"
    amount = _quantity(value, SIZE_BYTES, example, "no size")
    if not 0 < amount <= SIZE_MAX_BYTES:
        raise WrongError(f"an impossible size value=`{value}`", example)
    return amount


def _quantity(value: Any, units: dict[str, int], example: str, complaint: str) -> int:
    if not isinstance(value, str):
        raise WrongError(f"wants text with a unit, holds {kind_of(value)}", example)
    found = _QUANTITY.fullmatch(value.strip())
    if found is None:
        raise WrongError(f"{complaint} value=`{shown(value)}`", example)
    whole, part, unit = found.groups()
    if unit not in units:
        known = ", ".join(f"`{name}`" for name in units)
        raise WrongError(f"unknown unit unit=`{unit}`", f"units are {known}")
    amount = Decimal(f"{whole}.{part or 0}") * units[unit]
    if amount != int(amount):
        raise WrongError(f"finer than the smallest unit value=`{value}`", example)
    return int(amount)


def day(value: Any) -> str:
    """Return a TOML date, or text that holds one, as `YYYY-MM-DD`. Raises `WrongError`."""
    example = "write a date that exists, such as 2026-12-01"
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError as error:
            raise WrongError(f"there is no such day value=`{value}`", example) from error
    what = f"value=`{shown(value)}`" if isinstance(value, str) else f"holds {kind_of(value)}"
    raise WrongError(f"wants a date, {what}", example)


def bound(value: Any) -> str:
    """Return a finite number as a plain decimal string. Raises `WrongError`."""
    example = "write a number such as 90 or 99.5"
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise WrongError(f"wants a number, holds {kind_of(value)}", example)
    text = str(value).strip()
    number = decimal(text)
    if number is None:
        raise WrongError(f"not a finite number value=`{shown(text)}`", example)
    return text


def decimal(text: str) -> Decimal | None:
    """Return the finite number that a text of at most `DIGITS_MAX` letters holds, or None."""
    if len(text) > DIGITS_MAX or "_" in text:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) <= DIGITS_MAX else None


def shown(value: object, longest: int = 60) -> str:
    """Return a value for a message: one line, nothing invisible, not too long."""
    text = str(value)
    cut = text[:longest] + ("…" if len(text) > longest else "")
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape", "replace").decode()
        for letter in cut
    )
