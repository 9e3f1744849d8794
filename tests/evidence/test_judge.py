"""Every rule of the judge: what evidence answers, what a signal, a gate and the verdict become."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from evidence import judge, model, words
from tests.evidence.kernel_kit import LATER, UTC, make_facts, make_plan, ran
from tests.records import make_cell, make_signal

JUNIT = model.ResultFile("junit", "j.xml")
METRICS = model.ResultFile("metrics", "m.json")
CELLS = (
    make_cell("a", results=(JUNIT, METRICS)),
    make_cell("b", results=(JUNIT,)),
    make_cell("flaky", flaky=True),
    make_cell("c"),
)
FOUND = (
    model.ResultFact("a", "j.xml", found=True, problem=""),
    model.ResultFact("a", "m.json", found=True, problem=""),
    model.ResultFact("b", "j.xml", found=True, problem=""),
)
COMMAND = model.CommandPassed("command", "a", ("a",))
TEST = model.TestPassed("test", "t/x.py::*", ("a",), every=True)
METRIC = model.MetricWithin("metric", "cover", ("a",), True, "90", "100")
FILE = model.FilePresent("file", "doc.md", "owner")
ABSENT = model.PatternAbsent("absent", "TODO", ("src/**",), ("src/old/**",))
SEALED = model.EngineFactHolds("engine", "plan_sealed")
EXTERNAL = model.ExternalAttached("external", "drill.md", "SRE")
APPROVAL = model.ApprovalGiven("approval", "SRE", 2)
CARRY = model.CarriedOver("carry", "a", "head/0")


def fact(cell: str, key: str, outcome: model.Outcome = "passed") -> model.TestFact:
    return model.TestFact(cell, key, outcome)


WHOLE = make_facts(
    ran("a"),
    ran("b"),
    results=FOUND,
    tests=(fact("a", "t.x.one"), fact("a", "t.x.two"), fact("a", "t.y.bad", "failed")),
    metrics=(model.MetricFact("a", "cover", "95.5"),),
    files=(model.FileFact("doc.md", "owner", found=True, matches=True),),
    absent=(model.AbsentFact("TODO", ("src/**",), ("src/old/**",), 3, ()),),
    engine=(model.EngineFact("plan_sealed", holds=True, reason="sealed first"),),
)


def answer_of(
    condition: model.Condition, facts: model.Facts = WHOLE, as_of: str | None = None
) -> tuple[str, str]:
    plan = make_plan(make_signal("s", condition), cells=CELLS)
    decided = judge.decide(plan, facts, as_of).signals[0].conditions[0]
    assert decided.condition == words.describe(condition)
    assert decided.reason
    return decided.answer, decided.reason


@pytest.mark.parametrize("condition", [COMMAND, TEST, METRIC, FILE, ABSENT, SEALED])
def test_whole_evidence_meets_every_kind(condition: model.Condition) -> None:
    assert answer_of(condition)[0] == "met"


def attempts(*facts: model.AttemptFact) -> model.Facts:
    return replace(WHOLE, attempts=(*facts, ran("b")))


OF_A_CELL = [
    (attempts(), "missing", "a did not run"),
    (attempts(ran("a", "skipped", reason="no docker")), "missing", "a was skipped: no docker"),
    (attempts(ran("a", "could_not_run")), "missing", "a could not run: exit code 75"),
    (attempts(ran("a", "interrupted")), "broken", "a was interrupted"),
    (attempts(ran("a", "passed", 2)), "broken", "an attempt is missing"),
    (attempts(ran("a", "passed", 1), ran("a", "passed", 1)), "broken", "an attempt is missing"),
    (attempts(ran("a", "passed", 0)), "broken", "an attempt is missing"),
    (attempts(ran("a", end="2026-12-01T10:00:06Z")), "missing", "a ended after the instant"),
    (replace(WHOLE, subject_after="cd" * 32), "wrong_subject", "the tree changed while a ran"),
    (
        attempts(ran("a", "failed", 1), ran("a", "passed", 2)),
        "no",
        "a passed after 1 failure",
    ),
    (
        attempts(ran("a", "timed_out", 1), ran("a", "failed", 2), ran("a", "passed", 3)),
        "no",
        "a passed after 2 failures",
    ),
]


@pytest.mark.parametrize("condition", [COMMAND, TEST, METRIC])
@pytest.mark.parametrize(("facts", "answer", "reason"), OF_A_CELL)
def test_what_a_cell_left_is_refused(
    condition: model.Condition, facts: model.Facts, answer: str, reason: str
) -> None:
    told = answer_of(condition, facts)
    assert told[0] == answer
    assert reason in told[1]


@pytest.mark.parametrize(
    ("facts", "answer", "reason"),
    [
        (attempts(ran("a", "failed")), "no", "a failed: exit code 1"),
        (attempts(ran("a", "failed", reason="boom")), "no", "a failed: boom"),
        (attempts(ran("a", "timed_out")), "no", "a timed out"),
        (attempts(ran("a", "interrupted", 1), ran("a", "passed", 2)), "met", "a passed"),
        (attempts(ran("a", "could_not_run", 1), ran("a", "passed", 2)), "met", "a passed"),
        (attempts(ran("a", "passed", 2), ran("a", "interrupted", 1)), "met", "a passed"),
        (attempts(ran("a", "passed", 1), ran("a", "failed", 2)), "no", "a failed"),
        (replace(WHOLE, results=(), tests=(), metrics=()), "met", "a passed"),
    ],
)
def test_a_command(facts: model.Facts, answer: str, reason: str) -> None:
    told = answer_of(COMMAND, facts)
    assert told[0] == answer
    assert reason in told[1]


def test_a_command_is_all_its_cells() -> None:
    both = replace(COMMAND, cells=("a", "b"))
    assert answer_of(both) == ("met", "a, b passed")
    assert answer_of(both, make_facts(ran("a"), ran("b", "failed")))[0] == "no"
    assert answer_of(replace(COMMAND, cells=()))[0] == "missing"
    assert answer_of(replace(COMMAND, cells=("nowhere",)))[0] == "missing"


def test_a_flaky_cell_passes_and_says_after_what() -> None:
    plan = make_plan(cells=(make_cell("flaky", flaky=True),))
    facts = make_facts(ran("flaky", "failed", 1), ran("flaky", "passed", 2))
    decided = judge.decide(plan, facts).cells[0]
    assert decided == model.CellDecision("flaky", True, "passed", 2, "passed after 1 failure")
    facts = make_facts(ran("flaky", "passed", 1), ran("flaky", "failed", 2))
    assert not judge.decide(plan, facts).cells[0].passed


def results(**problems: Any) -> model.Facts:
    changed = (
        replace(item, found=problems.get("found", True), problem=problems.get("problem", ""))
        if (item.cell, item.path) == ("a", problems["path"])
        else item
        for item in FOUND
    )
    return replace(WHOLE, results=tuple(changed))


@pytest.mark.parametrize("condition", [TEST, METRIC])
@pytest.mark.parametrize(
    ("facts", "answer", "reason"),
    [
        (replace(WHOLE, results=FOUND[2:]), "missing", "a left no results"),
        (replace(WHOLE, results=FOUND[1:]), "missing", "a left no j.xml"),
        (results(path="m.json", found=False), "missing", "a left no m.json"),
        (results(path="j.xml", problem="line 3: cut off"), "broken", "j.xml of a: line 3: cut off"),
        (attempts(ran("a", "timed_out")), "broken", "a timed out"),
    ],
)
def test_result_files_must_be_there_and_whole(
    condition: model.Condition, facts: model.Facts, answer: str, reason: str
) -> None:
    assert answer_of(condition, facts) == (answer, reason)


def test_a_nox_report_is_no_result_of_tests() -> None:
    cells = (make_cell("a", results=(JUNIT, model.ResultFile("nox", "r.json"))),)
    plan = make_plan(make_signal("s", TEST), cells=cells)
    facts = replace(WHOLE, results=FOUND[:1])
    assert judge.decide(plan, facts).signals[0].status == "GO"


def with_tests(*facts: model.TestFact) -> model.Facts:
    return replace(WHOLE, tests=facts)


ANYWHERE = replace(TEST, cells=("a", "b"), every=False)
EVERYWHERE = replace(TEST, cells=("a", "b"))


@pytest.mark.parametrize(
    ("condition", "facts", "answer"),
    [
        (TEST, attempts(ran("a", "failed")), "met"),
        (TEST, with_tests(), "missing"),
        (TEST, with_tests(fact("a", "t.z.one")), "missing"),
        (TEST, with_tests(fact("b", "t.x.one")), "missing"),
        (TEST, with_tests(fact("a", "t.x.one", "skipped")), "no"),
        (TEST, with_tests(fact("a", "t.x.one"), fact("a", "t.x.two", "error")), "no"),
        (TEST, with_tests(fact("a", "t.x.one"), fact("a", "t.x.one", "failed")), "no"),
        (TEST, with_tests(fact("a", "t.x.one"), fact("a", "t.x.\U0010ffff", "failed")), "no"),
        (ANYWHERE, WHOLE, "met"),
        (ANYWHERE, with_tests(fact("b", "t.x.one")), "met"),
        (ANYWHERE, with_tests(fact("a", "t.x.one"), fact("b", "t.x.one", "failed")), "no"),
        (ANYWHERE, with_tests(), "missing"),
        # b may have held the failing test: the others cannot speak for it.
        (ANYWHERE, replace(WHOLE, attempts=(ran("a"),)), "missing"),
        (ANYWHERE, replace(WHOLE, results=FOUND[:2]), "missing"),
        (EVERYWHERE, WHOLE, "missing"),
        (EVERYWHERE, with_tests(fact("a", "t.x.one"), fact("b", "t.x.two")), "met"),
        (EVERYWHERE, with_tests(fact("a", "t.x.one"), fact("b", "t.x.two", "failed")), "no"),
        (replace(TEST, cells=()), WHOLE, "missing"),
        (replace(ANYWHERE, cells=()), WHOLE, "missing"),
    ],
)
def test_a_test(condition: model.Condition, facts: model.Facts, answer: str) -> None:
    assert answer_of(condition, facts)[0] == answer


@pytest.mark.parametrize(
    ("pattern", "key", "matches"),
    [
        ("tests/x.py::test_a", "tests.x.test_a", True),
        ("tests/x.py::test_a", "tests.x.test_ab", False),
        ("tests/x.py::test_a", "tests.x.test_a[1]", False),
        ("tests/x.py::test_a*", "tests.x.test_a[1]", True),
        ("tests/x.py::test_a[1]", "tests.x.test_a[1]", True),
        ("tests/x.py::test_a[?]", "tests.x.test_a[1]", False),
        ("tests/x.py::Klass::test_a", "tests.x.Klass.test_a", True),
        ("tests/x.py::*", "tests.xy.test_a", False),
        ("tests/*.py::test_a", "tests.deep.x.test_a", True),
        ("*::test_a", "tests.x.test_a", True),
        ("*", "anything\nat all", True),
        ("**", "", True),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("a*bc*bc", "abc", False),
        ("a*bc*bc", "abcbc", True),
        ("a*b*", "acbd", True),
        ("*.*.*", "a.b", False),
        ("pkg.mod.Klass::test", "pkg.mod.Klass.test", True),
        ("é*", "é.\U0010ffff", True),
        ("\U0010ffff*", "\U0010ffff\U0010ffff", True),
    ],
)
def test_only_the_star_is_special_in_a_pattern(pattern: str, key: str, matches: bool) -> None:
    others = (fact("a", "zzz.other"), fact("a", "aaa.other"))
    condition = replace(TEST, pattern=pattern)
    facts = with_tests(fact("a", key, "failed"), *others)
    assert (answer_of(condition, facts)[0] == "no") == matches


def test_a_pattern_of_many_stars_is_answered() -> None:
    """As a regular expression this one would take longer than anyone waits."""
    condition = replace(TEST, pattern="a*" * 40 + "b")
    assert answer_of(condition, with_tests(fact("a", "a" * 5_000)))[0] == "missing"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("tests/a/test_b.py::TestC::test_d[x/y::z]", "tests.a.test_b.TestC.test_d[x/y.z]"),
        ("tests.a.test_b.TestC::test_d", "tests.a.test_b.TestC.test_d"),
        ("tests/a/test_b.py", "tests.a.test_b"),
        ("", ""),
        ("::x", ".x"),
    ],
)
def test_keys(text: str, key: str) -> None:
    assert judge.test_key(text) == key


def metrics(*values: str, cell: str = "a") -> model.Facts:
    return replace(WHOLE, metrics=tuple(model.MetricFact(cell, "cover", v) for v in values))


@pytest.mark.parametrize(
    ("values", "low", "high", "answer"),
    [
        (["90"], "90", None, "met"),
        (["89.999999999999999999999"], "90", None, "no"),
        (["100"], None, "100", "met"),
        (["100.0000000000000000001"], None, "100", "no"),
        (["-0"], "0", "0", "met"),
        (["1e2"], "100", "100", "met"),
        (["5"], None, None, "met"),
        ([], None, None, "missing"),
        (["NaN"], None, None, "broken"),
        (["sNaN"], "1", None, "broken"),
        (["Infinity"], "1", None, "broken"),
        (["-inf"], None, "1", "broken"),
        ([""], None, None, "broken"),
        (["95%"], "90", None, "broken"),
        (["1e999999999999999999"], "90", None, "met"),
        (["1e999999999999999999999999999"], "90", None, "broken"),
        (["1e-999999999999999999"], "0", None, "met"),
        (["-1e999999999999999999"], "90", None, "no"),
        (["9" * 9_000], "90", None, "met"),
        (["95"], "many", None, "no"),
        (["95"], "NaN", None, "no"),
        (["95"], None, "sNaN", "no"),
        (["95"], "-Infinity", None, "no"),
        # Wherever it is found: a second, bad number of that name is not hidden by the first.
        (["95", "12"], "90", None, "no"),
        (["12", "95"], "90", None, "no"),
        (["95", "x"], "90", None, "broken"),
        (["12", "x"], "90", None, "broken"),
    ],
)
def test_a_metric(values: list[str], low: str | None, high: str | None, answer: str) -> None:
    condition = replace(METRIC, at_least=low, at_most=high)
    assert answer_of(condition, metrics(*values))[0] == answer


def test_a_metric_in_several_cells() -> None:
    some = replace(METRIC, cells=("a", "b"), every=False)
    every = replace(METRIC, cells=("a", "b"))
    assert answer_of(some)[0] == "met"
    assert answer_of(every) == ("missing", "b measured no cover")
    assert answer_of(some, metrics("95", cell="b"))[0] == "met"
    assert answer_of(some, replace(WHOLE, attempts=(ran("a"),)))[0] == "missing"
    assert answer_of(replace(some, cells=()))[0] == "missing"


@pytest.mark.parametrize(
    ("condition", "facts", "answer"),
    [
        (FILE, replace(WHOLE, files=()), "missing"),
        (FILE, replace(WHOLE, files=(model.FileFact("doc.md", None, True, None),)), "missing"),
        (FILE, replace(WHOLE, files=(model.FileFact("doc.md", "owner", False, None),)), "missing"),
        (FILE, replace(WHOLE, files=(model.FileFact("doc.md", "owner", True, False),)), "no"),
        (FILE, replace(WHOLE, files=(model.FileFact("doc.md", "owner", True, None),)), "no"),
        (
            replace(FILE, contains=None),
            replace(WHOLE, files=(model.FileFact("doc.md", None, True, None),)),
            "met",
        ),
        (ABSENT, replace(WHOLE, absent=()), "missing"),
        (ABSENT, replace(WHOLE, absent=(replace(WHOLE.absent[0], inputs=0),)), "missing"),
        (ABSENT, replace(WHOLE, absent=(replace(WHOLE.absent[0], hits=("src/a:3",)),)), "no"),
        (replace(ABSENT, besides=()), WHOLE, "missing"),
        (SEALED, replace(WHOLE, engine=()), "missing"),
        (SEALED, replace(WHOLE, engine=(model.EngineFact("plan_sealed", False, "late"),)), "no"),
        (replace(SEALED, fact="tracker_valid"), WHOLE, "missing"),
        (replace(SEALED, fact="definition_of_done"), WHOLE, "met"),
        (replace(SEALED, fact="every_signal_complete"), WHOLE, "met"),
        (replace(SEALED, fact="every_cell_present"), WHOLE, "no"),
        (
            replace(SEALED, fact="every_cell_present"),
            make_facts(ran("a"), ran("b", "failed"), ran("flaky", "skipped"), ran("c")),
            "met",
        ),
        (
            replace(SEALED, fact="every_cell_present"),
            make_facts(ran("a"), ran("b"), ran("flaky"), ran("c", "interrupted")),
            "no",
        ),
        (APPROVAL, WHOLE, "missing"),
        (EXTERNAL, WHOLE, "missing"),
        (CARRY, WHOLE, "missing"),
    ],
)
def test_other_kinds(condition: model.Condition, facts: model.Facts, answer: str) -> None:
    assert answer_of(condition, facts)[0] == answer


@pytest.mark.parametrize(
    "change",
    [
        {"title": ""},
        {"owner": ""},
        {"code": ()},
        {"evidence": ()},
        {"exit_test": ""},
        {"conditions": (FILE,)},
        {"conditions": ()},
    ],
)
def test_an_incomplete_signal_is_told(change: dict[str, Any]) -> None:
    complete = replace(SEALED, fact="every_signal_complete")
    other = make_signal("other", SEALED, code=("a",))
    other = replace(other, **change)
    plan = make_plan(make_signal("s", complete), other, cells=CELLS)
    decided = judge.decide(plan, WHOLE).signals[0].conditions[0]
    assert (decided.answer, decided.reason) == ("no", "incomplete: other")


def test_evidence_is_refused_in_order() -> None:
    """Each later ground stands already; the earliest one is the answer."""
    condition = replace(COMMAND, cells=("a", "b"), max_age_ms=0)
    facts = make_facts(ran("a", "failed"), ran("b", "failed"))
    assert answer_of(condition, facts)[0] == "stale"
    facts = replace(facts, subject_after="cd" * 32)
    assert answer_of(condition, facts)[0] == "wrong_subject"
    facts = replace(facts, attempts=(ran("a", "failed"), ran("b", "interrupted")))
    assert answer_of(condition, facts)[0] == "broken"
    facts = replace(facts, attempts=(ran("a", "interrupted"),))
    assert answer_of(condition, facts) == ("missing", "b did not run")


AGE = 4_000


@pytest.mark.parametrize("condition", [COMMAND, TEST, METRIC])
@pytest.mark.parametrize(
    ("as_of", "answer"),
    [
        (None, "stale"),
        ("2026-12-01T09:59:59Z", "missing"),
        ("2026-12-01T09:59:59.999Z", "missing"),
        ("2026-12-01T10:00:00Z", "met"),
        ("2026-12-01T10:00:03.999Z", "met"),
        ("2026-12-01T10:00:04Z", "stale"),
        ("9999-12-31T23:59:59Z", "stale"),
        ("0001-01-01T00:00:00Z", "missing"),
    ],
)
def test_evidence_is_good_in_a_half_open_window(
    condition: Any, as_of: str | None, answer: str
) -> None:
    assert answer_of(replace(condition, max_age_ms=AGE), WHOLE, as_of)[0] == answer
    if answer == "stale":
        assert answer_of(condition, WHOLE, as_of)[0] == "met"


def test_what_ended_later_did_not_pass_yet() -> None:
    plan = make_plan(make_signal("s", SEALED), cells=(make_cell("a"),))
    facts = replace(WHOLE, attempts=(ran("a"),))
    early = judge.decide(plan, facts, "2026-12-01T09:00:00Z")
    assert (early.verdict, early.as_of) == ("NO-GO", "2026-12-01T09:00:00Z")
    assert early.cells[0].result == "absent"
    assert early.blockers == (
        "required cell a did not pass: it ended after the instant of this decision",
    )
    assert judge.decide(plan, facts).verdict == "GO"


@pytest.mark.parametrize(
    "time",
    [
        *("yesterday", "2026-12-01", "2026-12-01T10:00:00", "2026-12-01T10:00:00+00:00"),
        *("2026-12-01 10:00:00Z", "2026-13-01T10:00:00Z", "2026-02-30T10:00:00Z"),
        *("2026-12-01T24:00:00Z", "2026-12-01T10:60:00Z", "2026-12-01T10:00:60Z"),
        *("2026-12-01T10:00:00z", "2026-W49-2T10:00:00Z", "0000-01-01T00:00:00Z"),
        *("20261201T100000Z", "2026-12-01T10:00Z", "2026-12-01T10:00:00,5Z", "Z", "\ud800"),
        "\u0662\u0660\u0662\u0666-12-01T10:00:00Z",
    ],
)
def test_an_impossible_time_is_refused(time: str) -> None:
    plan = make_plan(make_signal("s", COMMAND), cells=(make_cell("a"),))
    with pytest.raises(ValueError, match=r"no RFC 3339|month|day|year"):
        judge.decide(plan, make_facts(ran("a")), time)
    with pytest.raises(ValueError, match=r"no RFC 3339|month|day|year"):
        judge.decide(plan, make_facts(ran("a", end=time)))


# --- statuses -------------------------------------------------------------------------------------

MET, OPEN = SEALED, APPROVAL
PRE, PRE_OPEN = FILE, replace(FILE, path="gone.md")


@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        ([], "NO-GO"),
        ([PRE], "NO-GO"),
        ([PRE, ABSENT], "NO-GO"),
        ([MET], "GO"),
        ([MET, PRE, ABSENT], "GO"),
        ([MET, PRE_OPEN], "PARTIAL"),
        ([MET, OPEN], "PARTIAL"),
        ([MET, EXTERNAL], "PARTIAL"),
        ([OPEN], "NO-GO"),
        ([OPEN, PRE], "NO-GO"),
        ([CARRY], "NO-GO"),
        ([EXTERNAL], "BLOCKED-EXTERNAL"),
        ([EXTERNAL, PRE], "BLOCKED-EXTERNAL"),
        ([EXTERNAL, PRE_OPEN], "BLOCKED-EXTERNAL"),
        ([EXTERNAL, EXTERNAL], "BLOCKED-EXTERNAL"),
        ([EXTERNAL, OPEN], "NO-GO"),
        ([EXTERNAL, OPEN, MET], "PARTIAL"),
    ],
)
def test_the_status_of_a_signal(conditions: list[model.Condition], status: str) -> None:
    plan = make_plan(make_signal("s", *conditions))
    decided = judge.decide(plan, WHOLE).signals[0]
    assert decided.status == status
    assert decided.reason
    assert bool(decided.next_step) == (status != "GO")


@pytest.mark.parametrize(
    ("condition", "facts", "step"),
    [
        (COMMAND, attempts(), "see why a left no such evidence, then run again"),
        (COMMAND, attempts(ran("a", "failed")), "mend what command-logs/a.log reports"),
        (replace(COMMAND, max_age_ms=0), WHOLE, "run the audit again on the tree as it is"),
        (PRE_OPEN, WHOLE, "write gone.md and commit it"),
        (FILE, replace(WHOLE, files=(model.FileFact("doc.md", "owner", True, False),)), "complete"),
        (replace(ABSENT, pattern="x"), WHOLE, "take x out of src/**"),
        (replace(SEALED, fact="tracker_valid"), WHOLE, "see the findings of this gate"),
        (APPROVAL, WHOLE, "SRE reviews and approves it: arco-audit sign --role SRE --key FILE"),
        (
            EXTERNAL,
            WHOLE,
            "bring drill.md with arco-audit attach; then SRE approves it: arco-audit",
        ),
        (CARRY, WHOLE, "run a again"),
    ],
)
def test_the_owner_is_told_the_next_step(
    condition: model.Condition, facts: model.Facts, step: str
) -> None:
    plan = make_plan(make_signal("s", condition, replace(APPROVAL, role="X")), cells=CELLS)
    decided = judge.decide(plan, facts).signals[0]
    assert step in decided.next_step
    assert decided.reason.endswith("(and 1 more)")


SIGNALS = {
    "GO": make_signal("go", MET),
    "PARTIAL": make_signal("part", MET, OPEN),
    "BLOCKED-EXTERNAL": make_signal("ext", EXTERNAL),
    "NO-GO": make_signal("no", OPEN),
}


@pytest.mark.parametrize(
    ("names", "status", "closed", "open_"),
    [
        (["GO"], "GO", 1, 0),
        (["PARTIAL"], "PARTIAL", 0, 1),
        (["GO", "NO-GO"], "PARTIAL", 1, 1),
        (["GO", "BLOCKED-EXTERNAL"], "PARTIAL", 1, 1),
        (["PARTIAL", "NO-GO"], "PARTIAL", 0, 2),
        (["BLOCKED-EXTERNAL"], "NO-GO", 0, 1),
        (["NO-GO", "BLOCKED-EXTERNAL"], "NO-GO", 0, 2),
        ([], "NO-GO", 0, 0),
    ],
)
def test_the_status_of_a_gate(names: list[str], status: str, closed: int, open_: int) -> None:
    gate = model.Gate(7, "Seven", tuple(SIGNALS[name].id for name in names))
    decided = judge.decide(make_plan(*SIGNALS.values(), gates=(gate,)), WHOLE)
    told = decided.gates[0]
    assert (told.id, told.status, told.closed, told.open) == (7, status, closed, open_)
    assert decided.verdict == ("GO" if status == "GO" else "NO-GO")
    assert decided.blockers == (() if status == "GO" else (f"gate 7 is {status}: {told.reason}",))


def test_a_gate_with_a_dangling_signal_is_open() -> None:
    gate = model.Gate(0, "", ("go", "nowhere"))
    decided = judge.decide(make_plan(SIGNALS["GO"], gates=(gate,)), WHOLE)
    assert (decided.gates[0].status, decided.gates[0].open) == ("PARTIAL", 1)


@pytest.mark.parametrize("turned", [False, True])
def test_of_two_signals_with_one_id_the_worse_counts(turned: bool) -> None:
    pair = [make_signal("s", MET), make_signal("s", OPEN)]
    plan = make_plan(*(pair[::-1] if turned else pair))
    assert judge.decide(plan, WHOLE).gates[0].status == "NO-GO"


# --- the verdict ----------------------------------------------------------------------------------

GOOD = make_plan(SIGNALS["GO"], cells=(make_cell("a"),))


@pytest.mark.parametrize(
    ("plan", "facts", "blocker"),
    [
        (GOOD, WHOLE, None),
        (replace(GOOD, gates=(), signals=()), WHOLE, "the audit has no gates"),
        (
            replace(GOOD, audit=replace(GOOD.audit, definition_of_done="MOST")),
            WHOLE,
            "unknown definition of done=`MOST`",
        ),
        (
            replace(GOOD, subject=replace(GOOD.subject, dirty=("a", "b", "c", "d"))),
            WHOLE,
            "the working tree is dirty: a, b, c and 1 more",
        ),
        (GOOD, replace(WHOLE, subject_after=""), "the tree changed while the commands ran"),
        (GOOD, attempts(), "required cell a did not pass: it did not run"),
        (GOOD, attempts(ran("a", "failed")), "required cell a did not pass: exit code 1"),
        (GOOD, attempts(ran("a", "skipped", reason="why")), "required cell a did not pass: why"),
        (replace(GOOD, cells=(make_cell("a", required=False),)), attempts(), None),
    ],
)
def test_what_blocks_a_release(plan: model.Plan, facts: model.Facts, blocker: str | None) -> None:
    decided = judge.decide(plan, facts)
    assert decided.blockers == (() if blocker is None else (blocker,))
    assert decided.verdict == ("GO" if blocker is None else "NO-GO")
    assert decided.as_of == LATER != UTC
