"""CEL in a definition: it means what it says, or it is refused."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.definition import cel, parse
from audit.definition.units import WrongError
from audit.errors import Invalid
from audit.plan import compile_plan
from evidence import judge, model

UTC = "2026-12-01T10:00:00Z"
HEAD = (
    '[audit]\nid = "a-1"\ntitle = "A"\n'
    '[[command]]\nid = "one"\nrun = "x"\nresults = [{ junit = "o.xml" }, { metrics = "o.json" }]\n'
    '[[command]]\nid = "two"\nrun = "y"\nresults = [{ junit = "t.xml" }, { metrics = "t.json" }]\n'
)


def defined(*conditions: str) -> bytes:
    signal = (
        '[[gate]]\nid = 0\nname = "g"\n[[gate.signal]]\nid = "G0-001"\ntitle = "t"\nowner = "o"\n'
        f'exit_test = "e"\ncloses_when = [{", ".join(conditions)}]\n'
    )
    return (HEAD + signal).encode()


def plan_of(*conditions: str) -> model.Plan:
    subject = model.Subject("c" * 40, UTC, "t" * 40, "d" * 64, "main", (), ())
    tool = model.Tool("arco-audit", "0")
    definition = parse(defined(*conditions))
    return compile_plan(definition, subject, label="one", baseline_commit="", tool=tool)


def rule(text: str) -> str:
    return f"{{ cel = {json.dumps(text)} }}"


MEANS: list[tuple[str, list[dict[str, Any]]]] = [
    ('cell("one").passed', [{"command": "one"}]),
    ("command('one').passed", [{"command": "one"}]),
    ('file("a\\"b").exists', [{"file": 'a"b'}]),
    ('test("p::*").passed', [{"test": "p::*"}]),
    ('test("p", "one").passed', [{"test": "p", "command": "one"}]),
    ('metric("m") >= 3', [{"metric": "m", "at_least": "3"}]),
    ('3 <= metric("m")', [{"metric": "m", "at_least": "3"}]),
    ('metric("m", "two") <= -0.5', [{"metric": "m", "command": "two", "at_most": "-0.5"}]),
    ('metric("m") == 1', [{"metric": "m", "at_least": "1", "at_most": "1"}]),
    (
        ' ( cell("one").passed\n&& ((metric("m")<=1)) )&&file("x") . exists ',
        [{"command": "one"}, {"metric": "m", "at_most": "1"}, {"file": "x"}],
    ),
]


@pytest.mark.parametrize(("text", "tables"), MEANS)
def test_a_rule_is_the_conditions_that_it_says(text: str, tables: list[dict[str, Any]]) -> None:
    assert list(cel.conditions(text)) == tables


REFUSED = [
    ('cell("a").passed || cell("b").passed', "one of several"),
    ('!cell("a").passed', "absent"),
    ('cell("a").passed && !cell("b").passed', "absent"),
    ('metric("m") > 3', "inclusive"),
    ('metric("m") != 3', "bounds"),
    ('metric("m") >= metric("n")', "wants a number"),
    ('metric("m") >= 3 + 1', "part=`+`"),
    ('metric("m") >= 3u', "wants a number"),
    ('metric("m") >= 1e3', "wants a number"),
    ('metric("m")', "at its end"),
    ('3 <= 4 && metric("m") <= 4', "wants `metric`"),
    ('cell("a").failed', "wants `passed`"),
    ('cell("a")', "wants `.`"),
    ('cell("a", "b").passed', "wants `)`"),
    ("cell(a).passed", "wants a text"),
    ('cell("a" + "b").passed', "part=`+`"),
    ('cell("a").passed == true', "part=`==`"),
    ('cell("a").passed ? true : false', "a choice"),
    ('["a"].all(x, cell(x).passed)', "part=`[`"),
    ('size("a") >= 1', "part=`size`"),
    ("true", "part=`true`"),
    ('(cell("a").passed', "at its end"),
    ('cell("a").passed)', "part=`)`"),
    ('cell("a").passed cell("b").passed', "part=`cell`"),
    ('cell("a").passed &&', "at its end"),
    ('cell("a").passed & cell("b").passed', "part=`&`"),
    ('cell("\\u0041").passed', "escape"),
    ('cell("a).passed', "wants a text"),
    ('cell("a").passed // why', "part=`/`"),
    ("(" * 3_000, "wants"),
    ("(" * 5_000, "too long"),
    ("", "at its end"),
]


@pytest.mark.parametrize(("text", "why"), REFUSED)
def test_what_cannot_be_derived_again_is_refused(text: str, why: str) -> None:
    with pytest.raises(WrongError) as caught:
        cel.conditions(text)
    assert why in caught.value.problem + caught.value.next_step
    assert caught.value.next_step


@given(st.text(max_size=60) | st.text("cellmtripasd()\"&|!.<>=0123 ,\\'", max_size=60))
def test_any_text_is_taken_or_refused_and_nothing_else(text: str) -> None:
    with contextlib.suppress(WrongError):
        assert cel.conditions(text)


# --- in a definition ------------------------------------------------------------------------------


def test_a_plan_never_sees_a_rule() -> None:
    text = 'cell("one").passed && metric("m", "two") >= 90 && file("README.md").exists'
    plain = '{ command = "one" }', '{ metric = "m", command = "two", at_least = 90 }'
    assert plan_of(rule(text)) == plan_of(*plain, '{ file = "README.md" }')
    assert plan_of(rule('test("p").passed'), *plain) == plan_of('{ test = "p" }', *plain)


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        (rule('cell("oen").passed'), "did you mean `one`?"),
        (rule('cell("one").passed || true'), "one of several"),
        (rule('file("../x").exists'), "../x"),
        (rule('file("release_evidence/x").exists'), "output root"),
        (rule('metric("") >= 1'), "closes_when"),
        (rule('metric("m") >= ' + "9" * 200), "not a finite number"),
        ('{ cel = "" }', "closes_when"),
        ("{ cel = 3 }", "cel"),
        ('{ cel = "file(\'x\').exists", file = "x" }', "several kinds"),
        ('{ cel = "file(\'x\').exists", max_age = "2d" }', "max_age"),
    ],
)
def test_what_is_wrong_with_a_rule_is_told_with_its_line(condition: str, why: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse(defined('{ command = "one" }', condition))
    told = f"{caught.value} {caught.value.next_step}"
    assert why in told
    assert caught.value.place.startswith("audit.toml:20: ")


# --- what a rule says, evaluated beside the judge -------------------------------------------------


@dataclass(frozen=True)
class Term:
    """A part of a rule, as text and as a function of plain facts."""

    text: str
    kind: str
    name: str
    sign: str = ""
    number: str = ""

    def holds(self, facts: model.Facts) -> bool:
        """What the text says, by the plainest reading of it."""
        if self.kind == "cell":
            return any(a.cell == self.name and a.result == "passed" for a in facts.attempts)
        if self.kind == "file":
            return any(f.path == self.name and f.found for f in facts.files)
        if self.kind == "test":
            found = [t.outcome for t in facts.tests if t.key == self.name]
            return bool(found) and set(found) == {"passed"}
        values = [Decimal(m.value) for m in facts.metrics if m.name == self.name]
        limit = Decimal(self.number)
        if self.sign == ">=":
            return bool(values) and all(value >= limit for value in values)
        if self.sign == "<=":
            return bool(values) and all(value <= limit for value in values)
        return bool(values) and all(value == limit for value in values)


NUMBERS = st.sampled_from(["0", "1", "1.0", "1.50", "-2", "3"])
FLAGS = st.booleans()


@st.composite
def terms(draw: st.DrawFn) -> Term:
    kind = draw(st.sampled_from(["cell", "file", "test", "metric"]))
    if kind == "cell":
        name = draw(st.sampled_from(["one", "two"]))
        return Term(f'{draw(st.sampled_from(["cell", "command"]))}("{name}").passed', kind, name)
    name = draw(st.sampled_from(["a", "b"]))
    if kind == "metric":
        sign, number = draw(st.sampled_from([">=", "<=", "=="])), draw(NUMBERS)
        turned = {">=": "<=", "<=": ">=", "==": "=="}[sign]
        call = f'metric("{name}")'
        text = f"{number} {turned} {call}" if draw(FLAGS) else f"{call} {sign} {number}"
        return Term(text, kind, name, sign, number)
    return Term(f'{kind}("{name}").{"exists" if kind == "file" else "passed"}', kind, name)


@st.composite
def joined(draw: st.DrawFn) -> tuple[str, list[Term]]:
    parts = draw(st.lists(terms(), min_size=1, max_size=5))
    text = parts[0].text
    for part in parts[1:]:
        right = f"({part.text})" if draw(FLAGS) else part.text
        text = f"({text}) && {right}" if draw(FLAGS) else f"{text} && {right}"
    return text, parts


@st.composite
def worlds(draw: st.DrawFn) -> tuple[tuple[bool, bool], Any]:
    passed = draw(FLAGS), draw(FLAGS)
    cells = st.sampled_from(["one", "two"])
    outcomes: st.SearchStrategy[model.Outcome] = st.sampled_from(["passed", "failed", "skipped"])
    keys = st.sampled_from(["a", "b"])
    return passed, {
        "tests": tuple(
            draw(st.lists(st.builds(model.TestFact, cells, keys, outcomes), max_size=3))
        ),
        "metrics": tuple(
            draw(st.lists(st.builds(model.MetricFact, cells, keys, NUMBERS), max_size=3))
        ),
        "files": tuple(model.FileFact(key, None, draw(FLAGS), None) for key in ("a", "b")),
    }


@given(joined(), worlds())
def test_the_judge_finds_what_the_rule_says(
    made: tuple[str, list[Term]], world: tuple[tuple[bool, bool], Any]
) -> None:
    text, parts = made
    passed, more = world
    plan = plan_of(rule(text))
    attempts = tuple(
        model.AttemptFact(name, 1, "passed" if ok else "failed", "", 0 if ok else 1, UTC)
        for name, ok in zip(("one", "two"), passed, strict=True)
    )
    results = tuple(
        model.ResultFact(cell.id, file.path, found=True, problem="")
        for cell in plan.cells
        for file in cell.results
    )
    facts = replace(
        model.Facts(1, UTC, plan.subject.digest, attempts, results, (), (), (), (), ()), **more
    )
    (decided,) = judge.decide(plan, facts).signals
    says = all(part.holds(facts) for part in parts)
    assert all(item.answer == "met" for item in decided.conditions) == says, text
    if says and any(part.kind != "file" for part in parts):
        assert decided.status == "GO"
    if not says:
        assert decided.status != "GO"
