"""Instants as RFC 3339 UTC text, compared as numbers. Nothing here asks what time it is."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_UTC = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?Z"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def milliseconds(utc: str) -> int:
    """Return the milliseconds since 1970 of an RFC 3339 time; one without `Z` would depend on
    the place.

    Raises:
        ValueError: no such time.
    """
    if not _UTC.fullmatch(utc):
        raise ValueError(f"no RFC 3339 time in UTC: {utc!r:.60}")
    return (datetime.fromisoformat(utc) - _EPOCH) // timedelta(milliseconds=1)


def utc_of(at_ms: int) -> str:
    """Return the RFC 3339 text of an instant in milliseconds since 1970, fractions only if any."""
    moment = _EPOCH + timedelta(milliseconds=at_ms)
    text = moment.replace(microsecond=0, tzinfo=None).isoformat()
    return f"{text}.{at_ms % 1000:03d}Z" if at_ms % 1000 else f"{text}Z"
