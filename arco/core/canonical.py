"""Records as canonical JSON and back: sorted keys, no white space, UTF-8; strict both ways.

A record is a frozen `msgspec.Struct` that forbids unknown fields, so that bytes of a later format
are refused and never half understood. Digests are taken of the stored bytes, not of a re-encoding.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from arco.core.errors import Corrupt

FORMAT_VERSION = 1
"""Of every record; a reader refuses what is later."""
RECORD_BYTES_MAX = 16 * 1024 * 1024
"""The largest record that is read; a manifest with all its inline deltas stays well below."""

R = TypeVar("R", bound="Record")


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The base of what stands inside a record.

    Each subclass says `frozen` and `kw_only` again, because type checkers do not inherit them.
    """


class Record(Part, frozen=True, kw_only=True):
    """The base of everything that is stored as JSON."""

    format_version: int = FORMAT_VERSION


def encode(record: Record) -> bytes:
    """Return the one spelling of a record."""
    return msgspec.json.encode(record, order="sorted")


def decode(raw: bytes, kind: type[R], *, where: str) -> R:
    """Return the record that raw bytes spell.

    Raises `Corrupt`, naming the place, for what is too large, cut off, of another shape, of a
    later format, or spelled in any way but the canonical one.
    """
    if len(raw) > RECORD_BYTES_MAX:
        raise Corrupt(
            f"record too large: key=`{where}` bytes=`{len(raw)}` max=`{RECORD_BYTES_MAX}`"
        )
    try:
        record = msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        _refuse_other_format(_format_of(raw), where)
        raise Corrupt(f"record is not readable: key=`{where}` reason=`{error}`") from error
    _refuse_other_format(record.format_version, where)
    if encode(record) != raw:
        raise Corrupt(f"record is not spelled canonically: key=`{where}`")
    return record


class _Format(msgspec.Struct):
    format_version: int = FORMAT_VERSION


def _format_of(raw: bytes) -> int:
    try:
        return msgspec.json.decode(raw, type=_Format).format_version
    except (msgspec.DecodeError, UnicodeDecodeError):
        return FORMAT_VERSION  # no record at all, which the caller says better


def _refuse_other_format(found: int, where: str) -> None:
    if found != FORMAT_VERSION:
        raise Corrupt(
            f"record of another format: key=`{where}` format_version=`{found}` "
            f"known=`{FORMAT_VERSION}`",
            next_step="use the release of arco that wrote this, or a later one",
        )
