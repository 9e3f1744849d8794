"""Exports: what they say is what was decided, in every format, and never greener."""

from __future__ import annotations

import dataclasses
import itertools
import json
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import results
from audit.errors import Unavailable
from audit.exchange import EXPORTS, validation
from audit.exchange import source as sources
from evidence import judge, model
from tests.audit.exchange.exchange_kit import (
    LATER,
    attempt,
    command,
    go,
    golden,
    only,
    red,
    source,
    waived,
)
from tests.examples import share
from tests.records import make_cell, make_signal

WAIVER = waived("Ada", "known until the next release", "2027-01-01T00:00:00Z")
JSON_FORMATS = [name for name in EXPORTS if name != "junit"]


def valid(form: str, files: dict[str, bytes]) -> None:
    """Hold files against what their own world checks with, where it is installed."""
    try:
        problems = validation.validate(form, files)
    except Unavailable as error:
        pytest.skip(f"could_not_run: {error.problem}")
    assert not problems


def red_names(form: str, files: dict[str, bytes]) -> set[str]:
    """The signals that a format shows as open, and the verdict."""
    if form == "junit":
        root = ET.fromstring(files["junit.xml"])
        cases = [case for case in root.iter("testcase") if case.find("failure") is not None]
        return {
            case.attrib["name"].split()[0] for case in cases if case.get("classname") != "cells"
        }
    if form == "sarif":
        return {item["ruleId"] for item in only(files)["runs"][0]["results"]}
    if form == "ctrf":
        tests = [test for test in only(files)["results"]["tests"] if test.get("type") != "cell"]
        return {test["name"].split()[0] for test in tests if test["status"] != "passed"}
    if form == "oscal":
        report = json.loads(files["assessment-results.json"])["assessment-results"]
        found = report["results"][0].get("findings", [])
        open_ = {item["title"].split()[0] for item in found if _state(item) != "satisfied"}
        verdict = {prop["name"]: prop["value"] for prop in report["results"][0]["props"]}["verdict"]
        return open_ | ({"the"} if verdict != "GO" else set())
    value = only(files)
    maps = [item for one in value["declarations"]["attestations"] for item in one["map"]]
    named = {item["requirement"] for item in maps if item["conformance"]["score"] < 1}
    verdict = {item["name"]: item["value"] for item in value["metadata"]["properties"]}
    shown = {name.removeprefix("signal/") for name in named if name.startswith("signal/")}
    return shown | ({"the"} if verdict["arco-audit:verdict"] != "GO" else set())


def _state(finding: dict[str, Any]) -> str:
    text: str = finding["target"]["status"]["state"]
    return text


VERDICT = {"verdict", "the"}
"""How the formats call the verdict, as a first word."""


@pytest.mark.parametrize("form", EXPORTS)
def test_every_open_signal_is_red_and_no_other(form: str) -> None:
    run = golden()
    open_ = {item.id for item in run.decision.signals if item.status != "GO"}
    assert len(open_) == 3  # PARTIAL, BLOCKED-EXTERNAL and NO-GO
    assert red_names(form, EXPORTS[form](run)) - VERDICT == open_


@pytest.mark.parametrize("form", EXPORTS)
def test_a_waived_signal_stays_red(form: str) -> None:
    files = EXPORTS[form](source([go(), red()], waivers={"G0-002": WAIVER}))
    assert red_names(form, files) - VERDICT == {"G0-002"}
    assert b"known until the next release" in b"".join(files.values())


@pytest.mark.parametrize("form", EXPORTS)
def test_the_verdict_with_waivers_is_told_and_is_no_pass(form: str) -> None:
    plain = source([go(), red()], waivers={"G0-002": WAIVER})
    assert b"GO-WITH-WAIVERS" not in b"".join(EXPORTS[form](plain).values())
    told = dataclasses.replace(plain, signed_off="GO-WITH-WAIVERS")
    files = EXPORTS[form](told)
    assert b"".join(files.values()).count(b"GO-WITH-WAIVERS") == 1
    assert red_names(form, files) == red_names(form, EXPORTS[form](plain))
    assert red_names(form, files) & VERDICT
    valid(form, files)


@pytest.mark.parametrize("form", EXPORTS)
def test_a_verdict_is_red_although_every_signal_is_green(form: str) -> None:
    blocked = source([go()], dirty=("README.md",))
    assert blocked.decision.gates[0].status == "GO"
    files = EXPORTS[form](blocked)
    assert red_names(form, files) & VERDICT
    assert b"the working tree is dirty" in b"".join(files.values()) or form == "cyclonedx"


