"""Keys on the disk and signatures of every scheme: what is refused, and with which words."""

from __future__ import annotations

import json
import os
import stat
import unicodedata
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import Conflict, Invalid, Unavailable
from audit.trust import keys
from evidence import ed25519, roster
from evidence.roster import Key

MISSING = "could_not_run: the packages of the extra trust are not installed"
pytest.importorskip("securesystemslib", reason=MISSING)
pytest.importorskip("cryptography", reason=MISSING)

FROM = "2026-01-01T00:00:00Z"
BARE = Key("0" * 64, "Ada <ada@example.org>", ("SRE",), "ed25519", "58" + "66" * 31, FROM)


def make(path: Path, passphrase: bytes | None = None) -> keys.Signer:
    with keys.made(path, passphrase) as signer:
        return signer


# --- key files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("passphrase", [None, b"a pass phrase", "pässwörd".encode()])
def test_a_key_that_was_made_is_loaded_and_signs(tmp_path: Path, passphrase: bytes | None) -> None:
    path = tmp_path / "deep" / "key.pem"
    made = make(path, passphrase)
    loaded = keys.load(path, passphrase)
    assert loaded.key == made.key
    assert loaded.sign(b"message") == made.sign(b"message")
    assert ed25519.verify(bytes.fromhex(made.key.public), b"message", made.sign(b"message"))
    assert keys.is_encrypted(path.read_bytes()) == bool(passphrase)


def test_only_the_owner_can_read_a_key(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        make(tmp_path / "key.pem")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600


def test_the_id_is_the_one_of_securesystemslib(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    made = make(tmp_path / "key.pem")
    library: Any = pytest.importorskip("securesystemslib.signer")
    private = load_pem_private_key((tmp_path / "key.pem").read_bytes(), None)
    public = library.CryptoSigner(private).public_key
    assert (public.keyid, public.keyval["public"]) == (made.keyid, made.key.public)


@pytest.mark.parametrize("kind", ["file", "link", "dangling", "folder"])
def test_a_key_is_never_written_over(tmp_path: Path, kind: str) -> None:
    path, other = tmp_path / "key.pem", tmp_path / "other"
    if kind == "folder":
        path.mkdir()
    elif kind == "file":
        path.write_text("precious")
    else:
        if kind == "link":
            other.write_text("precious")
        path.symlink_to(other)
    with pytest.raises(Conflict, match="never written over"):
        make(path)
    assert kind != "dangling" or not other.exists()
    if kind in ("file", "link"):
        assert path.read_text() == "precious"


def test_a_key_that_nobody_heard_of_is_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    with keys.made(path, None) as signer:
        assert path.exists()
    path.unlink()
    with pytest.raises(KeyboardInterrupt):
        interrupted(path)
    assert not path.exists()
    assert signer.keyid


def interrupted(path: Path) -> None:
    with keys.made(path, None):
        raise KeyboardInterrupt


def test_a_disk_that_says_no_is_an_error_with_a_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises((Unavailable, Conflict)) as told:
        make(tmp_path / "file" / "key.pem")
    assert str(tmp_path) in str(told.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610, 0o601, 0o700, 0o777])
def test_a_key_that_others_can_read_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key.pem"
    make(path)
    path.chmod(mode)
    with pytest.raises(Invalid, match=f"mode=`{mode:04o}`") as told:
        keys.load(path, None)
    assert told.value.next_step == f"chmod 600 {path}"


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_key_that_only_its_owner_can_read_is_taken(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key.pem"
    make(path)
    path.chmod(mode)
    assert keys.load(path, None).sign(b"")


def other_key(kind: str) -> bytes:
    """A private key of another algorithm, in PEM."""
    from cryptography.hazmat.primitives import serialization as pem
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, x25519

    made: Any = {
        "ec": lambda: ec.generate_private_key(ec.SECP256R1()),
        "ed448": ed448.Ed448PrivateKey.generate,
        "x25519": x25519.X25519PrivateKey.generate,
    }[kind]()
    private: bytes = made.private_bytes(
        pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption()
    )
    return private


@pytest.mark.parametrize("kind", ["ec", "ed448", "x25519"])
def test_another_algorithm_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(other_key(kind))
    path.chmod(0o600)
    with pytest.raises(Invalid, match="another algorithm"):
        keys.load(path, None)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a key",
        b"\x00" * 100,
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        b"-----BEGIN PRIVATE KEY-----\n",
        b"x" * (keys.KEY_BYTES_MAX + 1),
    ],
)
def test_what_is_no_key_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(data)
    path.chmod(0o600)
    with pytest.raises(Invalid) as told:
        keys.load(path, None)
    assert told.value.place == str(path)
    assert told.value.next_step


