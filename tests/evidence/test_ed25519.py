"""Ed25519 in plain Python says what RFC 8032 and OpenSSL say, over good and over hostile input."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import ed25519

L = 2**252 + 27742317777372353535851937790883648493
P = 2**255 - 19

RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
        "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
]
"""Secret seed, public key, message, signature: RFC 8032 section 7.1, tests 1, 2, 3 and SHA(abc)."""

SMALL_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
]
"""Every point of order 1, 2, 4 and 8, as it is encoded."""

NOT_CANONICAL = [
    (P + offset | sign << 255).to_bytes(32, "little").hex()
    for offset in (0, 1, 3, 18)
    for sign in (0, 1)
]
"""The y of a point written larger than the field: RFC 8032 section 5.1.3 refuses to decode it."""


@pytest.mark.parametrize(("seed", "public", "message", "signature"), RFC_8032)
def test_the_vectors_of_the_rfc(seed: str, public: str, message: str, signature: str) -> None:
    assert ed25519.verify(*map(bytes.fromhex, (public, message, signature)))
    again = RFC_8032[0][3] if signature != RFC_8032[0][3] else RFC_8032[1][3]
    assert not ed25519.verify(*map(bytes.fromhex, (public, message, again)))


@pytest.mark.parametrize(("seed", "public", "message", "signature"), RFC_8032)
def test_a_scalar_that_is_too_large_is_the_same_signature_twice(
    seed: str, public: str, message: str, signature: str
) -> None:
    raw = bytes.fromhex(signature)
    scalar = int.from_bytes(raw[32:], "little")
    larger = raw[:32] + (scalar + L).to_bytes(32, "little")
    assert not ed25519.verify(bytes.fromhex(public), bytes.fromhex(message), larger)


@pytest.mark.parametrize("length", [0, 1, 31, 33, 64])
def test_a_key_of_another_length_is_no_key(length: int) -> None:
    public = (bytes.fromhex(RFC_8032[0][1]) * 2)[:length]
    assert not ed25519.verify(public, b"", bytes.fromhex(RFC_8032[0][3]))


@pytest.mark.parametrize("length", [0, 32, 63, 65, 128])
def test_a_signature_of_another_length_is_none(length: int) -> None:
    signature = (bytes.fromhex(RFC_8032[0][3]) * 2)[:length]
    assert not ed25519.verify(bytes.fromhex(RFC_8032[0][1]), b"", signature)


def test_bytes_that_are_no_point_are_no_key() -> None:
    no_points = [number.to_bytes(32, "little") for number in (2, 7, 8, 11, 12)]
    assert not any(ed25519.verify(public, b"m", bytes(64)) for public in no_points)


@pytest.mark.parametrize("public", [*NOT_CANONICAL, "01" + "00" * 30 + "80"])
def test_a_point_is_encoded_in_one_way_only(public: str) -> None:
    raw = bytes.fromhex(public)
    identity = (1).to_bytes(32, "little")
    assert not ed25519.verify(raw, b"message", identity + bytes(32))


# --- beside OpenSSL -------------------------------------------------------------------------------


def openssl(public: bytes, message: bytes, signature: bytes) -> bool:
    reason = "could_not_run: cryptography is not installed (extra trust)"
    keys = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519", reason=reason)
    from cryptography.exceptions import InvalidSignature

    try:
        keys.Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def made(seed: bytes, message: bytes) -> tuple[bytes, bytes]:
    """The public key of a seed, and its signature."""
    reason = "could_not_run: cryptography is not installed (extra trust)"
    keys = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519", reason=reason)
    private = keys.Ed25519PrivateKey.from_private_bytes(seed)
    return private.public_key().public_bytes_raw(), private.sign(message)


SEEDS = st.binary(min_size=32, max_size=32)


@given(SEEDS, st.binary(max_size=300), st.data())
def test_any_flipped_bit_is_seen(seed: bytes, message: bytes, data: st.DataObject) -> None:
    public, signature = made(seed, message)
    assert ed25519.verify(public, message, signature)
    parts = [public, message, signature]
    which = data.draw(st.sampled_from([n for n, part in enumerate(parts) if part]))
    bit = data.draw(st.integers(0, len(parts[which]) * 8 - 1))
    flipped = bytearray(parts[which])
    flipped[bit // 8] ^= 1 << bit % 8
    parts[which] = bytes(flipped)
    assert not ed25519.verify(*parts)
    assert not openssl(*parts)


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=20), st.binary(min_size=64))
def test_noise_is_refused_as_openssl_refuses_it(
    public: bytes, message: bytes, signature: bytes
) -> None:
    assert ed25519.verify(public, message, signature[:64]) == openssl(
        public, message, signature[:64]
    )


@pytest.mark.parametrize("public", SMALL_ORDER + NOT_CANONICAL)
@pytest.mark.parametrize("nonce", SMALL_ORDER + NOT_CANONICAL[:2])
def test_points_of_small_order_as_openssl_takes_them(public: str, nonce: str) -> None:
    """With a key of small order anything may be signed; two verifiers must not disagree on it."""
    raw = bytes.fromhex(public)
    for number in range(4):
        message = b"message %d" % number
        signature = bytes.fromhex(nonce) + bytes(32)
        expected = openssl(raw, message, signature)
        if public in NOT_CANONICAL:
            assert not ed25519.verify(raw, message, signature)
        else:
            assert ed25519.verify(raw, message, signature) == expected


def test_the_benign_form_of_a_signature_is_the_only_one() -> None:
    """Adding a point of small order to the nonce gives no second signature."""
    _, public, message, signature = RFC_8032[1]
    for point in SMALL_ORDER[1:]:
        other = bytes.fromhex(point) + bytes.fromhex(signature)[32:]
        assert not ed25519.verify(bytes.fromhex(public), bytes.fromhex(message), other)
