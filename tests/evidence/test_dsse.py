"""Envelopes, statements and notes: written, read, and refused where they are not what they say."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import dsse, ed25519
from evidence.codec import Malformed
from evidence.dsse import Envelope, Signature, Statement, Subject

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SIGNATURES = st.builds(Signature, WORDS, st.binary(max_size=80))
ENVELOPES = st.builds(
    Envelope, WORDS, st.binary(max_size=200), st.lists(SIGNATURES, max_size=5).map(tuple)
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
DIGESTS = st.dictionaries(WORDS, WORDS, max_size=3).map(lambda item: tuple(sorted(item.items())))
STATEMENTS = st.builds(
    Statement, st.lists(st.builds(Subject, WORDS, DIGESTS), max_size=3).map(tuple), WORDS, JSON
)


def raw(**changes: Any) -> dict[str, Any]:
    """The JSON value of a good envelope, with changes."""
    good = {
        "payload": base64.b64encode(b"{}").decode(),
        "payloadType": dsse.PAYLOAD_TYPE,
        "signatures": [{"keyid": "k", "sig": "AAAA"}],
    }
    return {**good, **changes}


def read(value: Any) -> Envelope:
    return dsse.read(json.dumps(value).encode(), "line 1")


# --- envelopes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "payload", "encoded"),
    [
        (
            "http://example.com/HelloWorld",
            b"hello world",
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world",
        ),
        ("", b"", b"DSSEv1 0  0 "),
        ("t", b"a b\0\n", b"DSSEv1 1 t 5 a b\0\n"),
        ("\u00e9", b"", b"DSSEv1 2 \xc3\xa9 0 "),
    ],
)
def test_what_is_signed(kind: str, payload: bytes, encoded: bytes) -> None:
    assert dsse.pae(kind, payload) == encoded


@given(ENVELOPES, ENVELOPES)
def test_two_envelopes_are_never_signed_over_the_same_bytes(one: Envelope, other: Envelope) -> None:
    same = dsse.pae(one.payload_type, one.payload) == dsse.pae(other.payload_type, other.payload)
    assert same == ((one.payload_type, one.payload) == (other.payload_type, other.payload))


@given(ENVELOPES)
def test_an_envelope_comes_back(envelope: Envelope) -> None:
    line = dsse.write(envelope)
    assert b"\n" not in line
    assert dsse.read(line) == envelope


def test_unknown_fields_are_ignored_and_a_key_may_be_unnamed() -> None:
    found = read(raw(more=1, signatures=[{"sig": "AAAA", "cert": "x"}]))
    assert found.signatures == (Signature("", b"\0\0\0"),)


def test_url_safe_base64_is_read() -> None:
    data = b"\xfb\xef\xff" * 3
    found = read(raw(payload=base64.urlsafe_b64encode(data).decode()))
    assert found.payload == data


@pytest.mark.parametrize(
    "text",
    ["AAA", "A", "AA=A", "====", "AA==AA==", "AAAA\n", " AAAA", "AA AA", "+-/_", "-+AA", "AAAé"],
)
def test_what_is_not_base64_is_refused(text: str) -> None:
    for value in (raw(payload=text), raw(signatures=[{"keyid": "k", "sig": text}])):
        with pytest.raises(Malformed, match="base64"):
            read(value)


@pytest.mark.parametrize(
    "value",
    [
        *([], "text", None, 1),
        *(raw(payload=None), raw(payload=[1]), raw(payloadType=1), raw(payloadType=None)),
        *(raw(signatures=None), raw(signatures={}), raw(signatures="x"), raw(signatures=["x"])),
        *(raw(signatures=[{"keyid": "k"}]), raw(signatures=[{"keyid": 7, "sig": "AAAA"}])),
        *(raw(signatures=[None]), raw(signatures=[{"keyid": None, "sig": "AAAA"}])),
        {key: item for key, item in raw().items() if key != "payload"},
        {key: item for key, item in raw().items() if key != "payloadType"},
        {key: item for key, item in raw().items() if key != "signatures"},
    ],
)
def test_another_shape_is_refused(value: Any) -> None:
    with pytest.raises(Malformed) as told:
        read(value)
    assert str(told.value).startswith("line 1")


def test_as_many_signatures_as_are_looked_at_and_no_more() -> None:
    one = {"keyid": "k", "sig": "AAAA"}
    assert len(read(raw(signatures=[one] * dsse.SIGNATURES_MAX)).signatures) == 64
    with pytest.raises(Malformed, match="at most 64"):
        read(raw(signatures=[one] * (dsse.SIGNATURES_MAX + 1)))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xff\xfe{}",
        b'{"payload":"AAAA","payload":"BBBB","payloadType":"t","signatures":[]}',
        b'{"payload":"AAAA","payloadType":"t","signatures":[{"sig":"AAAA","sig":"BBBB"}]}',
        b"[" * 100_000,
        b'{"payload":' + b'{"a":' * 50_000,
        b'{"payload":"AAAA","payloadType":"t","signatures":[],"more":1.5}',
        b'{"payload":"AAAA","payloadType":"t","signatures":[]} {}',
    ],
)
def test_hostile_json_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        dsse.read(data, "line 1")


def test_what_is_too_large_is_not_even_parsed() -> None:
    with pytest.raises(Malformed, match="larger than"):
        dsse.read(b"{" * (dsse.ENVELOPE_BYTES_MAX + 1))


@given(ENVELOPES, st.data())
def test_a_cut_envelope_is_refused(envelope: Envelope, data: st.DataObject) -> None:
    line = dsse.write(envelope)
    with pytest.raises(Malformed):
        dsse.read(line[: data.draw(st.integers(0, len(line) - 1))])


# --- statements -----------------------------------------------------------------------------------


def around(payload: bytes, kind: str = dsse.PAYLOAD_TYPE) -> Envelope:
    return Envelope(kind, payload, ())


@given(STATEMENTS)
def test_a_statement_comes_back(statement: Statement) -> None:
    assert dsse.read_statement(around(dsse.write_statement(statement))) == statement


def test_unknown_fields_of_a_statement_are_ignored() -> None:
    value = {"_type": dsse.STATEMENT_TYPE, "subject": [{"digest": {}, "uri": "x"}]}
    payload = json.dumps({**value, "predicateType": "p", "later": [1]}).encode()
    assert dsse.read_statement(around(payload)) == Statement((Subject("", ()),), "p", None)


@pytest.mark.parametrize(
    "changes",
    [
        {"_type": "https://in-toto.io/Statement/v0.1"},
        {"_type": None},
        {"subject": None},
        {"subject": {}},
        {"subject": ["x"]},
        {"subject": [{"name": "n"}]},
        {"subject": [{"name": "n", "digest": []}]},
        {"subject": [{"name": "n", "digest": {"sha256": 1}}]},
        {"subject": [{"name": 1, "digest": {}}]},
        {"predicateType": 1},
        {"predicateType": None},
    ],
)
def test_another_statement_is_refused(changes: dict[str, Any]) -> None:
    good = {"_type": dsse.STATEMENT_TYPE, "subject": [], "predicateType": "p", "predicate": {}}
    assert dsse.read_statement(around(json.dumps(good).encode())).subjects == ()
    with pytest.raises(Malformed):
        dsse.read_statement(around(json.dumps({**good, **changes}).encode()), "line 1")


def test_another_payload_type_is_refused_whatever_it_holds() -> None:
    payload = dsse.write_statement(Statement((), "p", {}))
    for kind in ("", "application/json", "application/vnd.in-toto+JSON"):
        with pytest.raises(Malformed, match="and not application"):
            dsse.read_statement(around(payload, kind))


@pytest.mark.parametrize("payload", [b"", b"null", b"[]", b"\xff", b'{"_type":1,"_type":2}'])
def test_a_payload_that_is_no_statement_is_refused(payload: bytes) -> None:
    with pytest.raises(Malformed):
        dsse.read_statement(around(payload))


# --- notes ----------------------------------------------------------------------------------------

NAMES = st.text(
    st.characters(exclude_categories=["Cs", "Z", "C"], exclude_characters="+"),
    min_size=1,
    max_size=20,
)
NOTE_SIGNATURES = st.lists(
    st.tuples(NAMES, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=80)),
    min_size=1,
    max_size=5,
).map(tuple)
TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs", "C"])), min_size=1).map(
    lambda lines: "".join(line + "\n" for line in lines).encode()
)

SALVATORE = """\
Ognuno sta solo sul cuor della terra
trafitto da un raggio di sole:
ed \u00e8 subito sera.

