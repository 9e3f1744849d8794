"""A board over a toy's sealed run, and a browser that has no window."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from audit.board.app import build
from audit.board.guard import Guard
from audit.board.office import Office
from audit.board.session import Session
from audit.trust import keys
from tests.audit.cli.sign_off_kit import Desk

PORT = 8040
NOW = "2027-03-01T10:00:00Z"
HOST = f"127.0.0.1:{PORT}"
ORIGIN = f"http://{HOST}"


@dataclass
class Board:
    """A board, the browser that looks at it, and the time that it believes in."""

    desk: Desk
    role: str = ""
    person: str = ""
    key: Path | None = None
    now: str = NOW
    session: Session = field(default_factory=lambda: Session(PORT))
    happened: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        signer = keys.load(self.key, None) if self.key else None
        trust = self.desk.trust if self.desk.trust.exists() else None
        self.office = Office(
            self.desk.run, None, trust, lambda: self.now, self.role, self.person, signer
        )
        self.rebuild()

    def rebuild(self) -> None:
        """Put the guard in front of the office again."""
        self.guard: Guard = build(
            self.office,
            self.session,
            entered=lambda: self.happened.append("entered"),
            fell=lambda: self.happened.append("fell"),
        )
        self.cookies = httpx.Cookies()

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send one request and return the answer; cookies are kept as a browser keeps them."""

        async def asked() -> httpx.Response:
            transport: Any = httpx.ASGITransport(app=self.guard)
            async with httpx.AsyncClient(
                transport=transport, base_url=ORIGIN, cookies=self.cookies
            ) as client:
                answer = await client.request(method, path, **options)
                self.cookies = client.cookies
                return answer

        return asyncio.run(asked())

    def enter(self) -> Any:
        """Use the address of the terminal."""
        return self.ask("GET", self.session.address)

    def get(self, path: str = "/", **headers: str) -> Any:
        """Ask for a page below the base of the session."""
        return self.ask("GET", self.session.base + path, headers=headers)

    def form(self) -> dict[str, Any]:
        """Return the fields of the form as it is shown."""
        text = self.get("/sign").text
        hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', text)
        gates = re.findall(r'name="gate" value="(\d+)"', text)
        return {**dict(hidden), "gate": gates, "note": "", "expires": ""}

    def send(self, form: dict[str, Any], **headers: str) -> Any:
        """Send a form as the browser does."""
        named = {"origin": ORIGIN, "sec-fetch-site": "same-origin", **headers}
        sent = {name: value for name, value in named.items() if value}
        return self.ask("POST", self.session.base + "/sign", data=form, headers=sent)
