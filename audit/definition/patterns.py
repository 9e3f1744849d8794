"""Regular expressions that a definition may hold: valid, not empty, and not made to blow up."""

from __future__ import annotations

import re
from collections.abc import Iterable
from re import _constants as kinds  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from audit.definition.units import WrongError, shown

REPEATS_MAX = 50
"""A repeat with a higher bound counts as endless."""
LETTERS_MAX = 1_000


def regex(value: str) -> str:
    """Return a pattern for Python's `re` that is searched line by line.

    Raises:
        WrongError: not a pattern, empty, or with one endless repeat inside another, on which a
            short line can take for ever.
    """
    if not value:
        raise WrongError("an empty pattern occurs everywhere", "write what is looked for")
    if len(value) > LETTERS_MAX:
        raise WrongError(f"a pattern may have {LETTERS_MAX} letters", "make several conditions")
    try:
        re.compile(value, re.MULTILINE)
        parsed = parser.parse(value, re.MULTILINE)
    except (re.error, RecursionError, OverflowError) as error:
        raise WrongError(
            f"not a regular expression, {error} pattern=`{shown(value)}`",
            "see Python's `re`; a backslash before a letter such as `(` takes it literally",
        ) from error
    if _nested(parsed, inside=False):
        raise WrongError(
            f"an endless repeat inside another can take for ever pattern=`{shown(value)}`",
            "make the inner one possessive, such as `[a-z]++`, or bound it, such as `{1,40}`",
        )
    return value


def _nested(parsed: Iterable[Any], *, inside: bool) -> bool:
    """Whether an endless repeat that gives back letters stands inside another."""
    for kind, argument in parsed:
        endless = inside
        if kind in (kinds.MAX_REPEAT, kinds.MIN_REPEAT) and argument[1] > REPEATS_MAX:
            if inside:
                return True
            endless = True
        # Possessive repeats and atomic groups give nothing back: what they hold cannot multiply.
        if kind in (kinds.POSSESSIVE_REPEAT, kinds.ATOMIC_GROUP):
            endless = False
        if any(_nested(part, inside=endless) for part in _parts(argument)):
            return True
    return False


def _parts(argument: Any) -> Iterable[Any]:
    """Yield the patterns inside an argument of a parsed pattern, whatever its shape."""
    if isinstance(argument, parser.SubPattern):
        yield argument
    elif isinstance(argument, list | tuple):
        for item in argument:
            yield from _parts(item)
