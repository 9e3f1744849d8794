"""A first `audit.toml` for a repository that never had one: what is there to run, and gates for it.

Looks at files by name and reads a few of them; runs nothing. What it writes loads at once, and is
honest: where nothing was found, a signal without a condition keeps the audit at NO-GO.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evidence import layout

FILE_BYTES_MAX = 2**20
COMMANDS_MAX = 40
"""Commands of a starter; a repository with more is for people to sort."""

CHECKS = "Style and types"
TESTS = "Tests"
BUILD = "Build and packaging"
_KINDS = (CHECKS, TESTS, BUILD)
_KIND_WORDS = {
    CHECKS: ("lint", "type", "fmt", "format", "style", "mypy", "pyright", "check", "docs", "vet"),
    TESTS: ("test", "spec", "e2e", "cov", "unit"),
    BUILD: ("build", "dist", "package", "compile", "wheel"),
}
_TEST_FILES = ("test_*.py", "*_test.py")
"""Files that pytest collects by their names."""
_AUDITS = ("audit", "release_gate", "gate_report", "sign_off", "publish", "release", "deploy")
"""Names that audit or release by themselves: an audit must not start them."""


@dataclass(frozen=True, slots=True)
class Found:
    """A command that the repository offers: `how` is `run`, `shell` or `nox`."""

    id: str
    how: str
    line: str
    kind: str
    why: str
    code: str
    junit: str = ""


def starter(root: Path, *, date: str, nox_sessions: Sequence[str] | None = None) -> str:
    """Return a commented `audit.toml` for the repository at `root`; `date` is `YYYY-MM-DD`.

    `nox_sessions` are those that nox lists; None where it cannot say, and the noxfile is read.
    """
    found = _commands(root, nox_sessions)
    audit_id = f"{date}-{_slug(root.resolve().name)}-readiness"
    blocks = [_head(audit_id, root.resolve().name, date, _workflows(root))]
    blocks += [_command(item) for item in found]
    blocks.append(_gate_zero(audit_id))
    kinds = [kind for kind in _KINDS if any(item.kind == kind for item in found)]
    for number, kind in enumerate(kinds, 1):
        blocks.append(_gate(number, kind, [item for item in found if item.kind == kind]))
    if not kinds:
        blocks.append(_NOTHING_FOUND)
    blocks.append(_MORE)
    return "\n".join(blocks)


def _commands(root: Path, nox_sessions: Sequence[str] | None) -> list[Found]:
    """Return what the repository offers, each id once; what wraps others comes first."""
    wrappers = [*_nox(root, nox_sessions), *_tox(root)]
    found = wrappers or _python(root)
    for finder in _FINDERS:
        found = [*found, *finder(root)]
    by_id = {item.id: item for item in reversed(found)}
    return [item for item in found if by_id[item.id] is item][:COMMANDS_MAX]


# --- what is there --------------------------------------------------------------------------------


def _nox(root: Path, listed: Sequence[str] | None) -> list[Found]:
    names = _sessions(_text(root / "noxfile.py")) if listed is None else listed
    return [
        Found(_slug(name), "nox", name, _kind(name), "a session of noxfile.py", "noxfile.py")
        for name in names
        if name not in _AUDITS
    ]


def _sessions(text: str) -> list[str]:
    """Return the names of a noxfile's sessions; those that run by default where it says so."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return []
    names = [
        _session_name(node, decorator)
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
        if ast.unparse(decorator).split("(")[0] in ("nox.session", "session")
    ]
    default = [name for node in tree.body for name in _default_sessions(node)]
    return [name for name in default if name in names] or names


def _session_name(function: ast.FunctionDef, decorator: ast.expr) -> str:
    for keyword in decorator.keywords if isinstance(decorator, ast.Call) else ():
        if keyword.arg == "name" and isinstance(keyword.value, ast.Constant):
            return str(keyword.value.value)
    return function.name


