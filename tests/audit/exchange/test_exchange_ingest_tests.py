"""Test and scan results of others: what passes, what fails, and what nobody can know."""

from __future__ import annotations

import json
from typing import Any

import pytest

from audit.errors import Invalid
from audit.exchange import EXPORTS
from audit.exchange.ingest import ingest
from audit.exchange.ingested import Ingested
from tests.audit.exchange.exchange_kit import go, golden, source


def read(value: Any, name: str = "x.json") -> Ingested:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    (found,) = ingest(data, name)
    return found


def refusal(value: Any) -> Invalid:
    with pytest.raises(Invalid) as caught:
        read(value)
    assert caught.value.place.startswith("x.json")
    assert caught.value.next_step
    return caught.value


# --- JUnit ----------------------------------------------------------------------------------------

JUNIT = [
    ("<testsuite><testcase name='a'/></testsuite>", "passed"),
    (
        "<testsuite><testcase name='a'/><testcase name='b'><failure/></testcase></testsuite>",
        "failed",
    ),
    ("<testsuite><testcase name='a'><error/></testcase></testsuite>", "failed"),
    ("<testsuite><testcase name='a'><skipped/></testcase></testsuite>", "unknown"),
    ("<testsuite/>", "unknown"),
    ("\ufeff<testsuites><testsuite><testcase name='a'/></testsuite></testsuites>", "passed"),
]


@pytest.mark.parametrize(("text", "outcome"), JUNIT)
def test_junit(text: str, outcome: str) -> None:
    found = read(text.encode())
    assert (found.kind, found.outcome, found.signature) == ("junit", outcome, "none")


def test_a_test_that_passed_when_run_again_is_a_problem() -> None:
    text = b"<testsuite><testcase name='a'><flakyFailure/></testcase></testsuite>"
    found = read(text)
    assert found.tests[0].retried
    assert "passed only when run again" in found.problems[0]


@pytest.mark.parametrize("text", [b"<html/>", b"<testsuite><testcase", b"<!DOCTYPE x><testsuite/>"])
def test_xml_that_is_no_junit_is_refused(text: bytes) -> None:
    refusal(text)


# --- CTRF -----------------------------------------------------------------------------------------


def ctrf(*statuses: str, summary: dict[str, Any] | None = None, **top: Any) -> dict[str, Any]:
    names = ("passed", "failed", "skipped", "pending", "other")
    counted = {"tests": len(statuses), **{name: statuses.count(name) for name in names}}
    tests = [{"name": f"t{n}", "status": s, "duration": 1} for n, s in enumerate(statuses)]
    times = {"start": 1_700_000_000_000, "stop": 1_700_000_001_000}
    results = {
        "tool": {"name": "jest"},
        "summary": {**counted, **times, **(summary or {})},
        "tests": tests,
    }
    return {"reportFormat": "CTRF", "specVersion": "0.0.0", "results": results, **top}


@pytest.mark.parametrize(
    ("statuses", "outcome"),
    [
        (("passed",), "passed"),
        (("passed", "skipped", "pending"), "passed"),
        (("passed", "failed"), "failed"),
        (("passed", "other"), "failed"),
        (("skipped",), "unknown"),
        ((), "unknown"),
    ],
)
def test_ctrf(statuses: tuple[str, ...], outcome: str) -> None:
    found = read(ctrf(*statuses))
    assert (found.kind, found.producer, found.outcome) == ("ctrf", "jest", outcome)
    assert found.times[0].utc == "2023-11-14T22:13:20Z"


@pytest.mark.parametrize(
    ("summary", "outcome"),
    [({"tests": 9}, "unknown"), ({"passed": 2}, "unknown"), ({"failed": 1}, "failed")],
)
def test_a_summary_that_counts_otherwise_is_not_believed(
    summary: dict[str, int], outcome: str
) -> None:
    found = read(ctrf("passed", summary=summary))
    assert found.outcome == outcome
    assert "its summary counts" in found.problems[0]


