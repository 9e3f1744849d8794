"""OpenPGP signatures by a real GnuPG: described, signed, checked, and refused when changed."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audit.errors import Unavailable
from audit.trust import elsewhere, keys, pgp
from evidence import roster
from evidence.roster import Key

MISSING = "could_not_run: the packages of the extra trust are not installed"
pytest.importorskip("securesystemslib", reason=MISSING)
pytest.importorskip("cryptography", reason=MISSING)

MESSAGE = b"DSSEv1 a message"


def gpg(home: Path, *words: str) -> str:
    call = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--pinentry-mode", "loopback"]
    done = subprocess.run(
        [*call, "--passphrase", "", *words], capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.fixture(scope="module", params=["ed25519", "rsa2048"])
def ring(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, str]]:
    """A ring of its own with one signing key, and the key's fingerprint."""
    if shutil.which("gpg") is None:
        pytest.skip("could_not_run: no gpg on PATH; Debian: apt-get install gpg")
    home = tmp_path_factory.mktemp("ring")
    home.chmod(0o700)
    gpg(home, "--quick-gen-key", "A Tester <t@example.invalid>", request.param, "sign", "never")
    listed = gpg(home, "--list-keys", "--with-colons").splitlines()
    try:
        yield home, next(line.split(":")[9] for line in listed if line.startswith("fpr")).lower()
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)


@pytest.fixture
def key(ring: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> Key:
    """The entry of that key in a trust file."""
    monkeypatch.setenv("GNUPGHOME", str(ring[0]))
    bare = Key("0", "Ben", ("runner",), "", "", "2026-01-01T00:00:00Z")
    return keys.entry_of(elsewhere.public_at(f"gnupg:{ring[1]}", no_secret), bare)


def no_secret(name: str) -> str:
    raise AssertionError(name)


def changed(signature: bytes, **changes: Any) -> bytes:
    return json.dumps({**json.loads(signature), **changes}).encode()


def test_gnupg_signs_and_its_signature_is_checked(key: Key) -> None:
    assert roster.read(keys.check_entry(key, None)).key == (key,)
    signer = elsewhere.signer_at(pgp.URI, key, no_secret)
    signature = signer.sign(MESSAGE)
    assert signer.keyid == key.id
    assert keys.check_any(key, MESSAGE, signature) is True
    assert keys.check_any(key, MESSAGE + b"x", signature) is False
    value = json.loads(signature)
    headers = value["other_headers"]
    for bad in (
        *(b"", b"{}", b"[]", b"null", b"\xff", b'"text"', bytes.fromhex(value["sig"])),
        changed(signature, sig=f"{int(value['sig'][:2], 16) ^ 1:02x}{value['sig'][2:]}"),
        changed(signature, sig="zz"),
        changed(signature, sig=7),
        changed(signature, sig=""),
        changed(signature, other_headers=headers + "00"),
        changed(signature, other_headers="0410" + headers[4:]),
        changed(signature, other_headers=""),
        changed(signature, other_headers=None),
        changed(signature, more=1),
    ):
        assert keys.check_any(key, MESSAGE, bad) is False


def test_bytes_cannot_move_between_the_message_and_the_headers(key: Key) -> None:
    signature = elsewhere.signer_at(pgp.URI, key, no_secret).sign(MESSAGE + b"\x04\x00")
    headers = "0400" + json.loads(signature)["other_headers"]
    assert keys.check_any(key, MESSAGE, changed(signature, other_headers=headers)) is False


@pytest.mark.parametrize("public", ["", "x", "[]", '{"q":1}', '{"q":"00"}', '{"e":"3","n":"ff"}'])
def test_a_public_part_that_is_none_signs_nothing(key: Key, public: str) -> None:
    signature = elsewhere.signer_at(pgp.URI, key, no_secret).sign(MESSAGE)
    assert keys.check_any(replace(key, public=public), MESSAGE, signature) is False


def test_the_other_openpgp_scheme_makes_no_signature_good(key: Key) -> None:
    signature = elsewhere.signer_at(pgp.URI, key, no_secret).sign(MESSAGE)
    for scheme in keys.KEY_TYPES:
        if scheme not in (key.scheme, keys.ED25519):
            assert keys.check_any(replace(key, scheme=scheme), MESSAGE, signature) is False


def test_a_fingerprint_is_taken_as_gnupg_prints_it(ring: tuple[Path, str], key: Key) -> None:
    spaced = " ".join(ring[1][at : at + 4] for at in range(0, 40, 4))
    assert elsewhere.public_at(f"gnupg:{ring[1].upper()}", no_secret).id == key.id
    assert elsewhere.public_at(f"gnupg:{spaced.upper()}", no_secret).id == key.id


def test_a_key_that_gnupg_does_not_have(key: Key) -> None:
    with pytest.raises(Unavailable):
        elsewhere.public_at("gnupg:" + "0" * 40, no_secret)
    with pytest.raises(Unavailable):
        elsewhere.signer_at(pgp.URI, replace(key, id="0" * 40), no_secret).sign(MESSAGE)
