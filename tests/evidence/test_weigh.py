"""What people add to a run: what counts, what does not and why."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import chain, codec, dsse, model, signoff, trusted, weigh
from evidence.roster import Roster, Separate, Threshold
from tests.evidence import sign_kit as kit
from tests.evidence.sign_kit import ADA, BOB, DAY_1, DAY_2, DAY_9, EVE, Book, standings
from tests.records import make_signal

GREEN = kit.make_plan(make_signal("approved", kit.APPROVAL), make_signal("also", kit.PASSES))


def test_nothing_brought_changes_nothing() -> None:
    book = Book()
    assert book.statuses() == {
        "approved": "PARTIAL",
        "drilled": "BLOCKED-EXTERNAL",
        "red": "NO-GO",
        "verdict": "NO-GO",
    }


def test_an_approval_closes_its_condition() -> None:
    book = Book()
    book.approve(ADA)
    assert standings(book.weighed()) == ["counts"]
    assert book.statuses()["approved"] == "GO"
    assert book.statuses("2026-12-01T12:00:00Z")["approved"] == "PARTIAL"  # before it was given


def test_approvals_are_counted_by_people() -> None:
    trust = replace(kit.TRUST, threshold=(Threshold("SRE", 2),))
    book = Book(roster=trust)
    book.approve(ADA)
    book.approve(ADA)
    assert book.statuses()["approved"] == "PARTIAL"
    book.approve(BOB)
    assert book.statuses()["approved"] == "GO"


Change = dict[str, Any]


@pytest.mark.parametrize(
    ("change", "standing", "reason"),
    [
        ({"signer": BOB}, "refused", "signed by Bob, not by Ada"),
        ({"signer": EVE}, "refused", "not in the trust file"),
        ({"role": "Manager"}, "refused", "does not hold the role Manager"),
        ({"decision": "00" * 32}, "refused", "another decision"),
        ({"pages": (signoff.Page("documents/summary.md", "22" * 32),)}, "refused", "was shown"),
        ({"utc": "2025-12-01T00:00:00Z"}, "refused", "before the run ended"),
        ({"utc": "2027-12-01T00:00:00Z"}, "not yet", "after this instant"),
        ({"signed_utc": "yesterday"}, "refused", "no RFC 3339 time"),
        ({"expires_utc": DAY_2}, "expired", "it expired"),
        ({"gates": (signoff.GateSeen(0, "00" * 32),)}, "suspect", "has changed since"),
        ({"at": signoff.At("b", "head/1", kit.ROOT, 0, "")}, "refused", "it is about b/head/1"),
        ({"at": signoff.At("a-1", "head/1", "00" * 32, 0, "")}, "refused", "another run"),
    ],
)
def test_an_approval_that_does_not_count(change: Change, standing: str, reason: str) -> None:
    book = Book()
    book.approve(ADA, **change)
    weighed = book.weighed()
    assert standings(weighed) == [standing]
    assert reason in weighed.weights[0].reason
    assert book.statuses()["approved"] == "PARTIAL"


def test_a_key_speaks_in_its_time() -> None:
    gone = ADA.key("SRE", valid_until=DAY_2)
    book = Book(roster=Roster(1, key=(gone,)))
    book.approve(ADA, utc=DAY_1)
    book.approve(ADA, utc=DAY_1)
    assert book.statuses(DAY_9)["approved"] == "GO"  # as of its signing
    (warning,) = weigh.with_roster_of_now(book.weighed(DAY_9), book.roster, DAY_9)
    assert "no longer holds" in warning
    late = Book(roster=book.roster)
    late.approve(ADA, utc=DAY_2)
    assert standings(late.weighed(DAY_9)) == ["refused"]


def test_a_line_is_not_signed_before_the_line_before_it() -> None:
    book = Book()
    book.approve(BOB, utc=DAY_2)
    book.approve(ADA, utc=DAY_1)
    assert standings(book.weighed(DAY_9)) == ["counts", "refused"]


def test_roles_that_are_kept_apart() -> None:
    trust = replace(
        kit.TRUST, separate=(Separate(("SRE", "Security")), Separate(("SRE", "runner")))
    )
    book = Book(roster=trust)
    book.approve(ADA, role="Security")
    book.approve(ADA)
    assert standings(book.weighed()) == ["counts", "refused"]
    assert "already acts as Security" in book.weighed().weights[1].reason
    other = Book(roster=trust, runners=("Ada",))
    other.approve(ADA)
    assert standings(other.weighed()) == ["refused"]


@pytest.mark.parametrize(
    ("answer", "standing"),
    [
        ("met", "counts"),
        ("broken", "refused"),
        ("wrong_subject", "refused"),
        ("no", "refused"),
        ("stale", "expired"),
        ("missing", "not yet"),
    ],
)
def test_an_entry_of_carried_evidence_stands_as_its_proof_does(answer: Any, standing: str) -> None:
    book = Book()
    book.carry()
    weighed = book.weighed(carried=lambda record: (answer, "because"))
    (weight,) = weighed.weights
    assert (weight.standing, weight.reason) == (standing, "because")
    (fact,) = weighed.brought.carries
    assert (fact.answer, fact.reason) == (answer, "because")


def test_only_the_touched_gate_becomes_suspect() -> None:
    book = Book()
    book.approve(ADA)
    book.attach()
    weighed = book.weighed()
    assert standings(weighed) == ["counts", "waits"]
    assert weighed.weights[0].reason == "gate 1 changed since and needs another look"
    assert book.statuses()["approved"] == "GO"
    assert book.statuses()["drilled"] == "BLOCKED-EXTERNAL"


def test_one_gate_and_several_are_told_as_such() -> None:
    book = Book()
    book.approve(ADA)
    book.approve(ADA, gates=(signoff.GateSeen(1, "aa" * 32),))
    several, one = map(trusted.title, book.log.entries)
    assert several == "approval by Ada as SRE of gates 0, 1"
    assert one == "approval by Ada as SRE of gate 1"


def test_several_touched_gates_are_named_in_one_sentence() -> None:
    signals = (make_signal(f"drilled-{gate}", kit.EXTERNAL, gate=gate) for gate in (1, 2, 3))
    book = Book(plan=kit.make_plan(*signals))
    book.approve(ADA)
    book.attach(signal="drilled-1")
    book.attach(signal="drilled-3")
    said = book.weighed().weights[0].reason
    assert said == "gate 1, gate 3 changed since and need another look"


def test_what_is_attached_counts_once_it_is_approved() -> None:
    book = Book()
    book.attach()
    assert book.statuses()["drilled"] == "BLOCKED-EXTERNAL"
    book.approve(ADA)
    assert book.statuses()["drilled"] == "GO"
    assert standings(book.weighed()) == ["counts", "counts"]
    book.files.clear()
    assert book.statuses()["drilled"] == "BLOCKED-EXTERNAL"
    assert "is gone" in book.weighed().weights[0].reason


def test_what_is_attached_expires() -> None:
    book = Book()
    book.attach(expires_utc=DAY_9)
    book.approve(ADA)
    assert book.statuses(DAY_2)["drilled"] == "GO"
    assert book.statuses(DAY_9)["drilled"] == "BLOCKED-EXTERNAL"


def test_what_nobody_asked_for_is_an_orphan() -> None:
    book = Book()
    book.attach(artifact="other.md")
    assert standings(book.weighed()) == ["orphan"]


def test_an_entry_can_be_taken_back() -> None:
    book = Book()
    entry = book.approve(ADA)
    book.withdraw(entry, EVE)
    assert book.statuses()["approved"] == "GO"
    book.withdraw(entry, BOB)
    assert book.statuses()["approved"] == "PARTIAL"
    assert standings(book.weighed()) == ["withdrawn", "refused", "counts"]


# --- waivers --------------------------------------------------------------------------------------


def red_only(**changes: Any) -> Book:
    plan = kit.make_plan(make_signal("red", kit.FAILS, gate=2, owner="Core"))
    return Book(plan=plan, **changes)


def test_a_waiver_lets_pass_and_paints_nothing_green() -> None:
    book = red_only()
    book.waive()
    assert book.statuses() == {"red": "NO-GO", "verdict": "GO-WITH-WAIVERS"}
    assert book.statuses(DAY_9) == {"red": "NO-GO", "verdict": "NO-GO"}  # half-open


@pytest.mark.parametrize(
    ("change", "standing"),
    [
        ({"fingerprint": "00" * 32}, "changed"),
        ({"subject": "00" * 32}, "refused"),
        ({"until_utc": DAY_2}, "expired"),
        ({"from_utc": "2026-12-03T10:00:01Z"}, "not yet"),
        ({"until_utc": "2020-01-01T00:00:00Z"}, "refused"),
        ({"until_utc": ""}, "refused"),
        ({"from_utc": "soon"}, "refused"),
        ({"gate": 1}, "orphan"),
        ({"signal": "nobody"}, "orphan"),
        ({"role": "SRE"}, "refused"),
        ({"person": "Ada"}, "refused"),
    ],
)
def test_a_waiver_that_does_not_count(change: Change, standing: str) -> None:
    book = red_only()
    book.waive(**change)
    assert standings(book.weighed()) == [standing]
    assert book.statuses()["verdict"] == "NO-GO"


def test_waivers_earn_their_place() -> None:
    book = red_only()
    book.waive()
    book.waive(until_utc="2027-12-01T00:00:00Z")
    assert standings(book.weighed()) == ["counts", "shadowed"]
    assert standings(book.weighed("2026-12-20T00:00:00Z")) == ["expired", "counts"]
    assert "over-broad" in book.weighed("2026-12-20T00:00:00Z").lint[0]
    book.failures.clear()
    assert standings(book.weighed()) == ["unused", "unused"]


def test_nobody_waives_by_default() -> None:
    book = red_only(roster=replace(kit.TRUST, waive=()))
    book.waive()
    assert "lets nobody waive" in book.weighed().weights[0].reason


def test_a_waiver_does_not_excuse_what_it_does_not_speak_of() -> None:
    book = Book()
    book.waive()
    assert book.statuses()["verdict"] == "NO-GO"
    dirty = red_only()
    dirty.plan = replace(dirty.plan, subject=replace(dirty.plan.subject, dirty=("x",)))
    dirty.waive()
    assert dirty.statuses()["verdict"] == "NO-GO"
    other = Book(plan=kit.make_plan(make_signal("red", kit.EXTERNAL, gate=2)))
    other.waive()
    assert standings(other.weighed()) == ["counts"]
    assert other.statuses()["verdict"] == "NO-GO"  # the cell `broken` is required


# --- the log --------------------------------------------------------------------------------------


def full() -> Book:
    book = Book()
    book.attach()
    book.approve(ADA)
    book.waive(utc=DAY_1)
    book.approve(BOB)
    return book


def test_a_log_is_true_up_to_where_it_is_cut() -> None:
    book = full()
    whole = book.log
    assert whole.size == 4
    ends = [0]
    for line in book.data.splitlines(keepends=True):
        ends.append(ends[-1] + len(line))
    for cut in range(0, len(book.data), 97):
        log = signoff.read_log(book.data[:cut])
        assert log.entries == whole.entries[: log.size]
        assert log.size == sum(end <= cut for end in ends[1:])
        assert bool(log.problems) == (cut not in ends)


Edit = Callable[[list[bytes]], list[bytes]]


@pytest.mark.parametrize(
    ("edit", "size", "problem"),
    [
        (lambda lines: lines[1:], 0, "is numbered 1, 0 was next"),
        (lambda lines: [lines[0], lines[0], *lines[1:]], 1, "is numbered 0, 1 was next"),
        (lambda lines: [lines[0], lines[2], lines[1]], 1, "is numbered 2, 1 was next"),
        (lambda lines: [lines[0], b"{}\n", *lines[1:]], 1, "signatures"),
        (lambda lines: [lines[0], b"\n"], 1, "line 2"),
        (lambda lines: [lines[0].replace(b'":"', b'": "', 1)], 0, "is not written as"),
    ],
)
def test_lines_that_do_not_follow(edit: Edit, size: int, problem: str) -> None:
    lines = full().data.splitlines(keepends=True)
    log = signoff.read_log(b"".join(edit(lines)))
    assert log.size == size
    assert problem in log.problems[0]


def test_a_line_of_another_log_does_not_follow() -> None:
    other = Book()
    other.approve(BOB)
    other.approve(ADA)
    lines = full().data.splitlines(keepends=True)
    log = signoff.read_log(lines[0] + other.data.splitlines(keepends=True)[1])
    assert log.size == 1
    assert "does not follow the line before it" in log.problems[0]


def test_a_forged_payload_is_refused() -> None:
    book = Book()
    book.approve(ADA)
    envelope = json.loads(book.data)
    statement = dsse.read(book.data.rstrip()).payload.replace(b'"SRE"', b'"Security"')
    forged = dsse.Envelope(
        dsse.PAYLOAD_TYPE, statement, dsse.read(codec.compact(envelope)).signatures
    )
    log = signoff.read_log(dsse.write(forged) + b"\n")
    weighed = weigh.weigh(log, book.case())
    assert standings(weighed) == ["refused"]
    assert "is not over these bytes" in weighed.weights[0].reason


@pytest.mark.parametrize("record", [entry.record for entry in full().log.entries])
def test_entries_come_back_as_they_were(record: signoff.Record) -> None:
    assert codec.from_value(type(record), codec.to_value(record)) == record


@given(st.permutations(range(4)), st.integers(0, 4))
def test_less_evidence_never_raises_a_status(order: list[int], count: int) -> None:
    """Approvals and artifacts only: a waiver is no evidence."""
    book = Book(plan=kit.make_plan(*kit.PLAN.signals[:2]))
    acts: list[Callable[[], str]] = [
        book.attach,
        lambda: book.approve(ADA),
        lambda: book.approve(BOB),
        lambda: book.approve(ADA, role="Security"),
    ]
    before = book.statuses()
    order_of = model.STATUS_ORDER.index
    for number in order[:count]:
        acts[number]()
    after = book.statuses()
    for name in ("approved", "drilled"):
        assert order_of(after[name]) >= order_of(before[name])


# --- nobody adds a line and is back at what was approved ------------------------------------------


def test_an_artifact_swapped_in_behind_an_approval_is_not_approved() -> None:
    """An unsigned artifact, taken back by a line that nobody trusted signed, still changed it."""
    book = Book()
    book.attach()
    book.approve(ADA)
    assert book.statuses()["drilled"] == "GO"
    other = book.attach(sha256="ee" * 32)
    book.files.add("ee" * 32)
    for taker in (EVE, ADA):
        book.withdraw(other, taker)
        assert "gate 1 changed since" in book.weighed().weights[1].reason
        assert book.statuses()["drilled"] == "BLOCKED-EXTERNAL"
        assert book.statuses()["approved"] == "GO"


def test_an_artifact_taken_back_does_not_leave_the_one_before_it_approved() -> None:
    """The approval was given with both at hand; which of them it meant nobody knows."""
    book = Book()
    book.attach()
    other = book.attach(sha256="ee" * 32)
    book.files.add("ee" * 32)
    book.approve(ADA)
    assert book.statuses()["drilled"] == "GO"
    book.withdraw(other, ADA)
    assert book.statuses()["drilled"] == "BLOCKED-EXTERNAL"


def test_what_was_taken_back_is_so_and_not_for_ever_after() -> None:
    book = Book()
    entry = book.approve(ADA)
    taken = book.withdraw(entry, ADA)
    book.withdraw(taken, ADA)
    book.withdraw("00" * 32, ADA)
    assert standings(book.weighed()) == ["withdrawn", "counts", "refused", "orphan"]
    assert "is a withdrawal" in book.weighed().weights[2].reason


def test_an_artifact_that_is_signed_is_signed_by_who_says_so() -> None:
    book = Book()
    digest = "cd" * 32
    book.files.add(digest)
    plain = signoff.Attachment(
        book.at(), "Ada", "SRE", DAY_1, "drilled", "drill.md", "drill.md", digest, 5
    )
    book.add(plain, EVE)
    book.add(replace(plain, at=book.at()), ADA)
    assert standings(book.weighed()) == ["refused", "waits"]


def test_what_comes_later_changes_nothing_before() -> None:
    """As of an instant, only what was signed by then is looked at."""
    book = Book()
    book.attach()
    book.approve(ADA)
    book.attach(utc=DAY_9, sha256="ee" * 32)
    assert book.statuses(DAY_2)["drilled"] == "GO"
    assert book.statuses("2026-12-11T00:00:00Z")["drilled"] == "BLOCKED-EXTERNAL"


def test_an_artifact_is_looked_at_again() -> None:
    book = Book()
    book.attach(review_utc=DAY_2)
    assert book.weighed(DAY_1).lint == ()
    assert "is due for review" in book.weighed(DAY_2).lint[0]


# --- what was withheld ----------------------------------------------------------------------------

LEAVES = {
    "command-logs/fine.log": ("0a" * 32, "0b" * 32),
    "report.html": ("0c" * 32,),
    **dict.fromkeys(("plan.json", "artifacts/../../x", "command-logs/../x.log"), ("0d" * 32,)),
}


def withhold(book: Book, path: str, chunks: tuple[int, ...], *leaves: str) -> None:
    at = book.at()
    record = signoff.Withholding(at, "Ada", "SRE", DAY_1, path, chunks, leaves, "a key")
    book.add(record, ADA)


@pytest.mark.parametrize(
    ("path", "chunks", "leaves", "standing"),
    [
        ("command-logs/fine.log", (1,), ("0b" * 32,), "counts"),
        ("command-logs/fine.log", (0, 1), ("0a" * 32, "0b" * 32), "counts"),
        ("report.html", (), ("0c" * 32,), "counts"),
        ("command-logs/fine.log", (1,), ("0a" * 32,), "refused"),
        ("command-logs/fine.log", (2,), ("0a" * 32,), "refused"),
        ("command-logs/fine.log", (-1,), ("0b" * 32,), "refused"),
        ("command-logs/fine.log", (), (), "refused"),
        ("report.html", (), (), "refused"),
        ("other.html", (), ("0c" * 32,), "orphan"),
        ("plan.json", (), ("0d" * 32,), "refused"),
        ("artifacts/../../x", (), ("0d" * 32,), "refused"),
        ("command-logs/../x.log", (0,), ("0d" * 32,), "refused"),
    ],
)
def test_a_withholding_names_what_was_sealed(
    path: str, chunks: tuple[int, ...], leaves: tuple[str, ...], standing: str
) -> None:
    book = Book()
    withhold(book, path, chunks, *leaves)
    weighed = book.weighed(leaves=lambda path: LEAVES.get(path, ()))
    assert standings(weighed) == [standing]


def test_a_withholding_touches_the_gates_that_look_at_it() -> None:
    book = Book()
    book.approve(ADA)
    withhold(book, "command-logs/broken.attempt-1.log", (0,), "0a" * 32)
    assert book.weighed().weights[0].reason == ""
    withhold(book, "command-logs/fine.log", (0,), "0a" * 32)
    assert "gate 0 changed" in book.weighed().weights[0].reason
    withhold(book, "report.html", (), "0c" * 32)
    assert standings(book.weighed())[0] == "suspect"


def test_a_page_that_was_withheld_is_known_by_its_leaf() -> None:
    book = Book()
    book.approve(ADA)
    path, digest = next(iter(kit.PAGES.items()))
    leaf = chain.leaf_hash(f"file/{path}", digest)
    gone = book.weighed(pages={}, leaves=lambda name: (leaf,) if name == path else ())
    assert standings(gone) == ["counts"]
    assert standings(book.weighed(pages={})) == ["refused"]
