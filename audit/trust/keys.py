"""Keys: made, read from a file, used to sign, and asked whether a signature is theirs.

Here live private keys on a disk and every use of a cryptographic library. Who may sign what is the
trust file's business (`evidence.roster`); what is signed is decided elsewhere. A scheme comes from
the trust file alone, never from what is checked.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from audit import extras
from audit.errors import Conflict, Invalid, Unavailable
from audit.runner import files
from audit.trust import book, keyless, pgp
from evidence import ed25519, roster
from evidence.codec import Malformed
from evidence.roster import Key

ED25519 = "ed25519"
ECDSA_P256 = "ecdsa-sha2-nistp256"
ECDSA_P384 = "ecdsa-sha2-nistp384"
RSA_PSS = "rsassa-pss-sha256"
KEY_TYPES = {
    ED25519: "ed25519",
    **dict.fromkeys((ECDSA_P256, ECDSA_P384), "ecdsa"),
    RSA_PSS: "rsa",
    **pgp.KEY_TYPES,
    **keyless.KEY_TYPES,
}
"""Every scheme that is checked here, and what securesystemslib calls the type of its keys."""

KEY_BYTES_MAX = 64 << 10
RSA_BITS_MIN = 2048
FIELD = 2**255 - 19
"""The prime of Ed25519's field."""
WIDER_THAN_OWNER = 0o177
"""Permissions that a private key's file must not give."""


@dataclass(frozen=True, slots=True)
class Public:
    """The public part of a key: its id, its scheme, and what a trust file holds as `public`."""

    id: str
    scheme: str
    public: str


@dataclass(frozen=True, slots=True)
class Signer:
    """A key that signs; its private part stays behind `sign`."""

    key: Public
    _sign: Callable[[bytes], bytes]

    @property
    def keyid(self) -> str:
        """The id that securesystemslib gives this key."""
        return self.key.id

    def sign(self, message: bytes) -> bytes:
        """Return the signature over a message."""
        return self._sign(message)


def library() -> Any:
    """Return securesystemslib's signers. Raises `Invalid` where the extra is missing."""
    with extras.needed("trust"):
        from securesystemslib import signer
    found: Any = signer  # its names are not exported in the way that type checkers ask for
    return found


# --- key files ------------------------------------------------------------------------------------


@contextmanager
def made(path: Path, passphrase: bytes | None) -> Iterator[Signer]:
    """Write a new Ed25519 private key as PKCS#8 PEM, which only its owner can read.

    When the block fails, the key is taken away again: nobody has heard of it.

    Raises:
        Conflict: something lies there; it is never written over.
        Invalid: the extra is missing.
        Unavailable: the disk says no.
    """
    with extras.needed("trust"):
        from cryptography.hazmat.primitives import serialization as pem
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    private = Ed25519PrivateKey.generate()
    encryption = pem.BestAvailableEncryption(passphrase) if passphrase else pem.NoEncryption()
    data = private.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, encryption)
    signer = _signer_of(private)
    descriptor = _new_file(path)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        files.sync_folder(path.parent)
        yield signer
    except OSError as error:
        path.unlink(missing_ok=True)
        raise _unwritable(path, error) from error
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _unwritable(path: Path, error: OSError) -> Unavailable:
    why = (error.strerror or str(error)).lower()
    step = "make room or give access there, then try again"
    return Unavailable(f"cannot be written: {why}", place=str(path), next_step=step)


