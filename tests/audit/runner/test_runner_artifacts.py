"""What a cell leaves is kept, old results never count, and nothing leads out."""

from __future__ import annotations

import hashlib
import json
import os
import sys

import pytest

from audit.runner import artifacts
from evidence.model import ResultFile
from tests.audit.runner.runner_kit import Arena, sh
from tests.records import make_cell

JUNIT = (ResultFile("junit", "build/out.xml"),)
NOX = (ResultFile("nox", "build/nox.json"),)


def test_results_and_products_are_kept_with_their_digest(arena: Arena) -> None:
    line = "mkdir -p build dist/x; echo '<x/>' > build/out.xml; echo 1 > dist/a; echo 2 > dist/x/b"
    attempt = arena.one(sh(line, results=JUNIT, produces=("dist/**/*", "dist/a", "none/*")))
    assert [kept.source for kept in attempt.artifacts] == ["build/out.xml", "dist/a", "dist/x/b"]
    assert attempt.reason == ""
    for kept in attempt.artifacts:
        data = (arena.folder / kept.path).read_bytes()
        assert data == (arena.root / kept.source).read_bytes()
        assert (kept.bytes, kept.sha256) == (len(data), hashlib.sha256(data).hexdigest())


def test_secrets_are_taken_out_of_what_is_kept(arena: Arena) -> None:
    line = "mkdir build; printf 'x%sx' geheim-geheim > build/out.xml"
    attempt = arena.one(sh(line, results=JUNIT), secrets={"S": "geheim-geheim"})
    (kept,) = attempt.artifacts
    data = (arena.folder / kept.path).read_bytes()
    assert data == b"x[redacted:S]x"
    assert kept.sha256 == hashlib.sha256(data).hexdigest()


def test_a_result_of_an_earlier_run_never_counts(arena: Arena) -> None:
    old = arena.root / "build" / "out.xml"
    old.parent.mkdir()
    old.write_text("<old/>")
    attempt = arena.one(make_cell(results=JUNIT))
    assert attempt.result == "passed"
    assert attempt.artifacts == ()
    assert not old.exists()


def test_an_earlier_result_that_is_a_link_is_removed_and_its_target_stays(arena: Arena) -> None:
    target = arena.root.parent / "precious"
    target.write_text("precious")
    (arena.root / "build").mkdir()
    (arena.root / "build" / "out.xml").symlink_to(target)
    attempt = arena.one(make_cell(results=JUNIT))
    assert attempt.artifacts == ()
    assert target.read_text() == "precious"


def test_a_folder_in_place_of_an_earlier_result_could_not_run(arena: Arena) -> None:
    (arena.root / "build" / "out.xml").mkdir(parents=True)
    attempt = arena.one(make_cell(results=JUNIT))
    assert attempt.result == "could_not_run"
    assert "no file" in attempt.reason


def test_a_result_path_through_a_link_out_is_not_removed(arena: Arena) -> None:
    outside = arena.root.parent / "outside"
    outside.mkdir()
    (outside / "out.xml").write_text("precious")
    (arena.root / "build").symlink_to(outside)
    attempt = arena.one(make_cell(results=JUNIT))
    assert attempt.result == "could_not_run"
    assert "leads out" in attempt.reason
    assert (outside / "out.xml").exists()


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", "../*", "a/../../b"])
def test_a_pattern_that_leads_out_is_refused(arena: Arena, path: str) -> None:
    attempt = arena.one(make_cell(produces=(path,)))
    assert attempt.result == "passed"
    assert attempt.artifacts == ()
    assert attempt.reason == f"leads out of the repository path=`{path}`"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("ln -s /etc/passwd out", "leads out of the repository path=`out`"),
        ("ln -s ../secret out", "leads out of the repository path=`out`"),
        ("ln -s out out", "cannot be followed"),
        ("mkfifo out", "is no file path=`out`"),
        ("truncate -s 1T out", "is too large to keep"),
        ("printf x > out; chmod 000 out", "" if os.geteuid() == 0 else "cannot be read"),
    ],
)
def test_what_is_not_kept_is_said(arena: Arena, line: str, reason: str) -> None:
    (arena.root.parent / "secret").write_text("x")
    attempt = arena.one(sh(line, produces=("ou[t]",)))
    assert attempt.result == "passed"
    assert reason in attempt.reason


def test_a_link_inside_is_followed(arena: Arena) -> None:
    attempt = arena.one(sh("echo 1 > a; ln -s a b", produces=("b",)))
    assert (arena.folder / attempt.artifacts[0].path).read_bytes() == b"1\n"


def test_git_and_the_bundle_itself_are_not_kept(arena: Arena) -> None:
    (arena.root / ".git").mkdir()
    (arena.root / ".git" / "config").write_text("token")
    attempt = arena.one(sh("echo 1 > a", produces=("**/*", ".git/config")))
    assert [kept.source for kept in attempt.artifacts] == ["a"]
    assert "belongs to git or to this run" in attempt.reason


