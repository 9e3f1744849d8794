"""The door of the board: what is answered at all, and the headers of every answer.

One layer of ASGI around the pages. Host, cookie, origin, method and size are judged here, before a
page is asked; whoever is refused is told one line and nothing of the run.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from audit.board.session import READING, Asked, Session, elsewhere, foreign

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_BYTES_MAX = 64 << 10
"""Largest body of a request: one form."""
QUERY_BYTES_MAX = 4 << 10
HEADERS = {
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""Headers of every answer; a page may set its own policy, and nothing else."""


class Refused(Exception):  # noqa: N818  (an answer, not a fault)
    """A request that is not answered."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


class Guard:
    """The door in front of the pages.

    `entered` is called once, when the token was exchanged. A fault of ours is kept in `fault`, and
    `fell` is called: the program tells it and ends.
    """

    def __init__(
        self,
        app: App,
        session: Session,
        policy: str,
        entry_page: Callable[[], bytes],
        entered: Callable[[], None] = lambda: None,
        fell: Callable[[], None] = lambda: None,
    ) -> None:
        self.app = app
        self.session = session
        self.policy = policy
        self.entry_page = entry_page
        self.entered = entered
        self.fell = fell
        self.fault: BaseException | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return  # no websocket and no lifespan is spoken here
        begun = gone = False

        async def headed(message: Message) -> None:
            nonlocal begun, gone
            if message["type"] == "http.response.start":
                begun = True
                message = {**message, "headers": self._headers(message["headers"])}
            try:
                await send(message)
            except OSError:
                gone = True
                raise

        try:
            await self._answer(scope, receive, headed)
        except Refused as refused:
            await _plain(headed, refused.status, refused.why)
        except Exception as error:
            if gone:
                return  # the reader went away; that is nobody's fault
            self.fault = self.fault or error
            if not begun:
                await _plain(headed, 500, "this is a fault of arco-audit; the terminal says more")
            self.fell()

    def _headers(self, given: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        wanted = {"content-security-policy": self.policy, **HEADERS}
        names = {name.lower() for name, _ in given}
        more = [(name.encode(), value.encode()) for name, value in wanted.items()]
        return [*given, *(pair for pair in more if pair[0] not in names)]

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = _asked(scope)
        if why := elsewhere(asked, self.session.host):
            raise Refused(403, why)
        if len(scope.get("query_string", b"")) > QUERY_BYTES_MAX:
            raise Refused(414, "this address is too long")
        if scope["path"] == "/" and asked.method == "GET":
            await self._enter(scope, asked, send)
            return
        inside = scope["path"].startswith(self.session.base + "/")
        if not inside or not self.session.knows(asked):
            raise Refused(403, "open the address that arco-audit serve printed")
        if why := foreign(asked, self.session.host):
            raise Refused(403, why)
        if asked.method not in READING | {"POST"}:
            raise Refused(405, "this is not done here")
        body = await _body(scope, receive)
        await self.app({**scope, "root_path": self.session.base}, _again(body, receive), send)

    async def _enter(self, scope: Scope, asked: Asked, send: Send) -> None:
        """Exchange the token for the cookie.

        A page and no redirect: the browser came from elsewhere, and would not bring a cookie that
        is only for this site to where a redirect leads. An address that is followed sends no
        `Origin`; a script of another page does.
        """
        if asked.origins and (why := foreign(asked, self.session.host)):
            raise Refused(403, why)
        query: bytes = scope.get("query_string", b"")
        if not self.session.enter(query.decode("latin-1").removeprefix("token=")):
            raise Refused(
                403,
                "this address does not work, or has worked once already; go back to the open page,"
                " or start arco-audit serve again",
            )
        self.entered()
        cookie = ("set-cookie", self.session.cookie)
        await _send(send, 200, "text/html; charset=utf-8", self.entry_page(), cookie)


def _asked(scope: Scope) -> Asked:
    found: dict[bytes, list[str]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.lower(), []).append(value.decode("latin-1"))
    of = {
        field: tuple(found.get(name, ()))
        for field, name in (
            ("hosts", b"host"),
            ("origins", b"origin"),
            ("sites", b"sec-fetch-site"),
            ("cookies", b"cookie"),
        )
    }
    return Asked(scope["method"], **of)


async def _body(scope: Scope, receive: Receive) -> bytes:
    """The whole body, of at most `BODY_BYTES_MAX`."""
    data = b""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, "the request was not whole")
        data += message.get("body", b"")
        if len(data) > BODY_BYTES_MAX or (data and scope["method"] in READING):
            raise Refused(413, "this request is too large")
        more = message.get("more_body", False)
    return data


def _again(body: bytes, after: Receive) -> Receive:
    """A `receive` that gives a body that was read already, then what comes after it."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return waiting.pop() if waiting else await after()

    return receive


async def _plain(send: Send, status: int, why: str) -> None:
    await _send(send, status, "text/plain; charset=utf-8", f"{why}\n".encode())


async def _send(send: Send, status: int, kind: str, body: bytes, *more: tuple[str, str]) -> None:
    headers = [("content-type", kind), ("content-length", str(len(body))), *more]
    encoded = [(name.encode(), value.encode()) for name, value in headers]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
