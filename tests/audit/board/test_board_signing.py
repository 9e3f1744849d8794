"""What the board signs: what was shown, once, in the role of whoever started it."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

pytest.importorskip("starlette", reason="could_not_run: starlette is not installed")
pytest.importorskip("uvicorn", reason="could_not_run: uvicorn is not installed")
pytest.importorskip("httpx", reason="could_not_run: httpx is not installed")
pytest.importorskip("securesystemslib", reason="could_not_run: securesystemslib is not installed")
pytest.importorskip("cryptography", reason="could_not_run: cryptography is not installed")

from audit.board.session import Shown
from audit.errors import Conflict
from evidence import signoff
from tests.audit.board.board_kit import NOW, ORIGIN, Board
from tests.audit.cli.sign_off_kit import Desk


@pytest.fixture
def board(desk: Desk) -> Board:
    """A board that can sign, in a browser that entered."""
    made = Board(desk, "SRE", "ada", desk.key("ada", "SRE"))
    made.enter()
    return made


def entries(board: Board) -> list[Any]:
    return [entry.record for entry in signoff.read_log(board.desk.log).entries]


def test_what_was_shown_is_signed(board: Board) -> None:
    page = board.get("/sign").text
    answer = board.send({**board.form(), "note": "seen\r\nall", "expires": "2099-01-31"})
    assert answer.status_code == 303
    assert answer.headers["location"] == f"{board.session.base}/?line=1"
    (record,) = entries(board)
    assert isinstance(record, signoff.Approval)
    assert (record.person, record.role, record.signed_utc) == ("ada", "SRE", NOW)
    assert (record.note, record.expires_utc) == ("seen\nall", "2099-01-31T00:00:00Z")
    assert [seen.gate for seen in record.gates] == [0, 1]
    for digest in (
        *(record.decision, record.at.final_root, record.at.previous),
        *(item.sha256 for item in record.pages),
        *(item.digest for item in record.gates),
    ):
        assert digest in page
    text = board.get("/?line=1").text
    assert "Signed: line 1 of the sign-off, approval by ada as SRE of gates 0, 1" in text
    assert "as you approved it" in text
    noted = json.loads((board.desk.layer / "decision.json").read_text())
    assert noted["as_of"] == NOW
    assert [entry["standing"] for entry in noted["entries"]] == ["counts"]


def test_the_terminal_and_the_board_sign_the_same(board: Board) -> None:
    """Two logs of one run, signed by the same person: the same gates, pages and decision."""
    assert board.send(board.form()).status_code == 303
    (here,) = entries(board)
    (board.desk.layer / "log.jsonl").unlink()
    assert board.key is not None
    assert board.desk.sign(board.key).code == 0
    (there,) = entries(board)
    assert dataclasses.replace(there, signed_utc=NOW) == here


def test_one_gate_can_be_chosen(board: Board) -> None:
    assert board.send({**board.form(), "gate": ["1"]}).status_code == 303
    (record,) = entries(board)
    assert [seen.gate for seen in record.gates] == [1]


def test_a_form_that_is_sent_again_is_refused(board: Board) -> None:
    form = board.form()
    assert board.send(form).status_code == 303
    log = board.desk.log
    answer = board.send(form)
    assert answer.status_code == 409
    assert "sent already" in answer.text
    assert board.desk.log == log


@pytest.mark.parametrize(
    ("field", "value", "status"),
    [
        ("csrf", "", 403),
        ("csrf", "wrong", 403),
        ("csrf", "é", 403),
        ("nonce", "", 409),
        ("nonce", "wrong", 409),
        ("shown", "", 403),
        ("shown", "0" * 64, 403),
        ("role", "Ops", 403),
        ("role", "", 403),
        ("gate", ["2"], 400),
        ("gate", ["0", "2"], 400),
        ("gate", ["x"], 404),
        ("gate", ["9" * 400], 404),
        ("gate", [], 400),
        ("note", "x" * 2001, 400),
        ("expires", "tomorrow", 400),
        ("expires", "2020-01-01", 400),
        ("expires", "9" * 90, 400),
    ],
)
def test_a_form_that_says_something_else_is_refused(
    board: Board, field: str, value: Any, status: int
) -> None:
    answer = board.send({**board.form(), field: value})
    assert answer.status_code == status, answer.text
    assert board.desk.log == b""
    assert board.happened == ["entered"]


def test_a_mistake_is_shown_on_a_form_that_works(board: Board) -> None:
    answer = board.send({**board.form(), "gate": [], "note": "<kept>"})
    assert "no gate was chosen" in answer.text
    assert "&lt;kept&gt;</textarea>" in answer.text
    assert 'role="alert"' in answer.text
    assert 'value="0" id="gate-0"' in answer.text
    assert "checked" not in answer.text
    assert board.send(board.form()).status_code == 303


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=x", "", "a/b"])
def test_another_kind_of_form_is_refused(board: Board, kind: str) -> None:
    headers = {"origin": ORIGIN, "sec-fetch-site": "same-origin", "content-type": kind}
    path = board.session.base + "/sign"
    assert board.ask("POST", path, content=b"csrf=1", headers=headers).status_code == 415


def test_a_body_of_garbage_is_refused(board: Board) -> None:
    headers = {
        "origin": ORIGIN,
        "sec-fetch-site": "same-origin",
        "content-type": "application/x-www-form-urlencoded",
    }
    path = board.session.base + "/sign"
    for body in (b"", b"\xff\xfe", b"%", b"&" * 9_000, b"=" * 9_000, b"a" * 9_000, b"csrf=%ff"):
        assert board.ask("POST", path, content=body, headers=headers).status_code == 403
    assert board.happened == ["entered"]


def test_a_board_that_reads_signs_nothing(desk: Desk) -> None:
    desk.key("ada", "SRE")
    board = Board(desk, "SRE", "ada")
    board.enter()
    shown = board.office.look().digest
    nonce = board.session.open_form(Shown(shown, 0))
    form = {"csrf": board.session.csrf, "nonce": nonce, "shown": shown, "role": "SRE", "gate": "0"}
    answer = board.send(form)
    assert answer.status_code == 400
    assert "only reads" in answer.text
    assert desk.log == b""


def test_what_somebody_added_meanwhile_is_shown_and_nothing_is_signed(board: Board) -> None:
    form = board.form()
    assert board.desk.attach().code == 0
    board.now = "2098-01-01T00:00:00Z"
    before = board.desk.log
    answer = board.send(form)
    assert answer.status_code == 409
    assert "something changed since this was shown" in answer.text
    assert "unsigned; says to be from ada for SRE" in answer.text
    assert board.desk.log == before
    assert board.send(board.form()).status_code == 303
    assert len(entries(board)) == 2


def test_somebody_who_signs_in_the_same_moment_comes_first(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken(*words: Any, **more: Any) -> Any:
        raise Conflict("somebody else signs or has signed meanwhile, and nothing was written")

    form = board.form()
    with monkeypatch.context() as patch:
        patch.setattr("audit.trust.book.sign", taken)
        answer = board.send(form)
    assert answer.status_code == 409
    assert "somebody else signs" in answer.text
    assert board.desk.log == b""
    assert board.send(board.form()).status_code == 303


@pytest.mark.parametrize(
    "change",
    [
        lambda desk: (desk.run / "documents/summary.md").write_text("other"),
        lambda desk: (desk.run / "report.html").write_text("other"),
        lambda desk: (desk.run / "decision.json").write_text("{}"),
        lambda desk: (desk.run / "command-logs/hello.log").write_text("other"),
    ],
)
def test_evidence_that_changed_is_never_signed(board: Board, change: Any) -> None:
    form = board.form()
    change(board.desk)
    answer = board.send(form)
    assert answer.status_code in (409, 500)
    assert board.desk.log == b""
    assert board.happened == ["entered"]


def test_a_key_that_was_taken_away_meanwhile_signs_nothing(board: Board) -> None:
    form = board.form()
    text = board.desk.trust.read_text()
    board.desk.trust.write_text(text.replace("SRE", "Ops"))
    answer = board.send(form)
    assert answer.status_code in (400, 409)
    assert "Nothing was signed" in answer.text
    assert board.desk.log == b""


def test_a_waiver_that_ends_between_look_and_signature_is_noticed(desk: Desk) -> None:
    board = Board(desk, "Core", "cyd", desk.key("cyd", "Core"))
    board.enter()
    board.desk.let_waive("Manager")
    bob = board.desk.key("bob", "Manager")
    until = ("--until", "2098-06-01T00:00:00Z")
    assert board.desk.waive(bob, *until).code == 0
    board.now = "2098-05-31T23:59:59Z"
    form = board.form()
    board.now = "2098-06-01T00:00:00Z"
    assert board.send(form).status_code == 409
    assert len(entries(board)) == 1


def test_only_the_touched_approval_becomes_suspect(board: Board) -> None:
    board.now = json.loads((board.desk.run / "run.json").read_text())["end_utc"]
    assert board.send({**board.form(), "gate": ["0"]}).status_code == 303
    assert board.send({**board.form(), "gate": ["1"]}).status_code == 303
    assert board.desk.attach().code == 0
    board.now = "2098-01-01T00:00:00Z"
    text = board.get().text
    assert text.count(">suspect</span>") == 1
    assert text.count(">counts</span>") == 1
    assert text.count(">waits</span>") == 1
