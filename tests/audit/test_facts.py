"""What is gathered for the judge: from the bundle's artifacts and from the subject's commit."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import facts as gathering
from audit import results
from audit.definition import parse
from audit.facts import decoded, gather, look_up, matching_lines
from audit.plan import compile_plan
from audit.repo import Repository
from evidence import codec, judge, layout, model
from evidence.model import Artifact, Attempt, Facts, Plan, ResultFact, Tool

HEAD = '[audit]\nid = "2026-12-01-ready"\ntitle = "Ready"\n'
END = "2026-12-01T09:30:00Z"


def plan_of(subject: model.Subject, commands: str, *conditions: str) -> Plan:
    text = (
        HEAD
        + commands
        + '[[gate]]\nid = 0\nname = "g"\n[[gate.signal]]\nid = "S"\ntitle = "t"\nowner = "o"\n'
        + f'exit_test = "e"\ncloses_when = [{", ".join(conditions)}]\n'
    )
    return compile_plan(
        parse(text.encode()), subject, label="l", baseline_commit="", tool=Tool("a", "0")
    )


class Bundle:
    """A run's folder in the making: attempts with the files that they left."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.attempts: list[Attempt] = []

    def attempt(self, cell: str, result: model.Result = "passed", **files: str) -> None:
        """Add an attempt; in names of files `__` stands for `.`."""
        number = 1 + sum(attempt.cell == cell for attempt in self.attempts)
        kept = []
        for name, text in files.items():
            source = name.replace("__", ".")
            path = layout.artifact_path(cell, number, source)
            target = self.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
            digest = hashlib.sha256(text.encode()).hexdigest()
            kept.append(Artifact(source, path, len(text.encode()), digest))
        self.attempts.append(
            Attempt(cell, number, result, "", 0, END, END, 1, None, tuple(kept), 0)
        )


JUNIT = (
    '<testsuite><testcase classname="t" name="a"/>'
    '<testcase classname="t" name="b">{}</testcase></testsuite>'
)
COMMANDS = (
    '[[command]]\nid = "t"\nrun = "x"\n'
    'results = [{ junit = "j.xml" }, { junit = "k.xml" }, { metrics = "m.json" }]\n'
)


@pytest.fixture
def opened(make_repo: Callable[..., Any]) -> Any:
    folder = make_repo()
    folder.commit(
        **{
            "src__a_dot_py": "one\ntwo x1\r\n",
            "src__deep__b_dot_py": "x22\nx\n",
            "docs__read_dot_md": "# Title\nbody\n",
            "release_evidence__old_dot_py": "x333\n",
        }
    )
    (folder.path / "link.md").symlink_to("docs/./read.md")
    (folder.path / "docs" / "up").symlink_to("../src")
    (folder.path / "dangling").symlink_to("nowhere")
    (folder.path / "out").symlink_to("/etc")
    (folder.path / "loop").symlink_to("loop")
    folder.commit()
    with Repository.open(folder.path) as repository:
        yield repository


def gathered(plan: Plan, bundle: Bundle, repository: Repository) -> Facts:
    return gather(
        plan,
        bundle.attempts,
        bundle.folder,
        repository,
        as_of=END,
        subject_after=plan.subject.digest,
        engine=(model.EngineFact("plan_sealed", True, "yes"),),
    )


def test_results_of_the_last_attempt_count(opened: Repository, tmp_path: Path) -> None:
    plan = plan_of(
        opened.subject(()), COMMANDS, '{ test = "t.*" }', '{ metric = "n", at_most = 3 }'
    )
    bundle = Bundle(tmp_path / "run")
    bundle.attempt("t", "interrupted", j__xml=JUNIT.format("<failure/>"))
    bundle.attempt(
        "t", j__xml=JUNIT.format(""), k__xml="<testsuite/>", m__json='{"n": 2.50, "o": 1}'
    )
    facts = gathered(plan, bundle, opened)
    assert [(test.key, test.outcome) for test in facts.tests] == [
        ("t.a", "passed"),
        ("t.b", "passed"),
    ]
    assert [(fact.name, fact.value) for fact in facts.metrics] == [("n", "2.50")]
    assert facts.results == (
        ResultFact("t", "j.xml", True, ""),
        ResultFact("t", "k.xml", True, ""),
        ResultFact("t", "m.json", True, ""),
    )
    assert [fact.number for fact in facts.attempts] == [1, 2]
    assert facts.engine[0].fact == "plan_sealed"
    assert codec.read(Facts, codec.write(facts)) == facts
    assert judge.decide(plan, facts).signals[0].status == "GO"


