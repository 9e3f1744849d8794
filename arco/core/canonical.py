"""Records as canonical JSON and back: sorted keys, no white space, UTF-8; strict both ways.

A record is a frozen `msgspec.Struct` that forbids unknown fields, so that bytes of a later format
are refused and never half understood. Digests are taken of the stored bytes, not of a re-encoding.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias, TypeVar

import msgspec

from arco.core.errors import Corrupt, Invalid

FORMAT_VERSION = 1
"""Of every record; a reader refuses what is later."""
RECORD_BYTES_MAX = 16 * 1024 * 1024
"""The largest record that is written or read; a manifest with its inline deltas stays below."""
NUMBER_MAX = 2**53 - 1
"""The largest number that every reader of JSON takes exactly (RFC 7493 section 2.2)."""

Natural: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=NUMBER_MAX)]
"""A number from 0 on: versions, tokens, sizes, positions."""
Moment: TypeAlias = Annotated[int, msgspec.Meta(ge=-NUMBER_MAX, le=NUMBER_MAX)]
"""Unix milliseconds, as some clock said them."""

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

R = TypeVar("R", bound="Record")


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The base of what stands inside a record.

    Each subclass says `frozen` and `kw_only` again, because type checkers do not inherit them.
    """


class Record(Part, frozen=True, kw_only=True):
    """The base of everything that is stored as JSON."""

    format_version: int = FORMAT_VERSION


def encode(record: Record) -> bytes:
    """Return the one spelling of a record that everybody can read again.

    Raises `Invalid` for what would be stored for ever and never read: too large, a number that is
    out of range, text that is not Unicode.
    """
    kind = type(record).__name__
    try:
        raw = _spell(record)
        msgspec.json.decode(raw, type=type(record))
    except (msgspec.ValidationError, UnicodeEncodeError, OverflowError) as error:
        raise Invalid(f"record cannot be written: kind=`{kind}` reason=`{error}`") from error
    if len(raw) > RECORD_BYTES_MAX:
        raise Invalid(
            f"record too large: kind=`{kind}` bytes=`{len(raw)}` max=`{RECORD_BYTES_MAX}`",
            next_step="put less into one version: fewer events, smaller inline deltas",
        )
    return raw


def _spell(record: Record) -> bytes:
    return msgspec.json.encode(record, order="sorted")


def decode(raw: bytes, kind: type[R], *, where: str) -> R:
    """Return the record that raw bytes spell.

    Raises `Corrupt`, naming the place, for what is too large, cut off, of another shape, of a
    later format, or spelled in any way but the canonical one.
    """
    if len(raw) > RECORD_BYTES_MAX:
        raise Corrupt(
            f"record too large: key=`{where}` bytes_read=`{len(raw)}` max=`{RECORD_BYTES_MAX}`"
        )
    try:
        record = msgspec.json.decode(raw, type=kind)
    except _UNREADABLE as error:
        _refuse_other_format(_format_of(raw), where)
        raise Corrupt(f"record is not readable: key=`{where}` reason=`{error}`") from error
    _refuse_other_format(record.format_version, where)
    if _spell(record) != raw:
        raise Corrupt(f"record is not spelled canonically: key=`{where}`")
    return record


class _Format(msgspec.Struct):
    format_version: int = FORMAT_VERSION


def _format_of(raw: bytes) -> int:
    try:
        return msgspec.json.decode(raw, type=_Format).format_version
    except _UNREADABLE:
        return FORMAT_VERSION  # no record at all, which the caller says better


def _refuse_other_format(found: int, where: str) -> None:
    if found != FORMAT_VERSION:
        raise Corrupt(
            f"record of another format: key=`{where}` format_version=`{found}` "
            f"known=`{FORMAT_VERSION}`",
            next_step="use the release of arco that wrote this, or a later one",
        )
