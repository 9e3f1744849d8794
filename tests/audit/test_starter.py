"""A starter loads at once, names what is there, and is never green over nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.definition import Definition, parse
from audit.plan import compile_plan
from audit.starter import starter
from evidence import judge, model
from evidence.model import Subject, Tool

CHECK_SCRIPT = '{"scripts": {"check": "eslint ."}}'
SUBJECT = Subject("c" * 40, "2026-11-30T10:00:00Z", "t" * 40, "d" * 64, "main", (), ())


def started(root: Path, files: Mapping[str, str]) -> Definition:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return parse(starter(root, date="2026-12-01").encode())


NOXFILE = """
import nox
@nox.session
def tests(session): ...
@nox.session(python=["3.11"], name="type-check")
def types(session): ...
@nox.session()
def audit(session): ...
def helper(): ...
"""

KINDS: list[tuple[str, dict[str, str], dict[str, str]]] = [
    ("nox", {"noxfile.py": NOXFILE}, {"tests": "tests", "type-check": "type-check"}),
    (
        "nox with defaults, before what it wraps",
        {
            "noxfile.py": NOXFILE + 'nox.options.sessions = ["tests", "gone"]\n',
            "pyproject.toml": "[tool.ruff]\n[tool.pytest.ini_options]\n",
        },
        {"tests": "tests"},
    ),
    ("tox", {"tox.ini": "[tox]\n"}, {"tox": "tox run"}),
    (
        "bare Python tools",
        {
            "pyproject.toml": "[tool.ruff]\n[tool.mypy]\nfiles = ['x']\n",
            "tests/test_a.py": "",
            ".gitignore": "/build/\n",
        },
        {
            "ruff": "ruff check .",
            "mypy": "mypy",
            "pytest": "python -m pytest -q --junitxml=build/junit-pytest.xml",
        },
    ),
    (
        "Python tools by uv, with nothing ignored",
        {"pyproject.toml": "[tool.pytest]\n[tool.mypy]\n", "uv.lock": ""},
        {
            "mypy": "uv run mypy .",
            "pytest": "uv run pytest -q --junitxml=release_evidence/results/junit-pytest.xml",
        },
    ),
    (
        "cargo",
        {"Cargo.toml": "[workspace]\n"},
        {
            "cargo-fmt": "cargo fmt --all -- --check",
            "cargo-clippy": "cargo clippy --workspace --all-targets -- -D warnings",
            "cargo-test": "cargo test --workspace",
        },
    ),
    ("go", {"go.mod": "module x\n"}, {"go-vet": "go vet ./...", "go-test": "go test ./..."}),
    (
        "npm",
        {
            "package.json": '{"scripts": {"test": "jest", "lint:fix": "x", "lint": "x", "dev": "x",'
            ' "test:watch": "x", "build": "x", "lint; rm": "x"}}'
        },
        {"npm-build": "npm run build", "npm-lint": "npm run lint", "npm-test": "npm run test"},
    ),
    (
        "pnpm, with the test that npm init writes",
        {
            "package.json": '{"scripts": {"test": "echo no test specified", "typecheck": "tsc"}}',
            "pnpm-lock.yaml": "",
        },
        {},
    ),
    (
        "make",
        {"Makefile": "VAR := x\ntest: dep\n\techo\nlint:\nclean:\ntest:\n.PHONY: test\n"},
        {"make-test": "make test", "make-lint": "make lint"},
    ),
    (
        "tests beside what they test",
        {"test_a.py": "", ".gitignore": "build\n"},
        {"pytest": "python -m pytest -q --junitxml=build/junit-pytest.xml"},
    ),
    ("tests of somebody else, deep below", {"vendored/test_a.py": ""}, {}),
    (
        "pre-commit",
        {".pre-commit-config.yaml": "repos: []\n"},
        {"pre-commit": "pre-commit run --all-files"},
    ),
    (
        "files that are broken",
        {"noxfile.py": "def (", "pyproject.toml": "[", "package.json": "["},
        {},
    ),
    ("nothing", {}, {}),
]


@pytest.mark.parametrize(("files", "expected"), [k[1:] for k in KINDS], ids=[k[0] for k in KINDS])
def test_what_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], expected: dict[str, str]
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: name)
    definition = started(tmp_path, files)
    found = {item.id: str(item.run or item.shell or item.nox) for item in definition.commands}
    assert found == expected
    assert definition.gates[0].id == 0
    assert len(definition.gates) >= 2
    conditions = {
        condition.model_dump().get("command")
        for gate in definition.gates[1:]
        for signal in gate.signals
        for condition in signal.closes_when
    }
    assert conditions - {None} == set(expected)


@pytest.mark.parametrize(
    ("there", "begins"),
    [
        ({"python", "python3"}, "python -m pytest"),
        ({"python3"}, "python3 -m pytest"),
        (set(), "python3 -m pytest"),
    ],
)
def test_python_is_called_by_the_name_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: set[str], begins: str
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: name if name in there else None)
    (command,) = started(tmp_path, {"test_a.py": ""}).commands
    assert str(command.run).startswith(begins)


def test_make_check_is_a_test_and_other_checks_are_not(tmp_path: Path) -> None:
    made = started(tmp_path, {"Makefile": "check:\nlint:\n", "package.json": CHECK_SCRIPT})
    gates = {gate.name: [signal.title for signal in gate.signals] for gate in made.gates}
    assert gates["Tests"] == ["make-check passes"]
    assert gates["Style and types"] == ["npm-check passes", "make-lint passes"]


def test_examples_of_the_starter_are_conditions_that_load(tmp_path: Path) -> None:
    text = starter(tmp_path, date="2026-12-01")
    examples = re.findall(r"^#   (\{ .+? \})", text, re.MULTILINE)
    assert len(examples) == 6
    assert any('except = "src/vendored/**"' in example for example in examples)
    command = (
        '[[command]]\nid = "pytest"\nrun = "true"\n'
        'results = [{ junit = "a.xml" }, { metrics = "a.json" }]\n'
    )
    told = text.replace("[[gate]]", command + "[[gate]]", 1)
    parse(told.replace("closes_when = []", f"closes_when = [{', '.join(examples)}]").encode())


def decision_of(definition: Definition) -> model.Decision:
    plan = compile_plan(definition, SUBJECT, label="l", baseline_commit="", tool=Tool("a", "0"))
    end = "2026-12-01T10:00:00Z"
    facts = model.Facts(
        format_version=1,
        as_of=end,
        subject_after=SUBJECT.digest,
        attempts=tuple(model.AttemptFact(cell.id, 1, "passed", "", 0, end) for cell in plan.cells),
        results=(),
        tests=(),
        metrics=(),
        files=(),
        absent=(),
        engine=(
            model.EngineFact("plan_sealed", True, "yes"),
            model.EngineFact("tracker_valid", True, "yes"),
        ),
    )
    return judge.decide(plan, facts)


def test_nothing_found_is_no_go(tmp_path: Path) -> None:
    decision = decision_of(started(tmp_path, {}))
    assert decision.verdict == "NO-GO"
    assert decision.gates[1].status == "NO-GO"


def test_all_that_was_found_passing_is_go(tmp_path: Path) -> None:
    decision = decision_of(started(tmp_path, {"go.mod": "", "Makefile": "test:\n"}))
    assert decision.blockers == ()
    assert decision.verdict == "GO"


def test_workflows_are_named(tmp_path: Path) -> None:
    started(tmp_path, {".github/workflows/a.yml": "name: 'Checks'\non: push\n"})
    started(tmp_path, {".github/workflows/b.yaml": "on: push\n"})
    assert "# CI here runs: Checks, b." in starter(tmp_path, date="2026-12-01")


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1))
def test_any_name_of_a_folder_will_do(name: str) -> None:
    class Root(type(Path())):  # type: ignore[misc]
        def resolve(self, strict: bool = False) -> Any:
            return type("Named", (), {"name": name})()

    definition = parse(starter(Root("/no/such/folder"), date="2026-12-01").encode())
    assert definition.audit.id.startswith("2026-12-01-")


def test_starter_of_a_repository_runs_where_it_stands(make_repo: Callable[..., Any]) -> None:
    folder = make_repo("my project")
    folder.write("Makefile", "test:\n\ttrue\n")
    text = starter(folder.path, date="2026-12-01")
    assert text == starter(folder.path, date="2026-12-01")
    assert parse(text.encode()).audit.id == "2026-12-01-my-project-readiness"
    assert parse(text.encode()).notes == ()