@pytest.mark.parametrize("form", EXPORTS)
def test_a_ready_release_has_nothing_red(form: str) -> None:
    ready = source([go()])
    assert ready.decision.verdict == "GO"
    files = EXPORTS[form](ready)
    assert red_names(form, files) == set()
    assert "poam.json" not in files


@pytest.mark.parametrize("form", EXPORTS)
def test_a_gate_without_signals_is_not_green(form: str) -> None:
    run = source([go(), go("G1-001", gate=1)])
    empty = tuple(
        model.Gate(gate.id, gate.name, () if gate.id == 1 else gate.signals)
        for gate in run.plan.gates
    )
    plan = model.Plan(**{**_fields(run.plan), "gates": empty})
    emptied = sources.Source(
        plan, run.run, run.facts, judge.decide(plan, run.facts), run.final_root
    )
    files = EXPORTS[form](emptied)
    assert red_names(form, files)
    if form == "junit":
        suite = ET.fromstring(files["junit.xml"]).findall("testsuite")[1]
        assert (suite.attrib["tests"], suite.attrib["failures"]) == ("1", "1")


def _fields(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__slots__}


@pytest.mark.parametrize("form", EXPORTS)
def test_the_same_run_gives_the_same_bytes_and_another_root_other_ids(form: str) -> None:
    run = golden()
    files = EXPORTS[form](run)
    assert files == EXPORTS[form](golden())
    other = sources.Source(run.plan, run.run, run.facts, run.decision, "00" * 32)
    assert files != EXPORTS[form](other)
    assert run.id("x") != other.id("x")
    for data in files.values():
        data.decode("ascii")


@pytest.mark.parametrize("form", EXPORTS)
def test_the_golden_run_is_valid(form: str) -> None:
    valid(form, EXPORTS[form](golden()))
    valid(form, EXPORTS[form](source([go()])))


def test_validators_do_refuse() -> None:
    assert validation.validate("junit", {"junit.xml": b"<html/>"})
    assert validation.validate("sarif", {}) is None
    for form, name in (("oscal", "poam.json"), ("cyclonedx", "attestations.cdx.json")):
        try:
            problems = validation.validate(form, {name: b'{"specVersion": 1}'})
        except Unavailable as error:
            problems = [error.next_step]
        assert problems


# --- hostile text ---------------------------------------------------------------------------------

TEXTS = st.text(st.characters(codec=None, exclude_categories=()), max_size=40) | st.sampled_from(
    [
        "\ud800 lone \udfff",
        "\x00\x01\x1b[31m\r\n\t\x85\x9f\x7f",
        "]]> <![CDATA[ & < > \" ' -->",
        "\ufffe\uffff\U0001fffe",
        "\u202egnp.exe\u2028\u2029",
        "",
        "   ",
        "x" * 40_000,
    ]
)


def hostile(text: str) -> sources.Source:
    signals = [
        go(title=text, owner=text, exit_test=text, code=(text,), runbook=text),
        red("G0-002", title=text, owner=text, exit_test=text, code=("a b", text)),
        make_signal("G1-001", model.ExternalAttached("external", text, text), gate=1),
    ]
    cells = [make_cell("tests", argv=("sh", text), cmd=text, cwd=text or "."), make_cell("other")]
    attempts = [attempt("tests", "failed", 1, reason=text), attempt("tests", "passed", 2)]
    waiver = waived(text, text, LATER)
    return source(signals, cells=cells, attempts=attempts, text=text, waivers={"G0-002": waiver})


@share(30)
@given(TEXTS)
def test_hostile_text_gives_files_that_others_can_read(text: str) -> None:
    run = hostile(text)
    for form, export in EXPORTS.items():
        for name, data in export(run).items():
            words = data.decode("ascii")
            if name.endswith(".xml"):
                ET.fromstring(data)
            else:
                # A lone surrogate cannot be written as UTF-8, which strict readers insist on.
                json.dumps(json.loads(words), ensure_ascii=False).encode("utf-8")
            assert len(data) < 2_000_000, form
    outcomes = {
        test.key: test.outcome for test in results.junit(EXPORTS["junit"](run)["junit.xml"])
    }
    assert list(outcomes.values()).count("passed") <= 1


@share(5)
@given(TEXTS)
def test_hostile_text_is_valid_by_the_schemas(text: str) -> None:
    run = hostile(text)
    for form in ("oscal", "cyclonedx"):
        valid(form, EXPORTS[form](run))


@given(TEXTS)
def test_lines_are_lines_and_phrases_are_phrases(text: str) -> None:
    assert not {"\n", "\r", "\x00", "\x1b", "\u202e"} & set(sources.line(text))
    sources.lines(text).encode("utf-8")
    assert sources.phrase(text).strip() == sources.phrase(text) != ""


