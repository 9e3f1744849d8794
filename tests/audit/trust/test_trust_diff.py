"""Comparing two audits: what got worse is always told, both ways round, with its likely cause."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.trust import diff_pages
from audit.trust.changes import KINDS, MIRROR, REGRESSIONS, Change, Diff
from audit.trust.diff import closed_since, diff, span
from evidence import codec, judge, model
from tests.audit.render import page_kit
from tests.audit.trust import trust_kit as kit
from tests.evidence.kernel_kit import LATER, UTC, any_of
from tests.records import make_cell, make_signal

GREEN: dict[str, tuple[kit.Mutation, tuple[str, str, str]]] = {
    "a test is gone": (
        kit.tested("tests.test_a.test_2", None),
        ("vanished", "test", ""),
    ),
    "fewer tests behind a condition": (
        kit.tested("tests.test_a.test_1", None),
        ("weakened", "condition", "tests matched"),
    ),
    "a test is skipped": (
        kit.tested("tests.test_b.test_3", "skipped"),
        ("weakened", "test", ""),
    ),
    "a test runs once only": (
        kit.found(tests=lambda facts: (*facts, facts[2])),
        ("strengthened", "test", "times"),
    ),
    "a lower bound": (
        kit.with_condition(kit.COVER, replace(kit.COVER, at_least="70.5")),
        ("weakened", "condition", "at_least"),
    ),
    "a higher bound": (
        kit.with_condition(kit.COVER, replace(kit.COVER, at_most="1000")),
        ("weakened", "condition", "at_most"),
    ),
    "no lower bound": (
        kit.with_condition(kit.COVER, replace(kit.COVER, at_least=None)),
        ("weakened", "condition", "at_least"),
    ),
    "a number near its bound": (
        kit.found(metrics=lambda facts: (replace(facts[0], value="81"),)),
        ("noted", "metric", ""),
    ),
    "a condition is gone": (
        kit.with_condition(kit.FILE),
        ("vanished", "condition", ""),
    ),
    "a pattern of tests is another": (
        kit.with_condition(kit.TESTS, replace(kit.TESTS, pattern="tests/test_b.py::*")),
        ("vanished", "condition", ""),
    ),
    "one cell is enough": (
        kit.with_condition(kit.TESTS, replace(kit.TESTS, every=False)),
        ("weakened", "condition", "every"),
    ),
    "old evidence is allowed": (
        kit.with_condition(kit.COMMAND, replace(kit.COMMAND, max_age_ms=None)),
        ("weakened", "condition", "max_age_ms"),
    ),
    "a file may say anything": (
        lambda bundle: kit.with_condition(kit.FILE, replace(kit.FILE, contains=None))(
            kit.found(files=lambda facts: (replace(facts[0], contains=None, matches=None),))(bundle)
        ),
        ("weakened", "condition", "contains"),
    ),
    "fewer places are searched": (
        lambda bundle: kit.with_condition(kit.ABSENT, replace(kit.ABSENT, inside=("audit/**",)))(
            kit.found(absent=lambda facts: (replace(facts[0], inside=("audit/**",)),))(bundle)
        ),
        ("weakened", "condition", "inside"),
    ),
    "more places are left out": (
        lambda bundle: kit.with_condition(
            kit.ABSENT, replace(kit.ABSENT, besides=("tests/**", "audit/cli/**"))
        )(
            kit.found(
                absent=lambda facts: (replace(facts[0], besides=("tests/**", "audit/cli/**")),)
            )(bundle)
        ),
        ("weakened", "condition", "besides"),
    ),
    "other places are left out": (
        lambda bundle: kit.with_condition(kit.ABSENT, replace(kit.ABSENT, besides=("t", "u")))(
            kit.found(absent=lambda facts: (replace(facts[0], besides=("t", "u")),))(bundle)
        ),
        ("altered", "condition", "besides"),
    ),
    "a longer time limit": (
        kit.with_cell("lint", timeout_ms=99_000_000),
        ("weakened", "cell", "timeout_ms"),
    ),
    "optional": (kit.with_cell("lint", required=False), ("weakened", "cell", "required")),
    "flaky": (kit.with_cell("lint", flaky=True), ("weakened", "cell", "flaky")),
    "exit code 1 is fine": (
        kit.with_cell("lint", accept_exit_codes=(0, 1)),
        ("weakened", "cell", "accept_exit_codes"),
    ),
    "more is no failure": (
        kit.with_cell("lint", could_not_run_exit_codes=(75, 1)),
        ("weakened", "cell", "could_not_run_exit_codes"),
    ),
    "more is skipped": (
        kit.with_cell("lint", skipped_exit_codes=(1,)),
        ("weakened", "cell", "skipped_exit_codes"),
    ),
    "fewer results": (
        kit.with_cell("tests", results=(kit.JUNIT,)),
        ("weakened", "cell", "results"),
    ),
    "fewer products": (
        kit.with_cell("tests", produces=("a",)),
        ("weakened", "cell", "produces"),
    ),
    "reads less": (
        kit.with_cell("lint", reads=("audit/**",)),
        ("weakened", "cell", "reads"),
    ),
    "another command line": (
        kit.with_cell("lint", argv=("true", "really")),
        ("altered", "cell", "argv"),
    ),
    "a cell is gone": (
        lambda bundle: kit.planned(cells=bundle.plan.cells[:2])(bundle),
        ("vanished", "cell", ""),
    ),
    "a signal is gone": (
        lambda bundle: kit.planned(
            signals=bundle.plan.signals[:3],
            gates=(bundle.plan.gates[0], model.Gate(1, "Source", ("G1-001",))),
        )(bundle),
        ("vanished", "signal", ""),
    ),
    "a gate lost a signal": (
        lambda bundle: kit.planned(
            gates=(bundle.plan.gates[0], model.Gate(1, "Source", ("G1-001",)))
        )(bundle),
        ("weakened", "gate", "signals"),
    ),
    "a gate is gone": (
        lambda bundle: kit.planned(gates=bundle.plan.gates[:1])(bundle),
        ("vanished", "gate", ""),
    ),
    "old evidence is allowed everywhere": (
        kit.ruled(max_age_ms=None),
        ("weakened", "rule", "max_age_ms"),
    ),
    "fewer secrets": (kit.ruled(secret_env=()), ("weakened", "rule", "secret_env")),
    "fewer records": (kit.ruled(record_env=()), ("weakened", "rule", "record_env")),
    "less is the subject": (
        kit.ruled(outputs=("release_evidence/", "audit/")),
        ("weakened", "rule", "outputs"),
    ),
    "a secret is not covered": (
        kit.with_run(uncovered=("TOKEN",)),
        ("weakened", "rule", "secrets too short to be redacted"),
    ),
    "another host": (
        kit.with_run(host=(model.Variable("python", "3.13.0"),)),
        ("flipped", "environment", ""),
    ),
    "a variable is not recorded": (
        kit.with_run(environment=()),
        ("flipped", "environment", ""),
    ),
    "another branch": (kit.with_subject(branch="other"), ("flipped", "environment", "")),
    "another tool": (
        kit.planned(tool=model.Tool("arco-audit", "9.9.9")),
        ("flipped", "environment", ""),
    ),
    "passed after a failure": (
        lambda bundle: kit.ended("extra", "failed", "passed")(
            kit.with_cell("extra", flaky=True)(bundle)
        ),
        ("weakened", "cell", "failures before it passed"),
    ),
}
"""Changes that leave every gate GO, and what must be said of them."""

RED: dict[str, tuple[kit.Mutation, tuple[str, str, str]]] = {
    "a cell fails": (kit.ended("lint", "failed"), ("newly failing", "cell", "")),
    "a cell is skipped": (kit.ended("lint", "skipped"), ("newly failing", "cell", "")),
    "a test fails": (
        kit.tested("tests.test_a.test_1", "failed"),
        ("newly failing", "test", ""),
    ),
    "no tests at all": (kit.found(tests=lambda _: ()), ("vanished", "test", "")),
    "a number is gone": (kit.found(metrics=lambda _: ()), ("vanished", "metric", "")),
    "a signal closes by less": (
        kit.with_condition(kit.SEALED, kit.SEALED, kit.APPROVAL),
        ("newly failing", "signal", ""),
    ),
    "the tree is dirty": (kit.with_subject(dirty=("a",)), ("newly failing", "verdict", "")),
    "another definition of done": (
        lambda bundle: kit.planned(
            audit=replace(bundle.plan.audit, definition_of_done="MOST_GATES_GO")
        )(bundle),
        ("weakened", "audit", "definition_of_done"),
    ),
}
ALL = GREEN | RED


def said(found: Diff) -> set[tuple[str, str, str]]:
    return {(change.kind, change.noun, change.what) for change in found.changes}


def mirrored(changes: tuple[Change, ...]) -> Counter[tuple[str, ...]]:
    return Counter(
        (MIRROR[item.kind], item.noun, item.place, item.what, item.after, item.before)
        for item in changes
    )


def plain(changes: tuple[Change, ...]) -> Counter[tuple[str, ...]]:
    return Counter(
        (item.kind, item.noun, item.place, item.what, item.before, item.after) for item in changes
    )


def test_the_base_is_green() -> None:
    assert kit.green().decision.verdict == "GO", kit.green().decision.blockers


@pytest.mark.parametrize("name", GREEN)
def test_what_got_worse_is_told_though_every_gate_is_green(name: str) -> None:
    mutate, wanted = GREEN[name]
    mutated = mutate(kit.green())
    assert all(gate.status == "GO" for gate in mutated.decision.gates), mutated.decision
    found = diff(kit.green(), mutated)
    assert wanted in said(found)
    assert found.regressed == any(kind in REGRESSIONS for kind, _, _ in said(found))
    assert found.regressed or wanted[0] in ("flipped", "noted", "strengthened")


@pytest.mark.parametrize("name", RED)
def test_what_fails_is_told(name: str) -> None:
    mutate, wanted = RED[name]
    found = diff(kit.green(), mutate(kit.green()))
    assert wanted in said(found)
    assert found.regressed


@given(st.lists(st.sampled_from(sorted(ALL)), max_size=6), st.sampled_from(sorted(ALL)))
def test_mutations_together(names: list[str], other: str) -> None:
    """Of several changes none hides another's side, and the other way round is the mirror image."""
    old, new = ALL[other][0](kit.green()), kit.green()
    for name in names:
        try:
            new = ALL[name][0](new)
        except IndexError:  # an earlier one took away what this one changes
            continue
    assert diff(new, new).changes == ()
    there, back = diff(old, new), diff(new, old)
    assert mirrored(there.changes) == plain(back.changes)
    assert there.unchanged == back.unchanged
    ranks = [KINDS.index(change.kind) for change in there.changes]
    assert ranks == sorted(ranks)
    codec.encode(diff_pages.value(there))