def test_a_flaky_test_of_ctrf_is_told_and_its_suite_is_part_of_its_name() -> None:
    value = ctrf("passed", "failed")
    value["results"]["tests"][0] |= {"flaky": True, "suite": ["a", "b"]}
    value["results"]["tests"][1] |= {"flaky": True, "suite": "older"}
    found = read(value)
    assert [(test.name, test.retried) for test in found.tests] == [
        ("a > b > t0", True),
        ("older > t1", False),
    ]


def test_a_report_without_its_format_is_known_by_its_shape() -> None:
    value = ctrf("passed")
    del value["reportFormat"], value["specVersion"]
    assert read(value).kind == "ctrf"


@pytest.mark.parametrize("version", ["2.0.0", "1", "x", "0.0.0-beta", "9" * 5000])
def test_a_version_of_ctrf_that_is_not_known_is_refused(version: str) -> None:
    assert "specVersion" in refusal(ctrf("passed", specVersion=version)).place


@pytest.mark.parametrize(
    "change",
    [
        {"reportFormat": "XCTRF"},
        {"results": {}},
        {"results": []},
        {"results": {"tests": [], "summary": {}, "tool": {"name": "x"}}},
    ],
)
def test_another_shape_of_ctrf_is_refused(change: dict[str, Any]) -> None:
    refusal({**ctrf("passed"), **change})


@pytest.mark.parametrize("bad", ["green", 1, None, True, []])
def test_a_status_that_ctrf_does_not_know_is_refused(bad: Any) -> None:
    value = ctrf("passed", "passed")
    value["results"]["tests"][1]["status"] = bad
    assert refusal(value).place.startswith("x.json: results.tests[1]")


@pytest.mark.parametrize("bad", [-1, 1.5, "1", True, 10**30])
def test_a_time_of_ctrf_that_is_none_is_refused(bad: Any) -> None:
    assert refusal(ctrf("passed", summary={"start": bad})).place == "x.json: results.summary.start"


# --- SARIF ----------------------------------------------------------------------------------------


def sarif(*results: dict[str, Any], **run: Any) -> dict[str, Any]:
    rules = [{"id": "R0"}, {"id": "R1", "defaultConfiguration": {"level": "error"}}]
    driver = {"name": "scanner", "rules": rules}
    told = [{"message": {"text": "here"}, **item} for item in results]
    return {"version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": told, **run}]}


ACCEPTED = [{"kind": "external", "status": "accepted"}]
SARIF: list[tuple[dict[str, Any], str, str]] = [
    (sarif(), "passed", ""),
    (sarif({"level": "error"}), "failed", "error"),
    (sarif({"level": "warning"}), "passed", "warning"),
    (sarif({"level": "note"}), "passed", "note"),
    (sarif({"level": "none"}), "passed", ""),
    (sarif({}), "passed", "warning"),
    (sarif({"ruleId": "R0"}), "passed", "warning"),
    (sarif({"ruleId": "R1"}), "failed", "error"),
    (sarif({"ruleId": "R1/7"}), "failed", "error"),
    (sarif({"ruleIndex": 1}), "failed", "error"),
    (sarif({"ruleIndex": -1, "ruleId": "R1"}), "failed", "error"),
    (sarif({"rule": {"id": "R1"}}), "failed", "error"),
    (sarif({"ruleId": "R1", "level": "note"}), "passed", "note"),
    (sarif({"ruleId": "R1", "kind": "pass"}), "passed", ""),
    (sarif({"ruleId": "R1", "kind": "fail"}), "failed", "error"),
    (sarif({"ruleId": "R1", "kind": "open"}), "failed", "error"),
    (sarif({"level": "error", "baselineState": "absent"}), "passed", ""),
    (sarif({"level": "error", "baselineState": "unchanged"}), "failed", "error"),
    (sarif({"level": "error", "suppressions": ACCEPTED}), "passed", "suppressed"),
    (sarif({"level": "error", "suppressions": [{"kind": "inSource"}]}), "passed", "suppressed"),
    (sarif({"level": "error", "suppressions": []}), "failed", "error"),
    (
        sarif(
            {
                "level": "error",
                "suppressions": [*ACCEPTED, {"kind": "external", "status": "rejected"}],
            }
        ),
        "failed",
        "error",
    ),
    (
        sarif({"level": "error", "suppressions": [{"kind": "external", "status": "underReview"}]}),
        "failed",
        "error",
    ),
    (sarif(invocations=[{"executionSuccessful": True}]), "passed", ""),
    (sarif(invocations=[{"executionSuccessful": False}]), "unknown", ""),
    (sarif({"level": "error"}, invocations=[{"executionSuccessful": False}]), "failed", "error"),
    (sarif(results=None), "unknown", ""),
    ({"version": "2.1.0", "runs": []}, "unknown", ""),
]


