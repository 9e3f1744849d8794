"""nox is asked for its sessions; whatever goes wrong there is no answer, never an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.definition import parse
from audit.runner import nox
from audit.starter import starter

NOXFILE = """
import nox

nox.options.sessions = ["lint", "tests"]

@nox.session(python=False)
def lint(session): ...

@nox.session(python=False)
@nox.parametrize("db", ["a", "b"])
def tests(session, db): ...

@nox.session(python=False)
def publish(session): ...
"""


def test_parametrised_sessions_become_commands(tmp_path: Path) -> None:
    (tmp_path / "noxfile.py").write_text(NOXFILE)
    sessions = nox.sessions(tmp_path)
    assert sessions == ("lint", "tests(db='a')", "tests(db='b')")
    definition = parse(starter(tmp_path, date="2026-12-01", nox_sessions=sessions).encode())
    assert [command.nox for command in definition.commands] == list(sessions)


@pytest.mark.parametrize("text", [None, "import no_such_module", "raise SystemExit(3)", "def ("])
def test_no_answer_is_none(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "noxfile.py").write_text(text)
    assert nox.sessions(tmp_path) is None
