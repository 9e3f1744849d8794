"""The clock of a run: what is known of it, and what cannot be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from audit.trust import timing
from evidence.model import Variable
from tests.audit.trust import trust_kit as kit

PLAN = kit.green_plan()
RUN = kit.run_of(PLAN)


def committed(utc: str) -> timing.Clock:
    plan = replace(PLAN, subject=replace(PLAN.subject, committed_utc=utc))
    return timing.clock_of(plan, RUN)


def test_a_run_that_begins_before_its_commit() -> None:
    fine = committed(RUN.start_utc)
    assert fine.findings == ()
    assert fine.skews[0].after_ms == 0
    early = committed("2099-01-01T00:00:00Z")
    assert "began before the commit" in early.findings[0]
    assert early.skews[0].after_ms < 0
    assert any(line.startswith("warning: ") for line in timing.lines(early))


@pytest.mark.parametrize("value", ["", "soon", "2026-12-01T10:00:00", "9999-12-31T23:59:59-14:00"])
def test_what_is_no_time_is_left_out(value: str) -> None:
    run = replace(RUN, environment=(Variable("CI_JOB_STARTED_AT", value),))
    assert [skew.source for skew in timing.clock_of(PLAN, run).skews] == ["commit"]


def test_the_time_of_ci() -> None:
    late = Variable("CI_JOB_STARTED_AT", "2099-01-01T02:00:00+02:00")
    other = Variable("HOME", "2099-01-01T02:00:00+02:00")
    clock = timing.clock_of(PLAN, replace(RUN, environment=(other, late)))
    assert [skew.source for skew in clock.skews] == ["commit", "CI_JOB_STARTED_AT"]
    assert "began before CI_JOB_STARTED_AT" in clock.findings[0]


def test_a_run_that_ends_before_it_begins() -> None:
    clock = timing.clock_of(PLAN, replace(RUN, end_utc="2000-01-01T00:00:00Z"))
    assert "ended before it began" in clock.findings[0]


@pytest.mark.parametrize(
    ("after_ms", "text"),
    [
        (0, "0 s after"),
        (1500, "1.5 s after"),
        (-1, "0.001 s before"),
        (60_000, "1 min after"),
        (-7_200_000, "2 h before"),
        (86_400_000, "1 d after"),
    ],
)
def test_spans_of_skew(after_ms: int, text: str) -> None:
    assert timing.span(after_ms) == text