def test_names_that_would_break_a_list_are_refused(arena: Arena) -> None:
    (arena.root / "a\nb.txt").write_text("x")
    (arena.root / "geheim-geheim.txt").write_text("x")
    attempt = arena.one(make_cell(produces=("*.txt",)), secrets={"S": "geheim-geheim"})
    assert attempt.artifacts == ()
    assert "control characters path=`a?b.txt`" in attempt.reason
    assert "geheim-geheim" not in attempt.reason


def test_only_so_many_are_kept(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts, "ARTIFACTS_MAX", 3)
    attempt = arena.one(sh("touch a1 a2 a3 a4 a5", produces=("a*",)))
    assert len(attempt.artifacts) == 3
    assert attempt.reason == "only 3 files of an attempt are kept"


def test_of_many_refusals_a_few_are_told(arena: Arena) -> None:
    line = "for n in 1 2 3 4 5 6 7; do ln -s /etc/passwd l$n; done"
    attempt = arena.one(sh(line, produces=("l*",)))
    assert attempt.reason.count("leads out") == 5
    assert attempt.reason.endswith("and 2 more were not kept")


def test_each_attempt_keeps_its_own(arena: Arena) -> None:
    line = "mkdir -p build; echo $RANDOM$$ > build/out.xml; exit 75"
    past = arena.run(sh(line, results=JUNIT))
    ends = arena.run(sh(line, results=JUNIT), past=past)
    first, second = (arena.folder / end.artifacts[0].path for end in ends)
    assert first != second
    assert first.exists()
    assert second.exists()


def nox_report(*sessions: tuple[str, str, str | None]) -> str:
    listed = [{"name": n, "result": r, "reason": why} for n, r, why in sessions]
    return json.dumps({"result": 1, "sessions": listed})


BROKEN = "its nox report is broken, so a skip would not be seen"


@pytest.mark.parametrize(
    ("report", "result", "reason"),
    [
        (nox_report(("t", "success", None)), "passed", ""),
        (nox_report(("t", "skipped", "no database")), "skipped", "no database"),
        (nox_report(("t", "skipped", None)), "skipped", "no reason"),
        (nox_report(("t", "success", None), ("u", "skipped", "x")), "skipped", "x"),
        (nox_report(("t", "skipped", "a"), ("u", "skipped", "b")), "skipped", "t: a; u: b"),
        ("{broken", "could_not_run", BROKEN),
        ("[]", "could_not_run", BROKEN),
        ('{"sessions": 5}', "could_not_run", BROKEN),
        (nox_report(), "could_not_run", "its nox report has no session"),
        ("[" * 100_000, "could_not_run", BROKEN),
    ],
)
def test_a_skipped_nox_session_did_not_pass(
    arena: Arena, report: str, result: str, reason: str
) -> None:
    (arena.root / "report").write_text(report)
    attempt = arena.one(sh("mkdir build; cp report build/nox.json", results=NOX))
    assert (attempt.result, attempt.reason, attempt.exit_code) == (result, reason, 0)


def test_a_real_nox_skip_is_no_pass(arena: Arena) -> None:
    pytest.importorskip("nox", reason="nox is not installed here")
    (arena.root / "noxfile.py").write_text(
        "import nox\n@nox.session(venv_backend='none')\ndef db(session): session.skip('no db')\n"
    )
    (arena.root / "build").mkdir()
    words = (sys.executable, "-m", "nox", "-s", "db", "--report", "build/nox.json")
    attempt = arena.one(make_cell("db", words, results=NOX))
    assert (attempt.result, attempt.reason, attempt.exit_code) == ("skipped", "no db", 0)


def test_a_nox_cell_without_its_report_is_no_pass(arena: Arena) -> None:
    attempt = arena.one(make_cell(results=NOX))
    assert (attempt.result, attempt.exit_code) == ("could_not_run", 0)
    assert arena.one(sh("exit 3", "b", results=NOX)).result == "failed"


def test_a_result_inside_git_is_never_removed(arena: Arena) -> None:
    (arena.root / ".git").mkdir()
    (arena.root / ".git" / "config").write_text("precious")
    attempt = arena.one(make_cell(results=(ResultFile("junit", ".git/config"),)))
    assert attempt.result == "could_not_run"
    assert (arena.root / ".git" / "config").exists()
