"""`arco-audit serve` before anybody looks: what it refuses, and how it hands the address over."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="could_not_run: starlette is not installed")
pytest.importorskip("uvicorn", reason="could_not_run: uvicorn is not installed")
pytest.importorskip("securesystemslib", reason="could_not_run: securesystemslib is not installed")
pytest.importorskip("cryptography", reason="could_not_run: cryptography is not installed")

from audit.board import serving
from audit.cli import serve_command
from audit.errors import Unavailable
from tests.audit.cli.sign_off_kit import Desk


def test_a_missing_package_is_named(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "audit.board.serving")
    monkeypatch.delattr("audit.board.serving")
    said = desk.call("serve", "--repo", desk.toy)
    assert said.code == 2
    assert "package=`uvicorn`" in said.err
    assert "pip install '.[board,trust]'" in said.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--role", "Ops"), "does not hold the role Ops"),
        ((), "nobody says in which role"),
        (("--role", "SRE", "--person", "bob"), "the key is that of ada"),
    ],
)
def test_a_key_that_may_not_sign_so_opens_no_board(
    desk: Desk, words: tuple[str, ...], said: str
) -> None:
    ada = desk.key("ada", "SRE")
    answer = desk.do("serve", "--key", ada, "--no-open", *words)
    assert answer.code == 2
    assert said in answer.err
    assert "token" not in answer.out


def test_a_run_that_does_not_verify_is_not_shown(desk: Desk) -> None:
    desk.key("ada", "SRE")
    (desk.run / "documents/summary.md").write_text("other")
    answer = desk.do("serve", "--no-open")
    assert answer.code == 3
    assert "does not verify" in answer.err


def test_only_this_machine_can_reach_it_and_a_taken_port_is_said() -> None:
    with serving.bind(0) as sock:
        host, port = sock.getsockname()
        assert host == "127.0.0.1"
        with pytest.raises(Unavailable, match=f"port=`{port}`"):
            serving.bind(port)


def test_the_browser_gets_the_address_in_a_file_of_its_owner(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[str] = []

    def start(address: str) -> bool:
        path = Path(address.removeprefix("file://"))
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        opened.append(path.read_text())
        return True

    monkeypatch.setattr("webbrowser.open", start)
    link = serve_command._Link()
    link.open("http://127.0.0.1:1/?token=a&b")
    assert 'content="0; url=http://127.0.0.1:1/?token=a&amp;b"' in opened[0]
    path = link._path
    assert path is not None
    link.remove()
    link.remove()
    assert not path.exists()
