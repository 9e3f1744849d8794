"""The fingerprint of a failure: it survives noise, and dies with the failure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evidence import judge, model
from evidence.fingerprint import fingerprint, telling_lines
from tests.evidence import sign_kit as kit
from tests.records import make_signal

LOG = b"""\
2026-12-01T10:00:00Z starting worker pid=4711 in /home/ada/project
tests/test_a.py ....F
E   AssertionError: assert 3 == 4 at 0x7f2a00c0ffee
FAILED /home/ada/project/tests/test_a.py::test_sum - AssertionError
1 failed, 41 passed in 3.21s
"""
NOISE = b"""\
2027-01-09T03:12:44Z starting worker pid=9 in /builds/7/project
tests/test_a.py ...F.
FAILED /builds/7/project/tests/test_a.py::test_sum - AssertionError
E   AssertionError: assert 3 == 4 at 0x7ffe11deadbe
1 failed, 57 passed in 12.90s
"""
OTHERS = [
    LOG.replace(b"test_sum", b"test_difference"),
    LOG.replace(b"assert 3 == 4", b"assert 3 == 5"),
    LOG.replace(b"test_a.py", b"test_b.py"),
    LOG.replace(b"1 failed", b"2 failed"),
    LOG + b"fatal: the disk is full\n",
    b"",
]


def of(log: bytes, signal: model.Signal | None = None, facts: model.Facts | None = None) -> str:
    signal = signal or make_signal("red", kit.FAILS)
    plan = kit.make_plan(signal)
    told = facts or kit.facts_of(plan)
    return fingerprint(signal, plan, told, judge.decide(plan, told), lambda cell: log)


def test_noise_does_not_change_it() -> None:
    assert of(LOG) == of(NOISE)
    assert len(of(LOG)) == 64


@pytest.mark.parametrize("other", OTHERS)
def test_another_failure_does(other: bytes) -> None:
    assert of(LOG) != of(other)


def test_what_passes_has_none() -> None:
    assert of(LOG, make_signal("fine", kit.PASSES)) == ""


def test_another_result_is_another_failure() -> None:
    facts = kit.facts_of(kit.PLAN)
    late = replace(facts.attempts[1], result="timed_out")
    assert of(LOG) != of(LOG, facts=replace(facts, attempts=(facts.attempts[0], late)))


def results(*tests: tuple[str, model.Outcome]) -> model.Facts:
    facts = kit.facts_of(kit.PLAN)
    return replace(
        facts,
        attempts=tuple(replace(attempt, result="passed") for attempt in facts.attempts),
        results=(model.ResultFact("fine", "junit.xml", found=True, problem=""),),
        tests=tuple(model.TestFact("fine", key, outcome) for key, outcome in tests),
        metrics=(model.MetricFact("fine", "coverage", "71.5"),),
    )


def test_failing_tests_are_part_of_it_and_passing_ones_are_not() -> None:
    signal = make_signal("red", model.TestPassed("test", "t.*", ("fine",)))
    one = of(LOG, signal, results(("t.a", "failed"), ("t.b", "passed")))
    assert one == of(LOG, signal, results(("t.a", "failed"), ("t.b", "passed"), ("t.c", "passed")))
    assert one != of(LOG, signal, results(("t.a", "passed"), ("t.b", "failed")))
    assert one != of(LOG, signal, results(("t.a", "failed"), ("t.b", "failed")))
    assert one != of(LOG, signal, results(("t.a", "skipped"), ("t.b", "passed")))


def test_the_side_of_a_bound_is_part_of_it_and_the_distance_is_not() -> None:
    signal = make_signal("red", model.MetricWithin("metric", "coverage", ("fine",), at_least="90"))
    facts = results()
    near = replace(facts, metrics=(model.MetricFact("fine", "coverage", "89.9"),))
    broken = replace(facts, metrics=(model.MetricFact("fine", "coverage", "much"),))
    assert of(LOG, signal, facts) == of(LOG, signal, near)
    assert of(LOG, signal, facts) != of(LOG, signal, broken)


def test_the_end_of_a_log_speaks_where_no_line_does() -> None:
    log = b"".join(b"line %d\n" % n for n in range(9))
    assert telling_lines(log) == [f"line {n}" for n in range(4, 9)]