HOSTILE = st.sampled_from(("a", "b", "", "*", "t.x.*", "\udc80", "|\n", "1e9", "NaN", "::", "a/**"))


@given(
    any_of(model.Plan, HOSTILE),
    any_of(model.Plan, HOSTILE),
    any_of(model.Facts, HOSTILE),
    any_of(model.Facts, HOSTILE),
)
def test_hostile_records_are_compared(
    one: model.Plan, other: model.Plan, was: model.Facts, now: model.Facts
) -> None:
    bundles = []
    for plan, facts in ((one, was), (other, now)):
        attempts = tuple(replace(attempt, end_utc=UTC) for attempt in facts.attempts)
        timed = replace(facts, as_of=LATER, attempts=attempts)
        bundles.append(kit.bundle_of(plan, timed, files={"a": "1", plan.label: "2"}))
    old, new = bundles
    assert diff(old, old).changes == ()
    there = diff(old, new)
    assert mirrored(there.changes) == plain(diff(new, old).changes)
    codec.encode(diff_pages.value(there))
    assert "\n## " not in diff_pages.as_markdown(there).replace("\n\n## ", "")


# --- likely causes --------------------------------------------------------------------------------


def because(found: Diff, noun: str, place: str) -> str:
    return "; ".join(
        reason
        for change in found.changes
        if (change.noun, change.place) == (noun, place)
        for reason in change.because
    )