def test_a_long_text_says_that_it_was_cut() -> None:
    cut = sources.line("x" * (sources.TEXT_CHARS_MAX + 7))
    assert cut.endswith("… (7 characters more)")


# --- JUnit ----------------------------------------------------------------------------------------


def test_junit_is_read_back_as_it_was_decided() -> None:
    run = golden()
    found = {test.key: test for test in results.junit(EXPORTS["junit"](run)["junit.xml"])}
    for signal, decided in run.signals:
        key = judge.test_key(f"gate-{signal.gate}::{signal.id} {signal.title}")
        assert (found[key].outcome == "passed") == (decided.status == "GO")
    cells = {name: found[f"cells.{name}"].outcome for name in (c.cell for c in run.decision.cells)}
    assert cells["tests"] == "passed"
    assert (cells["fails"], cells["after"], cells["elsewhere"]) == ("failed", "skipped", "error")
    assert found["verdict.the release is ready"].outcome == "failed"


def test_junit_counts_are_those_of_its_cases() -> None:
    root = ET.fromstring(EXPORTS["junit"](golden())["junit.xml"])
    for suite in [root, *root.findall("testsuite")]:
        cases = list(suite.iter("testcase"))
        assert int(suite.attrib["tests"]) == len(cases)
        for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            counted = sum(case.find(tag) is not None for case in cases)
            assert int(suite.attrib[name]) == counted


FAILED_FIRST = [attempt("tests", "failed", 1), attempt("tests", "passed", 2)]


@pytest.mark.parametrize("flaky", [True, False])
def test_a_cell_that_passed_after_failing_is_told_in_junit_and_ctrf(flaky: bool) -> None:
    cells = [make_cell("tests", flaky=flaky)]
    run = source([go()], cells=cells, attempts=FAILED_FIRST)
    found = {test.key: test for test in results.junit(EXPORTS["junit"](run)["junit.xml"])}
    assert found["cells.tests"].outcome == ("passed" if flaky else "failed")
    assert found["cells.tests"].retried == flaky
    tests = only(EXPORTS["ctrf"](run))["results"]["tests"]
    cell = next(test for test in tests if test["name"] == "tests")
    assert cell["status"] == ("passed" if flaky else "failed")
    assert cell.get("flaky", False) == flaky
    assert cell["retries"] == len(cell["retryAttempts"]) == 1
    assert cell["retryAttempts"][0]["attempt"] == 2
    assert cell["extra"]["firstAttempt"]["status"] == "failed"


def test_a_retry_after_an_interruption_is_not_flaky() -> None:
    attempts = [attempt("tests", "interrupted", 1, log=None), attempt("tests", "passed", 2)]
    tests = only(EXPORTS["ctrf"](source([go()], attempts=attempts)))["results"]["tests"]
    cell = next(test for test in tests if test["name"] == "tests")
    assert (cell["status"], cell["flaky"], cell["retries"]) == ("passed", False, 1)


def test_the_summary_of_ctrf_counts_its_tests() -> None:
    body = only(EXPORTS["ctrf"](golden()))["results"]
    statuses = [test["status"] for test in body["tests"]]
    summary = body["summary"]
    assert summary["tests"] == len(statuses)
    for name in ("passed", "failed", "skipped", "pending", "other"):
        assert summary[name] == statuses.count(name)
    ids = [test["id"] for test in body["tests"]]
    assert len(set(ids)) == len(ids)


# --- SARIF ----------------------------------------------------------------------------------------


