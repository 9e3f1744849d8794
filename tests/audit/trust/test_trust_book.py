"""The sign-off of a run on the disk: lines appended one by one, never behind a broken one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audit.errors import Conflict, Corrupt, Invalid, Unavailable
from audit.trust import approving, attaching, book, waiving
from audit.trust.book import Book
from evidence import archive, chain, layout, signoff, weigh
from evidence import verify as verifier
from evidence.roster import Roster
from evidence.signoff import Approval
from tests.evidence import conftest as made
from tests.evidence import sign_kit as kit
from tests.evidence.sign_kit import ADA, BOB, DAY_1, DAY_2, EVE

WAITS: tuple[weigh.Standing, ...] = ("waits",)
RUN = ("release_evidence", "a-1", "head", "1")


@pytest.fixture
def opened(tmp_path: Path) -> Book:
    """A sealed run that waits for an approval and an artifact, where runs lie."""
    folder = tmp_path.joinpath(*RUN)
    folder.mkdir(parents=True)
    results: list[tuple[str, Any]] = [("fine", "passed"), ("broken", "failed")]
    attempts = [
        made.attempt_of(folder, name, 1, 1, b"error: it is broken\n", result=result)
        for name, result in results
    ]
    made.seal_bundle(folder, kit.PLAN, made.facts_of(kit.PLAN, *attempts), attempts)
    return book.open_book(folder)


def approved(opened: Book, person: kit.Person = ADA, utc: str = DAY_1, **changes: Any) -> Book:
    report = book.weighed(opened, kit.TRUST, utc)
    seen = approving.review(opened, report, "SRE", person.name)
    record = approving.approval(opened, seen, utc)
    case = book.case_at(opened, changes.pop("roster", kit.TRUST), utc)
    signer = changes.pop("signer", person)
    return book.sign(opened, replace(record, **changes), [signer], case)


def test_lines_are_appended_and_read_again(opened: Book) -> None:
    assert not opened.folder.exists()
    one = approved(opened)
    two = approved(one, BOB)
    again = book.open_book(opened.run)
    assert again.log == two.log
    assert [entry.record.person for entry in again.log.entries] == ["Ada", "Bob"]
    text = (opened.folder / layout.SIGN_OFF_CHECKPOINT).read_bytes()
    assert signoff.checkpoint_problem(text, again.log) == ""
    assert text == signoff.checkpoint_text(again.sealed.plan, again.sealed.final_root, again.log)
    book.note_decision(two, book.weighed(two, kit.TRUST, DAY_2))
    assert (opened.folder / layout.DECISION).exists()
    assert not [path for path in opened.folder.iterdir() if path.name == layout.LOCK]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"signer": EVE}, "is not in the trust file"),
        ({"signer": BOB}, "signed by Bob, not by Ada"),
        ({"role": "Manager"}, "does not hold the role Manager"),
        ({"decision": "00" * 32}, "another decision"),
        ({"gates": (signoff.GateSeen(0, "00" * 32),)}, "has changed since"),
        ({"expires_utc": DAY_1}, "it expired"),
        ({"signed_utc": "2000-01-01T00:00:00Z"}, "before the run ended"),
        ({"pages": (signoff.Page("report.html", "00" * 32),)}, "is not the one in the bundle"),
    ],
)
def test_what_would_not_count_is_not_written(
    opened: Book, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Invalid, match=reason):
        approved(opened, **changes)
    assert not opened.folder.exists()


def test_two_who_sign_at_once(opened: Book) -> None:
    """The second saw another log than the one that is there: nothing of it is written."""
    approved(opened)
    before = (opened.folder / layout.SIGN_OFF_LOG).read_bytes()
    with pytest.raises(Conflict, match="nothing was written"):
        approved(opened, BOB)
    with archive.hold(opened.folder), pytest.raises(Conflict):
        approved(book.open_book(opened.run), BOB)
    assert (opened.folder / layout.SIGN_OFF_LOG).read_bytes() == before


Damage = Callable[[bytes], bytes]


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda data: data[: data.index(b"\n") + 1], "had 2 lines; 1 of them are there"),
        (lambda data: b"", "had 2 lines; 0 of them"),
        (lambda data: data + b"{}\n", "line 3"),
        (lambda data: data[:-9], "is cut off"),
        (lambda data: data[data.index(b"\n") + 1 :], "is numbered 1, 0 was next"),
    ],
)
def test_a_log_that_was_tampered_with(opened: Book, damage: Damage, problem: str) -> None:
    approved(approved(opened), BOB)
    path = opened.folder / layout.SIGN_OFF_LOG
    path.write_bytes(damage(path.read_bytes()))
    report = book.weighed(book.open_book(opened.run), kit.TRUST, DAY_2)
    told = " ".join(finding.problem for step in report.steps for finding in step.findings)
    assert problem in told
    assert not report.ok


@pytest.mark.parametrize(
    "text",
    [b"", b"\xff\n", b"a\n1\nAA==\nfinal-root x\n", b"arco-audit-sign-off/a\n-1\n\n\n"],
)
def test_a_checkpoint_that_is_none(opened: Book, text: bytes) -> None:
    done = approved(opened)
    assert signoff.checkpoint_problem(text, done.log)
    swapped = book.open_book(opened.run).log
    good = signoff.checkpoint_text(done.sealed.plan, "00" * 32, swapped)
    assert signoff.checkpoint_problem(good, done.log) == "is about another run"


def test_a_tail_that_a_crash_left_is_taken_away(opened: Book) -> None:
    one = approved(opened)
    path = opened.folder / layout.SIGN_OFF_LOG
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"payload":"')
    two = approved(book.open_book(opened.run), BOB)
    assert path.read_bytes().startswith(whole)
    assert two.log.entries[0].digest == one.log.head
    assert two.log.problems == ()


def test_nothing_is_written_behind_a_broken_line(opened: Book) -> None:
    approved(opened)
    path = opened.folder / layout.SIGN_OFF_LOG
    path.write_bytes(path.read_bytes() + b"{}\n")
    with pytest.raises(Corrupt, match="does not hold together"):
        approved(book.open_book(opened.run), BOB)


@pytest.mark.skipif(os.geteuid() == 0, reason="could_not_run: root may write everywhere")
def test_a_disk_that_says_no(opened: Book) -> None:
    opened.folder.mkdir(parents=True)
    opened.folder.chmod(0o500)
    with pytest.raises(Unavailable):
        approved(opened)


def test_a_run_that_lies_elsewhere_needs_its_folder_named(opened: Book, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(opened.run, moved)
    with pytest.raises(Invalid, match="does not lie where runs are put"):
        book.open_book(moved)
    assert book.open_book(moved, tmp_path / "layer").log.size == 0


def test_files_are_kept_under_their_digest(opened: Book, tmp_path: Path) -> None:
    file = tmp_path / "drill.md"
    file.write_bytes(b"minutes\n")
    digest, size = book.keep(opened, file)
    assert (size, (opened.folder / layout.ATTACHED / digest).read_bytes()) == (8, b"minutes\n")
    assert book.keep(opened, file) == (digest, size)
    os.mkfifo(tmp_path / "pipe")
    for bad in (tmp_path / "absent", tmp_path, opened.run, tmp_path / "pipe"):
        with pytest.raises(Invalid):
            book.keep(opened, bad)


def test_what_is_no_file_is_no_log(opened: Book, tmp_path: Path) -> None:
    opened.folder.mkdir(parents=True)
    path, other = opened.folder / layout.SIGN_OFF_LOG, tmp_path / "elsewhere"
    other.write_bytes(b"")
    for put in (os.mkfifo, os.mkdir, lambda place: os.symlink(other, place)):
        put(path)
        with pytest.raises(Corrupt, match="is not a regular file"):
            book.open_book(opened.run)
        with pytest.raises(Corrupt):
            approved(opened)
        path.rmdir() if path.is_dir() else path.unlink()
    assert other.read_bytes() == b""


def test_a_file_that_is_too_large_leaves_nothing(
    opened: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(book, "ATTACHED_BYTES_MAX", 9)
    file = tmp_path / "large"
    file.write_bytes(b"0123456789")
    with pytest.raises(Invalid, match="is larger than"):
        book.keep(opened, file)
    assert not list((opened.folder / layout.ATTACHED).iterdir())


def test_a_run_that_changes_while_it_is_verified(
    opened: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify = verifier.verify

    def meanwhile(*words: Any, **named: Any) -> Any:
        report = verify(*words, **named)
        (opened.run / layout.REPORT).write_text("another page")
        return report

    assert book.verified(opened.run)[1].ok
    monkeypatch.setattr(verifier, "verify", meanwhile)
    with pytest.raises(Corrupt, match="while it was verified"):
        book.verified(opened.run)


def test_speakers(opened: Book) -> None:
    found = book.speaker(kit.TRUST, ADA.keyid, "SRE", DAY_1, "Ada")
    assert found.person == "Ada"
    for words in (
        (EVE.keyid, "SRE", DAY_1, ""),
        (ADA.keyid, "Manager", DAY_1, ""),
        (ADA.keyid, "SRE", "2020-01-01T00:00:00Z", ""),
        (ADA.keyid, "SRE", DAY_1, "Eve"),
    ):
        with pytest.raises(Invalid):
            book.speaker(kit.TRUST, *words)


# --- what an approver sees ------------------------------------------------------------------------


def attached(opened: Book, utc: str = DAY_1, text: bytes = b"minutes\n") -> Book:
    digest = chain.sha256(text)
    (opened.folder / layout.ATTACHED).mkdir(parents=True, exist_ok=True)
    (opened.folder / layout.ATTACHED / digest).write_bytes(text)
    wish = attaching.checked(
        opened, attaching.Wish("drilled", "", "drill.md", "Ada", ""), "2026-12-01T00:00:00Z"
    )
    record = attaching.attachment(opened, wish, utc, digest, len(text))
    return book.sign(opened, record, [], book.case_at(opened, kit.TRUST, utc), WAITS)


def test_a_review_shows_what_is_bound(opened: Book) -> None:
    done = attached(opened)
    seen = approving.review(done, book.weighed(done, kit.TRUST, DAY_1), "SRE", "Ada")
    assert [gate.id for gate in seen.gates] == [0, 1]
    assert [item.artifact for item in seen.waiting] == ["drill.md"]
    assert "report.html" in {page.path for page in seen.pages}
    assert (seen.since, len(seen.added)) == ("", 1)
    assert not any(gate.changed for gate in seen.gates)
    record = approving.approval(done, seen, DAY_1)
    assert isinstance(record, Approval)
    assert record.decision == done.sealed.decision_sha256


def test_a_review_names_what_changed_for_this_person_only(opened: Book) -> None:
    one = approved(opened)
    two = attached(one)
    for person, since, changed in (("Ada", one.log.head, [1]), ("Bob", "", [])):
        seen = approving.review(two, book.weighed(two, kit.TRUST, DAY_1), "SRE", person)
        assert seen.since == since
        assert [gate.id for gate in seen.gates if gate.changed] == changed
    only = approving.review(two, book.weighed(two, kit.TRUST, DAY_1), "SRE", "Ada", [1])
    assert [gate.id for gate in only.gates] == [1]
    with pytest.raises(Invalid, match="gate=`2`"):
        approving.review(two, book.weighed(two, kit.TRUST, DAY_1), "SRE", "Ada", [2])


def test_a_forged_approval_is_not_what_changes_are_told_since(opened: Book) -> None:
    """Somebody writes a line in Ada's name, so that what came before it would not be shown."""
    report = book.weighed(opened, kit.TRUST, DAY_1)
    record = approving.approval(opened, approving.review(opened, report, "SRE", "Ada"), DAY_1)
    forged = book.append(opened, record, [EVE])
    seen = approving.review(forged, book.weighed(forged, kit.TRUST, DAY_1), "SRE", "Ada")
    assert seen.since == ""
    assert len(seen.added) == 1


def test_lint_over_a_whole_log(opened: Book) -> None:
    trust = replace(kit.TRUST, waive=("Manager",))
    case = book.case_at(opened, trust, DAY_1)
    record = waiving.waiver(
        opened,
        case,
        book.weighed(opened, trust, DAY_1),
        signal="red",
        person="Bob",
        role="Manager",
        window=waiving.Window(DAY_1, DAY_2),
        reason="known",
    )
    done = book.sign(opened, record, [BOB], case)
    nobody = Roster(1, key=kit.TRUST.key)
    for at, keys, standing, ok in (
        (DAY_1, trust, "counts", True),
        (DAY_2, trust, "expired", False),
        (DAY_1, nobody, "refused", False),
    ):
        (linted,) = waiving.lint(book.weighed(done, keys, at).weighed)
        assert (linted.standing, linted.ok) == (standing, ok)
