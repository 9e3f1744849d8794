"""Sigstore signatures in envelopes: an identity signs, with a key that is gone in minutes.

The signature that is kept is the Sigstore bundle, as its JSON: a certificate in which an issuer
vouches for the identity, the signature, and the entry of a transparency log. The only room that
imports `sigstore`. Checking asks no network: the root is the one that came with that package, or
that of the trust file's entry. Source: Sigstore bundle v0.3, docs.sigstore.dev/about/bundle
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from audit import extras
from audit.errors import Invalid, Unavailable
from evidence import codec, roster
from evidence.roster import Key

if TYPE_CHECKING:
    from sigstore.models import ClientTrustConfig
    from sigstore.oidc import IdentityToken
    from sigstore.verify import Verifier

SCHEME = roster.SIGSTORE
KEY_TYPES = {SCHEME: "sigstore-oidc"}
URI = "sigstore:"
INSTANCE = "instance"
"""Field of `public` with the trust config of an instance of one's own (ClientTrustConfig)."""
_CONFIG_BYTES_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class Place:
    """What a `sigstore:` URI says: the file of an instance's trust config, and its parameters."""

    config: str
    words: dict[str, str]


def place_of(uri: str, *known: str) -> Place:
    """Return what is said by `sigstore:[CONFIG][?name=value&…]`; `+` is a plus, `%26` an `&`.

    Raises:
        Invalid: a parameter that is not known here.
    """
    config, _, query = uri.removeprefix(URI).partition("?")
    pairs = [field.partition("=") for field in query.split("&") if field]
    words = {name: unquote(value) for name, _, value in pairs}
    if unknown := sorted(set(words) - set(known)):
        raise Invalid(
            f"has a parameter that means nothing here parameter=`{unknown[0]:.80}`",
            place=f"{uri:.80}",
            next_step=f"use: {', '.join(known)}",
        )
    return Place(config, words)


# --- the trust file -------------------------------------------------------------------------------


def public_text(uri: str) -> str:
    """Return what a trust file holds as `public` for the identity and issuer that a URI names.

    Raises:
        Invalid: it names none, the extra is missing, or the trust config cannot be read.
    """
    names = ("identity", "issuer")
    place = place_of(uri, *names)
    value: dict[str, Any] = {name: place.words.get(name, "") for name in names}
    if place.config:
        value[INSTANCE] = _config_in(Path(place.config))
    text = codec.compact(value).decode()
    if not roster.is_identity(text):
        raise Invalid(
            "an identity and its issuer have to be named",
            place=f"{uri:.80}",
            next_step="write sigstore:?identity=ADDRESS&issuer=URL",
        )
    return text


def _config_in(path: Path) -> Any:
    """The trust config in a file, as JSON that the library takes."""
    try:
        with path.open("rb") as stream:
            value = codec.parse(stream.read(_CONFIG_BYTES_MAX))
        _config(value)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no trust config of Sigstore"
        raise Invalid(
            f"the instance cannot be read: {why.lower()}",
            place=str(path),
            next_step="name a file with a ClientTrustConfig, as sigstore --trust-config takes it",
        ) from error
    return value


def _config(value: Any) -> ClientTrustConfig:
    """Raises `ValueError` where it is none."""
    with extras.needed("sigstore"):
        from sigstore.errors import Error
        from sigstore.models import ClientTrustConfig
    try:
        found = ClientTrustConfig.from_json(codec.compact(value).decode())
        _ = found.trusted_root, found.signing_config  # each is looked at when it is asked for
    except Error as error:
        raise ValueError(str(error)) from error
    return found


def id_of(library: Any, public: str) -> str:
    """Return the id that securesystemslib gives an identity of an issuer, at any instance."""
    value = codec.parse(public.encode())
    _, key = library.SigstoreSigner.import_(value["identity"], value["issuer"])
    found: str = key.keyid
    return found


# --- signing --------------------------------------------------------------------------------------


