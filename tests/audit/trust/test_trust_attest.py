"""Attestations: what is put together comes back, and every way to cheat has a reason of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.trust import attest, intoto
from audit.trust.attest import Line
from audit.trust.intoto import SealedRun
from audit.trust.keys import Signer
from evidence import chain, codec, dsse, layout
from evidence.codec import Malformed
from evidence.dsse import Envelope, Signature, Statement, Subject
from evidence.roster import Roster, Threshold
from tests.audit.trust import attest_kit as kit


@pytest.fixture(scope="module")
def sealed() -> SealedRun:
    return kit.sealed_run()


@pytest.fixture(scope="module")
def ada() -> Signer:
    return kit.signer(1)


@pytest.fixture(scope="module")
def trusted(ada: Signer) -> Roster:
    return kit.trusting(kit.entry(ada))


def test_good_attestations_have_nothing_wrong(
    sealed: SealedRun, ada: Signer, trusted: Roster
) -> None:
    lines = kit.attested(sealed, ada)
    kinds = [kind for kind, _ in intoto.statements(sealed)]
    assert kinds == [*(intoto.LINK, intoto.LINK, intoto.TEST_RESULT), *kinds[3:]]
    assert len(lines) == 6
    assert kit.problems(sealed, lines, trusted) == []


def test_the_same_key_again_is_the_same_bytes(sealed: SealedRun, ada: Signer) -> None:
    once = attest.write(line.envelope for line in kit.attested(sealed, ada))
    again = kit.attested(sealed, ada, ada)
    assert attest.write(line.envelope for line in again) == once


def test_the_order_of_signers_leaves_no_trace(sealed: SealedRun, ada: Signer) -> None:
    ben = kit.signer(2)
    assert kit.attested(sealed, ada, ben) == kit.attested(sealed, ben, ada)


def test_what_is_written_is_read(sealed: SealedRun, ada: Signer) -> None:
    lines = kit.attested(sealed, ada)
    data = attest.write(line.envelope for line in lines)
    assert attest.read(data) == (lines, [])


@given(st.data())
def test_a_cut_file_is_never_whole(data: st.DataObject) -> None:
    """Truncated at any byte: either a line is named as cut off, or one is missing."""
    sealed, ada = kit.sealed_run(), kit.signer(1)
    whole = attest.write(line.envelope for line in kit.attested(sealed, ada))
    end = data.draw(st.integers(0, len(whole) - 1))
    lines, findings = attest.read(whole[:end])
    trusted = kit.trusting(kit.entry(ada))
    assert findings or kit.problems(sealed, lines, trusted)
    if end and whole[end - 1 : end] != b"\n":
        assert "is cut off" in findings[-1].problem


@given(st.data())
def test_any_changed_byte_is_seen(data: st.DataObject) -> None:
    """Any byte but those that spell the same envelope otherwise: white space, spare base64 bits."""
    sealed, ada = kit.sealed_run(), kit.signer(1)
    lines = kit.attested(sealed, ada)
    whole = bytearray(attest.write(line.envelope for line in lines))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    found, findings = attest.read(bytes(whole))
    if [line.envelope for line in found] != [line.envelope for line in lines]:
        assert findings or kit.problems(sealed, found, kit.trusting(kit.entry(ada)))


@pytest.mark.parametrize("row", [b"", b"{}", b"[]", b"\xff", b'{"payload":"x"}', b"[" * 10_000])
def test_a_line_that_is_no_envelope_is_named_and_the_others_are_read(row: bytes) -> None:
    good = dsse.write(Envelope("t", b"", ()))
    lines, findings = attest.read(good + b"\n" + row + b"\n" + good + b"\n")
    assert [line.number for line in lines] == [1, 3]
    assert [finding.place for finding in findings] == [f"{layout.ATTESTATIONS} line 2"]


def test_a_file_that_is_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attest, "ATTESTATION_BYTES_MAX", 10)
    assert attest.read(b"x" * 11)[0] == []
    assert "larger than" in attest.read(b"x" * 11)[1][0].problem


# --- every way to cheat ---------------------------------------------------------------------------


Change = Callable[[list[Line]], list[Line]]


def drop(number: int) -> Change:
    return lambda lines: kit.numbered([x.envelope for x in lines if x.number != number])


def twice(lines: list[Line]) -> list[Line]:
    return kit.numbered([lines[0].envelope, *(line.envelope for line in lines)])


def swapped(lines: list[Line]) -> list[Line]:
    envelopes = [line.envelope for line in lines]
    return kit.numbered([envelopes[1], envelopes[0], *envelopes[2:]])


def unsigned(lines: list[Line]) -> list[Line]:
    return [replace(line, envelope=replace(line.envelope, signatures=())) for line in lines]


def forged(lines: list[Line]) -> list[Line]:
    bad = tuple(replace(item, sig=bytes(64)) for item in lines[0].envelope.signatures)
    return [Line(1, replace(lines[0].envelope, signatures=bad)), *lines[1:]]


def borrowed(lines: list[Line]) -> list[Line]:
    """The good signature of another envelope."""
    envelope = replace(lines[0].envelope, signatures=lines[1].envelope.signatures)
    return [Line(1, envelope), *lines[1:]]


def retyped(lines: list[Line]) -> list[Line]:
    return [Line(1, replace(lines[0].envelope, payload_type="text/plain")), *lines[1:]]


def of_another_payload(lines: list[Line]) -> list[Line]:
    payload = lines[0].envelope.payload.replace(b'"passed":true', b'"passed":null')
    return [Line(1, replace(lines[0].envelope, payload=payload)), *lines[1:]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (drop(1), [": has no line about the run of cell lint"]),
        (drop(3), [": has no line about the tests of cell tests"]),
        (drop(5), [": has no line about the decision"]),
        (drop(6), [": has no line about the checkpoint"]),
        (lambda lines: [], [": has no line about the run of cell lint"]),
        (twice, ["line 2: says again what line 1 says of the run of cell lint"]),
        (swapped, ["line 2: is out of order: the run of cell lint comes earlier"]),
        (unsigned, ["line 1: is not signed", "line 1: 0 of 1 trusted runners signed it"]),
        (forged, ["line 1: the signature of Ada is not over these bytes"]),
        (borrowed, ["line 1: the signature of Ada is not over these bytes"]),
        (retyped, ["line 1: holds 'text/plain' and not application/vnd.in-toto+json"]),
        (
            of_another_payload,
            [
                "line 1: says otherwise than the bundle: byproducts",
                "line 1: the signature of Ada is not over these bytes",
            ],
        ),
    ],
)
def test_each_forgery_has_its_reason(
    sealed: SealedRun, ada: Signer, trusted: Roster, change: Change, said: list[str]
) -> None:
    found = kit.problems(sealed, change(kit.attested(sealed, ada)), trusted)
    assert [item for item in said if item not in found] == []


@pytest.mark.parametrize(
    "other",
    [
        {"label": "head/2"},
        {"audit": "a-2"},
    ],
)
def test_attestations_of_another_run_are_named_as_such(
    sealed: SealedRun, ada: Signer, trusted: Roster, other: dict[str, Any]
) -> None:
    foreign = kit.attested(kit.sealed_run(**other), ada)
    mixed = [foreign[0], *kit.attested(sealed, ada)[1:]]
    found = kit.problems(sealed, mixed, trusted)
    assert found[0].startswith("line 1: is about another run: audit=`")
    assert ": has no line about the run of cell lint" in found


def test_a_cell_that_the_plan_does_not_have(
    sealed: SealedRun, ada: Signer, trusted: Roster
) -> None:
    statement = intoto.statements(sealed)[intoto.LINK, "lint"]
    more = replace(statement, predicate={**statement.predicate, "name": "more"})
    lines = kit.attested(sealed, ada)
    lines.append(Line(7, kit.enveloped(more, ada)))
    assert kit.problems(sealed, lines, trusted) == [
        "line 7: is about the run of cell more, which this run does not have"
    ]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (Statement((), "https://slsa.dev/provenance/v1", {}), "is no attestation of a run"),
        (Statement((), intoto.LINK, None), "is no attestation of a run"),
        (Statement((), intoto.LINK, {"name": 7}), "is no attestation of a run"),
        (Statement((), intoto.TEST_RESULT, {"configuration": []}), "is no attestation of a run"),
        (Statement((), intoto.TEST_RESULT, {"configuration": 1}), "is no attestation of a run"),
        (Statement((), intoto.LINK, {"name": "lint"}), "is about another run: it names none"),
        (Statement((), intoto.DECISION, {}), "is about another run: it names none"),
        (Statement((), intoto.DECISION, {"of": [1]}), "is about another run: it names none"),
        (Statement((), intoto.CHECKPOINT, {"of": {}}), "is about another run: audit=`None`"),
    ],
)
def test_statements_of_other_kinds(
    sealed: SealedRun, ada: Signer, trusted: Roster, statement: Statement, said: str
) -> None:
    lines = [*kit.attested(sealed, ada), Line(7, kit.enveloped(statement, ada))]
    (found,) = kit.problems(sealed, lines, trusted)
    assert found.startswith(f"line 7: {said}")


def subjects(statement: Statement, change: Callable[[list[Subject]], list[Subject]]) -> Statement:
    return replace(statement, subjects=tuple(change(list(statement.subjects))))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda them: them[1:], "lacks the subject command-logs/lint.log"),
        (
            lambda them: [replace(them[0], digests=(("sha256", "00"),)), *them[1:]],
            "has another digest of command-logs/lint.log than the bundle",
        ),
        (lambda them: [*them, them[0]], "names a subject twice"),
        (lambda them: [*them, Subject("x", ())], "has a subject that is not of it: x"),
    ],
)
def test_subjects_are_those_of_the_bundle(
    sealed: SealedRun, ada: Signer, trusted: Roster, change: Any, said: str
) -> None:
    """Properly signed by a trusted runner, and yet not what the bundle says."""
    statement = subjects(intoto.statements(sealed)[intoto.LINK, "lint"], change)
    lines = [Line(1, kit.enveloped(statement, ada)), *kit.attested(sealed, ada)[1:]]
    assert kit.problems(sealed, lines, trusted) == [f"line 1: {said}"]


@pytest.mark.parametrize(
    ("about", "key", "value"),
    [
        ((intoto.LINK, "lint"), "command", ["true", "--not-really"]),
        ((intoto.LINK, "lint"), "materials", []),
        ((intoto.LINK, "docs"), "byproducts", {"return-value": 0, "passed": True}),
        ((intoto.TEST_RESULT, "tests"), "result", "PASSED"),
        ((intoto.TEST_RESULT, "tests"), "warnedTests", []),
        ((intoto.DECISION, ""), "verdict", "GO"),
        ((intoto.DECISION, ""), "blockers", []),
        ((intoto.DECISION, ""), "dirty", 0),
        ((intoto.DECISION, ""), "gates", []),
    ],
)
def test_a_runner_who_says_otherwise_than_the_bundle(
    sealed: SealedRun, ada: Signer, trusted: Roster, about: intoto.About, key: str, value: Any
) -> None:
    statement = intoto.statements(sealed)[about]
    lie = replace(statement, predicate={**statement.predicate, key: value})
    number = list(intoto.statements(sealed)).index(about) + 1
    lines = kit.attested(sealed, ada)
    lines[number - 1] = Line(number, kit.enveloped(lie, ada))
    assert kit.problems(sealed, lines, trusted) == [
        f"line {number}: says otherwise than the bundle: {key}"
    ]


def test_fields_of_a_later_version_are_ignored(
    sealed: SealedRun, ada: Signer, trusted: Roster
) -> None:
    statement = intoto.statements(sealed)[intoto.DECISION, ""]
    gates = [{**gate, "later": 1} for gate in statement.predicate["gates"]]
    later = replace(statement, predicate={**statement.predicate, "gates": gates, "later": [1]})
    lines = kit.attested(sealed, ada)
    lines[4] = Line(5, kit.enveloped(later, ada))
    assert kit.problems(sealed, lines, trusted) == []


# --- who may sign ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"roles": ("SRE",)}, "Ada does not hold the role runner"),
        ({"valid_until": "2026-12-01T10:00:05Z"}, "was valid until"),
        ({"valid_from": "2026-12-01T10:00:06Z"}, "is valid only from"),
        ({"id": "another"}, f"key {'0' * 16} is not in the trust file"),
        ({"public": "11" * 32}, "the signature of Ada is not over these bytes"),
        ({"scheme": "ecdsa-sha2-nistp256"}, "the signature of Ada is not over these bytes"),
        ({"scheme": "rsassa-pss-sha256"}, "the signature of Ada is not over these bytes"),
        ({"scheme": "none"}, "Ada signed by none, which is not checked here"),
    ],
)
def test_keys_that_do_not_count(
    sealed: SealedRun, ada: Signer, changes: dict[str, Any], said: str
) -> None:
    other = kit.trusting(replace(kit.entry(ada), **changes))
    found = kit.problems(sealed, kit.attested(sealed, ada), other)
    assert said in found[0]
    assert found[1] == "line 1: 0 of 1 trusted runners signed it"


def test_the_window_is_looked_at_when_the_run_ended(sealed: SealedRun, ada: Signer) -> None:
    key = replace(kit.entry(ada), valid_until="2026-12-01T10:00:06Z")
    assert kit.problems(sealed, kit.attested(sealed, ada), kit.trusting(key)) == []


def test_a_threshold_counts_people_and_not_keys(sealed: SealedRun, ada: Signer) -> None:
    ben, spare = kit.signer(2), kit.signer(3)
    two = {"threshold": (Threshold("runner", 2),)}
    keys = (kit.entry(ada), kit.entry(ben, "Ben"), kit.entry(spare, "Ada"))
    trusted = kit.trusting(*keys, **two)
    lacking = [f"line {n}: 1 of 2 trusted runners signed it" for n in range(1, 7)]
    assert kit.problems(sealed, kit.attested(sealed, ada), trusted) == lacking
    assert kit.problems(sealed, kit.attested(sealed, ada, spare), trusted) == lacking
    assert kit.problems(sealed, kit.attested(sealed, ada, ben), trusted) == []


def checkpoint(sealed: SealedRun, *signers: Signer) -> Line:
    return Line(6, kit.enveloped(intoto.statements(sealed)[intoto.CHECKPOINT, ""], *signers))


def test_who_signed_the_checkpoint_counts_for_all(sealed: SealedRun, ada: Signer) -> None:
    ben = kit.signer(2)
    keys = (kit.entry(ada), kit.entry(ben, "Ben"))
    trusted = kit.trusting(*keys, threshold=(Threshold("runner", 2),))
    lines = [*kit.attested(sealed, ada)[:5], checkpoint(sealed, ada, ben)]
    assert kit.problems(sealed, lines, trusted) == []
    lines = [*kit.attested(sealed, ada)[:5], checkpoint(sealed, ben)]
    assert kit.problems(sealed, lines, trusted) == ["line 6: 1 of 2 trusted runners signed it"]


def test_a_checkpoint_alone_makes_no_unsigned_line_good(sealed: SealedRun, ada: Signer) -> None:
    lines = [*unsigned(kit.attested(sealed, ada)[:5]), checkpoint(sealed, ada)]
    found = kit.problems(sealed, lines, kit.trusting(kit.entry(ada)))
    assert "line 1: 0 of 1 trusted runners signed it" in found


def test_a_checkpoint_of_another_run_counts_for_nothing(sealed: SealedRun, ada: Signer) -> None:
    ben = kit.signer(2)
    keys = (kit.entry(ada), kit.entry(ben, "Ben"))
    trusted = kit.trusting(*keys, threshold=(Threshold("runner", 2),))
    foreign = checkpoint(kit.sealed_run(label="head/2"), ada, ben)
    found = kit.problems(sealed, [*kit.attested(sealed, ada)[:5], foreign], trusted)
    assert "line 1: 1 of 2 trusted runners signed it" in found


def test_a_bad_signature_beside_enough_good_ones_is_still_named(
    sealed: SealedRun, ada: Signer, trusted: Roster
) -> None:
    lines = kit.attested(sealed, ada)
    stranger = Signature("f" * 64, bytes(64))
    signatures = (*lines[0].envelope.signatures, stranger)
    lines[0] = Line(1, replace(lines[0].envelope, signatures=signatures))
    assert kit.problems(sealed, lines, trusted) == [
        "line 1: key ffffffffffffffff is not in the trust file"
    ]


# --- statements -----------------------------------------------------------------------------------


def test_every_statement_names_the_commit_the_tree_and_the_checkpoint(sealed: SealedRun) -> None:
    for statement in intoto.statements(sealed).values():
        digests = {subject.name: dict(subject.digests) for subject in statement.subjects}
        assert digests["subject"] == {
            "gitCommit": sealed.plan.subject.commit,
            "gitTree": sealed.plan.subject.tree,
        }
        text = chain.checkpoint_text(sealed.point)
        assert digests["checkpoint"] == {"sha256": chain.sha256(text)}


def test_a_log_is_named_by_its_salted_root_alone(sealed: SealedRun) -> None:
    """Its plain digest would let a chunk be guessed that somebody withholds later."""
    (log,) = [
        subject
        for subject in intoto.statements(sealed)[intoto.LINK, "lint"].subjects
        if subject.name.endswith(".log")
    ]
    attempt = sealed.run.attempts[0]
    assert attempt.log
    assert log.digests == ((intoto.LOG_ROOT, attempt.log.root),)


def test_the_link_of_a_cell(sealed: SealedRun) -> None:
    link = intoto.statements(sealed)[intoto.LINK, "docs"].predicate
    assert link["name"] == "docs"
    assert link["command"] == ["true"]
    assert link["byproducts"]["return-value"] == 3
    assert link["byproducts"]["passed"] is False


@pytest.mark.parametrize(
    ("outcomes", "result"),
    [
        (("passed",), "PASSED"),
        (("passed", "skipped"), "WARNED"),
        (("skipped",), "WARNED"),
        (("passed", "failed"), "FAILED"),
        (("error", "passed"), "FAILED"),
    ],
)
def test_skipped_is_not_passed(sealed: SealedRun, outcomes: Any, result: str) -> None:
    tests = tuple(
        replace(sealed.facts.tests[0], key=f"t{n}", outcome=outcome)
        for n, outcome in enumerate(outcomes)
    )
    changed = replace(sealed, facts=replace(sealed.facts, tests=tests))
    said = intoto.statements(changed)[intoto.TEST_RESULT, "tests"].predicate
    assert said["result"] == result
    names = said["passedTests"] + said["warnedTests"] + said["failedTests"]
    assert sorted(names) == [test.key for test in tests]


def test_tests_of_a_cell_that_did_not_pass_have_failed(sealed: SealedRun) -> None:
    cells = tuple(
        replace(item, passed=False) if item.cell == "tests" else item
        for item in sealed.decision.cells
    )
    changed = replace(sealed, decision=replace(sealed.decision, cells=cells))
    said = intoto.statements(changed)[intoto.TEST_RESULT, "tests"].predicate
    assert said["result"] == "FAILED"


def test_a_cell_that_never_ran_has_a_link_that_says_so(sealed: SealedRun) -> None:
    bare = replace(sealed, run=replace(sealed.run, attempts=sealed.run.attempts[1:]))
    statement = intoto.statements(bare)[intoto.LINK, "lint"]
    assert statement.predicate["byproducts"]["return-value"] is None
    assert [subject.name for subject in statement.subjects] == ["subject", "checkpoint"]


def test_statements_are_about_what_they_say(sealed: SealedRun) -> None:
    for about, statement in intoto.statements(sealed).items():
        payload = dsse.write_statement(statement)
        again = dsse.read_statement(Envelope(dsse.PAYLOAD_TYPE, payload, ()))
        assert intoto.about_of(again) == about
        assert intoto.run_of(again) == codec.to_value(sealed.named)


# --- the signed note ------------------------------------------------------------------------------


def test_a_note_gathers_signatures(sealed: SealedRun, ada: Signer) -> None:
    ben = kit.signer(2)
    one = attest.write_note(sealed.point, [ada])
    both = attest.write_note(sealed.point, [ben], one)
    assert attest.write_note(sealed.point, [ada], one) == one
    assert both == attest.write_note(sealed.point, [ada, ben])
    text, signatures = dsse.read_note(both)
    assert text == chain.checkpoint_text(sealed.point)
    assert [name for name, _, _ in signatures] == [ada.keyid, ben.keyid]


def test_a_note_over_another_checkpoint_is_not_added_to(sealed: SealedRun, ada: Signer) -> None:
    old = attest.write_note(kit.sealed_run(label="head/2").point, [ada])
    for data in (old, b"not a note"):
        with pytest.raises(Malformed):
            attest.write_note(sealed.point, [ada], data)
