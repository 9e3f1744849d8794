"""Attacks on the sign-off: by authors of bundles, by signers, by who can write to its folder."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from evidence import (
    carry,
    chain,
    codec,
    dsse,
    fingerprint,
    instant,
    judge,
    model,
    roster,
    signoff,
    weigh,
)
from evidence.codec import Malformed
from evidence.dsse import Envelope, Signature
from evidence.roster import Key, Roster, Separate, Threshold
from tests.evidence import sign_kit as kit
from tests.evidence import test_carry as carry_kit
from tests.evidence.sign_kit import ADA, BOB, DAY_1, DAY_2, DAY_9, EVE, Book, standings
from tests.records import make_cell, make_signal

LATER = "2026-12-20T00:00:00Z"
TOM = kit.Person("Tom")


def with_tom(**changes: Any) -> Roster:
    """The trust file with one person more, who only holds a role that nobody asks for."""
    return replace(kit.TRUST, key=(*kit.TRUST.key, TOM.key("Intern")), **changes)


# --- what was taken back stays so -----------------------------------------------------------------


def test_who_may_not_take_back_cannot_undo_that_somebody_did() -> None:
    book = Book(roster=with_tom())
    entry = book.approve(ADA)
    book.withdraw(entry, ADA)
    assert book.statuses()["approved"] == "PARTIAL"
    book.withdraw(entry, TOM, role="Intern")
    assert standings(book.weighed()) == ["withdrawn", "counts", "refused"]
    assert book.statuses()["approved"] == "PARTIAL"


def test_a_line_out_of_its_time_takes_nothing_back() -> None:
    book = Book()
    entry = book.approve(ADA, utc=DAY_2)
    book.withdraw(entry, BOB, utc=DAY_1)
    assert standings(book.weighed(DAY_9)) == ["counts", "refused"]


# --- time -----------------------------------------------------------------------------------------


def test_an_instant_before_a_backdated_line_does_not_make_it_count() -> None:
    """Bob signed on day 9; what Ada wrote behind that and dated to day 1 never counts."""
    book = Book()
    book.approve(BOB, role="Manager", utc=DAY_9)
    book.approve(ADA, utc=DAY_1)
    for as_of in (DAY_1, DAY_2, LATER):
        assert standings(book.weighed(as_of))[-1] == "refused"
        assert book.statuses(as_of)["approved"] == "PARTIAL"


def test_a_time_that_nobody_vouches_for_holds_nobody_up() -> None:
    book = Book()
    book.attach(utc="2099-01-01T00:00:00Z")
    book.withdraw("00" * 32, EVE, utc="2099-01-01T00:00:00Z")
    book.approve(ADA)
    assert standings(book.weighed()) == ["not yet", "refused", "counts"]


def test_who_left_signs_nothing_but_can_date_it_back() -> None:
    """By design: only the lines behind which it stands say otherwise; see docs/guide/trust.md."""
    gone = Roster(1, key=(ADA.key("SRE", valid_until=DAY_2), BOB.key("Manager")))
    late = Book(roster=gone)
    late.approve(ADA, utc=DAY_9)
    assert standings(late.weighed(LATER)) == ["refused"]
    behind = Book(roster=gone)
    behind.approve(BOB, role="Manager", utc=DAY_9)
    behind.approve(ADA, utc=DAY_1)
    assert standings(behind.weighed(LATER)) == ["counts", "refused"]


# --- people and roles -----------------------------------------------------------------------------


def test_one_person_with_two_keys_is_one() -> None:
    other = kit.Person("Ada's other key").key("SRE")
    keys = (ADA.key("SRE"), replace(other, person="Ada"))
    book = Book(roster=Roster(1, key=keys, threshold=(Threshold("SRE", 2),)))
    book.approve(ADA)
    second = kit.Person("Ada's other key")
    book.approve(ADA, signer=second)
    assert standings(book.weighed()) == ["counts", "counts"]
    assert book.statuses()["approved"] == "PARTIAL"


def test_one_line_signed_by_many_is_the_word_of_one() -> None:
    book = Book(roster=replace(kit.TRUST, threshold=(Threshold("SRE", 2),)))
    book.approve(ADA)
    record = replace(book.log.entries[0].record, at=book.at())
    book.add(record, ADA, BOB)
    assert book.statuses()["approved"] == "PARTIAL"


@pytest.mark.parametrize("first", ["waive", "approve"])
def test_roles_kept_apart_are_so_for_waivers(first: str) -> None:
    apart = replace(kit.TRUST, separate=(Separate(("SRE", "Manager")),))
    book = Book(roster=apart)
    acts: list[Callable[[], str]] = [lambda: book.waive(utc=DAY_1), lambda: book.approve(BOB)]
    for act in acts if first == "waive" else reversed(acts):
        act()
    assert standings(book.weighed()) == ["counts", "refused"]
    assert "which is kept apart" in book.weighed().weights[1].reason


def test_who_ran_it_cannot_waive_where_that_is_kept_apart() -> None:
    apart = replace(kit.TRUST, separate=(Separate(("runner", "Manager")),))
    book = Book(roster=apart, runners=("Bob",))
    book.waive()
    assert standings(book.weighed()) == ["refused"]


def test_a_waiver_by_who_left_is_warned_of() -> None:
    gone = replace(kit.TRUST, key=(BOB.key("Manager", valid_until=DAY_2),))
    book = Book(roster=gone)
    book.waive()
    assert standings(book.weighed()) == ["counts"]
    (warning,) = weigh.with_roster_of_now(book.weighed(), gone, DAY_2)
    assert "no longer holds the role Manager" in warning


# --- waivers that cover more than their failure ---------------------------------------------------


def with_cells(*signals: model.Signal, **changes: Any) -> Book:
    book = Book(plan=kit.make_plan(*signals), **changes)
    book.failures = {signal.id: "ff" * 32 for signal in signals}
    return book


TESTS = model.TestPassed("test", "t.a", ("broken",))


def test_a_waiver_excuses_only_cells_that_its_failure_names() -> None:
    """The signal fails for want of a drill; its test passed, in a cell that failed by another."""
    facts = kit.facts_of(kit.make_plan())
    facts = replace(
        facts,
        results=(model.ResultFact("broken", "junit.xml", found=True, problem=""),),
        tests=(model.TestFact("broken", "t.a", "passed"), model.TestFact("broken", "u", "failed")),
    )
    book = with_cells(make_signal("red", kit.EXTERNAL, TESTS, gate=2))
    book.waive()
    decision = judge.decide(book.plan, facts)
    assert [item.answer for item in decision.signals[0].conditions] == ["missing", "met"]
    case = book.case(facts=facts, decision=decision)
    case = replace(case, decision_sha256=book.decided)
    weighed = weigh.weigh(book.log, case)
    assert standings(weighed) == ["counts"]
    assert weigh.decide(case, weighed)[1] == "NO-GO"


def test_a_waiver_dies_when_its_signal_fails_at_more_by_now() -> None:
    """The command failed when it was waived; later the other evidence is too old as well."""
    fresh = model.CommandPassed("command", "fine", ("fine",), max_age_ms=5 * 86_400_000)
    book = with_cells(make_signal("red", kit.FAILS, fresh, gate=2))
    book.waive(until_utc=LATER)
    assert book.statuses(DAY_2)["verdict"] == "GO-WITH-WAIVERS"
    assert standings(book.weighed(DAY_9)) == ["changed"]
    assert "fails at more" in book.weighed(DAY_9).weights[0].reason
    assert book.statuses(DAY_9)["verdict"] == "NO-GO"


def test_a_gate_of_signals_that_are_not_there_is_not_waived() -> None:
    book = with_cells(make_signal("red", kit.FAILS, gate=2))
    ghost = model.Gate(3, "ghost", ("nobody",))
    book.plan = replace(book.plan, gates=(*book.plan.gates, ghost))
    book.waive()
    assert standings(book.weighed()) == ["counts"]
    assert book.statuses()["verdict"] == "NO-GO"


def test_a_signal_that_is_there_twice_is_not_waived() -> None:
    book = with_cells(make_signal("red", kit.FAILS, gate=2))
    twin = replace(book.plan.signals[0], conditions=(kit.EXTERNAL,))
    book.plan = replace(book.plan, signals=(twin, *book.plan.signals))
    book.waive()
    assert book.statuses()["verdict"] == "NO-GO"


def test_a_waiver_of_another_run_of_the_same_tree_is_refused() -> None:
    book = with_cells(make_signal("red", kit.FAILS, gate=2))
    book.waive(at=signoff.At(book.plan.audit.id, book.plan.label, "00" * 32, 0, ""))
    assert standings(book.weighed()) == ["refused"]


# --- gates that are not what they seem ------------------------------------------------------------


def test_a_gate_that_the_plan_does_not_have_is_never_approved() -> None:
    """A signal that says it is of a gate 7 which is not there, and the digest of nothing."""
    plan = kit.make_plan(make_signal("approved", kit.APPROVAL, gate=0))
    homeless = replace(plan.signals[0], gate=7)
    book = Book(plan=replace(plan, signals=(homeless,)))
    book.approve(ADA, gates=(signoff.GateSeen(7, ""),))
    assert book.statuses()["approved"] != "GO"


def test_a_gate_is_approved_with_all_signals_that_it_lists() -> None:
    """A signal that says it is of another gate than the one that lists it."""
    strays = replace(make_signal("drilled", kit.EXTERNAL, gate=1), gate=5)
    plan = kit.make_plan(make_signal("approved", kit.APPROVAL, gate=0))
    gates = (model.Gate(0, "zero", ("approved", "drilled")), model.Gate(5, "five", ("approved",)))
    book = Book(plan=replace(plan, gates=gates, signals=(*plan.signals, strays)))
    book.approve(ADA)
    assert "gate 0" not in book.weighed().weights[0].reason
    assert book.statuses()["approved"] == "GO"
    book.attach()
    assert standings(book.weighed())[0] == "suspect"
    assert book.statuses()["approved"] != "GO"


# --- statements -----------------------------------------------------------------------------------


def resigned(book: Book, change: Callable[[dict[str, Any]], None]) -> weigh.Weighed:
    """A log of one line whose statement was changed and signed again by Ada."""
    book.approve(ADA)
    value = json.loads(dsse.read(book.data.rstrip()).payload)
    change(value)
    payload = codec.compact(value)
    book.data = signoff.line_of(payload, ADA.envelope(payload))
    return book.weighed()


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value["subject"].pop(),
        lambda value: value["subject"][1]["digest"].update(gitCommit="00" * 20),
        lambda value: value["subject"][0]["digest"].update(sha256="00" * 32),
        lambda value: value["subject"].append({"name": "other", "digest": {"sha256": "00" * 32}}),
        lambda value: value.update(note="read by nobody"),
    ],
)
def test_a_statement_is_about_what_its_entry_says(change: Callable[[Any], None]) -> None:
    (weight,) = resigned(Book(), change).weights
    assert weight.standing == "refused"
    assert "about something else" in weight.reason


def test_an_entry_of_one_kind_is_not_heard_as_another() -> None:
    book = Book()
    book.approve(ADA)
    value = json.loads(dsse.read(book.data.rstrip()).payload)
    value["predicateType"] = "urn:arco-audit:sign-off:waiver:v1"
    payload = codec.compact(value)
    log = signoff.read_log(signoff.line_of(payload, ADA.envelope(payload)))
    assert log.size == 0
    assert log.problems


def test_a_line_of_newlines_costs_nothing() -> None:
    assert signoff.read_log(b"\n" * 50_000_000).size == 0


# --- envelopes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 64])
def test_no_signature_and_64_bad_ones(count: int) -> None:
    book = Book()
    asked: list[str] = []

    def check(key: Key, message: bytes, sig: bytes) -> bool | None:
        asked.append(key.id)
        return roster.check_ed25519(key, message, sig)

    book.approve(ADA)
    entry = book.log.entries[0]
    bad = tuple(Signature(ADA.keyid, bytes([n]) * 64) for n in range(count))
    book.data = dsse.write(Envelope(dsse.PAYLOAD_TYPE, entry.envelope.payload, bad)) + b"\n"
    assert standings(book.weighed(check=check)) == ["refused"]
    assert len(asked) == count


def test_a_key_that_signed_well_is_not_asked_again() -> None:
    asked: list[str] = []
    payload = b"x"
    one = ADA.envelope(payload)

    def check(key: Key, message: bytes, sig: bytes) -> bool:
        asked.append(key.id)
        return True

    found = roster.signers(Envelope(dsse.PAYLOAD_TYPE, payload, one * 64), kit.TRUST, check)
    assert [key.person for key in found.keys] == ["Ada"]
    assert len(asked) == 1


@pytest.mark.parametrize("keyid", ["", "\0", "Ada", ADA.keyid[:16], ADA.keyid.upper()])
def test_a_key_is_named_by_its_whole_id(keyid: str) -> None:
    book = Book()
    book.approve(ADA)
    envelope = book.log.entries[0].envelope
    named = tuple(replace(one, keyid=keyid) for one in envelope.signatures)
    book.data = dsse.write(replace(envelope, signatures=named)) + b"\n"
    assert standings(book.weighed()) == ["refused"]


@pytest.mark.parametrize(
    "edit",
    [
        lambda line: line.replace(b'"payload":"', b'"payload":"x","payload":"', 1),
        lambda line: line.replace(b'"sig"', b'"extra":1,"sig"', 1),
        lambda line: line.replace(b"=", b"", 1),
        lambda line: line.replace(b'"payload":"', b'"payload":" ', 1),
        lambda line: line.replace(b"vnd.in-toto+json", b"vnd.in-toto"),
        lambda line: b" " + line,
        lambda line: line.replace(b"\n", b"\r\n"),
        lambda line: b"[" * 100_000 + line,
    ],
)
def test_an_envelope_has_one_spelling(edit: Callable[[bytes], bytes]) -> None:
    book = Book()
    book.approve(ADA)
    assert edit(book.data) != book.data
    log = signoff.read_log(edit(book.data))
    assert log.size == 0
    assert log.problems


def test_base64_has_one_spelling() -> None:
    book = Book()
    book.approve(ADA)
    line = book.data
    spare = line.index(b'=="')  # a signature has four spare bits
    other = line[: spare - 1] + bytes([line[spare - 1] + 1]) + line[spare:]
    assert base64.b64decode(other[spare - 3 : spare + 1] + b"=") is not None
    assert signoff.read_log(other).size == 0


def test_a_payload_type_that_is_no_text_is_refused() -> None:
    text = b'{"payload":"","payloadType":"\\ud800","signatures":[]}'
    with pytest.raises(Malformed, match="payloadType"):
        dsse.read(text)


@pytest.mark.parametrize("count", [64, 65])
def test_a_note_has_no_lines_that_nobody_looks_at(count: int) -> None:
    one = ("x", b"1234", b"5" * 64)
    note = dsse.write_note(b"text\n", (one,) * count)
    if count == 64:
        assert len(dsse.read_note(note)[1]) == 64
    else:
        with pytest.raises(Malformed, match="more than 64 signatures"):
            dsse.read_note(note)


# --- schemes --------------------------------------------------------------------------------------


def test_a_scheme_is_taken_from_the_trust_file_alone() -> None:
    book = Book(roster=Roster(1, key=(ADA.key("SRE", scheme="rsassa-pss-sha256"),)))
    book.approve(ADA)
    assert standings(book.weighed()) == ["unchecked"]
    assert book.statuses()["approved"] == "PARTIAL"


# --- fingerprints ---------------------------------------------------------------------------------


def print_of(log: bytes, size: int = 1 << 20) -> str:
    signal = make_signal("red", kit.FAILS)
    plan = kit.make_plan(signal)
    facts = kit.facts_of(plan)
    kept = fingerprint.window([log[at : at + size] for at in range(0, len(log), size)])
    return fingerprint.fingerprint(signal, plan, facts, judge.decide(plan, facts), lambda _: kept)


MANY = b"".join(b"Error a%04d\n" % n for n in range(5_000))
QUIET = b"all is well, really\n" * 30_000


@pytest.mark.parametrize(
    "frame",
    [
        lambda line: MANY + line,
        lambda line: line + MANY,
        lambda line: line + QUIET,
        lambda line: MANY + line + QUIET,
        lambda line: MANY + line + b"\n" + MANY + QUIET,
        lambda line: b"\x1b[31mfatal\x1b[0m\n" + line.replace(b"Err", b"E\x1b[31mrr") + QUIET,
    ],
)
def test_no_padding_hides_what_failed(frame: Callable[[bytes], bytes]) -> None:
    one, other = frame(b"zz Error: one disk\n"), frame(b"zz Error: two disks\n")
    assert print_of(one) != print_of(other)
    assert print_of(one) == print_of(one, 4_096)


def test_noise_far_from_the_end_is_still_noise() -> None:
    one = b"12:00:01 Error in /home/ada/a.py at 0x7f00aa00bb\n" + QUIET
    other = b"13:47:59 Error in /builds/7/a.py at 0x7fffffffff\n" + QUIET
    assert print_of(one) == print_of(other)


# --- logs -----------------------------------------------------------------------------------------


def test_two_forks_of_a_log_have_two_heads() -> None:
    """Nobody joins them: each line names the one that its signer saw."""
    book = Book()
    book.approve(ADA)
    fork = replace(book)
    book.approve(BOB)
    fork.approve(BOB, role="Manager")
    second = fork.data.splitlines(keepends=True)[1]
    log = signoff.read_log(book.data + second)
    assert log.size == 2
    assert "numbered 1, 2 was next" in log.problems[0]
    assert book.log.root != fork.log.root


def test_cells_and_gates_of_another_audit_do_not_count() -> None:
    book = Book()
    book.approve(ADA)
    other = replace(book.plan, audit=replace(book.plan.audit, id="b-2"))
    case = replace(book.case(), plan=other)
    assert standings(weigh.weigh(book.log, case)) == ["refused"]
    label = replace(book.plan, label="head/2")
    assert standings(weigh.weigh(book.log, replace(book.case(), plan=label))) == ["refused"]


def test_a_dirty_tree_and_a_gate_without_signals_are_not_waived() -> None:
    book = with_cells(make_signal("red", kit.FAILS, gate=2))
    book.waive()
    assert book.statuses()["verdict"] == "GO-WITH-WAIVERS"
    empty = replace(book.plan, gates=(*book.plan.gates, model.Gate(3, "empty", ())))
    for plan in (empty, replace(book.plan, cells=(*book.plan.cells, make_cell("unspoken")))):
        assert weigh.decide(replace(book.case(), plan=plan), book.weighed())[1] == "NO-GO"


def test_the_digest_of_a_line_covers_its_signatures() -> None:
    book = Book()
    book.approve(ADA)
    first = book.log.entries[0]
    book.approve(BOB)
    bare = dsse.write(replace(first.envelope, signatures=())) + b"\n"
    rest = book.data.split(b"\n", 1)[1]
    log = signoff.read_log(bare + rest)
    assert log.size == 1
    assert chain.sha256(bare[:-1]) != first.digest


# --- artifacts ------------------------------------------------------------------------------------


def test_a_file_that_is_not_there_does_not_have_the_digest_of_nothing() -> None:
    book = Book()
    book.attach(sha256="")
    book.approve(ADA)
    assert standings(book.weighed()) == ["refused", "counts"]
    assert book.statuses()["drilled"] == "BLOCKED-EXTERNAL"


@pytest.mark.parametrize("year", ["0001", "0099", "0999", "1969", "9999"])
def test_every_year_is_written_with_four_digits(year: str) -> None:
    for text in (f"{year}-01-01T00:00:00Z", f"{year}-12-31T23:59:59.007Z"):
        assert instant.utc_of(instant.milliseconds(text)) == text


def test_who_brought_what_nobody_signed_is_a_claim() -> None:
    book = Book()
    book.attach(person="the Pope")
    (weight,) = book.weighed().weights
    assert weight.standing == "waits"
    assert weight.reason.startswith("nobody signed it; ")


def test_an_approval_is_of_every_page() -> None:
    book = Book()
    book.approve(ADA, pages=())
    assert standings(book.weighed()) == ["refused"]
    assert "was not shown" in book.weighed().weights[0].reason


# --- carried evidence -----------------------------------------------------------------------------


def test_a_proof_that_leaves_something_out_is_broken() -> None:
    run, old = carry_kit.new(), carry_kit.evidence(carry_kit.BASE)
    proof = carry.carry(old, run, "tests", carry_kit.NOW)
    assert carry.holds(proof, run, carry_kit.NOW)[0] == "met"
    for forged in (
        replace(proof, run="another"),
        replace(proof, differing_count=1),
        replace(proof, old=replace(proof.old, final_root=run.final_root)),
    ):
        assert carry.holds(forged, run, carry_kit.NOW)[0] == "broken"
