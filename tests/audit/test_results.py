"""JUnit as it is found in the wild, metrics, nox reports, and what is none of them."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import results
from audit.results import BrokenError


def outcomes(text: str | bytes) -> dict[str, str]:
    data = text if isinstance(text, bytes) else text.encode()
    return {test.key: test.outcome for test in results.junit(data)}


PYTEST_XUNIT2 = """<?xml version="1.0" encoding="utf-8"?>
<testsuites name="pytest tests"><testsuite name="pytest" errors="1" failures="1" tests="5">
<testcase classname="tests.house.test_tidy.TestSizes" name="test_files[a::b]" time="0.1"/>
<testcase classname="tests.test_a" name="test_fails"><failure message="m">E  x</failure></testcase>
<testcase classname="tests.test_a" name="test_skips"><skipped message="why"/></testcase>
<testcase classname="tests.test_a" name="test_teardown"/>
<testcase classname="tests.test_a" name="test_teardown"><error message="late"/></testcase>
</testsuite></testsuites>"""


def test_pytest_xunit2() -> None:
    assert outcomes(PYTEST_XUNIT2) == {
        "tests.house.test_tidy.TestSizes.test_files[a.b]": "passed",
        "tests.test_a.test_fails": "failed",
        "tests.test_a.test_skips": "skipped",
        "tests.test_a.test_teardown": "error",
    }


DIALECTS: list[tuple[str, str, dict[str, str]]] = [
    (
        "pytest xunit1 repeats its file",
        '<testsuite name="pytest"><testcase classname="tests.test_a.TestB" file="tests/test_a.py"'
        ' line="3" name="test_c"/></testsuite>',
        {"tests.test_a.TestB.test_c": "passed"},
    ),
    (
        "surefire, with a suite inside nothing and properties",
        '<testsuite name="org.x.FooTest" tests="2" failures="1"><properties><property name="a"'
        ' value="b"/></properties><testcase name="ok" classname="org.x.FooTest"><system-out>'
        "<![CDATA[<failure/>]]></system-out></testcase>"
        '<testcase name="bad" classname="org.x.FooTest">'
        '<failure type="E"/><rerunFailure/></testcase></testsuite>',
        {"org.x.FooTest.ok": "passed", "org.x.FooTest.bad": "failed"},
    ),
    (
        "gotestsum, with slashes in the package",
        '<testsuites><testsuite name="example.com/x/pkg" tests="1"><testcase'
        ' classname="example.com/x/pkg" name="TestA/sub_1"/></testsuite></testsuites>',
        {"example.com.x.pkg.TestA/sub_1": "passed"},
    ),
    (
        "jest, where the class is prose and the file says where",
        '<testsuites name="jest tests"><testsuite name="Foo"><testcase classname="Foo works"'
        ' name="Foo works" file="src/foo.test.js"/><testcase classname="Foo" name="waits"'
        ' file="src/foo.test.js"><skipped/></testcase></testsuite></testsuites>',
        {"src.foo.test.js.Foo works": "passed", "src.foo.test.js.Foo.waits": "skipped"},
    ),
    (
        "cargo nextest",
        '<testsuites name="nextest-run"><testsuite name="arco-core::flow"><testcase name="m::t"'
        ' classname="arco-core::flow"/></testsuite></testsuites>',
        {"arco-core.flow.m.t": "passed"},
    ),
    (
        "ctest, with words in status",
        '<testsuite name="linux" tests="3"><testcase name="a" classname="a" status="run"/>'
        '<testcase name="b" classname="b" status="fail"><failure message=""/></testcase>'
        '<testcase name="c" classname="c" status="notrun"><skipped/></testcase></testsuite>',
        {"a.a": "passed", "b.b": "failed", "c.c": "skipped"},
    ),
    (
        "googletest, with an absolute file and no child for what did not run",
        '<testsuites><testsuite name="S"><testcase name="x" file="/home/a/s.cc" classname="S"'
        ' status="run" result="completed"/><testcase name="y" classname="S" status="notrun"'
        ' result="suppressed"/></testsuite></testsuites>',
        {"S.x": "passed", "S.y": "skipped"},
    ),
    (
        "rspec, with a file that its class is named after",
        '<testsuite name="rspec"><testcase classname="spec.models.user_spec" name="User is"'
        ' file="./spec/models/user_spec.rb"/></testsuite>',
        {"spec.models.user_spec.User is": "passed"},
    ),
    (
        "no class name: the file of the suite, else the suite",
        '<testsuites><testsuite name="s1" file="a/b.py"><testcase name="t"/></testsuite>'
        '<testsuite name="s2"><testcase name="t"/></testsuite></testsuites>',
        {"a.b.t": "passed", "s2.t": "passed"},
    ),
    (
        "a case with no more than a name",
        '<testsuite><testcase name="t"/></testsuite>',
        {"t": "passed"},
    ),
    (
        "suites in suites, names with prefixes and in capitals",
        '<j:testsuites xmlns:j="urn:x"><j:testsuite name="a"><j:testsuite name="b"><j:testCase'
        ' classname="C" name="t"><j:Failure/></j:testCase></j:testsuite>'
        "</j:testsuite></j:testsuites>",
        {"C.t": "failed"},
    ),
    (
        "a suite that failed as a whole",
        '<testsuite name="setup" errors="1"><error message="boom"/></testsuite>',
        {"setup.error": "error"},
    ),
    (
        "failure inside output or deeper is no failure of the test",
        '<testsuite><testcase name="t"><system-out>x<b><failure/></b></system-out></testcase>'
        "</testsuite>",
        {"t": "passed"},
    ),
    ("nothing ran", '<testsuites tests="0" failures="0"/>', {}),
]


@pytest.mark.parametrize(
    ("text", "expected"), [d[1:] for d in DIALECTS], ids=[d[0] for d in DIALECTS]
)
def test_dialects(text: str, expected: dict[str, str]) -> None:
    assert outcomes(text) == expected


def test_worst_outcome_of_a_key_counts_in_any_order() -> None:
    cases = [
        '<testcase name="t"/>',
        '<testcase name="t"><failure/></testcase>',
        '<testcase name="t"><skipped/></testcase>',
    ]
    for order in (cases, cases[::-1]):
        assert outcomes(f"<testsuite>{''.join(order)}</testsuite>") == {"t": "failed"}


@pytest.mark.parametrize("tag", ["flakyFailure", "flakyError", "rerunFailure", "rerunError"])
def test_passed_after_failing_is_told(tag: str) -> None:
    (test,) = results.junit(
        f'<testsuite><testcase name="t"><{tag}/></testcase></testsuite>'.encode()
    )
    assert (test.outcome, test.retried) == ("passed", True)


def test_encodings() -> None:
    text = '<?xml version="1.0" encoding="{}"?><testsuite><testcase name="é"/></testsuite>'
    for name in ("ISO-8859-1", "UTF-8", "UTF-16", "windows-1252"):
        assert outcomes(text.format(name).encode(name)) == {"é": "passed"}, name
    unknown = text.format("no-such-code").encode()
    with pytest.raises(BrokenError, match="encoding"):
        results.junit(unknown)


def test_control_characters_from_output_do_no_harm() -> None:
    case = '<testcase name="a\x1b[31mb"><system-out>\x00\x07</system-out></testcase>'
    text = f"<testsuite>{case}</testsuite>"
    assert outcomes(text) == {"a[31mb": "passed"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no element found"),
        ("not xml", "syntax error"),
        (PYTEST_XUNIT2[:-40], "line 7"),
        ('{"a": 1}', "not well-formed"),
        ("<html><body/></html>", "begins with <html>"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><testsuite/>', "document type"),
        (
            '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><testsuite name="&b;"/>',
            "document type",
        ),
        ('<!DOCTYPE x SYSTEM "file:///etc/passwd"><testsuite/>', "document type"),
        ("<testsuite>" + "<a>" * 300, "nested too deeply"),
        ('<testsuite name="s" failures="2"><testcase name="t"/></testsuite>', "counts 2 failures"),
        ('<testsuite errors="1"/>', "counts 1 failures"),
    ],
)
def test_files_that_are_no_junit(text: str, problem: str) -> None:
    with pytest.raises(BrokenError, match=problem) as caught:
        results.junit(text.encode())
    assert "encoding" not in str(caught.value)


def test_too_many_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "TESTS_MAX", 3)
    with pytest.raises(BrokenError, match="more than 3"):
        results.junit(b"<testsuite>" + b'<testcase name="t"/>' * 4 + b"</testsuite>")


@given(st.integers(0, len(PYTEST_XUNIT2) - 1))
def test_a_truncated_file_is_broken_at_every_offset(cut: int) -> None:
    with pytest.raises(BrokenError):
        results.junit(PYTEST_XUNIT2[:cut].encode())


@given(st.binary(max_size=300))
def test_anything_is_read_or_broken(data: bytes) -> None:
    for read in (results.junit, results.metrics, results.nox_sessions):
        with contextlib.suppress(BrokenError):
            read(data)


def test_metrics_are_numbers_by_path_as_they_are_written() -> None:
    data = b'{"totals": {"percent": 90.50, "n": 3, "name": "x", "ok": true}, "l": [1, {"a": -2e3}]}'
    assert results.metrics(data) == {
        "l.0": "1",
        "l.1.a": "-2e3",
        "totals.n": "3",
        "totals.percent": "90.50",
    }
    assert results.metrics(data, frozenset(["totals.n", "gone"])) == {"totals.n": "3"}


NUMBERS = st.recursive(
    st.integers(-(10**20), 10**20) | st.text() | st.booleans() | st.none(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(NUMBERS)
def test_metrics_find_every_number(value: Any) -> None:
    def walk(item: Any) -> list[str]:
        if isinstance(item, bool) or item is None or isinstance(item, str):
            return []
        if isinstance(item, int):
            return [str(item)]
        inner = item.values() if isinstance(item, dict) else item
        return [number for part in inner for number in walk(part)]

    found = results.metrics(json.dumps(value).encode())
    assert set(found.values()) <= set(walk(value))
    assert len(found) <= len(walk(value))
    assert bool(found) == bool(walk(value))


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "line 1"),
        (b"{", "line 1"),
        (b'{"a": NaN}', "no number"),
        (b'{"a": -Infinity}', "no number"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"a": ' + b"9" * 65 + b"}", "65 letters"),
        (b"[" * 100_000, "deep"),
        (b'"\xff"', "UTF-8"),
    ],
)
def test_files_that_are_no_metrics(data: bytes, problem: str) -> None:
    with pytest.raises(BrokenError, match=problem):
        results.metrics(data)


def test_nox_report() -> None:
    report = {
        "result": 1,
        "sessions": [
            {"name": "lint", "result": "success", "result_code": 1, "reason": None},
            {"name": "tests", "result": "skipped", "result_code": 2, "reason": "no data"},
            {"name": "lint", "result": "failed"},
        ],
    }
    assert results.nox_sessions(json.dumps(report).encode()) == {
        "lint": "failed",
        "tests": "skipped",
    }


@pytest.mark.parametrize(
    "data", [b"[]", b"{}", b'{"sessions": []}', b'{"sessions": [{"name": 1}]}']
)
def test_files_that_are_no_nox_report(data: bytes) -> None:
    with pytest.raises(BrokenError, match="session"):
        results.nox_sessions(data)