@given(st.data())
def test_a_cut_key_is_no_key(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    path = tmp_path_factory.mktemp("cut") / "key.pem"
    make(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 27))])
    with pytest.raises(Invalid):
        keys.load(path, None)


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe"])
def test_what_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "key.pem"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
        path.chmod(0o600)
    with pytest.raises(Invalid):
        keys.load(path, None)


@pytest.mark.parametrize(
    ("made_with", "given", "said"),
    [
        (b"right", b"wrong", "not that of this key"),
        (b"right", None, "is protected by a passphrase"),
        (b"right", b"", "is protected by a passphrase"),
        (None, b"some", "has no passphrase"),
    ],
)
def test_the_passphrase_has_to_be_the_one(
    tmp_path: Path, made_with: bytes | None, given: bytes | None, said: str
) -> None:
    path = tmp_path / "key.pem"
    make(path, made_with)
    with pytest.raises(Invalid, match=said):
        keys.load(path, given)


# --- signatures of every scheme -------------------------------------------------------------------


def elliptic(curve: str = "SECP256R1") -> Any:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(getattr(ec, curve)())


def pem_of(private: Any) -> str:
    from cryptography.hazmat.primitives import serialization as pem

    public: bytes = private.public_key().public_bytes(
        pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo
    )
    return public.decode()


@pytest.fixture(scope="module")
def p256() -> Any:
    return elliptic()


@pytest.fixture(scope="module")
def rsa() -> Any:
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(65537, 2048)


def key_of(private: Any, scheme: str) -> Key:
    return replace(BARE, scheme=scheme, public=pem_of(private))


def der(private: Any, message: bytes, hashed: str = "SHA256") -> bytes:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    signature: bytes = private.sign(message, ec.ECDSA(getattr(hashes, hashed)()))
    return signature


def raw(signature: bytes, half: int = 32) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    return b"".join(part.to_bytes(half, "big") for part in decode_dss_signature(signature))


def pss(private: Any, message: bytes, salt: int = 32) -> bytes:
    from cryptography.hazmat.primitives.asymmetric import padding
    from cryptography.hazmat.primitives.hashes import SHA256

    way = padding.PSS(padding.MGF1(SHA256()), salt)
    signature: bytes = private.sign(message, way, SHA256())
    return signature


@pytest.mark.parametrize(
    ("curve", "scheme", "hashed", "half"),
    [
        ("SECP256R1", keys.ECDSA_P256, "SHA256", 32),
        ("SECP384R1", keys.ECDSA_P384, "SHA384", 48),
    ],
)
def test_ecdsa_is_read_raw_and_in_der(curve: str, scheme: str, hashed: str, half: int) -> None:
    private = elliptic(curve)
    key, signature = key_of(private, scheme), der(private, b"message", hashed)
    for form in (signature, raw(signature, half)):
        assert keys.check_any(key, b"message", form) is True
        assert keys.check_any(key, b"messagE", form) is False
        assert keys.check_any(key, b"message", form[:-1]) is False
        assert keys.check_any(key, b"message", form + b"\0") is False
    assert keys.check_any(key, b"message", bytes(2 * half)) is False
    assert keys.check_any(key, b"message", b"\xff" * 2 * half) is False
    assert keys.check_any(key, b"message", b"") is False
    other = "SHA384" if hashed == "SHA256" else "SHA256"
    assert keys.check_any(key, b"message", der(private, b"message", other)) is False


