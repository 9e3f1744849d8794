"""Files of any kind: told apart, refused where they are none, and turned into results of a cell."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import results
from audit.errors import Invalid
from audit.exchange import ingest as ingesting
from audit.exchange.ingest import as_junit, as_metrics, ingest
from audit.exchange.ingested import Check, Expected, Ingested
from tests.audit.exchange.exchange_kit import envelope, statement
from tests.examples import share

SUMMARY = {
    "verifier": {"id": "v"},
    "timeVerified": "2026-12-01T10:00:00Z",
    "resourceUri": "r",
    "policy": {"uri": "p"},
    "verificationResult": "PASSED",
    "verifiedLevels": ["L3"],
}
VSA = envelope(statement("https://slsa.dev/verification_summary/v1", SUMMARY), "k")
SARIF = json.dumps(
    {
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "s", "rules": [{"id": "R"}]}},
                "results": [{"level": "error", "ruleId": "R", "message": {"text": "here\nand on"}}],
            }
        ],
    }
).encode()
CTRF = json.dumps(
    {
        "results": {
            "tool": {"name": "t"},
            "summary": {
                **dict.fromkeys(("failed", "skipped", "pending", "other"), 0),
                **{"tests": 1, "passed": 1, "start": 1, "stop": 2},
            },
            "tests": [{"name": "a", "status": "passed", "duration": 1}],
        }
    }
).encode()
JUNIT = b"<testsuite><testcase name='a'/></testsuite>"


# --- bad input ------------------------------------------------------------------------------------

HOSTILE: list[bytes] = [
    b"",
    b" \n\n",
    b"null",
    b"7",
    b'"text"',
    b"[]",
    b"{}",
    b"{}\n{}",
    b'{"a": 1}\n{"b": 2}\n',
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\x00" * 50,
    b"[" * 200_000,
    b'{"runs":' * 100_000,
    b'{"runs": [], "runs": [], "version": "2.1.0"}',
    b'{"version": "2.1.0", "runs": [' + b"9" * 10_000 + b"]}",
    b'{"version": "2.1.0", "runs": [1e999]}',
    b'{"version": "2.1.0", "runs": [], "nobody looks": 1e999}',
    b'{"version": "2.1.0", "runs": [], "nobody looks": NaN}',
    b'{"version": "2.1.0", "runs": [-Infinity]}',
    b'{"version": "2.1.0", "runs": "all"}',
    b'{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": null}}}]}',
    b'{"payload": 1}',
    b'{"signed": null, "signatures": []}',
    b'{"signed": [], "signatures": []}',
    b'{"_type": "link", "name": "\xff"}',
    b'{"results": {"tests": 1}}',
    b"<" * 100_000,
    b"<?xml version='1.0' encoding='utf-7'?><testsuite/>",
    b"<!DOCTYPE a [<!ENTITY b 'c'>]><testsuite name='&b;'/>",
]


@pytest.mark.parametrize("data", HOSTILE, ids=lambda data: repr(data[:30]))
def test_hostile_files_are_refused_in_words(data: bytes) -> None:
    with pytest.raises(Invalid) as caught:
        ingest(data, "x")
    assert caught.value.place.startswith("x")
    assert caught.value.next_step
    assert len(str(caught.value)) < 1_000


def test_a_huge_file_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "FILE_BYTES_MAX", 100)
    with pytest.raises(Invalid, match="larger than 100"):
        ingest(b"{" + b" " * 100, "x")


def test_too_many_lines_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingesting, "DOCUMENTS_MAX", 2)
    assert len(ingest(VSA + b"\n" + VSA, "x")) == 2
    with pytest.raises(Invalid, match="more than 2"):
        ingest(b"\n".join([VSA] * 3), "x")


@pytest.mark.parametrize("data", [VSA, SARIF, JUNIT], ids=["vsa", "sarif", "junit"])
def test_a_file_that_was_cut_off_is_refused_wherever_it_was(data: bytes) -> None:
    assert ingest(data, "x")
    for end in range(len(data)):
        with pytest.raises(Invalid):
            ingest(data[:end], "x")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        inner = [(key, item) for key, item in value.items()]
    elif isinstance(value, list):
        inner = list(enumerate(value))
    else:
        inner = []
    return [path, *(found for key, item in inner for found in places(item, (*path, key)))]


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[path[0]] = put(value[path[0]], path[1:], new)
    return copied


WHOLE = [
    json.loads(SARIF),
    json.loads(VSA),
    statement("https://slsa.dev/verification_summary/v1", SUMMARY),
    statement(
        "https://in-toto.io/attestation/test-result/v0.1", {"result": "PASSED", "configuration": []}
    ),
    {
        "_type": "link",
        "name": "n",
        "products": {"a": {"sha256": "aa" * 32}},
        "byproducts": {"return-value": 0},
    },
]


@given(st.data())
def test_one_wrong_value_anywhere_is_refused_or_harmless(data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from(WHOLE))
    path = data.draw(st.sampled_from(places(whole)))
    value = put(whole, path, data.draw(JSON))
    found: tuple[Ingested, ...] = ()
    with contextlib.suppress(Invalid):
        found = ingest(json.dumps(value).encode(), "x")
    as_junit(found)
    results.metrics(as_metrics(found))


@share(50)
@given(
    st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace"))
)
def test_any_bytes_are_refused_and_nothing_else_is_raised(data: bytes) -> None:
    with pytest.raises(Invalid):
        ingest(data, "x")


# --- what it should be about ----------------------------------------------------------------------

COMMIT = "ab" * 20


def scan(revision: str) -> bytes:
    run: dict[str, Any] = {"tool": {"driver": {"name": "z"}}, "results": []}
    if revision:
        run["versionControlProvenance"] = [{"repositoryUri": "u", "revisionId": revision}]
    return json.dumps({"version": "2.1.0", "runs": [run]}).encode()


def report(commit: str) -> bytes:
    told = json.loads(CTRF)
    told["results"]["environment"] = {"commit": commit} if commit else {}
    return json.dumps(told).encode()


@pytest.mark.parametrize("make", [scan, report])
@pytest.mark.parametrize(
    ("told", "outcome"),
    [(COMMIT, "passed"), ("cd" * 20, "failed"), ("", "unknown"), ("main", "unknown")],
)
def test_a_report_is_about_the_commit_that_it_names(make: Any, told: str, outcome: str) -> None:
    (found,) = ingest(make(told), "x", Expected(commit=COMMIT))
    assert (found.outcome, found.flags["subject_matches"]) == (outcome, outcome == "passed")
    assert bool(found.problems) == (outcome != "passed")
    (free,) = ingest(make(told), "x")
    assert (free.outcome, "subject_matches" in free.flags) == ("passed", False)


@pytest.mark.parametrize("expected", [Expected(commit=COMMIT), Expected(digests=("ab" * 32,))])
def test_a_report_that_names_nothing_is_not_taken_for_what_is_audited(expected: Expected) -> None:
    (found,) = ingest(JUNIT, "x", expected)
    assert found.outcome == "unknown"
    assert found.problems == ("it does not say what it is about",)


def test_what_failed_is_said() -> None:
    bad = JUNIT.replace(b"/></", b"><failure/></testcase></")
    (found,) = ingest(bad, "x")
    assert found.problems == ("1 of 1 test did not pass: a",)
    failed = {**SUMMARY, "verificationResult": "FAILED", "verifiedLevels": []}
    told = envelope(statement("https://slsa.dev/verification_summary/v1", failed), "k")
    (found,) = ingest(told, "x", verify=lambda _: "Ada")
    assert found.problems == ("it says of itself that it failed",)


# --- into results of a cell -----------------------------------------------------------------------


def numbers(found: tuple[Ingested, ...]) -> dict[str, str]:
    return results.metrics(as_metrics(found))


def test_metrics_are_what_the_judge_reads() -> None:
    found = numbers(ingest(SARIF, "x"))
    assert (found["sarif.error"], found["sarif.passed"]) == ("1", "0")
    assert found["sarif.tests_failed"] == found["evidence.not_passed"] == "1"
    assert "sarif.subject_matches" not in found


def test_metrics_of_a_statement_nobody_checked() -> None:
    found = numbers(ingest(VSA, "x"))
    assert (found["vsa.says_passed"], found["vsa.passed"]) == ("1", "0")
    assert found["vsa.signature_verified"] == found["intoto.signature_verified"] == "0"
    checked = numbers(ingest(VSA, "x", verify=lambda _: "Ada"))
    assert checked["vsa.passed"] == checked["intoto.passed"] == "1"


def test_counts_add_up_and_one_document_that_did_not_pass_is_enough() -> None:
    good, bad = ingest(JUNIT, "a"), ingest(JUNIT.replace(b"/></", b"><failure/></testcase></"), "b")
    found = numbers((*good, *bad))
    assert (found["junit.documents"], found["junit.passed"]) == ("2", "0")
    assert numbers((*bad, *good)) == found
    assert numbers((*good, *good))["junit.passed"] == "1"


OUTCOMES = st.sampled_from(["passed", "failed", "skipped", "error"])
CHECKS = st.builds(
    Check,
    st.text(st.characters(codec=None, exclude_categories=()), max_size=12),
    OUTCOMES,
    st.text(st.characters(codec=None, exclude_categories=()), max_size=12),
    st.booleans(),
)


@given(st.lists(CHECKS, max_size=5), st.sampled_from(["passed", "failed", "unknown"]))
def test_a_converted_file_is_never_greener_than_its_document(tests: Any, outcome: Any) -> None:
    found = Ingested("ctrf", "x", "p", outcome, outcome, "none", tests=tuple(tests))
    read_back = results.junit(as_junit((found,)))
    worst = {test.outcome for test in read_back}
    green = all(test.outcome in ("passed", "skipped") for test in tests) and outcome == "passed"
    assert (not worst & {"failed", "error"}) == green
    assert numbers((found,))["ctrf.passed"] == str(int(outcome == "passed"))


def test_a_test_that_was_run_again_stays_so() -> None:
    check = Check("t", "passed", retried=True)
    plain = Ingested("ctrf", "x", "p", "passed", "passed", "none", tests=(check,))
    assert [test.retried for test in results.junit(as_junit((plain,)))] == [True, False]
    unknown = replace(plain, outcome="unknown", problems=("signature not checked",))
    assert results.junit(as_junit((unknown,)))[1].outcome == "error"


def test_conversion_gives_the_same_bytes() -> None:
    found = ingest(VSA, "x")
    assert as_metrics(found) == as_metrics(ingest(VSA, "x"))
    assert as_junit(found) == as_junit(ingest(VSA, "x"))
