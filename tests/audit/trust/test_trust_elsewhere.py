"""Signers behind a URI: found or not, and what is told where one refuses."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audit.errors import AuditError, Conflict, Invalid, Unavailable
from audit.trust import elsewhere, keys
from evidence.roster import Key
from tests.audit.cli.sign_off_kit import elliptic

MISSING = "could_not_run: the packages of the extra trust are not installed"
pytest.importorskip("securesystemslib", reason=MISSING)
pytest.importorskip("cryptography", reason=MISSING)

FROM = "2026-01-01T00:00:00Z"
BARE = Key("0" * 64, "Ada <ada@example.org>", ("SRE",), "ed25519", "58" + "66" * 31, FROM)
WHO = '{"identity":"a","issuer":"i"}'


def no_secret(name: str) -> str:
    raise AssertionError(name)


def test_a_signer_of_securesystemslib_signs_what_is_checked(tmp_path: Path) -> None:
    path, public = elliptic(tmp_path)
    key = replace(BARE, scheme=keys.ECDSA_P256, public=public)
    signer = elsewhere.signer_at(f"file2:{path}", key, no_secret)
    assert signer.keyid == key.id
    assert keys.check_any(key, b"message", signer.sign(b"message")) is True


def test_a_public_key_in_a_file_is_described(tmp_path: Path) -> None:
    _, public = elliptic(tmp_path, "SECP384R1")
    path = tmp_path / "token.pub"
    path.write_text(public)
    found = elsewhere.public_at(str(path), no_secret)
    assert (found.scheme, found.public) == (keys.ECDSA_P384, public)
    _, unknown = elliptic(tmp_path, "SECP521R1")
    path.write_text(unknown)
    with pytest.raises(Invalid, match="signatures of this scheme are not checked"):
        elsewhere.public_at(str(path), no_secret)


@pytest.mark.parametrize(
    ("uri", "changes", "kind"),
    [
        ("nowhere:1", {}, Invalid),
        ("", {}, Invalid),
        ("file2:/no/such/file", {}, Unavailable),
        ("file2:", {}, Unavailable),
        ("file2:x", {"scheme": "none"}, Invalid),
        ("sigstore:", {}, Invalid),
        ("file2:x", {"scheme": "Fulcio", "public": WHO}, Invalid),
        ("sigstore:?ambient=perhaps", {"scheme": "Fulcio", "public": WHO}, Invalid),
        ("sigstore:?identity=a", {"scheme": "Fulcio", "public": WHO}, Invalid),
    ],
)
def test_a_signer_that_is_not_there(uri: str, changes: Any, kind: type[AuditError]) -> None:
    with pytest.raises(kind) as told:
        elsewhere.signer_at(uri, replace(BARE, **changes), no_secret).sign(b"m")
    assert told.value.next_step


@pytest.mark.parametrize("source", ["no/such/file", "hsm:x", "sigstore:", "sigstore:?identity=a"])
def test_a_public_key_that_is_not_there(source: str) -> None:
    with pytest.raises(AuditError) as told:
        elsewhere.public_at(source, no_secret)
    assert told.value.next_step


def test_a_package_that_is_missing_is_named_with_what_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    _, public = elliptic(tmp_path)
    key = replace(BARE, scheme=keys.ECDSA_P256, public=public)
    for ask in (
        lambda: elsewhere.signer_at("hsm:", key, no_secret),
        lambda: elsewhere.public_at("hsm:", no_secret),
    ):
        with pytest.raises(Invalid, match="package=`pkcs11`") as told:
            ask()
        assert "pip install '.[hsm]'" in told.value.next_step


def test_a_package_of_a_cloud_is_named_by_the_extra_that_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from securesystemslib.exceptions import UnsupportedLibraryError

    def refuse(*words: object) -> None:
        raise UnsupportedLibraryError("a package required")

    monkeypatch.setattr(keys.library().Signer, "from_priv_key_uri", refuse)
    _, public = elliptic(tmp_path)
    key = replace(BARE, scheme=keys.ECDSA_P256, public=public)
    for uri, extra in (("awskms:x", "awskms"), ("hv:x", "vault")):
        with pytest.raises(Invalid, match="a package required") as told:
            elsewhere.signer_at(uri, key, no_secret)
        assert told.value.next_step == f"pip install 'securesystemslib[{extra}]'"


def test_what_we_refuse_while_a_signer_asks_is_told_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A PIN that nobody can give is no refusal of the token."""

    def ask(uri: str, key: object, secret: elsewhere.Secret) -> None:
        secret("pin")

    def nobody(name: str) -> str:
        raise Conflict(f"no {name}", next_step="wait")

    monkeypatch.setattr(keys.library().Signer, "from_priv_key_uri", ask)
    _, public = elliptic(tmp_path)
    key = replace(BARE, scheme=keys.ECDSA_P256, public=public)
    with pytest.raises(Conflict, match="no pin"):
        elsewhere.signer_at("awskms:x", key, nobody)
