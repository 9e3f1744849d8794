"""Identifiers: ULIDs made from a given instant and given chance, and what is hashed how.

Nothing here reads a clock or a random source; both are arguments.
"""

from __future__ import annotations

import hashlib
import re
from typing import NewType

from ulid import ULID

from arco.core.errors import Invalid

Ulid = NewType("Ulid", str)
"""26 characters of Crockford base32: 48 bits of Unix milliseconds, then 80 bits of chance."""
Digest = NewType("Digest", str)
"""A SHA-256 as 64 lower-case hexadecimal digits."""

ULID_CHANCE_BYTES = 10
ULID_PATTERN = "[0-7][0-9A-HJKMNP-TV-Z]{25}"
DIGEST_PATTERN = "[0-9a-f]{64}"
_ULID_MAX = (1 << 128) - 1
_IS_ULID = re.compile(ULID_PATTERN, re.ASCII).fullmatch
_IS_DIGEST = re.compile(DIGEST_PATTERN, re.ASCII).fullmatch


def is_ulid(text: str) -> bool:
    """Say whether stored text is a ULID; nothing that is read may be taken for one unasked."""
    return _IS_ULID(text) is not None


def is_digest(text: str) -> bool:
    """Say whether stored text is a digest."""
    return _IS_DIGEST(text) is not None


def digest(raw: bytes) -> Digest:
    """Return the SHA-256 of raw stored bytes, never of something encoded again."""
    return Digest(hashlib.sha256(raw).hexdigest())


def make_ulid(utc_ms: int, chance: bytes) -> Ulid:
    """Return the ULID of an instant and 10 random bytes (github.com/ulid/spec).

    Raises `Invalid` for an instant outside 48 bits and for another number of bytes.
    """
    if not 0 <= utc_ms < 1 << 48 or len(chance) != ULID_CHANCE_BYTES:
        raise Invalid(f"not an instant and chance of a ulid: utc_ms=`{utc_ms}`")
    return Ulid(str(ULID.from_bytes(utc_ms.to_bytes(6, "big") + chance)))


def ulid_after(previous: Ulid | None, utc_ms: int, chance: bytes) -> Ulid:
    """Return a ULID strictly greater than `previous`, even where the clock went back.

    Raises `Invalid` when `previous` is the last ULID there is.
    """
    made = make_ulid(utc_ms, chance)
    if previous is None or made > previous:
        return made
    following = int(ULID.from_str(previous)) + 1
    if following > _ULID_MAX:
        raise Invalid(f"no ulid is greater: previous=`{previous}`")
    return Ulid(str(ULID.from_int(following)))


def ulid_ms(ulid: Ulid) -> int:
    """Return the Unix milliseconds that a ULID holds."""
    return ULID.from_str(ulid).milliseconds