def _new_file(path: Path) -> int:
    """Open a file that was not there, for its owner alone; a link counts as being there."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError as error:
        raise Conflict(
            "a file lies there, and a key is never written over",
            place=str(path),
            next_step="choose another --out, or keep using that key",
        ) from error
    except OSError as error:
        raise _unwritable(path, error) from error


def load(path: Path, passphrase: bytes | None) -> Signer:
    """Return the signer in a private key file: Ed25519, PKCS#8 PEM.

    Raises:
        Invalid: others can read it, it holds no such key, or the passphrase is not its own.
    """
    data = read(path)
    with extras.needed("trust"):
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    if is_encrypted(data) != bool(passphrase):
        raise _passphrase_refused(path, given=bool(passphrase))
    try:
        private = load_pem_private_key(data, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        problem = "the passphrase is not that of this key" if passphrase else "is no private key"
        step = "try again" if passphrase else "name a file that arco-audit keygen wrote"
        raise Invalid(problem, place=str(path), next_step=step) from error
    if not isinstance(private, Ed25519PrivateKey):
        kind = type(private).__name__.removesuffix("PrivateKey").strip("_").lower()
        raise Invalid(
            f"holds a key of another algorithm algorithm=`{kind}`",
            place=str(path),
            next_step=f"use it by --signer file2:{path}, or make one with arco-audit keygen",
        )
    return _signer_of(private)


def _passphrase_refused(path: Path, *, given: bool) -> Invalid:
    if given:
        return Invalid(
            "has no passphrase, and one was given",
            place=str(path),
            next_step="leave --passphrase-file out, and look whether it is the right file",
        )
    return Invalid(
        "is protected by a passphrase", place=str(path), next_step="give it by --passphrase-file"
    )


def read(path: Path) -> bytes:
    """Return the bytes of a private key file that nobody but its owner can read.

    Raises:
        Invalid: it is not there, no regular file, too large, or others have access to it.
    """
    try:
        # A pipe must not make us wait before it is refused.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with files.on_error(os.close, descriptor):
            _refuse_open_to_others(path, os.fstat(descriptor))
        with os.fdopen(descriptor, "rb") as stream:
            data = stream.read(KEY_BYTES_MAX + 1)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise Invalid(
            f"the key cannot be read: {why}", place=str(path), next_step="name another file"
        ) from error
    if len(data) > KEY_BYTES_MAX:
        raise Invalid(
            f"is too large to be a key bytes_max=`{KEY_BYTES_MAX}`",
            place=str(path),
            next_step="name a file that arco-audit keygen wrote",
        )
    return data


def _refuse_open_to_others(path: Path, about: os.stat_result) -> None:
    if not stat.S_ISREG(about.st_mode):
        raise Invalid("is no regular file", place=str(path), next_step="name a key file")
    mode = stat.S_IMODE(about.st_mode)
    if mode & WIDER_THAN_OWNER:
        raise Invalid(
            f"others may read or write this key mode=`{mode:04o}`",
            place=str(path),
            next_step=f"chmod 600 {path}",
        )


def pem_of(key: Public) -> str:
    """Return an Ed25519 public key as PEM, as other programs read it."""
    with extras.needed("trust"):
        from cryptography.hazmat.primitives import serialization as pem
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    found = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key.public))
    return found.public_bytes(pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo).decode()


def is_encrypted(data: bytes) -> bool:
    """Whether the PEM text of a private key asks for a passphrase."""
    return b"-----BEGIN ENCRYPTED PRIVATE KEY-----" in data or b"Proc-Type: 4,ENCRYPTED" in data


def _signer_of(private: Any) -> Signer:
    sign: Callable[[bytes], bytes] = private.sign
    return Signer(public_of(private.public_key()), sign)


def public_of(key: Any) -> Public:
    """Return the public part of a key object of `cryptography`, by its default scheme."""
    made = library().SSlibKey.from_crypto(key)
    return Public(made.keyid, made.scheme, made.keyval["public"])


# --- checking -------------------------------------------------------------------------------------


def check_any(key: Key, message: bytes, signature: bytes) -> bool | None:
    """Return whether a signature is that of a key over a message; None where nobody can say.

    Ed25519 needs nothing but Python; ECDSA (raw `r || s` or DER), RSA-PSS and OpenPGP need the
    extra `trust`, Sigstore the extra `sigstore`. The algorithm is that of the key's scheme: a PEM
    of another kind makes no signature good.
    """
    if key.scheme not in KEY_TYPES:
        return None
    try:
        if key.scheme in pgp.KEY_TYPES:
            return _check_pgp(key, message, signature)
        if key.scheme in keyless.KEY_TYPES:
            return keyless.check(key, message, signature)
        return _checker(key.scheme, key.public)(message, signature)
    except ModuleNotFoundError:
        return roster.check_ed25519(key, message, signature)


@functools.lru_cache(maxsize=256)
def _checker(scheme: str, public: str) -> Callable[[bytes, bytes], bool]:
    if scheme == ED25519:
        return _check_ed25519(bytes.fromhex(public))
    return _check_rsa(public) if scheme == RSA_PSS else _check_ecdsa(scheme, public)


def _check_ed25519(public: bytes) -> Callable[[bytes, bytes], bool]:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    y = int.from_bytes(public, "little") & (1 << 255) - 1
    if y == 1 or y >= FIELD - 1:
        # Encodings on which libraries disagree: the answer is that of the verifier in the bundle.
        return functools.partial(ed25519.verify, public)
    key = Ed25519PublicKey.from_public_bytes(public)

    def check(message: bytes, signature: bytes) -> bool:
        try:
            key.verify(signature, message)
        except InvalidSignature:
            return False
        return True

    return check


def _never(message: bytes, signature: bytes) -> bool:
    return False


def _check_ecdsa(scheme: str, public: str) -> Callable[[bytes, bytes], bool]:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA256, SHA384

    key = as_public(public)
    curve, half = (ec.SECP256R1, 32) if scheme == ECDSA_P256 else (ec.SECP384R1, 48)
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, curve):
        return _never
    way = ec.ECDSA(SHA256() if scheme == ECDSA_P256 else SHA384())

    def check(message: bytes, signature: bytes) -> bool:
        forms = [signature]
        if len(signature) == 2 * half:
            r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
            forms.append(encode_dss_signature(r, s))
        for form in forms:
            with contextlib.suppress(InvalidSignature):
                key.verify(form, message, way)
                return True
        return False

    return check


def _check_rsa(public: str) -> Callable[[bytes, bytes], bool]:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
    from cryptography.hazmat.primitives.hashes import SHA256

    key = as_public(public)
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < RSA_BITS_MIN:
        return _never
    pss = padding.PSS(padding.MGF1(SHA256()), padding.PSS.AUTO)

    def check(message: bytes, signature: bytes) -> bool:
        try:
            key.verify(signature, message, pss, SHA256())
        except InvalidSignature:
            return False
        return True

    return check


def _check_pgp(key: Key, message: bytes, signature: bytes) -> bool:
    from securesystemslib import signer
    from securesystemslib.exceptions import Error

    return pgp.check(signer, Error, key, message, signature)


def as_public(text: str) -> object:
    """Return the public key in PEM text, as `cryptography` has it; None where it holds none."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        return load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm):
        return None


