"""Ed25519 signatures checked in plain Python, so that a stranger needs nothing to be installed.

Only checking lives here; keys are made and used by a library. Source: RFC 8032 section 5.1.
Nothing here is secret, so nothing here needs to take the same time for every input.
"""

from __future__ import annotations

import hashlib

PUBLIC_BYTES = 32
SIGNATURE_BYTES = 64

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_ROOT_OF_MINUS_1 = pow(2, (_P - 1) // 4, _P)

_Point = tuple[int, int, int, int]
"""X, Y, Z and T with x = X/Z, y = Y/Z and x * y = T/Z."""
_NEUTRAL: _Point = (0, 1, 1, 0)


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether `signature` over `message` was made with the key of `public`.

    Cost: about 1 ms. Without cofactor, and comparing encoded points, as OpenSSL does.
    """
    if len(public) != PUBLIC_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    key = _decode(public)
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or scalar >= _L:
        return False
    digest = hashlib.sha512(signature[:32] + public + message).digest()
    challenge = int.from_bytes(digest, "little") % _L
    x, y, z, t = key
    return _encode(_both(scalar, _BASE, challenge, (-x % _P, y, z, -t % _P))) == signature[:32]


def is_weak(public: bytes) -> bool:
    """Return whether a public key is none, or one whose signatures need no secret to be made.

    Those are the points whose eightfold is neutral: each is known to everybody.
    """
    point = _decode(public)
    if point is None:
        return True
    for _ in range(3):
        point = _double(point)
    return _encode(point) == _encode(_NEUTRAL)


def _both(one: int, point: _Point, other: int, second: _Point) -> _Point:
    """`one * point + other * second`, bit by bit for both at once."""
    table = (_NEUTRAL, point, second, _add(point, second))
    total = _NEUTRAL
    for bit in range(max(one.bit_length(), other.bit_length()) - 1, -1, -1):
        total = _double(total)
        which = (one >> bit & 1) | (other >> bit & 1) << 1
        if which:
            total = _add(total, table[which])
    return total


def _add(left: _Point, right: _Point) -> _Point:
    """Source: RFC 8032 section 5.1.4."""
    x1, y1, z1, t1 = left
    x2, y2, z2, t2 = right
    a, b = (y1 - x1) * (y2 - x2) % _P, (y1 + x1) * (y2 + x2) % _P
    c, d = 2 * t1 * t2 * _D % _P, 2 * z1 * z2 % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _double(point: _Point) -> _Point:
    x, y, z, _ = point
    a, b = x * x % _P, y * y % _P
    h = a + b
    e = h - (x + y) * (x + y) % _P
    g = a - b
    f = 2 * z * z % _P + g
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _decode(data: bytes) -> _Point | None:
    """Source: RFC 8032 section 5.1.3. None of what encodes no point, or not in the one way."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    if y >= _P:
        return None
    u, v = (y * y - 1) % _P, (_D * y * y + 1) % _P
    x = u * pow(v, 3, _P) * pow(u * pow(v, 7, _P), (_P - 5) // 8, _P) % _P
    if v * x * x % _P != u:
        x = x * _ROOT_OF_MINUS_1 % _P
        if v * x * x % _P != u:
            return None
    if not x and sign:
        return None
    if x & 1 != sign:
        x = _P - x
    return x, y, 1, x * y % _P


def _encode(point: _Point) -> bytes:
    x, y, z, _ = point
    inverse = pow(z, -1, _P)
    x, y = x * inverse % _P, y * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


_BASE_Y = 4 * pow(5, -1, _P) % _P
_BASE = _decode(_BASE_Y.to_bytes(32, "little")) or _NEUTRAL
