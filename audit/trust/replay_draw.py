"""Which cells an auditor runs again, and what the answer is worth: arithmetic, and nothing else.

The choice follows from the final root and a nonce that nobody knew when the run was sealed. Anybody
can repeat it with a SHA-256 tool: the key of the cell at place `i` of the plan, counted from 0, is
SHA-256(final root || length of the nonce || nonce || i), the root as its 32 bytes, both numbers as
8 bytes, most significant first. The cells with the smallest keys are chosen; sorting whole digests
needs no modulo, so no cell is favoured.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable
from fractions import Fraction

from audit.errors import Invalid

NONCE_BYTES_MAX = 1024
NUMBER_BYTES = 8
FALSE_SHARE = Fraction(1, 20)
"""The share of false cells that the default sample is made to catch."""
WANTED = Fraction(95, 100)
"""How likely it is to catch them."""
SHARES = (Fraction(1, 100), FALSE_SHARE, Fraction(1, 10), Fraction(1, 4), Fraction(1, 2))
"""Shares of false cells for which a replay says how likely it would have shown one."""

_HEX = re.compile("(?:[0-9a-fA-F]{2})+")


def nonce_of(text: str) -> bytes:
    """Return the bytes of a nonce: hex digits in pairs are hex, anything else is UTF-8.

    Raises:
        Invalid: it is empty, too long, or cannot be spelled in UTF-8.
    """
    try:
        data = bytes.fromhex(text) if _HEX.fullmatch(text) else text.encode()
    except UnicodeEncodeError as error:
        raise Invalid("the nonce is no text in UTF-8", next_step="give it as hex") from error
    if not 0 < len(data) <= NONCE_BYTES_MAX:
        raise Invalid(
            f"a nonce has 1 to {NONCE_BYTES_MAX} bytes bytes=`{len(data)}`",
            next_step="roll dice, or take a public number that was drawn after the seal",
        )
    return data


def key(final_root: str, nonce: bytes, place: int) -> bytes:
    """Return the key of the cell at a place of the plan; `final_root` is 64 hex digits."""
    length, number = (value.to_bytes(NUMBER_BYTES, "big") for value in (len(nonce), place))
    return hashlib.sha256(bytes.fromhex(final_root) + length + nonce + number).digest()


def draw(final_root: str, nonce: bytes, places: Iterable[int], sample: int) -> tuple[int, ...]:
    """Return the `sample` places with the smallest keys, in the order of the plan."""
    ranked = sorted(places, key=lambda place: (key(final_root, nonce, place), place))
    return tuple(sorted(ranked[:sample]))


def false_cells(cells: int, share: Fraction) -> int:
    """Return how many cells of `cells` are at least `share` of them, and at least one."""
    return max(1, math.ceil(cells * share))


def caught(cells: int, sample: int, share: Fraction) -> Fraction:
    """Return how likely a sample holds a false cell when at least `share` of all are false.

    Hypergeometric: 1 - C(cells - false, sample) / C(cells, sample), drawn without replacement. The
    false ones were chosen by somebody who did not know the nonce.
    """
    if not 0 < sample <= cells:
        return Fraction(0)
    false = false_cells(cells, share)
    return 1 - Fraction(math.comb(cells - false, sample), math.comb(cells, sample))


def sample_for(cells: int, share: Fraction = FALSE_SHARE, wanted: Fraction = WANTED) -> int:
    """Return the smallest sample that catches `share` of false cells as likely as `wanted`.

    >>> sample_for(1_000_000)
    59
    """
    low, high = min(1, cells), cells
    while low < high:
        middle = (low + high) // 2
        if caught(cells, middle, share) >= wanted:
            high = middle
        else:
            low = middle + 1
    return low


def decimal(value: Fraction, digits: int = 4) -> str:
    """Return a fraction as a decimal string, rounded down: a doubt is never rounded away.

    >>> decimal(Fraction(99999, 100000))
    '0.9999'
    """
    scaled = value.numerator * 10**digits // value.denominator
    return f"{scaled // 10**digits}.{scaled % 10**digits:0{digits}}"