def test_a_failure_is_followed_down_to_files_and_environment() -> None:
    new = replace(
        kit.with_run(host=(model.Variable("python", "3.13.0"),))(
            kit.ended("lint", "failed")(kit.green())
        ),
        files={"audit/a.py": "2", "docs/x.md": "2"},
    )
    found = diff(kit.green(), new)
    assert found.files == ("audit/a.py", "docs/x.md")
    why = because(found, "cell", "lint")
    assert "changed: audit/a.py" in why
    assert "docs/x.md" not in why  # it declares what it reads
    assert "host python: 3.11.2 → 3.13.0" in why
    assert because(found, "condition", "G0-001: command lint") == "cell lint newly failing"
    assert "condition G0-001: command lint" in because(found, "signal", "G0-001")
    assert "signal G0-001 newly failing" in because(found, "gate", "0")
    assert "gate 0 newly failing" in because(found, "verdict", "")


def test_files_that_a_cell_does_not_read_are_no_cause() -> None:
    new = replace(kit.ended("lint", "failed")(kit.green()), files={"audit/a.py": "1"})
    found = diff(kit.green(), new)
    assert found.files == ("docs/x.md",)
    assert because(found, "cell", "lint") == ""
    other = replace(kit.ended("extra", "failed")(kit.green()), files={"audit/a.py": "1"})
    assert because(diff(kit.green(), other), "cell", "extra") == "changed: docs/x.md"