def test_files_that_are_not_there_or_not_whole(opened: Repository, tmp_path: Path) -> None:
    plan = plan_of(opened.subject(()), COMMANDS, '{ test = "t.*" }')
    bundle = Bundle(tmp_path / "run")
    bundle.attempt("t", j__xml="<testsuite>", m__json="{}")
    (tmp_path / "run" / "artifacts" / "t" / "1" / "m.json").write_text("[]")
    first, second, third = gathered(plan, bundle, opened).results
    assert (first.found, second.found, third.found) == (True, False, True)
    assert "no element found" in first.problem
    assert second.problem == ""
    assert "not the file" in third.problem
    (tmp_path / "run" / "artifacts" / "t" / "1" / "m.json").unlink()
    assert "cannot be read" in gathered(plan, bundle, opened).results[2].problem
    answers = judge.decide(plan, gathered(plan, bundle, opened)).signals[0].conditions
    assert answers[0].answer == "missing"


def test_a_file_too_large_to_read_is_said_to_be(
    opened: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(opened.subject(()), COMMANDS)
    bundle = Bundle(tmp_path / "run")
    bundle.attempt("t", j__xml="<testsuite/>")
    monkeypatch.setattr(results, "FILE_BYTES_MAX", 3)
    assert "larger than 3 bytes" in gathered(plan, bundle, opened).results[0].problem


def test_no_attempt_leaves_no_facts(opened: Repository, tmp_path: Path) -> None:
    plan = plan_of(opened.subject(()), COMMANDS)
    facts = gathered(plan, Bundle(tmp_path), opened)
    assert (facts.results, facts.tests, facts.attempts) == ((), (), ())


@pytest.mark.parametrize(("flaky", "outcome"), [("false", "failed"), ("true", "passed")])
def test_passed_after_failing_counts_only_where_a_cell_may_be_flaky(
    opened: Repository, tmp_path: Path, flaky: str, outcome: str
) -> None:
    plan = plan_of(opened.subject(()), COMMANDS + f"flaky = {flaky}\n")
    bundle = Bundle(tmp_path / "run")
    bundle.attempt("t", j__xml=JUNIT.format("<flakyFailure/>"))
    assert {test.key: test.outcome for test in gathered(plan, bundle, opened).tests} == {
        "t.a": "passed",
        "t.b": outcome,
    }


def test_worst_outcome_counts_across_the_files_of_a_cell(
    opened: Repository, tmp_path: Path
) -> None:
    plan = plan_of(opened.subject(()), COMMANDS)
    bundle = Bundle(tmp_path / "run")
    bundle.attempt("t", j__xml=JUNIT.format("<failure/>"), k__xml=JUNIT.format(""))
    assert [test.outcome for test in gathered(plan, bundle, opened).tests] == ["passed", "failed"]


def files_of(opened: Repository, *conditions: str) -> list[tuple[bool, bool | None]]:
    plan = plan_of(opened.subject(("release_evidence/",)), "", *conditions)
    return [(fact.found, fact.matches) for fact in look_up(plan, opened)[0]]


def test_files_are_looked_up_at_the_commit(opened: Repository) -> None:
    (opened.root / "new.md").write_text("not committed")
    (opened.root / "docs" / "read.md").write_text("changed")
    assert files_of(
        opened,
        '{ file = "docs/read.md" }',
        '{ file = "docs/read.md", contains = "^body$" }',
        '{ file = "docs/read.md", contains = "changed" }',
        '{ file = "src/a.py", contains = "x1$" }',
        '{ file = "docs/" }',
        '{ file = "src/deep" }',
        '{ file = "src/deep", contains = "x" }',
        '{ file = "new.md" }',
        '{ file = "doc" }',
    ) == [
        *((True, None), (True, True), (True, False), (True, True), (True, None), (True, None)),
        *((True, False), (False, None), (False, None)),
    ]


def test_links_are_followed_inside_the_tree_only(opened: Repository) -> None:
    assert files_of(
        opened,
        '{ file = "link.md", contains = "Title" }',
        '{ file = "docs/up" }',
        '{ file = "dangling" }',
        '{ file = "out" }',
        '{ file = "loop" }',
    ) == [(True, True), (True, None), (False, None), (False, None), (False, None)]


def absent_of(opened: Repository, *conditions: str) -> list[tuple[int, tuple[str, ...]]]:
    plan = plan_of(opened.subject(("release_evidence/",)), "", *conditions)
    return [(fact.inputs, fact.hits) for fact in look_up(plan, opened)[1]]


def test_patterns_are_found_with_file_and_line(opened: Repository) -> None:
    assert absent_of(
        opened,
        r'{ absent = "x\\d+", in = "**/*.py" }',
        r'{ absent = "x\\d+", in = "src/**/*.py", except = "src/deep" }',
        '{ absent = "nowhere", in = ["src", "docs/*.md"] }',
        '{ absent = "x", in = "no/such/**" }',
        '{ absent = "nowhere|etc", in = ["out", "dangling"] }',
    ) == [
        (2, ("src/a.py:2", "src/deep/b.py:1")),
        (1, ("src/a.py:2",)),
        (3, ()),
        (0, ()),
        (0, ()),
    ]


def test_places_are_bounded(opened: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "HITS_MAX", 1)
    assert absent_of(opened, '{ absent = ".", in = "src" }') == [(2, ("src/a.py:1",))]


def test_what_cannot_be_searched_is_not_absent(
    opened: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "FILE_BYTES_MAX", 10)
    ((inputs, hits),) = absent_of(opened, '{ absent = "nowhere", in = "src/a.py" }')
    assert (inputs, len(hits)) == (1, 1)
    assert "not searched" in hits[0]
    monkeypatch.undo()
    monkeypatch.setattr(gathering, "SEARCH_SECONDS_MAX", -1.0)
    monkeypatch.setattr(gathering, "decoded", lambda data: "a\n" * 200)
    ((_, slow),) = absent_of(opened, '{ absent = "nowhere", in = "src/a.py" }')
    assert "takes too long" in slow[0]
    assert files_of(opened, '{ file = "src/a.py", contains = "nowhere" }') == [(True, False)]


def test_unreadable_blob_is_not_absent(opened: Repository) -> None:
    blob = opened.tree()["src/a.py"].blob
    loose = opened.root / ".git" / "objects" / blob[:2] / blob[2:]
    loose.unlink()
    ((_, hits),) = absent_of(opened, '{ absent = "nowhere", in = "src/a.py" }')
    assert hits == ("src/a.py (git cannot read it)",)
    assert files_of(opened, '{ file = "src/a.py", contains = "one" }') == [(True, False)]


def test_text_is_decoded_as_its_mark_says() -> None:
    assert decoded("päth".encode("utf-16")) == "päth"
    assert decoded(b"\xef\xbb\xbfa") == "a"
    assert decoded(b"a\xff") == "a\ufffd"


@given(st.integers(1, 60), st.integers(0, 30_000))
def test_match_in_a_long_line_is_found_wherever_it_stands(length: int, at: int) -> None:
    line = "a" * at + "b" * length + "a" * (30_000 - at)
    pattern = re.compile(f"b{{{length}}}")
    assert list(matching_lines(pattern, f"x\n{line}\ny", 60.0)) == [2]


def test_facts_do_not_depend_on_the_order_of_attempts(opened: Repository, tmp_path: Path) -> None:
    plan = plan_of(opened.subject(()), COMMANDS, '{ test = "t.*" }')
    bundle = Bundle(tmp_path / "run")
    bundle.attempt("t", "interrupted")
    bundle.attempt("t", j__xml=JUNIT.format(""))
    facts = gathered(plan, bundle, opened)
    bundle.attempts.reverse()
    again = gathered(plan, bundle, opened)
    assert replace(again, attempts=facts.attempts) == facts
