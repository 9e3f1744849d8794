"""Sigstore bundles, checked against an instance of our own: what counts, and all that does not."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from audit.errors import Invalid
from audit.trust import elsewhere, keyless, keys
from evidence import codec, roster
from evidence.codec import Malformed
from evidence.roster import Key

MISSING = "could_not_run: the packages of the extra sigstore are not installed"
pytest.importorskip("sigstore", reason=MISSING)

from tests.audit.trust.sigstore_kit import AT, MINUTES, Instance  # noqa: E402

MESSAGE = b"DSSEv1 a message"
WHO, ISSUER = "ada+release@example.org", "https://login.example.org"


@pytest.fixture(scope="module")
def ours() -> Instance:
    return Instance()


@pytest.fixture(scope="module")
def bundle(ours: Instance) -> bytes:
    return ours.bundle(MESSAGE, WHO, ISSUER)


def entry(instance: Instance | None, identity: str = WHO, issuer: str = ISSUER) -> Key:
    value: dict[str, Any] = {"identity": identity, "issuer": issuer}
    if instance is not None:
        value[keyless.INSTANCE] = instance.config()
    public = codec.compact(value).decode()
    return Key("0", "Ada", ("runner",), keyless.SCHEME, public, "2026-01-01T00:00:00Z")


def no_secret(name: str) -> str:
    raise AssertionError(name)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[object]:
    """What was connected to or looked up, which has to stay nothing; with a cache of its own."""
    asked: list[object] = []

    def refuse(*words: object, **more: object) -> None:
        asked.append(words)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    keyless._verifier.cache_clear()
    return asked


def test_a_bundle_is_a_signature_of_its_identity(
    ours: Instance, bundle: bytes, no_network: list[object]
) -> None:
    assert keys.check_any(entry(ours), MESSAGE, bundle) is True
    assert keys.check_any(entry(ours), MESSAGE + b"x", bundle) is False
    assert no_network == []


def test_who_signed_is_the_whole_identity_and_its_issuer(ours: Instance, bundle: bytes) -> None:
    for identity in ("ada@example.org", WHO.upper(), WHO[:-1], f"{WHO} ", f"x{WHO}", "*"):
        assert keys.check_any(entry(ours, identity=identity), MESSAGE, bundle) is False
    for issuer in ("https://login.example.com", ISSUER + "/", ISSUER[:-1], "*"):
        assert keys.check_any(entry(ours, issuer=issuer), MESSAGE, bundle) is False


def test_an_instance_vouches_for_its_own_alone(
    ours: Instance, bundle: bytes, no_network: list[object]
) -> None:
    """Neither another instance of our own nor the public one knows this certificate."""
    assert keys.check_any(entry(Instance()), MESSAGE, bundle) is False
    assert keys.check_any(entry(None), MESSAGE, bundle) is False
    for name in ("authority", "certificate_log", "entry_log"):
        mixed = Instance()
        for kept in {"authority", "certificate_log", "entry_log", "root"} - {name}:
            setattr(mixed, kept, getattr(ours, kept))
        if name == "authority":
            mixed.root = mixed._root()
        assert keys.check_any(entry(mixed), MESSAGE, bundle) is False, name
    assert no_network == []


@pytest.mark.parametrize(
    ("late", "good"),
    [
        (timedelta(0), True),
        (MINUTES - timedelta(seconds=1), True),
        (MINUTES + timedelta(seconds=1), False),
        (timedelta(seconds=-1), False),
        (timedelta(days=365), False),
    ],
)
def test_the_log_has_to_have_it_while_the_certificate_holds(
    ours: Instance, late: timedelta, good: bool
) -> None:
    made = ours.bundle(MESSAGE, WHO, ISSUER, late=late)
    assert keys.check_any(entry(ours), MESSAGE, made) is good


def test_a_bundle_that_was_cut_or_is_none(ours: Instance, bundle: bytes) -> None:
    key = entry(ours)
    for size in range(0, len(bundle), 97):
        assert keys.check_any(key, MESSAGE, bundle[:size]) is False
    for data in (b"{}", b"[]", b"null", b"\xff", b"[" * 5000, b'{"mediaType":1}', bundle * 2):
        assert keys.check_any(key, MESSAGE, data) is False


def _swap(*path: str | int) -> Callable[[Any, Any], None]:
    def swap(value: Any, other: Any) -> None:
        for step in path[:-1]:
            value, other = value[step], other[step]
        value[path[-1]] = other[path[-1]]

    return swap


ENTRY = ("verificationMaterial", "tlogEntries", 0)


@pytest.mark.parametrize(
    "path",
    [
        ("verificationMaterial", "certificate"),
        ("messageSignature", "signature"),
        ("messageSignature", "messageDigest"),
        (*ENTRY[:2],),
        (*ENTRY, "canonicalizedBody"),
        (*ENTRY, "integratedTime"),
        (*ENTRY, "inclusionPromise"),
        (*ENTRY, "inclusionProof"),
        (*ENTRY, "inclusionProof", "checkpoint"),
        (*ENTRY, "inclusionProof", "rootHash"),
    ],
)
def test_parts_of_another_bundle_of_the_same_person(
    ours: Instance, bundle: bytes, path: tuple[str | int, ...]
) -> None:
    value = json.loads(bundle)
    other = ours.bundle(b"another message", WHO, ISSUER, at=AT + timedelta(seconds=9))
    _swap(*path)(value, json.loads(other))
    assert keys.check_any(entry(ours), MESSAGE, json.dumps(value).encode()) is False


@pytest.mark.parametrize("name", ["inclusionPromise", "inclusionProof", "integratedTime"])
def test_a_bundle_that_no_log_vouches_for(ours: Instance, bundle: bytes, name: str) -> None:
    value = json.loads(bundle)
    del value["verificationMaterial"]["tlogEntries"][0][name]
    assert keys.check_any(entry(ours), MESSAGE, json.dumps(value).encode()) is False
    value["verificationMaterial"]["tlogEntries"] = []
    assert keys.check_any(entry(ours), MESSAGE, json.dumps(value).encode()) is False


@pytest.mark.parametrize("instance", [{}, [], "", 7, {"trustedRoot": {}}])
def test_where_nobody_can_say_it_is_not_checked(bundle: bytes, instance: Any) -> None:
    """An instance that cannot be read, or a machine without the package."""
    value = {"identity": WHO, "issuer": ISSUER, keyless.INSTANCE: instance}
    key = replace(entry(None), public=codec.compact(value).decode())
    assert keys.check_any(key, MESSAGE, bundle) is None


def test_without_the_package_it_is_not_checked_and_signing_says_what_to_install(
    ours: Instance, bundle: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "sigstore"]:
        monkeypatch.setitem(sys.modules, name, None)
    assert keys.check_any(entry(ours), MESSAGE, bundle) is None
    keyless._verifier.cache_clear()
    assert keys.check_any(entry(ours), MESSAGE, bundle) is None
    with pytest.raises(Invalid, match="package=`sigstore`") as told:
        elsewhere.signer_at(keyless.URI, entry(ours), no_secret)
    assert "pip install '.[sigstore]'" in told.value.next_step


# --- the trust file -------------------------------------------------------------------------------


def test_an_identity_is_entered_with_its_instance(ours: Instance, tmp_path: Path) -> None:
    library = keys.library()
    config = tmp_path / "instance.json"
    config.write_text(json.dumps(ours.config()))
    found = elsewhere.public_at(f"sigstore:{config}?identity={WHO}&issuer={ISSUER}", no_secret)
    key = keys.entry_of(found, entry(None))
    assert roster.read(keys.check_entry(key, None)).key == (key,)
    assert key.public == entry(ours).public
    _, theirs = library.SigstoreSigner.import_(WHO, ISSUER)
    assert (key.id, key.scheme) == (theirs.keyid, library.SigstoreKey.DEFAULT_SCHEME)
    public = elsewhere.public_at(f"sigstore:?identity={WHO}&issuer={ISSUER}", no_secret)
    assert (public.id, public.public) == (key.id, entry(None).public)


def test_a_flow_is_an_identity_with_its_percents_taken_back() -> None:
    flow = "https://example.org/o/r/.github/workflows/a%26b.yml@refs/heads/main"
    found = elsewhere.public_at(f"sigstore:?identity={flow}&issuer={ISSUER}", no_secret)
    assert json.loads(found.public)["identity"] == flow.replace("%26", "&")


@pytest.mark.parametrize("text", ["", "{}", "[]", "no json", '{"trustedRoot":{}}', "\ud800"])
def test_an_instance_that_is_none(tmp_path: Path, text: str) -> None:
    config = tmp_path / "instance.json"
    config.write_bytes(text.encode("utf-8", "surrogatepass"))
    for path in (config, tmp_path, tmp_path / "none.json"):
        with pytest.raises(Invalid, match="the instance cannot be read") as told:
            elsewhere.public_at(f"sigstore:{path}?identity=a&issuer=b", no_secret)
        assert told.value.place == str(path)


@pytest.mark.parametrize("public", ['{"identity":"a"}', '{"identity":"a","issuer":""}', "x"])
def test_an_entry_without_an_issuer_is_refused(ours: Instance, bundle: bytes, public: str) -> None:
    """Sigstore's library would take a certificate of any issuer for an empty one."""
    key = replace(entry(None), public=public)
    assert keys.check_any(key, MESSAGE, bundle) is False
    with pytest.raises(Malformed, match="does not name an identity and its issuer"):
        roster.read(b"format_version = 1\n" + keys.entry_text(key).encode())