# --- the trust file -------------------------------------------------------------------------------


def entry_text(key: Key) -> str:
    """Return the `[[key]]` table of a trust file for a key, as people would write it."""
    fields: dict[str, str | list[str]] = {
        "id": key.id,
        "person": key.person,
        "roles": list(key.roles),
        "scheme": key.scheme,
        "public": key.public,
        "valid_from": key.valid_from,
    }
    if key.valid_until is not None:
        fields["valid_until"] = key.valid_until
    # A JSON string is a TOML string as long as nothing in it is outside of what both escape alike.
    lines = (f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in fields.items())
    return "[[key]]\n" + "\n".join(lines) + "\n"


def entry_of(public: Public, key: Key) -> Key:
    """Return the entry of a trust file with this public part."""
    return replace(key, id=public.id, scheme=public.scheme, public=public.public)


def check_entry(key: Key, path: Path | None) -> bytes:
    """Return the bytes that `add` will append to a trust file: the key as a table of its own.

    Raises:
        Invalid: the key has a value that cannot be, or stands there already.
    """
    there = path is not None and path.exists()
    before = path.read_bytes() if path is not None and there else b""
    if path is not None and there:
        book.roster_of(path)
    lead = b"format_version = 1\n" if not there else b"" if before.endswith(b"\n") else b"\n"
    added = lead + b"\n" + entry_text(key).encode("utf-8", "surrogateescape")
    try:
        found = roster.read(before + added, str(path or book.TRUST))
    except Malformed as error:
        raise Invalid(
            f"this key cannot stand in a trust file: {error.problem}",
            place=error.place,
            next_step="change what was given for it",
        ) from error
    if found.key[-1] != key:
        raise Invalid(
            "this key would be read back otherwise", next_step="leave controls out of the names"
        )
    return added


def add(path: Path, added: bytes) -> None:
    """Append to a trust file what `check_entry` returned, in one write; comments stay as they are.

    Raises:
        Unavailable: it cannot be written.
    """
    try:
        with path.open("ab", buffering=0) as stream:
            stream.write(added)
            os.fsync(stream.fileno())
    except OSError as error:
        raise _unwritable(path, error) from error
