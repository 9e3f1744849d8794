"""A server on the loopback that writes down every request, and answers by a script or by another.

Between a client and a store it counts what an operation costs, breaks answers off, loses them after
they took effect, or gives the refusals that a real cloud gives and an emulator does not.
"""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

HOP = frozenset(
    ("connection", "keep-alive", "transfer-encoding", "content-length", "date", "server")
)
"""Headers that belong to one connection and are not passed on."""


@dataclass(frozen=True)
class Request:
    """What was asked. Header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The path without its leading slash, decoded."""
        return unquote(urlsplit(self.target).path).lstrip("/")

    @property
    def query(self) -> dict[str, list[str]]:
        """The words behind `?`."""
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)

    @property
    def kind(self) -> str:
        """What a bill would say: GET, HEAD, PUT, LIST or DELETE."""
        query = self.query
        listed = "list-type" in query or query.get("comp") == ["list"]
        if self.method == "GET" and (listed or self.path.endswith("/o")):
            return "LIST"
        batched = "delete" in query or query.get("comp") == ["batch"] or "batch" in self.path
        return "DELETE" if self.method == "POST" and batched else self.method


@dataclass(frozen=True)
class Answer:
    """What is answered. With `sent`, only so many bytes of the body are, and then it hangs up."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    sent: int | None = None


Forward = Callable[[], Answer]
Script = Callable[[Request, Forward], Answer | None]
"""Answers a request, if it likes by way of the store behind; None hangs up without a word."""


def passing(_: Request, forward: Forward) -> Answer | None:
    """Change nothing."""
    return forward()


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Wire
    protocol_version = "HTTP/1.1"

    def handle_one_request(self) -> None:
        """Read one request whatever its method, write it down, and answer."""
        self.raw_requestline = self.rfile.readline(65_537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        body = self._body()
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, body)
        self.server.requests.append(request)
        answer = self.server.script(request, lambda: self.server.forwarded(request))
        if answer is None:
            self.close_connection = True
        else:
            self._say(answer)

    def _body(self) -> bytes:
        """Return the body, which may come in chunks (RFC 9112 section 7.1)."""
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts: list[bytes] = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():  # what trails it
            pass
        return b"".join(parts)

    def _say(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if "Content-Length" not in answer.headers:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[: answer.sent])
        self.close_connection = self.close_connection or answer.sent is not None

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Wire(ThreadingHTTPServer):
    """The server. `requests` holds all that came; `script` may be changed at any time."""

    def __init__(self, upstream: str | None, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.upstream, self.script = upstream, script
        self.requests: list[Request] = []

    @property
    def url(self) -> str:
        """The address of the server."""
        return f"http://127.0.0.1:{self.server_port}"

    def taken(self) -> Counter[str]:
        """Return how many requests of each kind came since the last look, and forget them."""
        seen, self.requests = self.requests, []
        return Counter(request.kind for request in seen)

    def forwarded(self, request: Request) -> Answer:
        """Ask the store behind the same, and return what it answers."""
        assert self.upstream is not None, "the script leaves the answer to a store, and has none"
        connection = http.client.HTTPConnection(urlsplit(self.upstream).netloc, timeout=60)
        try:
            sent = {n: v for n, v in request.headers.items() if n != "transfer-encoding"}
            connection.request(request.method, request.target, request.body, sent)
            said = connection.getresponse()
            headers = {n: v for n, v in said.getheaders() if n.lower() not in HOP}
            if request.method == "HEAD":
                headers["Content-Length"] = said.headers.get("Content-Length", "0")
            return Answer(said.status, said.read(), headers)
        finally:
            connection.close()

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is none of our business."""


@contextmanager
def serving(upstream: str | None = None, script: Script = passing) -> Iterator[Wire]:
    """Serve for the length of the block."""
    server = Wire(upstream, script)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
