"""The board as a program: which address shows what, and what a sent form does.

Wiring only: a request becomes a look at the office, a look becomes a page. Who may ask is judged by
`guard` before anything here is called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from audit import __version__
from audit.board import handed, pages
from audit.board.guard import Guard, Refused
from audit.board.office import NOTE_CHARS_MAX, Changed, Office, View
from audit.board.session import Session, Shown, same
from audit.errors import AuditError, Conflict, Corrupt, Invalid, Unavailable
from audit.trust import diff_pages
from evidence import chain, layout, trusted
from evidence.codec import Malformed
from evidence.folder import Folder
from evidence.signoff import Attachment, GateSeen

FORM = "application/x-www-form-urlencoded"
FIELDS_MAX = 4_000
NUMBER_DIGITS_MAX = 9
STATUSES: Mapping[type[AuditError], int] = {
    Changed: 409,
    Conflict: 409,
    Corrupt: 500,
    Invalid: 400,
    Unavailable: 503,
}
"""What a refusal is in HTTP."""


def build(
    office: Office,
    session: Session,
    *,
    entered: Callable[[], None] = lambda: None,
    fell: Callable[[], None] = lambda: None,
) -> Guard:
    """Return the board as an ASGI application, behind its guard."""
    board = _Board(office, session)
    routes = [
        Route("/", board.overview),
        Route("/gate/{number}", board.gate),
        Route("/changes", board.changes),
        Route("/pages", board.pages),
        Route("/pages/{path:path}", board.page),
        Route("/exact/{path:path}", board.exact),
        Route("/file/{path:path}", board.file),
        Route("/attached/{sha256}", board.attached),
        Route("/sign", board.sign_page),
        Route("/sign", board.sign, methods=["POST"]),
    ]
    handlers: dict[Any, Any] = {
        AuditError: board.refused,
        Malformed: board.malformed,
        Refused: _plain,
        HTTPException: _plain_http,
    }
    app = Starlette(routes=routes, exception_handlers=handlers)
    return Guard(app, session, pages.policy(), board.entry, entered, fell)


def _plain(request: Request, error: Refused) -> Response:
    return PlainTextResponse(f"{error.why}\n", error.status)


def _plain_http(request: Request, error: HTTPException) -> Response:
    return PlainTextResponse("there is nothing here\n", error.status_code)


class _Board:
    """The pages of one office in one session."""

    def __init__(self, office: Office, session: Session) -> None:
        self.office = office
        self.session = session

    # --- looking ----------------------------------------------------------------------------------

    def entry(self) -> bytes:
        """Return the page that leads from the token's address into the board."""
        return pages.render("entry", base=self.session.base)

    def overview(self, request: Request) -> Response:
        view = self._look(request)
        decided = {item.id: item for item in view.report.decision.signals}
        own = {gate.id for gate in view.review.gates}
        names = {gate.id: gate.name for gate in view.book.sealed.plan.gates}
        return self._page(
            "overview",
            view,
            here="",
            signed=_signed_line(request, view),
            untrusted=self.office.trust is None,
            role_title=pages.role_title(view.book.sealed.plan, self.office.role),
            command=self._command(view),
            blocking=[(gate, item) for gate in view.review.gates for item in gate.open_signals],
            next_steps={name: item.next_step for name, item in decided.items()},
            others=[
                (gate, names[gate.id]) for gate in view.report.decision.gates if gate.id not in own
            ],
        )

    def gate(self, request: Request) -> Response:
        view = self._look(request)
        number = _number(request.path_params["number"])
        gate = next((item for item in view.report.decision.gates if item.id == number), None)
        if gate is None:
            raise Refused(404, "this run has no such gate")
        names = {item.id: item.name for item in view.book.sealed.plan.gates}
        return self._page(
            "gate",
            view,
            gate=gate,
            name=names[gate.id],
            own=any(item.id == gate.id for item in view.review.gates),
            rows=pages.signal_rows(view, gate.id),
        )

    def changes(self, request: Request) -> Response:
        view = self._look(request)
        before = self.office.earlier(view)
        found = before.diff if before else None
        return self._page(
            "changes",
            view,
            here="changes",
            before=before,
            groups=list(diff_pages.groups(found)) if found else [],
            conclusion=diff_pages.conclusion(found) if found else [],
            moved=diff_pages.moved,
        )

    def pages(self, request: Request) -> Response:
        return self._page("pages", self._look(request), here="pages")

    def page(self, request: Request) -> Response:
        view = self._look(request)
        path, data = self._document(view, request)
        text = None if path == layout.REPORT else data.decode("utf-8", "backslashreplace")
        shown = next(page for page in view.review.pages if page.path == path)
        return self._page(
            "page",
            view,
            here="pages",
            page=shown,
            text=text if text is None else text[: pages.TEXT_CHARS_MAX],
            cut=text is not None and len(text) > pages.TEXT_CHARS_MAX,
        )

    def exact(self, request: Request) -> Response:
        path, data = self._document(self._look(request), request)
        kind = "text/html" if path == layout.REPORT else "text/plain"
        headers = {"content-security-policy": pages.DOCUMENT_POLICY}
        if "save" in request.query_params:
            headers["content-disposition"] = _attachment(path)
        return Response(data, media_type=f"{kind}; charset=utf-8", headers=headers)

    def file(self, request: Request) -> Response:
        """Hand out a log or a kept file of the bundle, as text and nothing else."""
        view = self._look(request)
        path = request.path_params["path"]
        if path not in pages.evidence_paths(view.book.sealed.run):
            raise Refused(404, "no log and no kept file of this run is called so")
        headers = {"content-security-policy": pages.DOCUMENT_POLICY}
        blocks = handed.sealed(Folder(str(view.book.run)), view.book.sealed.run, path)
        return _streamed(blocks, headers, "text/plain; charset=utf-8")

    def attached(self, request: Request) -> Response:
        """Hand out a file that somebody brought, to be saved: nobody vouches for it yet."""
        view = self._look(request)
        digest = request.path_params["sha256"]
        named = [
            entry.record.name
            for entry in view.book.log.entries
            if isinstance(entry.record, Attachment) and entry.record.sha256 == digest
        ]
        if not named:
            raise Refused(404, "nobody brought this file")
        headers = {
            "content-security-policy": pages.DOCUMENT_POLICY,
            "content-disposition": _attachment(named[-1]),
        }
        blocks = handed.attached(view.book.layer, digest)
        return _streamed(blocks, headers, "application/octet-stream")

    # --- signing ----------------------------------------------------------------------------------

    def sign_page(self, request: Request) -> Response:
        return self._sign_page(self._look(request, verify=True))

    async def sign(self, request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0].strip() != FORM:
            raise Refused(415, "only a form of this board is taken")
        form = await request.form(max_files=0, max_fields=FIELDS_MAX)
        fields = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
        return await run_in_threadpool(self._sign, fields)

    def _sign(self, fields: Sequence[tuple[str, str]]) -> Response:
        """Sign what a form says, once; show it again where it cannot be signed."""
        given = dict(fields)
        if not same(given.get("csrf", ""), self.session.csrf):
            raise Refused(403, "this form is not of this board")
        shown = self.session.close_form(given.get("nonce", ""))
        if shown is None:
            raise Refused(409, "this form was sent already, or is too old; open the page again")
        if not same(given.get("shown", ""), shown.digest):
            raise Refused(403, "this form is not the one that was shown")
        self._same_role(given.get("role", ""))
        gates = [_number(value) for name, value in fields if name == "gate"]
        note = given.get("note", "").replace("\r\n", "\n").strip()
        try:
            until = _until(given.get("expires", ""))
            done = self.office.sign(shown.digest, gates, note, until)
        except (Changed, Invalid) as error:
            return self._again(error, shown, gates, given)
        line = done.log.entries[-1].number + 1
        return RedirectResponse(f"{self.session.base}/?line={line}", 303)

    def _again(
        self, error: AuditError, shown: Shown, gates: Sequence[int], given: Mapping[str, str]
    ) -> Response:
        view = self.office.look(verify=True)
        added = [
            f"line {entry.number + 1}: {trusted.title(entry)}"
            for entry in view.book.log.entries
            if entry.number >= shown.lines
        ]
        step = error.next_step
        if isinstance(error, Changed):
            step = "Look at it again below; this is how it stands now."
        told = {"problem": error.problem, "next_step": step, "added": added}
        kept = {"note": given.get("note", ""), "expires": given.get("expires", "")}
        return self._sign_page(view, STATUSES[type(error)], gates, **told, **kept)

    def _sign_page(
        self, view: View, status: int = 200, gates: Sequence[int] | None = None, **told: Any
    ) -> Response:
        nonce = ""
        if self.office.signer is not None:
            nonce = self.session.open_form(Shown(view.digest, view.book.log.size))
        every = [gate.id for gate in view.review.gates]
        values = {"problem": "", "next_step": "", "added": [], "note": "", "expires": "", **told}
        return self._page(
            "sign",
            view,
            status,
            here="sign",
            command=self._command(view),
            digests={item.gate: item.digest for item in _stand(view)},
            chosen=every if gates is None else gates,
            csrf=self.session.csrf,
            nonce=nonce,
            note_max=NOTE_CHARS_MAX,
            **values,
        )

    # --- shared -----------------------------------------------------------------------------------

    def _look(self, request: Request, *, verify: bool = False) -> View:
        if "role" in request.query_params:
            self._same_role(request.query_params["role"])
        return self.office.look(verify=verify)

    def _same_role(self, role: str) -> None:
        if role != self.office.role:
            raise Refused(403, "this board is not for that role; start one that is")

    def _command(self, view: View) -> str:
        return pages.sign_command(view, "" if self.office.trust is None else str(self.office.trust))

    def _document(self, view: View, request: Request) -> tuple[str, bytes]:
        """A page of the bundle, byte by byte as its digest says."""
        path = request.path_params["path"]
        sha256 = view.book.sealed.pages.get(path)
        if sha256 is None:
            raise Refused(404, "no page of this run is called so")
        data = Folder(str(view.book.run)).read(path)
        if chain.sha256(data) != sha256:
            raise Malformed(path, "was changed while it was read")
        return path, data

    def _page(self, template: str, view: View, status: int = 200, **values: Any) -> Response:
        body = pages.render(
            template,
            **{
                "here": None,
                "base": self.session.base,
                "office": self.office,
                "view": view,
                "version": __version__,
                **values,
            },
        )
        return Response(body, status, media_type="text/html")

    def refused(self, request: Request, error: AuditError) -> Response:
        body = pages.render(
            "refused", base=self.session.base, problem=str(error), next_step=error.next_step
        )
        return Response(body, STATUSES.get(type(error), 500), media_type="text/html")

    def malformed(self, request: Request, error: Malformed) -> Response:
        return self.refused(request, Corrupt(str(error), next_step="arco-audit verify"))


