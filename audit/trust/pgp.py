"""OpenPGP signatures in envelopes: how one is written down, and whether it is its key's.

OpenPGP signs headers of its own behind the message, and an envelope has a place for one run of
bytes. So a signature is written as canonical JSON of both, in hex: `other_headers` and `sig`, which
are the names that securesystemslib gives them. Its library is handed in; nothing is imported here.
"""

from __future__ import annotations

from typing import Any

from evidence import codec
from evidence.codec import Malformed
from evidence.roster import Key

RSA = "pgp+rsa-pkcsv1.5"
EDDSA = "pgp+eddsa-ed25519"
KEY_TYPES = {RSA: "rsa", EDDSA: "eddsa"}
URI = "gnupg:"

_BINARY_V4 = "0400"
"""Version 4, signature over a binary document: a certification of a key is no signature here."""


def public_text(key: Any) -> str:
    """Return what a trust file holds as `public` of an OpenPGP key: its numbers as JSON."""
    return codec.compact(key.keyval["public"]).decode()


def key_of(library: Any, key: Key) -> Any:
    """Return securesystemslib's key for an entry of a trust file. Raises `Malformed`."""
    public = codec.parse(key.public.encode(), "public")
    if not isinstance(public, dict) or not all(isinstance(item, str) for item in public.values()):
        raise Malformed("public", "is not the numbers of an OpenPGP key")
    value = {"private": "", "public": public}
    return library.GPGKey(key.id, KEY_TYPES[key.scheme], key.scheme, value)


def write(signature: Any) -> bytes:
    """Return the bytes of a signature that securesystemslib's GPG signer made."""
    headers = signature.unrecognized_fields["other_headers"]
    return codec.compact({"other_headers": headers, "sig": signature.signature})


def check(library: Any, refused: type[Exception], key: Key, message: bytes, sig: bytes) -> bool:
    """Return whether a signature is that of an OpenPGP key over a message.

    `refused` is what securesystemslib raises for a signature that is not.
    """
    try:
        value = codec.parse(sig, "sig")
        headers, signature = value["other_headers"], value["sig"]
        if set(value) != {"other_headers", "sig"} or not headers.startswith(_BINARY_V4):
            return False
        made = library.Signature(key.id, signature, {"other_headers": headers})
        key_of(library, key).verify_signature(made, message)
    except (refused, ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return False
    return True
