"""The trust file: what is refused in it, when a key may speak, and whose signatures count."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import dsse, roster
from evidence.codec import Malformed
from evidence.dsse import Envelope, Signature
from evidence.instant import utc_of
from evidence.roster import Key, Roster, Threshold

PUBLIC = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
OTHER = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
FROM, UNTIL = "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"

ADA = Key("ada-1", "Ada <ada@example.org>", ("SRE", "runner"), "ed25519", PUBLIC, FROM, UNTIL)


def key_text(**changes: Any) -> str:
    """A `[[key]]` table, with changes; None leaves a field out."""
    good: dict[str, Any] = {
        "id": '"ada-1"',
        "person": '"Ada <ada@example.org>"',
        "roles": '["SRE", "runner"]',
        "scheme": '"ed25519"',
        "public": f'"{PUBLIC}"',
        "valid_from": f'"{FROM}"',
        "valid_until": f'"{UNTIL}"',
    }
    fields = {name: text for name, text in {**good, **changes}.items() if text is not None}
    return "[[key]]\n" + "".join(f"{name} = {text}\n" for name, text in fields.items())


def read(*tables: str, head: str = "format_version = 1\n") -> Roster:
    return roster.read((head + "".join(tables)).encode())


def test_a_trust_file_by_example() -> None:
    found = read(
        "# whom we trust\n",
        key_text(),
        key_text(id='"b"', public=f'"{OTHER}"', valid_until=None),
        '[[threshold]]\nrole = "SRE"\npeople = 2\n',
        '[[separate]]\nroles = ["SRE", "Security"]\n',
    )
    assert found.key[0] == ADA
    assert found.key[1].valid_until is None
    assert found.people_for("SRE", 1) == 2
    assert found.people_for("SRE", 3) == 3
    assert found.people_for("runner", 1) == 1
    assert found.apart("SRE", "Security")
    assert found.apart("Security", "SRE")
    assert not found.apart("SRE", "SRE")
    assert not found.apart("SRE", "runner")


def test_an_empty_trust_file_trusts_nobody() -> None:
    assert read().key == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "format_version = 2\n",
        'format_version = "1"\n',
        "format_version = true\n",
        "format_version = 1.0\n",
        "format_version = 1\nformat_version = 1\n",
        "format_version = 1\nkeys = []\n",
        "format_version = 1\nkey = 1\n",
        "format_version = 1\n[[key]]\n",
        "format_version = 1\n[[threshold]]\n",
        'format_version = 1\n[[threshold]]\nrole = "r"\npeople = "2"\n',
        'format_version = 1\n[[threshold]]\nrole = "r"\npeople = true\n',
        'format_version = 1\n[[separate]]\nroles = "SRE"\n',
        "format_version = 1\n[[key]\n",
        "format_version = " + "[" * 5_000,
        "\0",
    ],
)
def test_another_shape_is_refused(text: str) -> None:
    with pytest.raises(Malformed) as told:
        roster.read(text.encode(), "trust.toml")
    assert str(told.value).startswith("trust.toml")


def test_what_is_not_utf_8_is_refused() -> None:
    with pytest.raises(Malformed, match="not TOML"):
        roster.read(b"format_version = 1 # \xff")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"id": '""'}, "lacks an id"),
        ({"person": '" "'}, "lacks an id"),
        ({"roles": "[]"}, "lacks an id"),
        ({"roles": '"SRE"'}, "wants a list"),
        ({"public": '""'}, "64 hex digits"),
        ({"public": f'"{PUBLIC[:-2]}"'}, "64 hex digits"),
        ({"public": f'"{PUBLIC}00"'}, "64 hex digits"),
        ({"public": f'"{PUBLIC.upper()}"'}, "64 hex digits"),
        ({"public": f'" {PUBLIC}"'}, "64 hex digits"),
        ({"public": f'"{PUBLIC[:2]} {PUBLIC[2:]}"'}, "64 hex digits"),
        ({"public": f'"{PUBLIC[:-1]}g"'}, "64 hex digits"),
        ({"valid_from": '"2026-01-01"'}, "no RFC 3339 time"),
        ({"valid_from": '"2026-01-01T00:00:00+00:00"'}, "no RFC 3339 time"),
        ({"valid_from": '"2026-02-30T00:00:00Z"'}, "day is out of range"),
        ({"valid_from": '"2026-01-01T24:00:00Z"'}, "no RFC 3339 time"),
        ({"valid_from": "2026-01-01T00:00:00Z"}, "wants str"),
        ({"valid_until": f'"{FROM}"'}, "not after valid_from"),
        ({"valid_until": '"2025-01-01T00:00:00Z"'}, "not after valid_from"),
        ({"valid_until": '"never"'}, "no RFC 3339 time"),
        ({"secret": '"x"'}, "unknown key"),
        *(({name: None}, "is missing") for name in ("id", "person", "roles", "scheme", "public")),
    ],
)
def test_a_key_that_cannot_be_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(Malformed, match=said):
        read(key_text(**changes))


def test_a_key_stands_there_once() -> None:
    with pytest.raises(Malformed, match=r"key\[1\]: is listed twice"):
        read(key_text(), key_text(public=f'"{OTHER}"'))
    with pytest.raises(Malformed, match=r"key\[1\]: is listed twice"):
        read(key_text(), key_text(id='"again"'))


@pytest.mark.parametrize("people", [0, -1])
def test_a_threshold_is_at_least_one(people: int) -> None:
    with pytest.raises(Malformed, match="not at least 1"):
        read(f'[[threshold]]\nrole = "SRE"\npeople = {people}\n')


# --- when a key may speak -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "utc", "said"),
    [
        ("SRE", FROM, ""),
        ("runner", "2026-06-01T12:00:00.5Z", ""),
        ("SRE", "2026-12-31T23:59:59.999Z", ""),
        ("SRE", "2025-12-31T23:59:59.999Z", "valid only from"),
        ("SRE", UNTIL, "was valid until"),
        ("SRE", "2030-01-01T00:00:00Z", "was valid until"),
        ("Security", FROM, "does not hold the role Security"),
        ("sre", FROM, "does not hold the role sre"),
        ("", FROM, "does not hold"),
    ],
)
def test_windows_are_half_open_and_roles_are_exact(role: str, utc: str, said: str) -> None:
    assert said in roster.may(ADA, role, utc)
    assert bool(roster.may(ADA, role, utc)) == bool(said)


MOMENTS = st.integers(0, 4_000_000_000_000)


@given(MOMENTS, st.integers(1, 10_000), MOMENTS)
def test_a_key_speaks_in_its_window_and_never_outside(begins: int, length: int, at: int) -> None:
    key = replace(ADA, valid_from=utc_of(begins), valid_until=utc_of(begins + length))
    assert (roster.may(key, "SRE", utc_of(at)) == "") == (begins <= at < begins + length)
    for moment, inside in ((begins, True), (begins + length, False), (begins + length - 1, True)):
        assert (roster.may(key, "SRE", utc_of(moment)) == "") == inside


# --- whose signatures count -----------------------------------------------------------------------

RFC_SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)
BEN = replace(ADA, id="ben-1", person="Ben", public=OTHER)


def by_bytes(key: Key, message: bytes, signature: bytes) -> bool | None:
    """A check that knows `good` and cannot say of scheme `other`."""
    return None if key.scheme == "other" else signature == b"good"


def envelope(*signatures: tuple[str, bytes]) -> Envelope:
    return Envelope("t", b"p", tuple(Signature(keyid, sig) for keyid, sig in signatures))


def test_a_key_counts_once_and_strangers_never() -> None:
    signed = roster.signers(
        envelope(("ada-1", b"good"), ("ada-1", b"good"), ("eve", b"good"), ("ben-1", b"bad")),
        Roster(1, key=(ADA, BEN)),
        by_bytes,
    )
    assert signed.keys == (ADA,)
    assert signed.unchecked == ()
    assert signed.refused == (
        "key eve is not in the trust file",
        "the signature of Ben is not over these bytes",
    )


def test_what_cannot_be_checked_is_no_signature() -> None:
    other = replace(BEN, scheme="other")
    signed = roster.signers(envelope(("ben-1", b"good")), Roster(1, key=(other,)), by_bytes)
    assert signed.keys == ()
    assert signed.unchecked == ("Ben signed by other, which is not checked here",)


def test_the_scheme_is_that_of_the_trust_file() -> None:
    message = bytes.fromhex("72")
    assert roster.check_ed25519(BEN, message, RFC_SIGNATURE) is True
    assert roster.check_ed25519(ADA, message, RFC_SIGNATURE) is False
    for scheme in ("", "ED25519", "ecdsa-sha2-nistp256", "none"):
        assert roster.check_ed25519(replace(BEN, scheme=scheme), message, RFC_SIGNATURE) is None


def test_the_payload_type_is_signed_too() -> None:
    """A signature over bytes of one type says nothing of the same bytes of another type."""

    def exact(key: Key, message: bytes, signature: bytes) -> bool:
        return signature == message

    good = Envelope("t", b"p", (Signature("ada-1", dsse.pae("t", b"p")),))
    trusted = Roster(1, key=(ADA,))
    assert roster.signers(good, trusted, exact).keys == (ADA,)
    assert roster.signers(replace(good, payload_type="u"), trusted, exact).keys == ()
    assert roster.signers(replace(good, payload=b"q"), trusted, exact).keys == ()


def test_an_unsigned_envelope_has_no_signers() -> None:
    assert roster.signers(envelope(), Roster(1, key=(ADA,))) == roster.Signed((), (), ())


def test_people_are_counted_by_the_highest_rule() -> None:
    rules = (Threshold("SRE", 2), Threshold("SRE", 3), Threshold("runner", 5))
    assert Roster(1, threshold=rules).people_for("SRE", 1) == 3