def test_a_signal_that_is_gone_is_told_once() -> None:
    assert said(diff(kit.green(), GREEN["a signal is gone"][0](kit.green()))) == {
        ("vanished", "signal", "")
    }


def test_a_cell_fails_because_of_what_it_needs_or_because_of_itself() -> None:
    new = kit.ended("tests", "skipped")(kit.ended("lint", "failed")(kit.green()))
    assert "cell lint newly failing" in because(diff(kit.green(), new), "cell", "tests")
    shorter = kit.with_cell("tests", timeout_ms=1000)(kit.ended("tests", "timed_out")(kit.green()))
    why = because(diff(kit.green(), shorter), "cell", "tests")
    assert "its timeout_ms is 1s, was 1m" in why


def test_fewer_tests_are_told_by_name_and_by_file() -> None:
    new = replace(
        kit.tested("tests.test_a.test_2", None)(kit.green()), files={"tests/test_a.py": "1"}
    )
    found = diff(kit.green(), new)
    place = "G0-002: test tests/test_a.py::*"
    assert because(found, "condition", place) == "test tests: tests.test_a.test_2 vanished"
    assert "tests/test_a.py" in because(found, "test", "tests: tests.test_a.test_2")


def test_a_number_says_whether_it_moved_toward_its_bound() -> None:
    down = kit.found(metrics=lambda facts: (replace(facts[0], value="85"),))(kit.green())
    there = diff(kit.green(), down)
    assert because(there, "metric", "tests: cover") == "toward its bound: at least 80"
    assert not there.regressed
    assert because(diff(down, kit.green()), "metric", "tests: cover").endswith("at most 100")


def test_one_rule_for_ages_is_told_once() -> None:
    rule = 86_400_000
    old = kit.with_condition(kit.COMMAND, replace(kit.COMMAND, max_age_ms=rule))(kit.green())
    new = kit.with_condition(kit.COMMAND, replace(kit.COMMAND, max_age_ms=2 * rule))(kit.green())
    new = kit.ruled(max_age_ms=2 * rule)(new)
    assert [(item.noun, item.before, item.after) for item in diff(old, new).changes] == [
        ("rule", "1d", "2d")
    ]


