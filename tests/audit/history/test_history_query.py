"""Answers over the history: by hand, and beside a plain account of the same in Python."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("duckdb", reason="could_not_run: duckdb is not installed")
pytest.importorskip("pyarrow", reason="could_not_run: pyarrow is not installed")

from audit.errors import Invalid
from audit.history import query, store
from audit.history.gather import Gathered
from tests.audit.history.history_kit import approval, made_up

MINUTE = 60_000
STATUSES = ["GO", "PARTIAL", "BLOCKED-EXTERNAL", "NO-GO"]


def asked(folder: Path, runs: Sequence[Gathered], what: str, **options: Any) -> list[Any]:
    store.add(folder, runs)
    with query.opened(folder, **options) as history:
        return query.ANSWERS[what](history)


def statuses(*given_: str) -> list[Gathered]:
    return [made_up(n, signals={"G0-001": status}) for n, status in enumerate(given_)]


def test_trends_come_in_order_with_their_change(tmp_path: Path) -> None:
    runs = [
        made_up(2, signals={"A": "GO", "B": "PARTIAL"}, verified=False),
        made_up(1, signals={"A": "NO-GO", "B": "NO-GO"}),
        made_up(3, signals={"A": "GO", "B": "GO"}),
    ]
    rows = asked(tmp_path, runs, "trends")
    assert [
        (row.label, row.verdict, row.signals_open, row.change, row.verified) for row in rows
    ] == [
        ("run-1", "NO-GO", 2, 0, True),
        ("run-2", "NO-GO", 1, -1, False),
        ("run-3", "GO", 0, -1, True),
    ]
    assert rows[0].ended == "2026-12-01T00:01:00Z"


def test_the_newest_runs_of_an_audit_are_chosen(tmp_path: Path) -> None:
    runs = [made_up(n, audit="a-1" if n % 2 else "b-1") for n in range(10)]
    labels = [row.label for row in asked(tmp_path, runs, "trends", last=2, audit="a-1")]
    assert labels == ["run-7", "run-9"]
    with query.opened(tmp_path, last=3) as history:
        assert history.runs == 3
        assert [row.label for row in history.trends()] == ["run-7", "run-8", "run-9"]
        assert {row.audit for row in history.gates()} == {"a-1", "b-1"}
        assert [row.runs for row in history.cells()] == [3]
    with pytest.raises(Invalid, match="audit=`c-1`"), query.opened(tmp_path, audit="c-1"):
        pass


def test_a_cell_is_flaky_when_it_passed_after_a_failure(tmp_path: Path) -> None:
    runs = [
        made_up(1, subject="s1", cells={"t": ["failed", "passed"], "u": ["passed"]}),
        made_up(2, subject="s2", cells={"t": ["interrupted", "passed"], "u": ["could_not_run"]}),
    ]
    assert asked(tmp_path, runs, "flaky") == [
        query.Flaky("t", 2, 1, 0, 1, "2026-12-01T00:01:00Z", False)
    ]


def test_a_cell_is_flaky_when_it_flips_on_one_subject_only(tmp_path: Path) -> None:
    story = [("s1", "passed"), ("s2", "failed"), ("s1", "passed"), ("s2", "skipped")]
    runs = [made_up(n, subject=s, cells={"t": [r]}) for n, (s, r) in enumerate(story)]
    assert asked(tmp_path, runs, "flaky") == []
    more = [
        made_up(5, subject="s1", cells={"t": ["timed_out"]}),
        made_up(6, subject="s1", cells={"t": ["failed"]}),
        made_up(7, subject="s1", cells={"t": ["passed"]}),
    ]
    assert asked(tmp_path, more, "flaky") == [
        query.Flaky("t", 6, 0, 2, 1, "2026-12-01T00:07:00Z", False)
    ]


def test_time_to_green_goes_from_the_first_red_to_the_first_go_after(tmp_path: Path) -> None:
    runs = statuses("GO", "NO-GO", "PARTIAL", "GO", "GO", "BLOCKED-EXTERNAL", "GO", "NO-GO")
    rows = asked(tmp_path, runs, "time-to-green")
    wanted = (2, 3 * MINUTE // 2, 2 * MINUTE, 1 * MINUTE, "2026-12-01T00:07:00Z")
    assert rows == [
        query.TimeToGreen("gate", "a-1", "0", *wanted),
        query.TimeToGreen("signal", "a-1", "G0-001", *wanted),
    ]


def test_time_to_green_keeps_audits_apart(tmp_path: Path) -> None:
    runs = [made_up(1, signals={"A": "NO-GO"}), made_up(2, signals={"A": "GO"}, audit="b-1")]
    rows = asked(tmp_path, runs, "time-to-green")
    assert [(row.audit, row.times) for row in rows] == [("a-1", 0), ("a-1", 0)]


def told(story: Sequence[tuple[datetime, bool]]) -> tuple[list[int], datetime | None]:
    """Times to green of one signal, and since when it is red: the same rule, told plainly."""
    spans, red = [], None
    for ended, go in story:
        if not go and red is None:
            red = ended
        elif go and red is not None:
            spans.append(round((ended - red).total_seconds() * 1000))
            red = None
    return spans, red


@settings(max_examples=30)
@given(
    story=st.lists(
        st.tuples(st.integers(0, 10_000), st.sampled_from(STATUSES)),
        min_size=1,
        max_size=12,
        unique_by=lambda item: item[0],
    )
)
def test_time_to_green_agrees_with_a_plain_account(
    story: list[tuple[int, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    runs = [
        made_up(n, minutes=minutes, signals={"A": status})
        for n, (minutes, status) in enumerate(story)
    ]
    rows = asked(tmp_path_factory.mktemp("store"), runs, "time-to-green")
    ordered = sorted(runs, key=lambda run: run.rows["runs"][0]["ended"])
    spans, red = told(
        [
            (run.rows["runs"][0]["ended"], run.rows["signals"][0]["status"] == "GO")
            for run in ordered
        ]
    )
    if not spans and red is None:
        assert rows == []
        return
    row = rows[-1]
    assert (row.times, row.longest_ms, row.last_ms) == (
        len(spans),
        max(spans, default=None),
        spans[-1] if spans else None,
    )
    assert row.median_ms == (round(statistics.median(spans)) if spans else None)
    since = None if red is None else red.isoformat().replace("+00:00", "Z")
    assert row.open_since == since


@settings(max_examples=30)
@given(
    story=st.lists(
        st.tuples(
            st.sampled_from(["s1", "s2"]),
            st.sampled_from(["passed", "failed", "timed_out", "skipped", "interrupted"]),
        ),
        max_size=12,
    )
)
def test_flips_agree_with_a_plain_account(
    story: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    runs = [made_up(n, subject=s, cells={"t": [result]}) for n, (s, result) in enumerate(story)]
    flips = 0
    for subject in ("s1", "s2"):
        said = [
            result == "passed"
            for s, result in story
            if s == subject and result in ("passed", "failed", "timed_out")
        ]
        flips += sum(before != after for before, after in itertools.pairwise(said))
    rows = asked(tmp_path_factory.mktemp("store"), [made_up(99, cells={"u": []}), *runs], "flaky")
    assert [row.flips for row in rows] == ([flips] if flips else [])


def test_owners_are_those_of_the_newest_run_of_each_audit(tmp_path: Path) -> None:
    owners = {"A": "SRE", "B": "Security"}
    runs = [
        made_up(1, signals={"A": "GO", "B": "NO-GO"}, owners=owners),
        made_up(2, signals={"A": "PARTIAL", "B": "GO"}, owners=owners),
        made_up(3, signals={"A": "NO-GO", "B": "GO"}, owners=owners),
        made_up(4, signals={"C": "BLOCKED-EXTERNAL"}, audit="b-1", owners={"C": "SRE"}),
    ]
    assert asked(tmp_path, runs, "owners") == [
        query.Owner("SRE", 2, 0, 0, 1, 1, 1, 0, None),
        query.Owner("Security", 1, 1, 0, 0, 0, 0, 1, MINUTE),
    ]


def test_gates_say_since_when_and_how_often_they_opened_again(tmp_path: Path) -> None:
    runs = statuses("GO", "NO-GO", "GO", "NO-GO", "NO-GO")
    assert asked(tmp_path, runs, "gates") == [
        query.GateTrend("a-1", 0, "Base", "NO-GO", "2026-12-01T00:03:00Z", 40, 2, 1, 5)
    ]


def test_cells_compare_the_newer_half_with_the_older(tmp_path: Path) -> None:
    runs = [
        made_up(n, cells={"t": ["passed"], "never": ["failed"]}, ms=ms)
        for n, ms in enumerate([100, 100, 300, 500])
    ]
    runs.append(made_up(9, cells={"t": ["failed"], "once": ["passed"]}, ms=7))
    assert asked(tmp_path, runs, "cells") == [
        query.SlowCell("t", 4, 200, 500, 500, 60_000, 300),
        query.SlowCell("once", 1, 7, 7, 7, 60_000, None),
    ]


def test_runs_that_ended_together_have_one_order(tmp_path: Path) -> None:
    runs = [made_up(n, minutes=0, signals={"A": STATUSES[n % 4]}) for n in range(8)]
    answers: list[dict[str, Any]] = []
    for order in (runs, runs[::-1]):
        folder = tmp_path / str(len(answers))
        store.add(folder, order)
        with query.opened(folder) as history:
            answers.append({what: ask(history) for what, ask in query.ANSWERS.items()})
    assert answers[0] == answers[1]


ODD = (
    "[x]",
    "a*b?",
    "{a,b}",
    "quo'te",
    'dou"ble',
    "back\\slash",
    "ä ö",
    "%20",
    "$1",
    "**",
    "label=x",
)


@pytest.mark.parametrize("name", ODD)
def test_a_store_may_lie_anywhere_and_is_no_pattern(tmp_path: Path, name: str) -> None:
    for decoy in ("x", "aXbY", "a", "b"):
        store.add(tmp_path / decoy, [made_up(7)])
    rows = asked(tmp_path / name, [made_up(n) for n in range(3)], "trends")
    assert [row.label for row in rows] == ["run-0", "run-1", "run-2"]


def test_hostile_words_come_back_as_they_were(tmp_path: Path) -> None:
    words = ["'; DROP TABLE runs; --", "\x1b[31m\u202e", "", "\n" * 5, "x" * 100_000, "NULL"]
    runs = [made_up(n, label=word, signals={word: "NO-GO"}) for n, word in enumerate(words)]
    rows = asked(tmp_path, runs, "trends")
    assert [row.label for row in rows] == [word or f"run-{n}" for n, word in enumerate(words)]


def test_a_store_without_runs_says_what_to_do(tmp_path: Path) -> None:
    for folder in (tmp_path / "none", tmp_path / "approvals"):
        if folder.name == "approvals":
            store.add(folder, [], [approval(1)])
        with pytest.raises(Invalid) as refusal, query.opened(folder):
            pass
        assert "arco-audit history add" in refusal.value.next_step


def test_times_at_the_ends_of_the_calendar(tmp_path: Path) -> None:
    end = 4_190_000_000
    runs = [made_up(1, minutes=end), made_up(2, minutes=-1_060_000_000, signals={"A": "NO-GO"})]
    rows = asked(tmp_path, runs, "trends")
    assert [row.ended[:4] for row in rows] == ["0011", "9993"]