def test_sarif_has_every_rule_and_an_invocation_per_attempt() -> None:
    run = golden()
    (told,) = only(EXPORTS["sarif"](run))["runs"]
    rules = [rule["id"] for rule in told["tool"]["driver"]["rules"]]
    assert rules == [*(item.id for item in run.plan.signals), "verdict"]
    for result in told["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
    ran = [attempt.cell for attempt in run.run.attempts]
    cells = [item["properties"]["cell"] for item in told["invocations"]]
    assert sorted(cells) == sorted(ran)
    fails = next(item for item in told["invocations"] if item["properties"]["cell"] == "fails")
    assert (fails["exitCode"], fails["executionSuccessful"]) == (3, False)
    assert fails["startTimeUtc"].endswith("Z")


def test_sarif_says_of_a_cell_that_never_ran_that_it_did_not() -> None:
    cells = [make_cell("tests"), make_cell("lost")]
    (told,) = only(EXPORTS["sarif"](source([go()], cells=cells)))["runs"]
    lost = [item for item in told["invocations"] if item["properties"]["cell"] == "lost"]
    assert [item["executionSuccessful"] for item in lost] == [False]


def test_suppressions_are_all_or_none() -> None:
    plain = only(EXPORTS["sarif"](source([go(), red()])))["runs"][0]["results"]
    assert not any("suppressions" in item for item in plain)
    signals = [red("G0-001"), red("G0-002")]
    value = only(EXPORTS["sarif"](source(signals, waivers={"G0-002": WAIVER})))
    told = {item["ruleId"]: item["suppressions"] for item in value["runs"][0]["results"]}
    assert told["G0-001"] == told["verdict"] == []
    assert told["G0-002"][0]["status"] == "accepted"


def test_sarif_names_files_and_no_patterns() -> None:
    code = ("arco/core/a b.py", "arco/**/*.py", "/etc/passwd", "tests/test_é.py::test_x", "arco/")
    (result, _) = only(EXPORTS["sarif"](source([red(code=code)])))["runs"][0]["results"]
    uris = [item["physicalLocation"]["artifactLocation"]["uri"] for item in result["locations"]]
    assert uris == ["tests/test_%C3%A9.py", "arco/"]


# --- OSCAL and CycloneDX --------------------------------------------------------------------------


def references(value: Any, names: set[str]) -> list[str]:
    """Every value of the keys `names`, however deep, lists taken apart."""
    if isinstance(value, list):
        return [found for item in value for found in references(item, names)]
    if not isinstance(value, dict):
        return []
    here = [item for key, item in value.items() if key in names]
    flat = itertools.chain(*(item if isinstance(item, list) else [item] for item in here))
    return [item for item in flat if isinstance(item, str)] + [
        found for item in value.values() for found in references(item, names)
    ]


def test_references_in_oscal_lead_somewhere() -> None:
    for data in EXPORTS["oscal"](golden()).values():
        value = json.loads(data)
        ids = references(value, {"uuid"})
        assert len(set(ids)) == len(ids)
        assert set(references(value, {"observation-uuid", "risk-uuid", "finding-uuid"})) <= set(ids)


def test_a_waiver_is_a_deviation_in_oscal_with_a_deadline() -> None:
    files = EXPORTS["oscal"](source([red("G0-001"), red()], waivers={"G0-002": WAIVER}))
    plan = json.loads(files["poam.json"])["plan-of-action-and-milestones"]
    risks = {item["title"].split()[0]: item for item in plan["risks"]}
    assert risks["G0-001"]["status"] == "open"
    assert risks["G0-002"]["status"] == "deviation-approved"
    assert risks["G0-002"]["deadline"] == WAIVER.until_utc
    assert len(plan["poam-items"]) == 2


def test_what_blocks_beside_the_signals_is_an_item_of_the_plan_of_action() -> None:
    files = EXPORTS["oscal"](source([go()], dirty=("a",)))
    items = json.loads(files["poam.json"])["plan-of-action-and-milestones"]["poam-items"]
    assert [item["description"] for item in items] == ["the working tree is dirty: a"]


def test_references_in_cyclonedx_lead_somewhere() -> None:
    value = only(EXPORTS["cyclonedx"](golden()))
    refs = references(value, {"bom-ref"})
    assert len(set(refs)) == len(refs)
    kinds = {"requirement", "claims", "counterClaims", "evidence", "counterEvidence"}
    told = set(references(value, kinds | {"target", "assessor", "parent"}))
    assert told <= set(refs)


def test_a_counter_claim_rests_on_what_is_not_met() -> None:
    bad = model.MetricWithin("metric", "m", ("tests",), at_least="3")
    value = only(
        EXPORTS["cyclonedx"](source([make_signal("G0-001", command("tests"), bad), go("G0-002")]))
    )
    open_, closed = value["declarations"]["claims"]
    assert open_["evidence"] == ["evidence/G0-001/1"]
    assert open_["counterEvidence"] == ["evidence/G0-001/0"]
    assert open_["predicate"].startswith("not shown: ")
    assert (closed["evidence"], "counterEvidence" in closed) == (["evidence/G0-002/0"], False)


@pytest.mark.parametrize("form", ["oscal", "cyclonedx"])
def test_evidence_expires_at_the_end_of_its_age(form: str) -> None:
    aged = make_signal("G0-001", command("tests", max_age_ms=3_600_000))
    text = b"".join(EXPORTS[form](source([aged])).values()).decode()
    assert '"expires": "2026-12-01T11:00:05Z"' in text
    assert "expires" not in b"".join(EXPORTS[form](source([go()])).values()).decode()


def test_an_age_beyond_the_calendar_has_no_end() -> None:
    assert sources.later(LATER, 10**18) is None
    assert sources.later(LATER, 1000) == "2026-12-01T10:00:06Z"


def test_blockers_of_gates_are_told_apart_by_their_whole_number() -> None:
    run = source([red("G1-001", gate=1)], dirty=("a",))
    assert sources.not_of_gates(run.decision) == ["the working tree is dirty: a"]