def test_rsa_pss_is_checked(rsa: Any) -> None:
    key = key_of(rsa, keys.RSA_PSS)
    for salt in (32, 20):
        signature = pss(rsa, b"message", salt)
        assert keys.check_any(key, b"message", signature) is True
        assert keys.check_any(key, b"other", signature) is False
    assert keys.check_any(key, b"message", bytes(256)) is False


def test_rsa_of_the_old_padding_is_no_pss(rsa: Any) -> None:
    from cryptography.hazmat.primitives.asymmetric import padding
    from cryptography.hazmat.primitives.hashes import SHA256

    signature = rsa.sign(b"message", padding.PKCS1v15(), SHA256())
    assert keys.check_any(key_of(rsa, keys.RSA_PSS), b"message", signature) is False


def test_short_rsa_keys_are_refused() -> None:
    from cryptography.hazmat.primitives.asymmetric import rsa

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # later versions of the library warn of such a key
        short = rsa.generate_private_key(65537, 1024)
    key = key_of(short, keys.RSA_PSS)
    assert keys.check_any(key, b"message", pss(short, b"message")) is False


def test_another_curve_is_refused() -> None:
    for curve, scheme in (("SECP384R1", keys.ECDSA_P256), ("SECP256R1", keys.ECDSA_P384)):
        other = elliptic(curve)
        for hashed in ("SHA256", "SHA384"):
            signature = der(other, b"message", hashed)
            assert keys.check_any(key_of(other, scheme), b"message", signature) is False


def test_the_algorithm_is_that_of_the_trust_file(p256: Any, rsa: Any) -> None:
    """A good signature by one algorithm is none under an entry that names another one."""
    ours = make_ed()
    signed = [
        (pem_of(p256), der(p256, b"m"), keys.ECDSA_P256),
        (pem_of(rsa), pss(rsa, b"m"), keys.RSA_PSS),
        (ours.key.public, ours.sign(b"m"), keys.ED25519),
    ]
    for public, signature, own in signed:
        for scheme in keys.KEY_TYPES:
            if scheme == keys.ED25519 and own != keys.ED25519:
                continue  # such an entry cannot stand in a trust file: its public part is no hex
            key = replace(BARE, scheme=scheme, public=public)
            assert keys.check_any(key, b"m", signature) is (scheme == own)


def make_ed() -> keys.Signer:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
    return keys.Signer(keys.public_of(private.public_key()), private.sign)


@pytest.mark.parametrize("scheme", ["", "none", "HS256", "ED25519", "pgp+dsa-fips-180-2"])
def test_a_scheme_that_nobody_checks_is_not_checked(scheme: str) -> None:
    assert keys.check_any(replace(BARE, scheme=scheme), b"m", b"s") is None


@pytest.mark.parametrize("scheme", [keys.ECDSA_P256, keys.ECDSA_P384, keys.RSA_PSS])
@pytest.mark.parametrize("public", ["", "no pem", "é", "00" * 32])
def test_a_public_key_that_is_none_signs_nothing(scheme: str, public: str) -> None:
    key = replace(BARE, scheme=scheme, public=public)
    assert keys.check_any(key, b"message", b"s" * 64) is False


SMALL_ORDER = [
    "01" + "00" * 31,
    "ec" + "ff" * 30 + "7f",
    "00" * 32,
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "ed" + "ff" * 30 + "7f",
    "ee" + "ff" * 30 + "ff",
    "01" + "00" * 30 + "80",
]


@pytest.mark.parametrize("public", SMALL_ORDER)
@pytest.mark.parametrize("nonce", SMALL_ORDER)
def test_both_verifiers_agree_on_strange_keys(public: str, nonce: str) -> None:
    key = replace(BARE, public=public)
    for number in range(3):
        message, signature = b"%d" % number, bytes.fromhex(nonce) + bytes(32)
        wanted = roster.check_ed25519(key, message, signature)
        assert keys.check_any(key, message, signature) is wanted


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=80))
def test_both_verifiers_agree_on_noise(public: bytes, signature: bytes) -> None:
    key = replace(BARE, public=public.hex())
    wanted = roster.check_ed25519(key, b"m", signature)
    assert keys.check_any(key, b"m", signature) is wanted


