"""Whom to trust: keys, the people behind them, their roles, thresholds and when all that held.

Here lives the small file that a verifying party keeps (`audit-trust.toml`), and the rules that
follow from it. It comes from the verifying side, never from a bundle. Pure functions.
"""

from __future__ import annotations

import base64
import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from evidence import codec, ed25519
from evidence.codec import Malformed
from evidence.dsse import Envelope, pae
from evidence.instant import milliseconds

RUNNER = "runner"
"""The role whose keys sign what a run leaves: its checkpoint and its attestations."""

SIGSTORE = "Fulcio"
"""The scheme whose `public` is an identity and its issuer, as securesystemslib calls it."""

Scheme = str
Check = Callable[["Key", bytes, bytes], bool | None]
"""Whether a signature of a key over a message is good; None where the scheme cannot be checked."""


@dataclass(frozen=True, slots=True)
class Key:
    """A public key, whose it is, and the half-open window of time in which it may sign.

    `public` is 64 hex digits for `ed25519`, JSON for OpenPGP and Sigstore, PEM text for other
    schemes. The scheme is taken from here alone: what an envelope says of its own algorithm is
    never heard.
    """

    id: str
    person: str
    roles: tuple[str, ...]
    scheme: Scheme
    public: str
    valid_from: str
    valid_until: str | None = None


@dataclass(frozen=True, slots=True)
class Threshold:
    """How many different people have to sign for a role, where one is not enough."""

    role: str
    people: int


@dataclass(frozen=True, slots=True)
class Separate:
    """Roles that one person may not hold in the same sign-off."""

    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Roster:
    """The trust file. Keys are listed for ever: one that is no longer valid got a `valid_until`.

    `waive` lists the roles that may waive: without it nobody can.
    """

    format_version: Literal[1]
    waive: tuple[str, ...] = ()
    key: tuple[Key, ...] = ()
    threshold: tuple[Threshold, ...] = ()
    separate: tuple[Separate, ...] = ()

    def people_for(self, role: str, count: int) -> int:
        """Return how many people a role needs, where a condition asks for `count`."""
        return max([count, *(rule.people for rule in self.threshold if rule.role == role)])

    def apart(self, one: str, other: str) -> bool:
        """Whether the two roles have to be held by different people."""
        return one != other and any({one, other} <= set(rule.roles) for rule in self.separate)