def signer(uri: str, key: Key) -> Callable[[bytes], bytes]:
    """Return what signs a message as an identity, over the network: the answer is a bundle.

    The credential is that of the CI job; with `ambient=false` one is asked for in a browser.

    Raises:
        Invalid: the extra is missing, or the URI cannot be used.
    """
    place = place_of(uri, "ambient")
    if place.config or place.words.get("ambient", "true") not in ("true", "false"):
        raise Invalid(
            "names no way to sign",
            place=f"{uri:.80}",
            next_step="write sigstore: in a CI job, sigstore:?ambient=false on a desk",
        )
    with extras.needed("sigstore"):
        from sigstore.sign import SigningContext
    wanted = codec.parse(key.public.encode())
    ambient = place.words.get("ambient") != "false"

    def sign(message: bytes) -> bytes:
        config = _instance(wanted)
        token = _credential(config, ambient=ambient)
        _refuse_another(token, wanted, ambient=ambient)
        with SigningContext.from_trust_config(config).signer(token) as signing:
            return signing.sign_artifact(message).to_json().encode()

    return sign


def _instance(wanted: dict[str, Any]) -> ClientTrustConfig:
    """The instance of a trust file's entry, or the public one as the network says it is now."""
    from sigstore.models import ClientTrustConfig

    own = wanted.get(INSTANCE)
    return ClientTrustConfig.production() if own is None else _config(own)


def _credential(config: ClientTrustConfig, *, ambient: bool) -> IdentityToken:
    from sigstore.oidc import IdentityToken, Issuer, detect_credential

    if not ambient:
        return Issuer(config.signing_config.get_oidc_url()).identity_token()
    found = detect_credential()
    if not found:
        raise Unavailable(
            "there is no credential of a CI job here",
            next_step="let the job ask for one (GitHub: permissions: id-token: write), "
            "or use a browser: --signer 'sigstore:?ambient=false'",
        )
    return IdentityToken(found)


def _refuse_another(token: IdentityToken, wanted: dict[str, Any], *, ambient: bool) -> None:
    """Before anything is written to a public log for ever: is it whom the trust file names?

    The certificate of a CI job names its workflow, which the credential does not spell that way.
    """
    found = {"issuer": token.federated_issuer} | ({} if ambient else {"identity": token.identity})
    for name, text in found.items():
        if text != wanted[name]:
            raise Unavailable(
                f"the credential has another {name} than the trust file {name}=`{text:.200}`",
                next_step="name the entry of the identity that signs by --keyid",
            )


# --- checking -------------------------------------------------------------------------------------


def check(key: Key, message: bytes, signature: bytes) -> bool | None:
    """Return whether a bundle is a signature of an identity over a message; None without a root.

    Raises:
        ModuleNotFoundError: the extra is missing.
    """
    if not roster.is_identity(key.public):
        return False
    value = codec.parse(key.public.encode())
    own = value.get(INSTANCE)
    verifier = _verifier(b"" if own is None else codec.compact(own))
    if verifier is None:
        return None
    return _is_over(verifier, value["identity"], value["issuer"], message, signature)


def _is_over(
    verifier: Verifier, identity: str, issuer: str, message: bytes, signature: bytes
) -> bool:
    from sigstore.models import Bundle
    from sigstore.verify.policy import Identity

    try:
        bundle = Bundle.from_json(signature)
        verifier.verify_artifact(message, bundle, Identity(identity=identity, issuer=issuer))
    except Exception:  # whatever a forged bundle makes a library raise, it is no signature
        return False
    return True


@functools.lru_cache(maxsize=64)
def _verifier(instance: bytes) -> Verifier | None:
    """What checks against the root of an instance; None where nobody can say what that is."""
    from sigstore.errors import Error
    from sigstore.models import ClientTrustConfig
    from sigstore.verify import Verifier

    logging.getLogger("sigstore").setLevel(logging.ERROR)  # it warns of being offline, as asked
    try:
        if not instance:
            return Verifier.production(offline=True)
        config = ClientTrustConfig.from_json(instance.decode())
        return Verifier(trusted_root=config.trusted_root)
    except (Error, OSError, ValueError):
        return None