def _default_sessions(node: ast.stmt) -> list[str]:
    if not isinstance(node, ast.Assign) or ast.unparse(node.targets[0]) != "nox.options.sessions":
        return []
    items = node.value.elts if isinstance(node.value, ast.List | ast.Tuple) else []
    return [str(item.value) for item in items if isinstance(item, ast.Constant)]


def _tox(root: Path) -> Iterator[Found]:
    pyproject = _toml(root / "pyproject.toml")
    for name, there in (
        ("tox.ini", (root / "tox.ini").is_file()),
        ("tox.toml", (root / "tox.toml").is_file()),
        ("pyproject.toml", "tox" in _table(pyproject, "tool")),
    ):
        if there:
            yield Found("tox", "run", "tox run", TESTS, f"the environments of {name}", name)
            return


def _python(root: Path) -> list[Found]:
    tools = _table(_toml(root / "pyproject.toml"), "tool")
    prefix = _python_prefix(root)
    found = []
    if "ruff" in tools or _any(root, "ruff.toml", ".ruff.toml"):
        found.append(Found("ruff", "run", f"{prefix}ruff check .", CHECKS, "ruff is set up", "."))
    if "mypy" in tools or _any(root, "mypy.ini", ".mypy.ini"):
        where = "" if "files" in _table(tools, "mypy") or _any(root, "mypy.ini") else " ."
        found.append(Found("mypy", "run", f"{prefix}mypy{where}", CHECKS, "mypy is set up", "."))
    tests = next((name for name in ("tests", "test") if _has_tests(root / name)), "")
    beside = any(next(root.glob(glob), None) for glob in _TEST_FILES)
    if tests or beside or "pytest" in tools or _any(root, "pytest.ini", "conftest.py"):
        junit = f"{_results_folder(root)}/junit-pytest.xml"
        line = f"{prefix or _interpreter()}pytest -q --junitxml={junit}"
        why = "pytest is set up, or there are tests for it"
        found.append(Found("pytest", "run", line, TESTS, why, f"{tests}/" if tests else ".", junit))
    return found


def _python_prefix(root: Path) -> str:
    if (root / "uv.lock").is_file():
        return "uv run "
    return "poetry run " if (root / "poetry.lock").is_file() else ""


def _interpreter() -> str:
    return "python -m " if shutil.which("python") else "python3 -m "


def _has_tests(folder: Path) -> bool:
    globs = (*_TEST_FILES, "*/test_*.py")
    return folder.is_dir() and any(next(folder.glob(glob), None) for glob in globs)


def _results_folder(root: Path) -> str:
    """Return where result files do not make the tree dirty: ignored by git, or an output root."""
    ignored = {line.strip().strip("/") for line in _text(root / ".gitignore").splitlines()}
    return "build" if "build" in ignored else "release_evidence/results"


def _pre_commit(root: Path) -> Iterator[Found]:
    name = ".pre-commit-config.yaml"
    if (root / name).is_file():
        line = "pre-commit run --all-files"
        yield Found("pre-commit", "run", line, CHECKS, f"the hooks of {name}", name)


def _cargo(root: Path) -> Iterator[Found]:
    if not (root / "Cargo.toml").is_file():
        return
    for name, line, kind in (
        ("cargo-fmt", "cargo fmt --all -- --check", CHECKS),
        ("cargo-clippy", "cargo clippy --workspace --all-targets -- -D warnings", CHECKS),
        ("cargo-test", "cargo test --workspace", TESTS),
    ):
        yield Found(name, "run", line, kind, "there is a Cargo.toml", "Cargo.toml")


def _go(root: Path) -> Iterator[Found]:
    if (root / "go.mod").is_file():
        yield Found("go-vet", "run", "go vet ./...", CHECKS, "there is a go.mod", "go.mod")
        yield Found("go-test", "run", "go test ./...", TESTS, "there is a go.mod", "go.mod")


