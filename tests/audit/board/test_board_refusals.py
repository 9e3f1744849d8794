"""Who is not answered: without the token, from elsewhere, too large, of a strange kind."""

from __future__ import annotations

import pytest

pytest.importorskip("starlette", reason="could_not_run: starlette is not installed")
pytest.importorskip("uvicorn", reason="could_not_run: uvicorn is not installed")
pytest.importorskip("httpx", reason="could_not_run: httpx is not installed")
pytest.importorskip("securesystemslib", reason="could_not_run: securesystemslib is not installed")
pytest.importorskip("cryptography", reason="could_not_run: cryptography is not installed")

from audit.board.guard import BODY_BYTES_MAX, HEADERS
from audit.board.session import COOKIE, FORMS_MAX, Asked, Session, Shown, foreign
from tests.audit.board.board_kit import HOST, ORIGIN, PORT, Board
from tests.audit.cli.sign_off_kit import Desk


@pytest.fixture
def board(desk: Desk) -> Board:
    """A board that can sign, before anybody entered."""
    return Board(desk, "SRE", "ada", desk.key("ada", "SRE"))


# --- the session ----------------------------------------------------------------------------------


def test_a_token_works_once() -> None:
    session = Session(PORT)
    token = session.address.partition("token=")[2]
    assert len(token) >= 43
    assert not session.enter("")
    assert not session.enter(token[:-1])
    assert not session.enter("\udc80é")
    assert session.enter(token)
    assert not session.enter(token)
    assert not session.enter("")


def test_two_sessions_share_nothing() -> None:
    one, two = Session(PORT), Session(PORT)
    assert one.base != two.base
    assert one.csrf != two.csrf
    assert one.address != two.address
    assert one.cookie != two.cookie
    assert "token" not in one.base
    assert repr(one.csrf) not in one.cookie


def test_a_form_is_sent_once_and_old_ones_are_forgotten() -> None:
    session = Session(PORT)
    shown = Shown("digest", 3)
    nonce = session.open_form(shown)
    assert session.close_form("") is None
    assert session.close_form(nonce) == shown
    assert session.close_form(nonce) is None
    first, *rest = [session.open_form(shown) for _ in range(FORMS_MAX + 1)]
    assert session.close_form(first) is None
    assert all(session.close_form(nonce) for nonce in rest)


SAME, OWN = ("same-origin",), (ORIGIN,)
FROM = [
    ("GET", (), (), True),
    ("GET", (), SAME, True),
    ("GET", (), ("none",), True),
    ("HEAD", (), ("none",), True),
    ("GET", (), ("cross-site",), False),
    ("GET", (), ("same-site",), False),
    ("GET", ("http://evil.example",), (), False),
    ("GET", ("null",), (), False),
    ("GET", ("null",), SAME, True),
    ("POST", OWN, SAME, True),
    ("POST", OWN, (), True),
    ("POST", ("null",), SAME, True),
    ("POST", (), SAME, True),
    ("POST", (), (), False),
    ("POST", ("null",), (), False),
    ("POST", ("null",), ("cross-site",), False),
    ("POST", OWN, ("cross-site",), False),
    ("POST", OWN, ("same-site",), False),
    ("POST", OWN, ("none",), False),
    ("POST", OWN, ("same-origin", "cross-site"), False),
    ("POST", (ORIGIN, "http://evil.example"), SAME, False),
    ("POST", ("https://" + HOST,), SAME, False),
    ("POST", (f"http://127.0.0.1:{PORT + 1}",), ("same-site",), False),
    ("POST", (f"http://localhost:{PORT}",), SAME, False),
    ("POST", (f"{ORIGIN}.evil.example",), (), False),
    ("DELETE", (), ("none",), False),
]


@pytest.mark.parametrize(("method", "origins", "sites", "ours"), FROM)
def test_where_a_request_comes_from(
    method: str, origins: tuple[str, ...], sites: tuple[str, ...], ours: bool
) -> None:
    assert (foreign(Asked(method, (HOST,), origins, sites), HOST) == "") is ours


def test_the_cookie_is_found_among_others() -> None:
    session = Session(PORT)
    pair = session.cookie.partition(";")[0]
    for header in (pair, f"a=b; {pair}", f"{COOKIE}=tossed; {pair}"):
        assert session.knows(Asked("GET", cookies=(header,)))
    for header in ("", pair[:-1], pair + "x", pair.replace("=", "==", 1), f"{COOKIE}=", "\xff"):
        assert not session.knows(Asked("GET", cookies=(header,)))


# --- the door -------------------------------------------------------------------------------------


def test_nothing_is_told_without_the_cookie(board: Board) -> None:
    base = board.session.base
    for path in (f"{base}/", f"{base}/sign", f"{base}/pages/report.html", f"{base}/none", base):
        for method in ("GET", "HEAD", "POST", "PUT", "OPTIONS"):
            answer = board.ask(method, path)
            assert answer.status_code == 403, (method, path)
            assert "toy" not in answer.text
    for path in ("/sign", "/gate/0", "/favicon.ico", "//", "/" + base):
        assert board.ask("GET", path).status_code == 403
    assert board.happened == []