\u2014 quasimodo.example/salvatore \
NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=
""".encode()
"""The example of C2SP signed-note."""

PETER = """\
If you think cryptography is the answer to your problem,
then you don't know what your problem is.

\u2014 PeterNeumann \
x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
""".encode()
PETER_KEY = base64.b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")[1:]
"""The example of Go's sumdb/note, whose key is published beside it."""


@pytest.mark.parametrize("note", [SALVATORE, PETER])
def test_published_notes_come_back_to_the_byte(note: bytes) -> None:
    text, signatures = dsse.read_note(note)
    assert len(signatures) == 1
    assert len(signatures[0][2]) == ed25519.SIGNATURE_BYTES
    assert dsse.write_note(text, signatures) == note


def test_a_published_note_verifies_under_its_published_key() -> None:
    text, ((name, key, signature),) = dsse.read_note(PETER)
    assert name == "PeterNeumann"
    assert key == dsse.note_key(name, PETER_KEY) == bytes.fromhex("c74f20a3")
    assert ed25519.verify(PETER_KEY, text, signature)
    assert not ed25519.verify(PETER_KEY, text + b"\n", signature)


@given(TEXTS, NOTE_SIGNATURES)
def test_a_note_comes_back(text: bytes, signatures: Any) -> None:
    assert dsse.read_note(dsse.write_note(text, signatures)) == (text, signatures)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        b"text\n",
        b"text\n\n",
        b"text\n\n- name AAAAAAAA\n",
        "text\n\n\u2014 name AAAAAAAA".encode(),
        "text\n\n\u2014 name\n".encode(),
        "text\n\n\u2014  AAAAAAAA\n".encode(),
        "text\n\n\u2014 two words AAAAAAAA\n".encode(),
        "text\n\n\u2014 name AAAA\n".encode(),
        "text\n\n\u2014 name AAAA====\n".encode(),
        "text\n\n\u2014 name AA-_AAAA\n".encode(),
        "text\n\n\u2014 name AAAAAAAA\nmore\n".encode(),
        b"text\n\n\xff\xfe\n",
    ],
)
def test_what_is_no_note_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        dsse.read_note(data, "checkpoint")


