"""Attacks on the trust file: people counted twice, keys of nobody, roles without effect."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from evidence import ed25519, roster
from evidence.codec import Malformed
from evidence.roster import Roster
from tests.evidence import sign_kit as kit
from tests.evidence.sign_kit import ADA, BEGIN


def entry(person: str = "Ada", **changes: Any) -> str:
    fields = {
        "id": f"{person}-1",
        "person": person,
        "roles": ["SRE"],
        "scheme": "ed25519",
        "public": kit.Person(person).public.hex(),
        "valid_from": BEGIN,
        **changes,
    }
    return "[[key]]\n" + "".join(
        f"{k} = {json.dumps(v, ensure_ascii=False)}\n" for k, v in fields.items()
    )


def trust_of(*tables: str) -> Roster:
    return roster.read(("format_version = 1\n" + "".join(tables)).encode())


@pytest.mark.parametrize(
    "other",
    [
        "Ada ",
        " Ada",
        "A  da",
        "Ada\n",
        "Ada\t",
        "Ad\u200ba",
        "\u202eadA",
        "Ada\u00a0",
        "Ada\ufeff",
        "Ada\0",
        "Ade\u0301",
        "Ada\u034f",
        "Ada\u115f",
        "Ada\u17b4",
        "Ada\u180b",
        "Ada\u2800",
        "Ada\u3164",
        "Ada\ufe0f",
        "Ada\uffa0",
        "Ada\U000e0100",
    ],
)
def test_a_name_has_letters_that_show(other: str) -> None:
    with pytest.raises(Malformed, match="odd spaces, or letters that do not show"):
        trust_of(entry(other))
    with pytest.raises(Malformed, match="odd spaces"):
        trust_of(entry(roles=[other]))


@pytest.mark.parametrize(
    "other", ["ADA", "ada", "\u0410da", "Ad\u0430", "Ad\u03b1", "\uff21da", "\U0001d400da"]
)
def test_people_who_look_alike_are_not_two(other: str) -> None:
    with pytest.raises(Malformed, match="looks like another person"):
        trust_of(entry(), entry(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Alice", "AIice"),
        ("Alice", "A1ice"),
        ("Ian", "lan"),
        ("ALICE", "AlICE"),
        ("Bill 10", "Bill IO"),
        ("Bob", "B\u0585b"),
        ("Ada", "Ad\u0251"),
    ],
)
def test_letters_and_digits_that_look_alike_make_no_second_person(one: str, other: str) -> None:
    with pytest.raises(Malformed, match="looks like another person"):
        trust_of(entry(one), entry(other))


@pytest.mark.parametrize(
    "table",
    [
        '[[threshold]]\nrole = "\u0405RE"\npeople = 2\n',
        '[[threshold]]\nrole = "sre"\npeople = 2\n',
        '[[separate]]\nroles = ["runner", "SR\u0415"]\n',
    ],
)
def test_a_rule_about_a_role_that_only_looks_like_one_is_refused(table: str) -> None:
    with pytest.raises(Malformed, match="looks like another role"):
        trust_of(entry(), table)


def test_roles_of_two_keys_do_not_look_alike() -> None:
    with pytest.raises(Malformed, match="looks like another role"):
        trust_of(entry(), entry("Bob", roles=["SR\u0415"]))


def test_people_who_do_not_look_alike_are_two() -> None:
    names = ["Ada", "Ada B", "Bob", "Zo\u00eb", "Zoe", "\u0411\u043e\u0440\u0438\u0441"]
    names += ["Neil", "Nell", "Ada 1", "Ada 2"]
    assert len(trust_of(*map(entry, names)).key) == len(names)


EC = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE" + base64.b64encode(bytes(range(1, 65))).decode()


def pem(body: str, width: int = 64, kind: str = "PUBLIC KEY", end: str = "\n") -> str:
    lines = [body[at : at + width] for at in range(0, len(body), width)]
    return end.join([f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----", ""])


def spki(header: str, point: bytes) -> str:
    """A point behind a header for whole points or for half ones."""
    return pem(base64.b64encode(bytes.fromhex(header) + point).decode())


POINT = bytes(range(60, 156))
EC384 = spki("3076301006072a8648ce3d020106052b8104002203620004", POINT)
EC384_HALF = spki("3046301006072a8648ce3d020106052b81040022033200", b"\2" + POINT[:48])
TAIL = bytes(range(60, 121)) + b"\2\1\3"  # a point that ends as an exponent of RSA would
EC_HEADER = "3059301306072a8648ce3d020106082a8648ce3d03010703420004"
EC_HEADER_HALF = "3039301306072a8648ce3d020106082a8648ce3d03010703220003"
EC_TAIL = spki(EC_HEADER, TAIL)
EC_TAIL_HALF = spki(EC_HEADER_HALF, TAIL[:32])
WHO = {"identity": "ada@example.org", "issuer": "https://login.example.org"}
MODULUS = bytes(range(128, 256)) * 2
EXPONENT = b"\x02\x03\x01\x00\x01"
PKCS1 = b"\x30\x82\x01\x0a\x02\x82\x01\x01\x00" + MODULUS + EXPONENT
SPKI = b"\x30\x82\x01\x22some header\x03\x82\x01\x0f\x00" + PKCS1
ADA_HEX = ADA.public.hex()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("ecdsa-sha2-nistp256", pem(EC)), ("ecdsa-sha2-nistp256", pem(EC).rstrip())),
        (("ecdsa-sha2-nistp256", pem(EC)), ("ecdsa-sha2-nistp256", pem(EC, 40, end="\r\n"))),
        (("ecdsa-sha2-nistp256", pem(EC)), ("ecdsa-sha2-nistp521", "\n" + pem(EC))),
        (
            ("rsassa-pss-sha256", pem(base64.b64encode(PKCS1).decode(), kind="RSA PUBLIC KEY")),
            ("rsassa-pss-sha256", pem(base64.b64encode(SPKI).decode())),
        ),
        (
            ("rsassa-pss-sha256", pem(base64.b64encode(SPKI).decode())),
            ("rsassa-pss-sha256", pem(base64.b64encode(SPKI[:-5] + b"\x02\x01\x03").decode())),
        ),
        (
            ("rsassa-pss-sha256", pem(base64.b64encode(SPKI).decode())),
            ("pgp+rsa-pkcsv1.5", json.dumps({"e": "010001", "n": MODULUS.hex()})),
        ),
        (("ed25519", ADA_HEX), ("pgp+eddsa-ed25519", json.dumps({"q": ADA_HEX}))),
        (("ed25519", ADA_HEX), ("other", ADA_HEX.upper())),
        (("other", "words"), ("another", "words")),
        (("ecdsa-sha2-nistp384", EC384), ("ecdsa-sha2-nistp384", EC384_HALF)),
        (("ecdsa-sha2-nistp256", EC_TAIL), ("ecdsa-sha2-nistp256", EC_TAIL_HALF)),
        (("Fulcio", json.dumps(WHO)), ("Fulcio", json.dumps(dict(reversed(WHO.items()))))),
        (("Fulcio", json.dumps(WHO)), ("Fulcio", json.dumps({**WHO, "instance": {}}, indent=1))),
    ],
)
def test_one_key_is_not_two_by_another_spelling(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    tables = [
        entry(person, scheme=scheme, public=public)
        for person, (scheme, public) in zip(("Ada", "Bob"), (one, other), strict=True)
    ]
    for table in tables:
        trust_of(table)
    with pytest.raises(Malformed, match="is listed twice"):
        trust_of(*tables)


@pytest.mark.parametrize(
    "public",
    [
        "# Bob\n" + pem(EC),
        pem(EC) + "Bob\n",
        pem(EC) + pem(EC[:-4] + "AAAA"),
        pem(EC).replace("KEY-----\n", "KEY-----\nComment: Bob\n\n", 1),
        pem(EC[:8] + "====" + EC[8:]),
    ],
)
def test_a_public_key_is_one_block_and_nothing_else(public: str) -> None:
    """What is read as the same key would be compared as another text."""
    with pytest.raises(Malformed, match="is not one block of PEM"):
        trust_of(entry(scheme="ecdsa-sha2-nistp256", public=public))


def test_an_openpgp_key_has_the_numbers_of_one_kind() -> None:
    with pytest.raises(Malformed, match="numbers of two kinds"):
        trust_of(entry(scheme="pgp+eddsa-ed25519", public=json.dumps({"q": ADA_HEX, "n": "01"})))


def test_one_name_at_two_issuers_is_two_identities() -> None:
    other = {**WHO, "issuer": "https://login.example.com"}
    tables = [
        entry(person, scheme="Fulcio", public=json.dumps(who))
        for person, who in (("Ada", WHO), ("Bob", other))
    ]
    assert len(trust_of(*tables).key) == 2


@pytest.mark.parametrize(
    "public",
    [
        *("", "x", "[]", "null", "{}", "\ud800", "ada@example.org"),
        *(json.dumps({**WHO, name: value}) for name in WHO for value in ("", " ", None, 7, ["a"])),
        *(json.dumps({name: WHO[name]}) for name in WHO),
    ],
)
def test_an_identity_without_its_issuer_is_nobody(public: str) -> None:
    """An issuer that is not named would be any issuer."""
    assert not roster.is_identity(public)
    if public.isprintable():
        with pytest.raises(Malformed, match="does not name an identity and its issuer"):
            trust_of(entry(scheme="Fulcio", public=public))


SMALL_ORDER = [
    "01" + "00" * 31,
    "ec" + "ff" * 30 + "7f",
    "00" * 32,
    "00" * 31 + "80",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
]


@pytest.mark.parametrize("public", [*SMALL_ORDER, "02" + "00" * 31, "ff" * 32])
def test_a_key_by_which_anybody_signs_is_not_trusted(public: str) -> None:
    assert ed25519.is_weak(bytes.fromhex(public))
    with pytest.raises(Malformed, match="anybody could sign"):
        trust_of(entry(public=public))


def test_why_such_keys_are_refused() -> None:
    """Nobody holds a secret of this one, and every message is signed by it."""
    anybody = bytes.fromhex(SMALL_ORDER[0])
    signature = anybody + bytes(32)
    assert all(ed25519.verify(anybody, text, signature) for text in (b"a", b"b", b"c"))


@pytest.mark.parametrize("roles", [[], ["SRE"], ["SRE", "SRE"]])
def test_one_role_is_not_kept_apart_from_itself(roles: list[str]) -> None:
    with pytest.raises(Malformed, match="does not name two roles"):
        trust_of(f"[[separate]]\nroles = {json.dumps(roles)}\n")
