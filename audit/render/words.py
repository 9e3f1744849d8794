"""How times and durations are said to people, on pages and in tables. Pure.

`spoken` in the report's script says durations the same way.
"""

from __future__ import annotations


def span(ms: int | None) -> str:
    """Return a duration for people; nothing for none.

    >>> span(950), span(61_000), span(7_500_000), span(200_000_000), span(None)
    ('950 ms', '1 min 1 s', '2 h 5 min', '2 d 7 h', '')
    """
    if ms is None:
        return ""
    seconds = ms // 1000
    if seconds < 1:
        return f"{ms} ms"
    if seconds < 60:
        return f"{seconds}.{ms % 1000 // 100} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    if seconds < 86_400:
        return f"{seconds // 3600} h {seconds % 3600 // 60} min"
    return f"{seconds // 86_400} d {seconds % 86_400 // 3600} h"


def seconds(ms: int) -> str:
    """Return a duration between two instants that are known in whole seconds.

    >>> seconds(0), seconds(5000), seconds(61_000)
    ('<1 s', '5 s', '1 min 1 s')
    """
    whole = ms // 1000
    if whole < 1:
        return "<1 s"
    return f"{whole} s" if whole < 60 else span(ms)


def minute(utc: str) -> str:
    """Return an instant to the minute.

    >>> minute("2026-12-01T10:00:05Z")
    '2026-12-01 10:00'
    """
    return utc[:16].replace("T", " ")


def day(utc: str) -> str:
    """Return the day of an instant.

    >>> day("2026-12-01T10:00:05Z")
    '2026-12-01'
    """
    return utc[:10]
