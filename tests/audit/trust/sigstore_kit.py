"""A Sigstore instance of our own, without a network: its CA, its certificate log, its entry log.

Everything is signed as the public instance signs it, by keys that are made here. A test says who
asks and when; nothing reads a clock. Sources: RFC 6962 (3.2, 3.3), Fulcio's OIDs, Rekor's
hashedrekord 0.0.1, Sigstore bundle v0.3.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AT = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
"""When a test signs, where it says nothing else."""
MINUTES = timedelta(minutes=10)
"""How long Fulcio's certificates hold."""
FOREVER = {"start": "2020-01-01T00:00:00Z"}
ISSUER_OID = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
SCT_OID = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")


def text_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def der_of(private: ec.EllipticCurvePrivateKey) -> bytes:
    return private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def signed(private: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    return private.sign(data, ec.ECDSA(hashes.SHA256()))


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


class Instance:
    """One instance: whoever has its trust config can check what it vouches for."""

    def __init__(self) -> None:
        self.authority, self.certificate_log, self.entry_log = new_key(), new_key(), new_key()
        self.root = self._root()

    def _root(self) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an instance of our own")])
        public = self.authority.public_key()
        return (
            x509.CertificateBuilder(name, name, public, x509.random_serial_number())
            .not_valid_before(AT - timedelta(days=3650))
            .not_valid_after(AT + timedelta(days=36500))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage("key_cert_sign"), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(self.authority, hashes.SHA256())
        )

    def config(self, url: str = "http://127.0.0.1:9") -> dict[str, Any]:
        """Its ClientTrustConfig; every service of it is at `url`."""
        service = {"url": url, "majorApiVersion": 1, "validFor": FOREVER, "operator": "ours"}
        return {
            "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
            "trustedRoot": {
                "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
                "tlogs": [_log_of(self.entry_log, url)],
                "ctlogs": [_log_of(self.certificate_log, url)],
                "certificateAuthorities": [
                    {
                        "subject": {"organization": "ours", "commonName": "ours"},
                        "uri": url,
                        "certChain": {"certificates": [{"rawBytes": _der(self.root)}]},
                        "validFor": FOREVER,
                    }
                ],
                "timestampAuthorities": [],
            },
            "signingConfig": {
                "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
                "caUrls": [service],
                "oidcUrls": [service],
                "rekorTlogUrls": [service],
                "rekorTlogConfig": {"selector": "ANY"},
                "tsaUrls": [],
                "tsaConfig": {"selector": "ANY"},
            },
        }

    def certificate(
        self, public: ec.EllipticCurvePublicKey, identity: str, issuer: str, at: datetime = AT
    ) -> x509.Certificate:
        """A certificate for an identity, with the promise of the certificate log in it."""
        san = (
            x509.RFC822Name
            if "@" in identity and "/" not in identity
            else (x509.UniformResourceIdentifier)
        )
        key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.authority.public_key())
        code = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])
        serial = x509.random_serial_number()
        builder = (
            x509.CertificateBuilder(self.root.subject, x509.Name([]), public, serial)
            .not_valid_before(at)
            .not_valid_after(at + MINUTES)
            .add_extension(_usage("digital_signature"), critical=True)
            .add_extension(code, critical=False)
            .add_extension(key, critical=False)
            .add_extension(x509.SubjectAlternativeName([san(identity)]), critical=True)
            .add_extension(x509.UnrecognizedExtension(ISSUER_OID, issuer.encode()), critical=False)
        )
        draft = builder.sign(self.authority, hashes.SHA256()).tbs_certificate_bytes
        promise = x509.UnrecognizedExtension(SCT_OID, self._promise(draft, at))
        return builder.add_extension(promise, critical=False).sign(self.authority, hashes.SHA256())

    def _promise(self, draft: bytes, at: datetime) -> bytes:
        """An SCT over a certificate that is still to be signed, in a list, in an OCTET STRING."""
        when = int(at.timestamp() * 1000)
        issuer = hashlib.sha256(der_of(self.authority)).digest()
        body = issuer + len(draft).to_bytes(3, "big") + draft
        sig = signed(self.certificate_log, struct.pack("!BBQH", 0, 0, when, 1) + body + b"\0\0")
        log = hashlib.sha256(der_of(self.certificate_log)).digest()
        sct = b"\0" + log + struct.pack("!QHBBH", when, 0, 4, 3, len(sig)) + sig
        listed = struct.pack("!HH", len(sct) + 2, len(sct)) + sct
        assert len(listed) < 128  # one byte of length
        return bytes((4, len(listed))) + listed

    def entry(self, body: bytes, at: datetime = AT) -> dict[str, Any]:
        """What the entry log says of a body: the only leaf of a tree, promised and proved."""
        log = hashlib.sha256(der_of(self.entry_log)).digest()
        root = hashlib.sha256(b"\0" + body).digest()
        note = f"ours - 1\n1\n{text_of(root)}\n"
        sig = log[:4] + signed(self.entry_log, note.encode())
        said = {
            "body": text_of(body),
            "integratedTime": int(at.timestamp()),
            "logID": log.hex(),
            "logIndex": 0,
        }
        canonical = json.dumps(said, separators=(",", ":"), sort_keys=True).encode()
        proof = {
            "hashes": [],
            "logIndex": 0,
            "rootHash": root.hex(),
            "treeSize": 1,
            "checkpoint": f"{note}\n\u2014 ours {text_of(sig)}\n",
        }
        promise = text_of(signed(self.entry_log, canonical))
        return {
            **said,
            "verification": {"inclusionProof": proof, "signedEntryTimestamp": promise},
        }

    def bundle(
        self,
        message: bytes,
        identity: str,
        issuer: str,
        *,
        at: datetime = AT,
        late: timedelta = timedelta(minutes=1),
    ) -> bytes:
        """A bundle over a message; its entry came to the log `late` after its certificate began."""
        private = new_key()
        made = self.certificate(private.public_key(), identity, issuer, at)
        sig = signed(private, message)
        digest = hashlib.sha256(message)
        entry = self.entry(_body(made, sig, digest.hexdigest()), at + late)
        proof = entry["verification"]["inclusionProof"]
        value = {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                "certificate": {"rawBytes": _der(made)},
                "tlogEntries": [
                    {
                        "logIndex": "0",
                        "logId": {"keyId": text_of(bytes.fromhex(entry["logID"]))},
                        "kindVersion": {"kind": "hashedrekord", "version": "0.0.1"},
                        "integratedTime": str(entry["integratedTime"]),
                        "inclusionPromise": {
                            "signedEntryTimestamp": entry["verification"]["signedEntryTimestamp"]
                        },
                        "inclusionProof": {
                            "logIndex": "0",
                            "rootHash": text_of(bytes.fromhex(proof["rootHash"])),
                            "treeSize": "1",
                            "hashes": [],
                            "checkpoint": {"envelope": proof["checkpoint"]},
                        },
                        "canonicalizedBody": entry["body"],
                    }
                ],
            },
            "messageSignature": {
                "messageDigest": {"algorithm": "SHA2_256", "digest": text_of(digest.digest())},
                "signature": text_of(sig),
            },
        }
        return json.dumps(value).encode()


def _usage(one: str) -> x509.KeyUsage:
    names = (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
        *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    )
    return x509.KeyUsage(**{name: name == one for name in names})


def _der(certificate: x509.Certificate) -> str:
    return text_of(certificate.public_bytes(Encoding.DER))


def _log_of(private: ec.EllipticCurvePrivateKey, url: str) -> dict[str, Any]:
    der = der_of(private)
    return {
        "baseUrl": url,
        "hashAlgorithm": "SHA2_256",
        "publicKey": {
            "rawBytes": text_of(der),
            "keyDetails": "PKIX_ECDSA_P256_SHA_256",
            "validFor": FOREVER,
        },
        "logId": {"keyId": text_of(hashlib.sha256(der).digest())},
    }


def _body(certificate: x509.Certificate, sig: bytes, digest: str) -> bytes:
    pem = text_of(certificate.public_bytes(Encoding.PEM))
    spec = {
        "data": {"hash": {"algorithm": "sha256", "value": digest}},
        "signature": {"content": text_of(sig), "publicKey": {"content": pem}},
    }
    value = {"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": spec}
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
