"""Text of any origin inside Markdown: a title, a path or a log line stays what it is.

Here lives the quoting for GitHub-flavoured Markdown. Values that no filter marked as Markdown are
quoted by `finalize`, so that a forgotten filter is harmless.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

from audit.render import visible

QUOTED_MAX = 16384
"""Quoted strings remembered: a title stands in the ledger, the findings and the summary."""
_SPAN = re.compile(r"(?<![`\\])`(?!`)([^`]+)`(?!`)")
_SPECIAL = re.compile(r"[\\`*\[\]<|~]|&(?=#|\w)|(?<!\w)_|_(?!\w)")
_NUMBER = re.compile(r"(\d{1,9})([.)])(?=\s|$)")
_RUN = re.compile(r"`+")


class Markdown(str):
    """Text that is Markdown already, to be printed as it is."""

    __slots__ = ()


def finalize(value: object) -> object:
    """Return what jinja2 prints for an expression: Markdown as it is, all else quoted."""
    return value if isinstance(value, Markdown | int) else text(str(value))


@functools.lru_cache(QUOTED_MAX)
def text(value: str) -> Markdown:
    """Return prose as one line of Markdown that shows exactly this prose, in a table too.

    Only balanced code spans stay markup, since they can carry nothing but characters.

    >>> text("a | b <img src=x> `c|d` [x](y)")
    'a \\\\| b \\\\<img src=x> `c\\\\|d` \\\\[x\\\\](y)'
    """
    value = visible.line(value.strip(" \t\r\n"))
    if "`" not in value:
        return Markdown(_opening(_plain(value)))
    parts = _SPAN.split(value)
    quoted = [_plain(part) if n % 2 == 0 else code(part) for n, part in enumerate(parts)]
    return Markdown(_opening("".join(quoted)))


@functools.lru_cache(QUOTED_MAX)
def code(value: str) -> Markdown:
    """Return `value` as a code span, whatever backticks and pipes it holds; "" stays empty."""
    value = visible.line(value)
    if not value.strip():
        return Markdown("")
    if "`" not in value:
        return Markdown(f"`{value}`".replace("|", "\\|"))
    fence = "`" * (max(len(run) for run in _RUN.findall(value)) + 1)
    return Markdown(f"{fence} {value} {fence}".replace("|", "\\|"))


def place(value: str) -> Markdown:
    """Return a path as a code span, and prose that stands for a path as prose."""
    return text(value) if " " in value.strip() else code(value)


def places(values: Iterable[str]) -> Markdown:
    """Return several paths as one cell."""
    return Markdown(", ".join(place(value) for value in values))


def status(value: str) -> Markdown:
    """Return a status as a code span."""
    return code(value)


def _plain(value: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", value) if _SPECIAL.search(value) else value


def _opening(value: str) -> str:
    """Quote what only means something at the start of a line."""
    if value[:1] in tuple("-+=#>"):
        return "\\" + value
    return _NUMBER.sub(r"\1\\\2", value, count=1) if _NUMBER.match(value) else value