def test_the_address_opens_the_board_once(board: Board) -> None:
    answer = board.enter()
    assert answer.status_code == 200
    cookie = answer.headers["set-cookie"]
    for part in ("HttpOnly", "SameSite=Strict", f"Path={board.session.base}"):
        assert part in cookie
    assert "Domain" not in cookie
    assert "Expires" not in cookie
    assert board.get().status_code == 200
    again = board.enter()
    assert again.status_code == 403
    assert "set-cookie" not in again.headers
    assert "start arco-audit serve again" in again.text


@pytest.mark.parametrize(
    "query", ["", "token=", "token=wrong", "token=%00", "a=b&" * 400, "token=é", "&".join("abc")]
)
def test_a_wrong_token_opens_nothing(board: Board, query: str) -> None:
    answer = board.ask("GET", f"/?{query}")
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert board.happened == []
    assert board.enter().status_code == 200


def test_an_endless_address_is_refused(board: Board) -> None:
    assert board.ask("GET", "/?token=" + "a" * 10_000).status_code == 414


@pytest.mark.parametrize(
    "host",
    ["evil.example", f"localhost:{PORT}", "127.0.0.1", f"127.0.0.1:{PORT + 1}", f"[::1]:{PORT}"],
)
def test_another_host_is_refused(board: Board, host: str) -> None:
    """DNS rebinding: a name of an attacker that leads to 127.0.0.1."""
    address = board.session.address.partition("?")[2]
    early = board.ask("GET", f"/?{address}", headers={"host": host})
    assert early.status_code == 403
    assert "another host" in early.text
    board.enter()
    assert board.get(host=host).status_code == 403
    assert board.send(board.form(), host=host, origin=f"http://{host}").status_code == 403
    assert board.desk.log == b""


def test_a_page_from_elsewhere_cannot_use_up_the_address(board: Board) -> None:
    for origin in ("http://evil.example", "null", f"http://127.0.0.1:{PORT + 1}"):
        answer = board.ask("GET", board.session.address, headers={"origin": origin})
        assert (answer.status_code, "another origin" in answer.text) == (403, True)
    assert board.happened == []
    followed = board.ask("GET", board.session.address, headers={"sec-fetch-site": "cross-site"})
    assert followed.status_code == 200


def test_another_site_is_refused(board: Board) -> None:
    board.enter()
    form = board.form()
    for headers in (
        {"origin": "http://evil.example", "sec-fetch-site": "cross-site"},
        {"origin": "null", "sec-fetch-site": "cross-site"},
        {"origin": f"http://127.0.0.1:{PORT + 1}", "sec-fetch-site": "same-site"},
        {"origin": "", "sec-fetch-site": ""},
    ):
        answer = board.send(form, **headers)
        assert answer.status_code == 403, headers
    assert board.get(**{"sec-fetch-site": "cross-site"}).status_code == 403
    assert board.get(**{"sec-fetch-site": "same-site"}).status_code == 403
    assert board.desk.log == b""
    assert board.send(form).status_code == 303


def test_a_large_body_is_refused(board: Board) -> None:
    board.enter()
    form = board.form()
    assert board.send({**form, "note": "x" * BODY_BYTES_MAX}).status_code == 413
    assert board.send(form).status_code == 303
    path = board.session.base + "/"
    assert board.ask("GET", path, content=b"x").status_code == 413


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "STRANGE"])
def test_a_strange_method_is_refused(board: Board, method: str) -> None:
    board.enter()
    headers = {"origin": ORIGIN, "sec-fetch-site": "same-origin"}
    answer = board.ask(method, board.session.base + "/", headers=headers)
    assert answer.status_code == 405


def test_every_answer_has_the_headers(board: Board) -> None:
    base = board.session.base
    answers = [board.ask("GET", "/none"), board.enter(), board.get(), board.get("/sign")]
    answers += [board.get("/none"), board.get("/exact/report.html"), board.ask("GET", "/?token=a")]
    answers += [board.ask("PUT", base + "/"), board.get("/file/command-logs/hello.log")]
    for answer in answers:
        for name, value in HEADERS.items():
            assert answer.headers[name] == value, answer.url
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "'unsafe-eval'" not in answer.headers["content-security-policy"]
        assert "script-src" not in answer.headers["content-security-policy"]
    page = board.get().headers["content-security-policy"]
    for part in ("style-src 'sha256-", "form-action 'self'", "frame-ancestors 'none'"):
        assert part in page


def test_pages_hold_no_script_and_ask_nobody(board: Board) -> None:
    board.enter()
    for path in ("/", "/gate/0", "/changes", "/pages", "/pages/report.html", "/sign"):
        text = board.get(path).text
        for part in ("<script", " style=", "onclick", "http://", "https://", "url("):
            assert part not in text.partition("</style>")[2], (path, part)


def test_a_fault_of_ours_ends_the_board_and_tells_nothing(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.enter()
    monkeypatch.setattr("audit.board.office.book.open_book", lambda *words: 1 / 0)
    answer = board.get()
    assert answer.status_code == 500
    assert "division" not in answer.text
    assert isinstance(board.guard.fault, ZeroDivisionError)
    assert board.happened == ["entered", "fell"]