def test_no_tests_at_all_is_told_by_the_answer() -> None:
    found = diff(kit.green(), kit.found(tests=lambda _: ())(kit.green()))
    assert ("weakened", "condition", "tests matched") not in said(found)
    assert ("newly failing", "condition", "") in said(found)


def test_of_several_runs_of_a_test_the_worst_counts() -> None:
    failed = model.TestFact("tests", "tests.test_b.test_3", "failed")
    new = kit.found(tests=lambda facts: (*facts, failed))(kit.green())
    assert ("newly failing", "test", "") in said(diff(kit.green(), new))


def test_two_conditions_of_one_name_are_paired() -> None:
    low = model.MetricWithin("metric", "cover", ("tests",), at_least="80")
    high = model.MetricWithin("metric", "cover", ("tests",), at_most="95")
    old = kit.with_condition(kit.COVER, low, high)(kit.green())
    new = kit.with_condition(kit.COVER, high, replace(low, at_least="70"))(kit.green())
    assert [(item.kind, item.what) for item in diff(old, new).changes] == [("weakened", "at_least")]


def test_the_same_bound_written_otherwise_is_no_weaker() -> None:
    new = kit.with_condition(kit.COVER, replace(kit.COVER, at_least="80.0"))(kit.green())
    assert not diff(kit.green(), new).regressed


def test_a_failing_test_that_is_skipped_now_is_not_fixed() -> None:
    red = kit.tested("tests.test_b.test_3", "failed")(kit.green())
    hidden = kit.tested("tests.test_b.test_3", "skipped")(kit.green())
    found = diff(red, hidden)
    assert ("altered", "test", "") in said(found)
    assert found.regressed


# --- closed since ---------------------------------------------------------------------------------


def test_signals_closed_since() -> None:
    red = kit.ended("lint", "failed")(kit.green())
    assert closed_since(red.decision, kit.green().decision) == ("G0-001", "G1-002")
    assert closed_since(kit.green().decision, red.decision) == ()
    signals = (*kit.green().plan.signals, make_signal("G9-001", kit.SEALED))
    more = judge.decide(replace(kit.green().plan, signals=signals), kit.green().facts)
    assert "G9-001" not in closed_since(red.decision, more)


# --- shown ----------------------------------------------------------------------------------------


def test_markdown_keeps_text_of_any_origin_as_text() -> None:
    evil = "a | <img src=x>\n# title"
    cells = (*kit.green().plan.cells, make_cell("x", cmd=evil))
    page = diff_pages.as_markdown(diff(kit.green(), kit.planned(cells=cells)(kit.green())))
    assert "<img" not in page.replace("\\<img", "")
    assert "\n# title" not in page


def test_the_page_keeps_text_of_any_origin_as_text() -> None:
    cells = (*kit.green().plan.cells, make_cell(page_kit.HOSTILE, cmd=page_kit.HOSTILE))
    found = diff(kit.green(), kit.planned(cells=cells)(kit.green()))
    page_kit.check_still(diff_pages.as_html(found).decode())
    assert diff_pages.as_html(found) == diff_pages.as_html(found)


def test_long_lists_are_cut_on_the_page_and_whole_in_json() -> None:
    facts = tuple(model.TestFact("tests", f"tests.test_a.x{n}", "passed") for n in range(200))
    new = kit.found(tests=lambda old: (*old, *facts))(kit.green())
    found = diff(new, kit.green())
    assert "150 more." in diff_pages.as_markdown(found)
    assert "150 more: arco-audit diff --json" in diff_pages.as_html(found).decode()
    value = json.loads(codec.encode(diff_pages.value(found)))
    assert value["counts"]["vanished"] == 200


@pytest.mark.parametrize(
    ("time_ms", "text"),
    [(None, "none"), (0, "0s"), (1, "1 ms"), (90_000, "90s"), (3_600_000, "1h")],
)
def test_spans(time_ms: int | None, text: str) -> None:
    assert span(time_ms) == text