def _npm(root: Path) -> Iterator[Found]:
    try:
        package = json.loads(_text(root / "package.json") or "{}")
    except (ValueError, RecursionError):
        return
    locks = (("pnpm-lock.yaml", "pnpm"), ("yarn.lock", "yarn"))
    manager = next((tool for lock, tool in locks if (root / lock).is_file()), "npm")
    for name, line in sorted(_table(package, "scripts").items()):
        words = re.split(r"[:_-]", name)
        wanted = any(word in _KIND_WORDS[kind] for kind in _KINDS for word in words)
        idle = "no test specified" in str(line) or {"watch", "fix", "write", "dev"} & set(words)
        if wanted and not idle and re.fullmatch(r"[A-Za-z0-9:_.-]+", name):
            why = "a script of package.json"
            run = f"{manager} run {name}"
            yield Found(f"{manager}-{_slug(name)}", "run", run, _kind(name), why, "package.json")


def _make(root: Path) -> Iterator[Found]:
    name = next((name for name in ("GNUmakefile", "Makefile", "makefile") if _any(root, name)), "")
    targets = re.findall(
        r"^([A-Za-z0-9][A-Za-z0-9_.-]*)\s*:(?!=)", _text(root / name), re.MULTILINE
    )
    for target in dict.fromkeys(targets if name else ()):
        if target in ("test", "tests", "check", "lint", "typecheck", "fmt-check", "build"):
            why = f"a target of {name}"
            # By custom `make check` runs the tests, whatever `check` means elsewhere.
            kind = TESTS if target == "check" else _kind(target)
            yield Found(f"make-{_slug(target)}", "run", f"make {target}", kind, why, name)


_FINDERS: tuple[Callable[[Path], Iterable[Found]], ...] = (_pre_commit, _cargo, _go, _npm, _make)


def _workflows(root: Path) -> list[str]:
    folder = root / ".github" / "workflows"
    files = sorted([*folder.glob("*.yml"), *folder.glob("*.yaml")]) if folder.is_dir() else []
    found = []
    for path in files:
        named = re.search(r"^name:\s*(.+?)\s*$", _text(path), re.MULTILINE)
        found.append(_printable(named[1].strip("\"'") if named else path.stem))
    if (root / ".gitlab-ci.yml").is_file():
        found.append(".gitlab-ci.yml")
    return found


def _kind(name: str) -> str:
    words = re.split(r"[:_.-]", name.lower())
    for kind in (TESTS, BUILD, CHECKS):
        if any(word.startswith(_KIND_WORDS[kind]) for word in words):
            return kind
    return CHECKS


# --- what is written ------------------------------------------------------------------------------


def _head(audit_id: str, name: str, date: str, workflows: list[str]) -> str:
    ci = f"# CI here runs: {', '.join(workflows)}. What it checks can be a command below.\n"
    return f"""\
# What must hold before a release, and how that is shown. `arco-audit plan` prints what this means,
# `arco-audit run` runs it. Commit this file: a tree with uncommitted files is never GO.
{ci if workflows else ""}
[audit]
id = {_quoted(audit_id)}
title = {_quoted(f"{_printable(name)} release readiness")}
date = {date}
# scope = "what this audit is about"
# baseline = "v1.0.0"          # the release before; default: the first commit
# evidence_max_age = "30d"     # older results no longer count
outputs = ["release_evidence/", "docs/audits/"]

[[role]]
id = "maintainers"
title = "Maintainers"
"""


def _command(item: Found) -> str:
    lines = [
        f"# {item.why}",
        "[[command]]",
        f"id = {_quoted(item.id)}",
        f"{item.how} = {_quoted(item.line)}",
    ]
    if item.kind == TESTS:
        lines.append('timeout = "30m"')
    if item.junit:
        lines.append(f"results = [{{ junit = {_quoted(item.junit)} }}]")
    return "\n".join(lines) + "\n"