def read(data: bytes, place: str = "audit-trust.toml") -> Roster:
    """Return the roster in TOML text.

    Raises:
        Malformed: not TOML, an unknown field, a key twice, a key without a secret, people whose
            names look alike, or another value that cannot be.
    """
    try:
        value = tomllib.loads(data.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise Malformed(place, f"is not TOML: {error}") from error
    roster = codec.from_value(Roster, value, place)
    seen: set[str | bytes] = set()
    for number, key in enumerate(roster.key):
        where = f"{place} key[{number}]"
        _check_key(key, where)
        if key.id in seen or _material(key) in seen:
            raise Malformed(where, "is listed twice")
        seen |= {key.id, _material(key)}
    for number, threshold in enumerate(roster.threshold):
        if threshold.people < 1:
            raise Malformed(f"{place} threshold[{number}].people", "is not at least 1")
    for number, separate in enumerate(roster.separate):
        if len(set(separate.roles)) < 2:
            raise Malformed(f"{place} separate[{number}].roles", "does not name two roles")
    _check_names(roster, place)
    return roster


def _check_key(key: Key, place: str) -> None:
    if not key.id or not key.person.strip() or not key.roles:
        raise Malformed(place, "lacks an id, a person or a role")
    if key.scheme == "ed25519" and not _is_hex(key.public, ed25519.PUBLIC_BYTES):
        raise Malformed(f"{place}.public", "is not 64 hex digits")
    if key.scheme == "ed25519" and ed25519.is_weak(bytes.fromhex(key.public)):
        raise Malformed(f"{place}.public", "is a key by which anybody could sign")
    if key.scheme == SIGSTORE and not is_identity(key.public):
        raise Malformed(f"{place}.public", "does not name an identity and its issuer")
    _check_spelling(key.public, f"{place}.public")
    try:
        begins = milliseconds(key.valid_from)
        ends = None if key.valid_until is None else milliseconds(key.valid_until)
    except ValueError as error:
        raise Malformed(place, str(error)) from error
    if ends is not None and ends <= begins:
        raise Malformed(f"{place}.valid_until", "is not after valid_from")


def _check_spelling(public: str, place: str) -> None:
    """One key is found again in any spelling, so nothing that programs skip may stand beside it."""
    try:
        if "-----BEGIN" in public:
            _of_pem(public)
            return
        numbers = codec.parse(public.encode()) if public.lstrip().startswith("{") else {}
    except ValueError as error:
        problem = "is not one block of PEM, or JSON, and nothing else"
        raise Malformed(place, problem) from error
    if isinstance(numbers, dict) and {"n", "q"} <= numbers.keys():
        raise Malformed(place, "has the numbers of two kinds of keys")


def is_identity(public: str) -> bool:
    """Whether a `public` names an identity and its issuer: without one, anybody could vouch."""
    try:
        value = codec.parse(public.encode())
    except (Malformed, UnicodeEncodeError):
        return False
    names = [value.get(name) for name in ("identity", "issuer")] if isinstance(value, dict) else []
    return bool(names) and all(isinstance(name, str) and name.strip() for name in names)


def _is_hex(text: str, size: int) -> bool:
    try:
        return len(text) == 2 * size and bytes.fromhex(text).hex() == text
    except ValueError:
        return False


_LOOK_ALIKES = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u0501\u051b\u051d\u04bb\u0432\u043a"
    "\u043c\u043d\u0442\u03b1\u03b5\u03b9\u03ba\u03bd\u03bf\u03c1\u03c4\u03c5\u03c7\u0131"
    "\u0251\u0261\u0475\u0570\u0578\u057d\u0585",
    "aeopcyxijsdqwhbkmhtaeikvoptuxiagvhnuo",
)
"""Letters of other scripts that are drawn as a Latin one, small ones; what they are drawn as."""
_STROKES = str.maketrans("I1|0", "lllO")
"""What is drawn as another letter in this case alone; what it is drawn as."""
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""What is drawn as nothing and counts as printable: Default_Ignorable_Code_Point, and an empty
pattern of Braille. Source: Unicode, DerivedCoreProperties.txt"""


def _check_names(roster: Roster, place: str) -> None:
    """People are counted by their names and roles found by theirs, so each has one spelling."""
    people = [(f"key[{number}].person", key.person) for number, key in enumerate(roster.key)]
    roles = list(_roles(roster))
    ids = [(f"key[{number}]", key.id) for number, key in enumerate(roster.key)]
    for where, name in (*ids, *people, *roles):
        one_spelling = unicodedata.normalize("NFC", " ".join(name.split())) == name
        if not one_spelling or not name.isprintable() or _UNSEEN.search(name):
            raise Malformed(f"{place} {where}", "has odd spaces, or letters that do not show")
    _refuse_alike(people, "person", place)
    _refuse_alike(roles, "role", place)


def _roles(roster: Roster) -> Iterator[tuple[str, str]]:
    for number, key in enumerate(roster.key):
        yield from ((f"key[{number}].roles", name) for name in key.roles)
    yield from (("waive", name) for name in roster.waive)
    yield from (("threshold", rule.role) for rule in roster.threshold)
    yield from (("separate", name) for rule in roster.separate for name in rule.roles)


def _refuse_alike(names: Iterable[tuple[str, str]], noun: str, place: str) -> None:
    """A person who looks like another is counted twice; a rule about such a role rules nobody."""
    known: dict[str, str] = {}
    for where, name in names:
        for shape in _drawn(name):
            if known.setdefault(shape, name) != name:
                problem = f"looks like another {noun} of this file, and is spelled otherwise"
                raise Malformed(f"{place} {where}", problem)


def _drawn(name: str) -> tuple[str, str]:
    """What a name looks like on a screen, as far as its letters are known to be drawn alike: in
    any case, and as it is written."""
    plain = unicodedata.normalize("NFKC", name)
    return (
        plain.casefold().translate(_LOOK_ALIKES),
        plain.translate(_STROKES).casefold().translate(_LOOK_ALIKES),
    )


def _material(key: Key) -> bytes:
    """The number that makes a public key what it is, however it is written down.

    An Ed25519 key as hex or as OpenPGP has it, the modulus of an RSA key, one coordinate of a point
    on a curve: with the same number, the same person signs. With Sigstore it is who signs.
    """
    text = key.public
    try:
        if text.lstrip().startswith("{"):
            numbers = codec.parse(text.encode())
            if key.scheme == SIGSTORE:
                return codec.compact([numbers["issuer"], numbers["identity"]])
            return _tail(bytes.fromhex(str(numbers.get("n") or numbers.get("q"))))
        if "-----BEGIN" not in text:
            return _tail(bytes.fromhex(text))
        return _of_der(_of_pem(text))
    except ValueError:
        return text.encode("utf-8", "surrogatepass")


_PEM = re.compile(r"\s*-----BEGIN ([A-Z ]+)-----\s([A-Za-z0-9+/=\s]+)-----END \1-----\s*")
_CURVES = ((bytes.fromhex("06082a8648ce3d030107"), 32), (bytes.fromhex("06052b81040022"), 48))
"""P-256 and P-384 as DER names them, and the bytes of a coordinate. Source: RFC 5480."""


def _of_pem(text: str) -> bytes:
    """The bytes in PEM text. Raises `ValueError` for anything but one block."""
    found = _PEM.fullmatch(text)
    if found is None:
        raise ValueError("not one block of PEM")
    return base64.b64decode("".join(found[2].split()), validate=True)


def _of_der(data: bytes) -> bytes:
    """RSA ends with its exponent behind the modulus, a point with one coordinate or both."""
    for name, size in _CURVES:
        head, found, _ = data[:32].partition(name)
        if found:
            start = len(head) + len(name) + 4  # BIT STRING, its length, no bits unused, which form
            return _tail(data[start : start + size])
    for size in range(1, 9):
        if data[-size - 2 : -size] == bytes((2, size)):
            return _tail(data[: -size - 2])
    return _tail(data)


def _tail(data: bytes) -> bytes:
    return data[-ed25519.PUBLIC_BYTES :]


def may(key: Key, role: str, utc: str) -> str:
    """Return why a key may not speak for a role at an instant; empty where it may."""
    at = milliseconds(utc)
    if at < milliseconds(key.valid_from):
        return f"the key of {key.person} is valid only from {key.valid_from}"
    if key.valid_until is not None and at >= milliseconds(key.valid_until):
        return f"the key of {key.person} was valid until {key.valid_until}"
    if role not in key.roles:
        return f"{key.person} does not hold the role {role}"
    return ""


def check_ed25519(key: Key, message: bytes, signature: bytes) -> bool | None:
    """Check an Ed25519 signature; None for every other scheme."""
    if key.scheme != "ed25519":
        return None
    return ed25519.verify(bytes.fromhex(key.public), message, signature)


@dataclass(frozen=True, slots=True)
class Signed:
    """Which keys of the roster signed an envelope; why others do not count; what is unknown."""

    keys: tuple[Key, ...]
    refused: tuple[str, ...]
    unchecked: tuple[str, ...]


def signers(envelope: Envelope, roster: Roster, check: Check = check_ed25519) -> Signed:
    """Return whose signatures an envelope truly has. A key counts once, however often it signed."""
    message = pae(envelope.payload_type, envelope.payload)
    by_id = {key.id: key for key in roster.key}
    good: dict[str, Key] = {}
    refused: list[str] = []
    unchecked: list[str] = []
    for signature in envelope.signatures:
        key = by_id.get(signature.keyid)
        if key is None:
            refused.append(f"key {signature.keyid:.16} is not in the trust file")
            continue
        if key.id in good:
            continue
        answer = check(key, message, signature.sig)
        if answer is None:
            unchecked.append(f"{key.person} signed by {key.scheme}, which is not checked here")
        elif answer:
            good[key.id] = key
        else:
            refused.append(f"the signature of {key.person} is not over these bytes")
    return Signed(tuple(good.values()), tuple(refused), tuple(unchecked))
