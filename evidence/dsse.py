"""Signed statements: DSSE envelopes around in-toto Statements, and C2SP signed notes.

Here lives how signed bytes are written and read; who may sign what is in `roster`. Nothing is
checked by being read: an envelope that was read is a claim.
Sources: DSSE v1.0, in-toto Statement v1, C2SP signed-note.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Any

from evidence import codec
from evidence.codec import Malformed

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
ENVELOPE_BYTES_MAX = 16 << 20
"""Largest envelope that is read: what the field's attestation stores accept."""
SIGNATURES_MAX = 64
"""Signatures of one envelope that are looked at; each costs time to check."""

_NOTE_DASH = "\u2014 "
_NOTE_ED25519 = b"\x01"


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature. `keyid` is a hint that nobody vouches for."""

    keyid: str
    sig: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload of a type, with its signatures."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class Subject:
    """What a statement is about: a name and its digests, such as `sha256` or `gitCommit`."""

    name: str
    digests: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """An in-toto Statement: the predicate is a JSON value of the predicate's type."""

    subjects: tuple[Subject, ...]
    predicate_type: str
    predicate: Any


# --- envelopes ------------------------------------------------------------------------------------


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the pre-authentication encoding: the bytes that a signature is over.

    >>> pae("http://example.com/HelloWorld", b"hello world")
    b'DSSEv1 29 http://example.com/HelloWorld 11 hello world'
    """
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def write(envelope: Envelope) -> bytes:
    """Return an envelope as one line of canonical JSON, without a newline."""
    signatures = [
        {"keyid": signature.keyid, "sig": base64.b64encode(signature.sig).decode()}
        for signature in envelope.signatures
    ]
    payload = base64.b64encode(envelope.payload).decode()
    value = {"payload": payload, "payloadType": envelope.payload_type, "signatures": signatures}
    return codec.compact(value)


def read(data: bytes, place: str = "") -> Envelope:
    """Return the envelope in JSON text. Fields that DSSE does not name are ignored.

    Raises:
        Malformed: too large, not strict JSON, or not an envelope.
    """
    if len(data) > ENVELOPE_BYTES_MAX:
        raise Malformed(place, f"is larger than {ENVELOPE_BYTES_MAX} bytes")
    value = codec.parse(data, place)
    if not isinstance(value, dict):
        raise Malformed(place, "is not an envelope")
    signatures = value.get("signatures")
    if not isinstance(signatures, list) or len(signatures) > SIGNATURES_MAX:
        raise Malformed(place, f"does not have a list of at most {SIGNATURES_MAX} signatures")
    kind = _text(value, "payloadType", place)
    if any("\ud800" <= char <= "\udfff" for char in kind):
        raise Malformed(place, "has a payloadType that is no text in UTF-8")
    return Envelope(
        kind,
        _bytes(value, "payload", place),
        tuple(_signature(item, f"{place} signature {n}") for n, item in enumerate(signatures)),
    )


def _signature(value: Any, place: str) -> Signature:
    if not isinstance(value, dict):
        raise Malformed(place, "is not an object")
    keyid = value.get("keyid", "")
    if not isinstance(keyid, str):
        raise Malformed(place, "has a keyid that is no text")
    return Signature(keyid, _bytes(value, "sig", place))


def _text(value: dict[str, Any], key: str, place: str) -> str:
    text = value.get(key)
    if not isinstance(text, str):
        raise Malformed(place, f"lacks {key}")
    return text


def _bytes(value: dict[str, Any], key: str, place: str) -> bytes:
    """Standard or URL-safe base64, as DSSE allows both; never a mixture or something else."""
    text = _text(value, key, place)
    altchars = b"-_" if "-" in text or "_" in text else None
    if altchars and ("+" in text or "/" in text):
        raise Malformed(place, f"has a {key} in two kinds of base64")
    try:
        return base64.b64decode(text.encode("ascii"), altchars, validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise Malformed(place, f"has a {key} that is not base64") from error


# --- statements -----------------------------------------------------------------------------------


def write_statement(statement: Statement) -> bytes:
    """Return the payload of a statement: one line of canonical JSON, without a newline."""
    subjects = [
        {"name": subject.name, "digest": dict(subject.digests)} for subject in statement.subjects
    ]
    return codec.compact(
        {
            "_type": STATEMENT_TYPE,
            "subject": subjects,
            "predicateType": statement.predicate_type,
            "predicate": statement.predicate,
        }
    )


def read_statement(envelope: Envelope, place: str = "") -> Statement:
    """Return the statement in an envelope. Unknown fields are ignored, as the format asks.

    Raises:
        Malformed: another payload type, another statement version, or not a statement.
    """
    if envelope.payload_type != PAYLOAD_TYPE:
        raise Malformed(place, f"holds {envelope.payload_type!r:.80} and not {PAYLOAD_TYPE}")
    value = codec.parse(envelope.payload, place)
    if not isinstance(value, dict) or value.get("_type") != STATEMENT_TYPE:
        raise Malformed(place, f"is not a statement of type {STATEMENT_TYPE}")
    subjects = value.get("subject")
    if not isinstance(subjects, list):
        raise Malformed(place, "has no list of subjects")
    return Statement(
        tuple(_subject(item, f"{place} subject {n}") for n, item in enumerate(subjects)),
        _text(value, "predicateType", place),
        value.get("predicate"),
    )


def _subject(value: Any, place: str) -> Subject:
    if not isinstance(value, dict) or not isinstance(value.get("digest"), dict):
        raise Malformed(place, "is not a name with digests")
    digests = value["digest"]
    if not all(isinstance(item, str) for item in digests.values()):
        raise Malformed(place, "has a digest that is no text")
    name = value.get("name", "")
    if not isinstance(name, str):
        raise Malformed(place, "has a name that is no text")
    return Subject(name, tuple(sorted(digests.items())))


# --- notes ----------------------------------------------------------------------------------------


def note_key(name: str, public: bytes) -> bytes:
    """Return the four bytes by which a signed note names an Ed25519 key. Source: C2SP."""
    return hashlib.sha256(name.encode() + b"\n" + _NOTE_ED25519 + public).digest()[:4]


def write_note(text: bytes, signatures: tuple[tuple[str, bytes, bytes], ...]) -> bytes:
    """Return a signed note: the text, which ends in a newline, then a line for each signature.

    `signatures` are (name of the key, four bytes of its id, signature over the text).
    """
    lines = (
        f"{_NOTE_DASH}{name} {base64.b64encode(key + sig).decode()}\n"
        for name, key, sig in signatures
    )
    return text + b"\n" + "".join(lines).encode()


def read_note(data: bytes, place: str = "") -> tuple[bytes, tuple[tuple[str, bytes, bytes], ...]]:
    """Return the text of a signed note and its signatures, as `write_note` takes them.

    Raises:
        Malformed: no empty line before the signatures, or a line that is none.
    """
    text, gap, tail = data.rpartition(b"\n\n")
    if not gap or not tail.endswith(b"\n"):
        raise Malformed(place, "is not a signed note")
    try:
        lines = tail.decode().removesuffix("\n").split("\n")
        if len(lines) > SIGNATURES_MAX:
            raise Malformed(place, f"has more than {SIGNATURES_MAX} signatures")
        signatures = tuple(map(_note_line, lines))
    except Malformed:
        raise
    except ValueError as error:
        raise Malformed(place, "has a signature line that is none") from error
    return text + b"\n", signatures


def _note_line(line: str) -> tuple[str, bytes, bytes]:
    dash, name, encoded = line[:2], *line[2:].split(" ")
    raw = base64.b64decode(encoded, validate=True)
    if dash != _NOTE_DASH or not name or len(raw) < 5:
        raise ValueError(line)
    return name, raw[:4], raw[4:]
