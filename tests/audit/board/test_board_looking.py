"""What the board shows: every page of it, read from the disk each time."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("starlette", reason="could_not_run: starlette is not installed")
pytest.importorskip("uvicorn", reason="could_not_run: uvicorn is not installed")
pytest.importorskip("httpx", reason="could_not_run: httpx is not installed")
pytest.importorskip("securesystemslib", reason="could_not_run: securesystemslib is not installed")
pytest.importorskip("cryptography", reason="could_not_run: cryptography is not installed")

from evidence import chain
from tests.audit.board.board_kit import Board
from tests.audit.cli.sign_off_kit import Desk


def test_the_overview(desk: Desk) -> None:
    board = Board(desk, "SRE", "ada", desk.key("ada", "SRE"))
    assert board.enter().status_code == 200
    assert board.happened == ["entered"]
    answer = board.get()
    assert answer.status_code == 200
    for part in ("NO-GO", "Gates of SRE", "G0-001", "G1-001", "Gates of other roles", "2 Red"):
        assert part in answer.text
    assert "not approved by you" in answer.text
    assert "only reads" not in answer.text


@pytest.fixture
def board(desk: Desk) -> Board:
    """A board that can sign, in a browser that entered."""
    made = Board(desk, "SRE", "ada", desk.key("ada", "SRE"))
    assert made.enter().status_code == 200
    return made


def test_without_a_key_it_only_reads_and_says_how_to_sign(desk: Desk) -> None:
    desk.key("ada", "SRE")
    board = Board(desk, "SRE")
    board.enter()
    text = board.get().text
    assert "only reads" in text
    assert f"arco-audit serve {desk.run} --role SRE --key FILE" in text
    page = board.get("/sign").text
    assert "arco-audit sign" in page
    assert "<button" not in page
    assert "nonce" not in page


def test_without_a_trust_file_nothing_signed_counts(desk: Desk) -> None:
    ada = desk.key("ada", "SRE")
    assert desk.sign(ada).code == 0
    desk.trust.unlink()
    board = Board(desk)
    board.enter()
    text = board.get().text
    assert "no trust file" in text
    assert 's-nogo">refused' in text
    assert "2 Red" in text


def test_a_gate_with_its_signals_and_logs(board: Board) -> None:
    text = board.get("/gate/0").text
    for part in ("Base", "G0-001", "it is approved", "command hello", "command-logs/hello.log"):
        assert part in text
    assert "of another role" not in text
    assert "of another role" in board.get("/gate/2").text
    assert "It does not fail" in board.get("/gate/2").text


@pytest.mark.parametrize("number", ["7", "-1", "0x1", "1e3", "٣", "9" * 5000, "", "0/1"])
def test_a_gate_that_is_not_there(board: Board, number: str) -> None:
    assert board.get(f"/gate/{number}").status_code == 404
    assert board.happened == ["entered"]


def test_logs_come_as_text_and_only_those_of_the_run(board: Board) -> None:
    answer = board.get("/file/command-logs/fails.log")
    assert answer.content == (board.desk.run / "command-logs/fails.log").read_bytes()
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("sandbox;")
    for path in (
        *("plan.json", "journal.log", "verify.py", "command-logs", "command-logs/"),
        *("command-logs/none.log", "../one/plan.json", "command-logs/../plan.json"),
        *("%2e%2e/%2e%2e/%2e%2e/audit.toml", "/etc/passwd", "command-logs/hello.salts", "%00"),
    ):
        assert board.get(f"/file/{path}").status_code == 404, path


def test_a_log_that_became_a_link_is_not_followed(board: Board) -> None:
    log = board.desk.run / "command-logs/fails.log"
    log.unlink()
    log.symlink_to("/etc/hostname")
    answer = board.get("/file/command-logs/fails.log")
    assert answer.status_code == 500
    assert "is not a regular file" in answer.text
    assert board.happened == ["entered"]


def test_pages_are_those_that_are_signed(board: Board) -> None:
    run = board.desk.run
    text = board.get("/pages").text
    names = ["report.html", "documents/summary.md", "documents/gate-tracker.json"]
    for name in names:
        assert chain.sha256((run / name).read_bytes()) in text
        page = board.get(f"/pages/{name}")
        assert page.status_code == 200
        assert chain.sha256((run / name).read_bytes()) in page.text
        exact = board.get(f"/exact/{name}")
        assert exact.content == (run / name).read_bytes()
        assert "content-disposition" not in exact.headers
        saved = board.get(f"/exact/{name}?save=1").headers["content-disposition"]
        assert saved == f"attachment; filename*=UTF-8''{name.rsplit('/')[-1]}"
    report = board.get("/exact/report.html").headers
    assert report["content-type"] == "text/html; charset=utf-8"
    assert report["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert 'sandbox=""' in board.get("/pages/report.html").text
    assert board.get("/exact/documents/summary.md").headers["content-type"].startswith("text/plain")
    for path in ("plan.json", "documents", "documents/none.md", "../one/report.html"):
        assert board.get(f"/pages/{path}").status_code == 404
        assert board.get(f"/exact/{path}").status_code == 404


def test_an_artifact_that_waits_can_be_looked_at(board: Board) -> None:
    assert board.desk.attach(text="<script>minutes</script>\n").code == 0
    digest = chain.sha256(b"<script>minutes</script>\n")
    assert f"/attached/{digest}" in board.get().text
    answer = board.get(f"/attached/{digest}")
    assert answer.content == b"<script>minutes</script>\n"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''drill.md"
    assert board.get("/attached/" + "0" * 64).status_code == 404


def test_an_artifact_is_handed_out_as_its_digest_says_or_not_at_all(board: Board) -> None:
    assert board.desk.attach(text="what they would approve\n").code == 0
    digest = chain.sha256(b"what they would approve\n")
    kept = board.desk.layer / "attached" / digest
    kept.write_bytes(b"something harmless to look at\n")
    answer = board.get(f"/attached/{digest}")
    assert answer.status_code == 500
    assert b"harmless" not in answer.content
    assert "was changed" in answer.text


def test_a_log_is_handed_out_as_it_was_sealed_or_not_at_all(board: Board) -> None:
    log = board.desk.run / "command-logs/hello.log"
    log.write_bytes(b"x" * log.stat().st_size)
    answer = board.get("/file/command-logs/hello.log")
    assert answer.status_code == 500
    assert b"xxxx" not in answer.content
    assert "is not what was sealed" in answer.text


def test_what_changed_since(board: Board) -> None:
    assert "have not approved this run" in board.get("/changes").text
    assert "You approved no earlier run" in board.get("/changes").text
    key = board.key
    assert key is not None
    assert board.desk.sign(key).code == 0
    assert board.desk.attach().code == 0
    board.now = "2099-01-01T00:00:00Z"
    text = board.get("/changes").text
    assert "Since your approval" in text
    assert "line 2: attachment of release_evidence/drill.md for G1-001, unsigned" in text
    assert "is not as you approved it" in text
    assert "changed</span>" in board.get().text


def test_the_run_that_was_approved_before_is_compared(board: Board) -> None:
    key, desk = board.key, board.desk
    assert key is not None
    assert desk.sign(key).code == 0
    assert desk.call("run", "--repo", desk.toy, "--label", "two").code == 1
    other = desk.toy / "release_evidence/toy-1/two"
    two = Board(desk, "SRE", "ada", key, now="2099-01-01T00:00:00Z")
    two.office = type(two.office)(other, None, desk.trust, lambda: two.now, "SRE", "ada")
    two.rebuild()
    two.enter()
    text = two.get("/changes").text
    assert "You approved <b>one</b> at" in text
    assert "unchanged:" in text
    assert "nothing vanished, newly fails or became weaker" in text


def test_evidence_that_does_not_verify_is_not_signed(board: Board) -> None:
    facts = board.desk.run / "facts.json"
    value = json.loads(facts.read_text())
    value["as_of"] = "2027-01-01T00:00:00Z"
    facts.write_text(json.dumps(value))
    answer = board.get("/sign")
    assert answer.status_code == 500
    assert "does not verify" in answer.text
    assert "arco-audit verify" in answer.text


def test_records_that_cannot_be_read_end_nothing(board: Board) -> None:
    (board.desk.run / "decision.json").write_text("{")
    answer = board.get()
    assert answer.status_code == 500
    assert "decision.json" in answer.text
    assert board.happened == ["entered"]


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}\u202e"


def test_text_of_any_origin_stays_text(board: Board) -> None:
    """Titles, reasons, notes and names of files are written by others."""
    desk = board.desk
    file = desk.keys / "a<img src=x>'\r\n.md"
    file.write_text("x")
    words = ("--person", HOSTILE, "--note", HOSTILE)
    assert desk.do("attach", "G1-001", file, *words).code == 0
    desk.let_waive("Manager")
    assert desk.waive(desk.key("bob", "Manager"), "--reason", HOSTILE).code == 0
    board.now = "2098-01-01T00:00:00Z"
    plan = desk.run / "plan.json"
    plan.write_text(plan.read_text().replace("It does not fail", json.dumps(HOSTILE)[1:-1]))
    for path in ("/", "/gate/1", "/gate/2", "/changes", "/pages"):
        answer = board.get(path)
        assert answer.status_code == 200, path
        for part in ("<script", "<img", ">49<", "img>49", "\u202e", "\r"):
            assert part not in answer.text, (path, part)
    assert "&lt;script&gt;alert(1)" in board.get("/gate/2").text
    assert "{{7*7}}" in board.get("/gate/2").text
    assert "&lt;script&gt;alert(1)" in board.get().text
    digest = chain.sha256(b"x")
    saved = board.get(f"/attached/{digest}").headers["content-disposition"]
    assert saved == "attachment; filename*=UTF-8''a%3Cimg%20src%3Dx%3E%27%0D%0A.md"


def test_a_document_is_shown_as_text(board: Board) -> None:
    answer = board.get("/pages/documents/gate-tracker.json")
    assert "&#34;signals&#34;" in answer.text
    assert '<pre class="doc"' in answer.text


def test_pages_of_another_role_are_refused(board: Board) -> None:
    for path in ("/", "/gate/0", "/changes", "/pages", "/sign"):
        assert board.get(f"{path}?role=SRE").status_code == 200
        answer = board.get(f"{path}?role=Ops")
        assert answer.status_code == 403
        assert "not for that role" in answer.text
