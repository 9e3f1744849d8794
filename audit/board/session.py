"""Who may speak to the board: one browser, which was given the address from the terminal.

Rules over the headers of a request, and the secrets of one session; chance and nothing else comes
from outside. No HTTP is spoken here.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field

COOKIE = "arco_board"
FORMS_MAX = 64
"""Forms that can be open at a time; the oldest is forgotten."""
ADDRESS = "127.0.0.1"
"""The only address that the board listens on, and the only name that it answers to."""
READING = frozenset({"GET", "HEAD"})


def fresh() -> str:
    """Return 256 bits that nobody can guess, fit for a URL."""
    return secrets.token_urlsafe(32)


def same(one: str, other: str) -> bool:
    """Whether two secrets are the same, in a time that tells nothing of where they differ."""
    return hmac.compare_digest(
        one.encode("utf-8", "backslashreplace"), other.encode("utf-8", "backslashreplace")
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """What of a request says where it comes from; each header as often as it was sent."""

    method: str
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    cookies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shown:
    """What a form was shown with: the digest of the whole view, and the lines of the log then."""

    digest: str
    lines: int


@dataclass(slots=True)
class Session:
    """The secrets of one board. The token works once; the cookie lives as long as the process.

    `base` begins every path: a browser sends the cookie of an address to all its ports, but only
    below its path, which another server on this machine cannot guess.
    """

    port: int
    base: str = field(default_factory=lambda: "/" + fresh()[:22])
    csrf: str = field(default_factory=fresh)
    _token: str = field(default_factory=fresh)
    _cookie: str = field(default_factory=fresh)
    _forms: OrderedDict[str, Shown] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def host(self) -> str:
        """The one `Host` that is answered: another name that leads here is somebody's trick."""
        return f"{ADDRESS}:{self.port}"

    @property
    def address(self) -> str:
        """The address for the terminal, as long as nobody has used it."""
        return f"http://{self.host}/?token={self._token}"

    @property
    def cookie(self) -> str:
        """The `Set-Cookie` header of this session."""
        return f"{COOKIE}={self._cookie}; Path={self.base}; HttpOnly; SameSite=Strict"

    def enter(self, token: str) -> bool:
        """Whether this is the token; it never is again."""
        with self._lock:
            good = bool(self._token) and same(token, self._token)
            if good:
                self._token = ""
        return good

    def knows(self, asked: Asked) -> bool:
        """Whether a request brings the cookie."""
        pairs = (pair.strip() for header in asked.cookies for pair in header.split(";"))
        return any(same(pair, f"{COOKIE}={self._cookie}") for pair in pairs)

    def open_form(self, shown: Shown) -> str:
        """Return a word by which one form may be sent once."""
        nonce = fresh()
        with self._lock:
            self._forms[nonce] = shown
            while len(self._forms) > FORMS_MAX:
                self._forms.popitem(last=False)
        return nonce

    def close_form(self, nonce: str) -> Shown | None:
        """Return what a form was shown with, once; None where it was sent before or never made."""
        with self._lock:
            return self._forms.pop(nonce, None)


def elsewhere(asked: Asked, host: str) -> str:
    """Return why a request is not for this board; empty where it is."""
    if asked.hosts != (host,):
        return "this request is for another host"
    return ""


def foreign(asked: Asked, host: str) -> str:
    """Return why a request does not come from a page of this board; empty where it does.

    A page that sends no referrer sends its forms with `Origin: null`; then only the browser's
    own `Sec-Fetch-Site` can say that they are ours. (Fetch standard, "append a request Origin
    header"; W3C Fetch Metadata.)
    """
    reading = asked.method in READING
    allowed = {"same-origin", "none"} if reading else {"same-origin"}
    if not set(asked.sites) <= allowed:
        return "this request comes from another site"
    own = asked.origins == (f"http://{host}",)
    vouched = asked.sites == ("same-origin",) and asked.origins in ((), ("null",))
    if own or vouched or (reading and not asked.origins):
        return ""
    return "this request comes from another origin"
