"""A Sigstore instance on the loopback: gives credentials, certificates and log entries over HTTP.

What it says is made by `sigstore_kit`; here is how clients ask for it: GitHub's endpoint for the
credentials of a job, OpenID Connect for a browser, Fulcio v2 and Rekor v1.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.audit.trust.sigstore_kit import Instance

GITHUB = "https://token.actions.githubusercontent.com"


class Services:
    """The instance, whom its next credentials are of, and what it was asked."""

    def __init__(self) -> None:
        self.instance = Instance()
        self.claims: dict[str, Any] = {}
        self.identity = ""
        self.asked: list[str] = []
        self.url = ""

    def act_as(self, identity: str, **claims: Any) -> None:
        """Vouch for this identity from now on."""
        self.identity, self.claims = identity, claims

    def token(self) -> str:
        """A credential of an hour. Nobody but the instance would check its signature."""
        now = int(datetime.now(UTC).timestamp())
        times = {"iat": now - 60, "nbf": now - 60, "exp": now + 3600}
        parts = ({"alg": "RS256"}, {"aud": "sigstore", **times, **self.claims})
        encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()) for part in parts]
        return ".".join(part.rstrip(b"=").decode() for part in encoded) + ".c2ln"

    def answer(self, path: str, body: bytes) -> Any:
        """Return the JSON that a service answers; None where there is nothing."""
        self.asked.append(path)
        now = datetime.now(UTC) - timedelta(seconds=5)
        if path == "/job-token":
            return {"value": self.token()}
        if path == "/.well-known/openid-configuration":
            return {
                "authorization_endpoint": f"{self.url}/auth",
                "token_endpoint": f"{self.url}/token",
            }
        if path == "/token":
            return {"access_token": self.token()}
        if path == "/api/v2/signingCert":
            return self._certificate(body, now)
        if path == "/api/v1/log/entries":
            canonical = json.dumps(json.loads(body), separators=(",", ":"), sort_keys=True)
            return {"ab" * 32: self.instance.entry(canonical.encode(), now + timedelta(seconds=2))}
        return None

    def _certificate(self, body: bytes, now: datetime) -> Any:
        asked = base64.b64decode(json.loads(body)["certificateSigningRequest"])
        public: Any = x509.load_pem_x509_csr(asked).public_key()
        issuer = self.claims.get("federated_claims", {}).get("connector_id", self.claims["iss"])
        made = self.instance.certificate(public, self.identity, issuer, now)
        chain = [item.public_bytes(Encoding.PEM).decode() for item in (made, self.instance.root)]
        return {"signedCertificateEmbeddedSct": {"chain": {"certificates": chain}}}


class Handler(BaseHTTPRequestHandler):
    """Speaks HTTP for the services of its server."""

    services: Services

    def do_GET(self) -> None:
        where = urlsplit(self.path)
        if where.path == "/auth":  # whoever comes here is signed in at once, and sent back
            query = {name: values[0] for name, values in parse_qs(where.query).items()}
            self.send_response(302)
            back = f"{query['redirect_uri']}?code=1&state={query['state']}"
            self.send_header("Location", back)
            self.end_headers()
            return
        self._say(self.services.answer(where.path, b""))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._say(self.services.answer(urlsplit(self.path).path, body))

    def _say(self, value: Any) -> None:
        data = json.dumps(value).encode()
        made = 201 if self.command == "POST" else 200
        self.send_response(404 if value is None else made)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the output of the tests to the tests."""


@contextmanager
def serving() -> Iterator[Services]:
    """Run an instance on a free port of the loopback while the block lasts."""
    services = Services()
    handler = type("Ours", (Handler,), {"services": services})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        services.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield services
        finally:
            server.shutdown()
            thread.join()