def _stand(view: View) -> tuple[GateSeen, ...]:
    draft = view.draft
    return draft.gates if draft else ()


def _signed_line(request: Request, view: View) -> Any:
    """The line that was signed just now, when the address names one."""
    text = request.query_params.get("line", "")
    number = _number(text) if text else 0
    return view.book.log.entries[number - 1] if 0 < number <= len(view.book.log.entries) else None


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > NUMBER_DIGITS_MAX:
        raise Refused(404, "this is no number")
    return int(text)


def _until(text: str) -> str | None:
    if not text:
        return None
    try:
        return f"{date.fromisoformat(text).isoformat()}T00:00:00Z"
    except ValueError as error:
        raise Invalid(
            f"is no day expires=`{text[:40]}`", next_step="write it like 2027-01-31"
        ) from error


def _attachment(name: str) -> str:
    """A `Content-Disposition` that saves under the last part of a name (RFC 6266, RFC 8187)."""
    last = name.rsplit("/", 1)[-1]
    return f"attachment; filename*=UTF-8''{quote(last.encode('utf-8', 'replace'), safe='')}"


def _streamed(blocks: Iterator[bytes], headers: Mapping[str, str], kind: str) -> Response:
    return StreamingResponse(blocks, headers={**headers, "content-type": kind})
