"""Keys that are elsewhere: signers behind a URI, and public keys that are described from there.

Here lives what is asked of securesystemslib's signers (a token, a cloud, GnuPG, another file) and
of Sigstore, and how their refusals are told. Keys in files, and every check, are in `keys`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from audit import extras
from audit.errors import AuditError, Invalid, Unavailable
from audit.trust import book, keyless, keys, pgp
from audit.trust.keys import KEY_TYPES, Public, Signer
from evidence.roster import Key

HSM = "hsm:"
Secret = Callable[[str], str]
"""Asks for what a signer needs, such as a PIN, by its name."""

PACKAGES = {**{name: name for name in ("awskms", "azurekms", "gcpkms", "tkey")}, "hv": "vault"}
"""The extra of securesystemslib that brings what the signers of a URI scheme need."""

_TOKEN = "plug it in, or name another: hsm:KEY?label=TOKEN; pkcs11-tool --list-token-slots"
_ON_TOKEN = "name a key of it: hsm:KEY?label=TOKEN; pkcs11-tool --login --list-objects lists them"
REFUSALS = (
    ("pykcs11lib", "", "export PYKCS11LIB=FILE, the PKCS#11 library of the token"),
    ("while loading", "", "export PYKCS11LIB=FILE, the PKCS#11 library of the token"),
    ("pinincorrect", "the pin is not that of the token", "try again; few wrong ones lock a token"),
    ("pinlenrange", "the pin is not that of the token", "try again; few wrong ones lock a token"),
    ("pinlocked", "the token is locked by wrong pins", "let its security officer unlock it"),
    ("tokens found", "", _TOKEN),
    ("token found", "", _TOKEN),
    ("pkcs#11 token", "", _ON_TOKEN),
    ("base 10", "the number of a key on a token is decimal", _ON_TOKEN),
)
"""What refusals say, lowercase; what is told in place of it, if anything; and what helps."""


def signer_at(uri: str, key: Key, secret: Secret) -> Signer:
    """Return the signer at a URI: a token, a cloud, GnuPG, another file, an identity.

    `key` is its entry in the trust file; `secret` asks for what the signer needs (a PIN).

    Raises:
        Invalid: the scheme of the URI or of the key is none that is signed and checked with, or a
            package is missing.
        Unavailable: whatever holds the key refused.
    """
    _refuse_unchecked(key.scheme, book.TRUST)
    library = keys.library()
    known = library.SIGNER_FOR_URI_SCHEME
    is_identity = uri.startswith(keyless.URI)
    if not is_identity and uri.partition(":")[0] not in known:
        raise Invalid(
            f"no signer has such a URI signer=`{uri:.80}`",
            next_step=f"begin it with one of: {', '.join(sorted({*known, 'sigstore'}))}",
        )
    if is_identity != (key.scheme in keyless.KEY_TYPES):
        raise Invalid(
            f"such a signer has no key of this scheme signer=`{uri:.80}` scheme=`{key.scheme}`",
            place=book.TRUST,
            next_step="name the entry of the signer by --keyid",
        )
    with _answers(uri):
        sign = keyless.signer(uri, key) if is_identity else _by_library(library, uri, key, secret)

    def signed(message: bytes) -> bytes:
        with _answers(uri):
            return sign(message)

    return Signer(Public(key.id, key.scheme, key.public), signed)


def _by_library(library: Any, uri: str, key: Key, secret: Secret) -> Callable[[bytes], bytes]:
    is_pgp = key.scheme in pgp.KEY_TYPES
    _need_token_library(uri)
    if is_pgp:
        theirs = pgp.key_of(library, key)
    else:
        value = {"public": key.public}
        theirs = library.SSlibKey(key.id, KEY_TYPES[key.scheme], key.scheme, value)
    found = library.Signer.from_priv_key_uri(uri, theirs, secret)

    def sign(message: bytes) -> bytes:
        made = found.sign(message)
        return pgp.write(made) if is_pgp else bytes.fromhex(made.signature)

    return sign


def _need_token_library(uri: str) -> None:
    if uri.startswith(HSM):
        with extras.needed("hsm"):
            import pkcs11  # noqa: F401  securesystemslib goes on without it until it signs


def _refuse_unchecked(scheme: str, place: str) -> None:
    if scheme not in KEY_TYPES:
        raise Invalid(
            f"signatures of this scheme are not checked scheme=`{scheme}`",
            place=place,
            next_step=f"use a key of one of: {', '.join(KEY_TYPES)}",
        )


# --- public keys ----------------------------------------------------------------------------------


def public_at(source: str, secret: Secret) -> Public:
    """Return a public key that is elsewhere.

    `source` is a PEM file, `gnupg:ID` of GnuPG's ring, `hsm:[KEY][?label=TOKEN]` on a token, or
    `sigstore:[CONFIG]?identity=…&issuer=…`. `secret` asks for a PIN where a token hides its keys.

    Raises:
        Invalid: it cannot be read, signatures of its kind are not checked, or a package is missing.
        Unavailable: GnuPG or the token does not have it.
    """
    library = keys.library()
    with _answers(source):
        found = _public(library, source, secret)
    _refuse_unchecked(found.scheme, source)
    return found


def _public(library: Any, source: str, secret: Secret) -> Public:
    if source.startswith(pgp.URI):
        name = source.removeprefix(pgp.URI).replace(" ", "").lower()
        _, key = library.GPGSigner.import_(name)
        return Public(key.keyid, key.scheme, pgp.public_text(key))
    if source.startswith(HSM):
        _need_token_library(source)
        number, _, query = source.removeprefix(HSM).partition("?")
        label = dict(parse_qsl(query)).get("label")
        _, key = library.HSMSigner.import_(int(number) if number else None, label, secret)
        return Public(key.keyid, key.scheme, key.keyval["public"])
    if source.startswith(keyless.URI):
        public = keyless.public_text(source)
        return Public(keyless.id_of(library, public), keyless.SCHEME, public)
    return _in_file(source)


def _in_file(source: str) -> Public:
    try:
        return keys.public_of(keys.as_public(Path(source).read_text("ascii")))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "no public key that can be used"
        raise Invalid(
            f"the public key cannot be read: {why.lower()}",
            place=source,
            next_step="name a PEM file that holds a public key, gnupg:FINGERPRINT, hsm:KEY or "
            "sigstore:?identity=ADDRESS&issuer=URL",
        ) from error


# --- refusals -------------------------------------------------------------------------------------


@contextmanager
def _answers(uri: str) -> Iterator[None]:
    """Turn whatever a signer raises into an error: each kind has errors of its own."""
    try:
        yield
    except (AuditError, MemoryError):
        raise
    except Exception as error:
        raise _refusal(uri, error) from error


def _refusal(uri: str, error: Exception) -> AuditError:
    kind = type(error).__name__
    why = _begun_small(" ".join(str(error).split()) or kind)
    extra = PACKAGES.get(uri.partition(":")[0])
    if kind == "UnsupportedLibraryError" and extra:
        return Invalid(
            f"this signer needs a package that is not installed: {why:.300}",
            place=f"{uri:.80}",
            next_step=f"pip install 'securesystemslib[{extra}]'",
        )
    step = "look whether it is there and is the key of the trust file"
    if uri.startswith(keyless.URI):
        step = "look whether its services can be reached from here, and take this credential"
    for said, told, helps in REFUSALS:
        if uri.startswith(HSM) and said in why.lower():
            why, step = told or why, helps
            break
    return Unavailable(f"the signer refused: {why:.300}", place=f"{uri:.80}", next_step=step)


def _begun_small(text: str) -> str:
    """The text with a small first letter; names and paths in it stay as they are written."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]
