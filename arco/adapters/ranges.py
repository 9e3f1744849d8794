"""Ranges of bytes, as every store takes them: from `start` up to `end`, to the end without one."""

from __future__ import annotations

from arco.core.errors import Invalid


def check_range(start: int, end: int | None, path: str) -> None:
    """Raise `Invalid` for a range that begins before the object, or ends before it begins."""
    if start < 0 or (end is not None and end < start):
        raise Invalid(f"not a range: start=`{start}` end=`{end}` path=`{path}`")