@given(st.integers(0, len(SALVATORE) - 1))
def test_a_cut_note_is_refused(end: int) -> None:
    with pytest.raises(Malformed):
        dsse.read_note(SALVATORE[:end])


# --- beside securesystemslib ----------------------------------------------------------------------

LIBRARY_MISSING = "could_not_run: securesystemslib is not installed (extra trust)"


def library() -> Any:
    pytest.importorskip("securesystemslib", reason=LIBRARY_MISSING)
    from securesystemslib import dsse as other

    return other


def signer() -> Any:
    library: Any = pytest.importorskip("securesystemslib.signer", reason=LIBRARY_MISSING)
    return library.CryptoSigner.generate_ed25519()


ASCII = st.text(st.characters(codec="ascii"), max_size=20)
"""Payload types are media types or URIs; older versions of the library count other characters."""


@given(ASCII, st.binary(max_size=200))
def test_both_sign_the_same_bytes(kind: str, payload: bytes) -> None:
    assert library().Envelope(payload, kind, {}).pae() == dsse.pae(kind, payload)


def test_securesystemslib_reads_and_verifies_what_we_write() -> None:
    other, key = library(), signer()
    payload = dsse.write_statement(Statement((Subject("s", (("sha256", "ab"),)),), "p", {}))
    made = bytes.fromhex(key.sign(dsse.pae(dsse.PAYLOAD_TYPE, payload)).signature)
    ours = Envelope(dsse.PAYLOAD_TYPE, payload, (Signature(key.public_key.keyid, made),))
    found = other.Envelope.from_dict(json.loads(dsse.write(ours)))
    assert found.payload == payload
    assert list(found.verify([key.public_key], 1)) == [key.public_key.keyid]


def test_we_read_and_verify_what_securesystemslib_writes() -> None:
    other, key = library(), signer()
    theirs = other.Envelope(b'{"a":1}', dsse.PAYLOAD_TYPE, {})
    theirs.sign(key)
    found = dsse.read(json.dumps(theirs.to_dict()).encode())
    public = bytes.fromhex(key.public_key.keyval["public"])
    message = dsse.pae(found.payload_type, found.payload)
    assert found.signatures[0].keyid == key.public_key.keyid
    assert ed25519.verify(public, message, found.signatures[0].sig)
    assert not ed25519.verify(public, message + b" ", found.signatures[0].sig)