@pytest.mark.parametrize(("value", "outcome", "counted"), SARIF)
def test_sarif(value: dict[str, Any], outcome: str, counted: str) -> None:
    found = read(value)
    assert (found.kind, found.outcome) == ("sarif", outcome)
    counts = {name: number for name, number in found.counts.items() if number}
    assert counts == ({counted: 1} if counted else {})
    assert set(found.counts) == {"error", "warning", "note", "suppressed"}
    if outcome == "unknown":
        assert found.problems


def test_a_rule_of_an_extension_has_its_own_level() -> None:
    extension = {"name": "pack", "rules": [{"id": "Q", "defaultConfiguration": {"level": "error"}}]}
    value = sarif({"ruleId": "Q", "rule": {"index": 0, "toolComponent": {"index": 0}}})
    value["runs"][0]["tool"]["extensions"] = [extension]
    assert read(value).outcome == "failed"
    value["runs"][0]["results"][0]["rule"]["toolComponent"]["index"] = 5
    assert refusal(value).place.endswith("toolComponent.index")


def test_a_test_per_rule_and_an_error_beats_what_came_before() -> None:
    found = read(sarif({"ruleId": "R0", "level": "note"}, {"ruleId": "R0", "level": "error"}))
    assert {test.name: test.outcome for test in found.tests} == {
        "scanner > R0": "failed",
        "scanner > R1": "passed",
    }


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({**sarif(), "version": "2.2.0"}, "x.json: version"),
        ({**sarif(), "version": 2}, "x.json: version"),
        ({"runs": []}, "x.json"),
        ({"version": "2.1.0", "runs": [{}]}, "x.json: runs[0]"),
        (sarif({"level": "fatal"}), "x.json: runs[0].results[0].level"),
        (sarif({"ruleIndex": 2}), "x.json: runs[0].results[0].ruleIndex"),
        (sarif({"ruleIndex": -2}), "x.json: runs[0].results[0].ruleIndex"),
        (sarif({"message": None}), "x.json: runs[0].results[0]"),
        (sarif({"kind": "maybe"}), "x.json: runs[0].results[0].kind"),
        (sarif(invocations=[{}]), "x.json: runs[0].invocations[0]"),
        (sarif(results={}), "x.json: runs[0].results"),
        (
            sarif(invocations=[{"executionSuccessful": True, "startTimeUtc": "2026-12-01"}]),
            "x.json: runs[0].invocations[0].startTimeUtc",
        ),
    ],
)
def test_sarif_of_another_shape_is_refused_with_its_place(value: Any, place: str) -> None:
    assert refusal(value).place == place


# --- our own --------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["junit", "sarif", "ctrf"])
def test_our_exports_come_back_as_they_went(form: str) -> None:
    (data,) = EXPORTS[form](golden()).values()
    assert read(data).outcome == "failed"
    (data,) = EXPORTS[form](source([go()])).values()
    assert read(data).outcome == "passed"