def test_ed25519_is_checked_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(scheme: str, public: str) -> Any:
        raise ModuleNotFoundError("no module", name="cryptography")

    one = make_ed()
    key = replace(BARE, public=one.key.public)
    monkeypatch.setattr(keys, "_checker", gone)
    assert keys.check_any(key, b"m", one.sign(b"m")) is True
    assert keys.check_any(key, b"n", one.sign(b"m")) is False
    assert keys.check_any(replace(key, scheme=keys.RSA_PSS), b"m", one.sign(b"m")) is None


# --- the trust file -------------------------------------------------------------------------------


def entered(path: Path | None, key: Key) -> None:
    added = keys.check_entry(key, path)
    assert path
    keys.add(path, added)


def test_a_trust_file_grows_and_keeps_its_comments(tmp_path: Path) -> None:
    path = tmp_path / "audit-trust.toml"
    entered(path, BARE)
    path.write_text("# whom we trust\n" + path.read_text() + "# the end, without a newline")
    other = replace(BARE, id="b", public="1" * 64, valid_until="2030-01-01T00:00:00Z")
    entered(path, other)
    text = path.read_text()
    assert text.startswith("# whom we trust\nformat_version = 1\n")
    assert "# the end, without a newline\n" in text
    assert roster.read(text.encode()).key == (BARE, other)


@pytest.mark.parametrize(
    "person", ["Ada", 'Ada "the first"', "Ünïcode 李 😀", "back\\slash", "x" * 500, "a # b", "'"]
)
def test_any_name_comes_back(tmp_path: Path, person: str) -> None:
    path = tmp_path / "trust.toml"
    entered(path, replace(BARE, person=person, roles=(person, "r")))
    (found,) = roster.read(path.read_bytes()).key
    assert (found.person, found.roles) == (person, (person, "r"))


@given(st.text(min_size=1).filter(str.strip))
def test_a_name_comes_back_or_is_refused(person: str) -> None:
    key = replace(BARE, person=person)
    try:
        added = keys.check_entry(key, None)
    except Invalid:
        one_spelling = unicodedata.normalize("NFC", " ".join(person.split())) == person
        shows = person.isprintable() and not roster._UNSEEN.search(person)
        assert not (one_spelling and shows)
    else:
        assert roster.read(added).key == (key,)


@pytest.mark.parametrize("text", ["format_version = 2\n", "[[key]", "format_version = 1\nx = 1\n"])
def test_a_trust_file_that_is_none_is_not_appended_to(tmp_path: Path, text: str) -> None:
    path = tmp_path / "trust.toml"
    path.write_text(text)
    with pytest.raises(Invalid):
        keys.check_entry(BARE, path)
    assert path.read_text() == text


def test_a_key_is_entered_once(tmp_path: Path) -> None:
    path = tmp_path / "trust.toml"
    entered(path, BARE)
    with pytest.raises(Invalid, match="listed twice"):
        keys.check_entry(BARE, path)


@pytest.mark.parametrize(
    "changes", [{"roles": ()}, {"person": " "}, {"valid_until": FROM}, {"public": "x"}]
)
def test_an_entry_that_cannot_be_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="cannot stand in a trust file"):
        keys.check_entry(replace(BARE, **changes), None)


def test_a_pem_stands_in_a_trust_file(p256: Any) -> None:
    key = key_of(p256, keys.ECDSA_P256)
    assert roster.read(keys.check_entry(key, None)).key == (key,)
    assert json.dumps(key.public)[1:-1] in keys.entry_text(key)


def test_the_trust_file_of_the_guide_is_one(repository_root: Path) -> None:
    text = (repository_root / "docs" / "guide" / "trust.md").read_text("utf-8")
    example = text.split("```toml\n")[1].split("```")[0]
    found = roster.read(example.encode())
    assert [key.person for key in found.key] == ["CI of main", "Ada <ada@example.org>"]
    fields = [line.split("`")[1::2] for line in text.splitlines() if line.startswith("| `")]
    named = {name for names in fields for name in names}
    assert {"id", "person", "roles", "scheme", "public", "valid_from", "valid_until"} <= named