def _gate_zero(audit_id: str) -> str:
    blocks = ['[[gate]]\nid = 0\nname = "The audit itself"\n']
    for number, (title, fact, test) in enumerate(_ENGINE_SIGNALS, 1):
        fields = (title, test, "audit.toml", f"release_evidence/{audit_id}/")
        blocks.append(_signal(f"G0-{number:03}", *fields, [f'{{ engine = "{fact}" }}']))
    return "\n".join(blocks)


_ENGINE_SIGNALS = (
    (
        "Every signal names its owner, its place, its evidence and its exit test",
        "every_signal_complete",
        "No signal of this file lacks one of them",
    ),
    (
        "Every command of the matrix ran",
        "every_cell_present",
        "Each planned cell has a recorded attempt",
    ),
    (
        "What is promised was sealed before the first command",
        "plan_sealed",
        "The plan root was recorded before anything ran",
    ),
    ("The tracker is machine-checkable", "tracker_valid", "The tracker is valid by its schema"),
    ("The definition of done is frozen", "definition_of_done", "It is ALL_GATES_GO"),
)


def _gate(number: int, kind: str, found: list[Found]) -> str:
    blocks = [f"[[gate]]\nid = {number}\nname = {_quoted(kind)}\n"]
    for n, item in enumerate(found, 1):
        shown = f"nox -s {item.line}" if item.how == "nox" else item.line
        blocks.append(
            _signal(
                f"G{number}-{n:03}",
                f"{item.id} passes",
                f"`{shown}` exits 0",
                item.code,
                layout.log_path(item.id, 1, 1),
                [f"{{ command = {_quoted(item.id)} }}"],
            )
        )
    return "\n".join(blocks)


def _signal(
    name: str, title: str, exit_test: str, code: str, evidence: str, conditions: list[str]
) -> str:
    return f"""\
[[gate.signal]]
id = {_quoted(name)}
title = {_quoted(title)}
owner = "maintainers"
code = [{_quoted(code)}]
evidence = [{_quoted(evidence)}]
exit_test = {_quoted(exit_test)}
closes_when = [{", ".join(conditions)}]
"""


_NOTHING_FOUND = """\
# Nothing to run was found here. Until this signal has a condition, the audit is NO-GO.
# [[command]]
# id = "tests"
# run = "./run-tests"

[[gate]]
id = 1
name = "Tests"

[[gate.signal]]
id = "G1-001"
title = "The product is tested"
owner = "maintainers"
exit_test = "The tests pass"
closes_when = []               # such as [{ command = "tests" }]
"""

_MORE = """\
# More that can close a signal, each in a list of closes_when:
#   { test = "tests/test_api.py::*", command = "pytest" }     tests by name; skipped is not passed
#   { metric = "totals.percent_covered", at_least = 90 }      a number in a JSON result
#   { file = "docs/runbook.md", contains = "^## Rollback" }   a precondition: it is there
#   { absent = "TODO", in = "src/**", except = "src/vendored/**" }   a precondition: it is nowhere
#   { approval = "maintainers", count = 1 }                   a person's signed approval
#   { external = "release_evidence/drill.md", role = "maintainers" }   what only people can bring
"""


# --- small things ---------------------------------------------------------------------------------


def _quoted(text: str) -> str:
    return json.dumps(_printable(text), ensure_ascii=False)


def _printable(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable()) or "unnamed"


def _slug(text: str) -> str:
    clean = re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-_")
    return clean[:60] or "project"


def _any(root: Path, *names: str) -> bool:
    return any((root / name).is_file() for name in names)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(FILE_BYTES_MAX).decode("utf-8", "replace")
    except OSError:
        return ""


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_text(path))
    except (ValueError, RecursionError):
        return {}


def _table(value: Any, key: str) -> dict[str, Any]:
    item = value.get(key) if isinstance(value, dict) else None
    return item if isinstance(item, dict) else {}
