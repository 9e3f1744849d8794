"""What imports cannot show: rules over syntax trees, as plain functions from text to problems.

Each rule takes one parsed `Source` and returns what is wrong with it. `test_tidy.py` runs them over
the tree and shows for each that it catches a planted violation. Nothing here imports the packages.
"""

from __future__ import annotations

import ast
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 600
FUNCTION_LINES_MEDIAN_MAX = 8
"""Ratchet over the shipped packages: lower it when the code allows, never raise it."""
FUNCTION_LINES_P95_MAX = 28
"""Ratchet, as above."""

KERNEL = (
    *("evidence", "evidence.codec", "evidence.model", "evidence.chain", "evidence.journal"),
    *("evidence.layout", "evidence.judge", "evidence.seal", "evidence.verify"),
    *(
        "evidence.subject",
        "evidence.words",
        "evidence.account",
        "evidence.folder",
        "evidence.carry",
        "evidence.contents",
        "evidence.globs",
        "evidence.normalise",
        "evidence.brought",
        "evidence.dsse",
        "evidence.ed25519",
        "evidence.fingerprint",
        "evidence.instant",
        "evidence.roster",
        "evidence.signoff",
        "evidence.slices",
        "evidence.trusted",
        "evidence.weigh",
        "evidence.standalone",
    ),
)
"""Modules of which the verifier is made: standard library only."""

PURE = (
    *("evidence.codec", "evidence.model", "evidence.chain", "evidence.journal"),
    *("evidence.layout", "evidence.judge", "evidence.subject", "evidence.seal"),
    *(
        "evidence.carry",
        "evidence.contents",
        "evidence.globs",
        "evidence.verify",
        "evidence.words",
        "evidence.account",
        "evidence.normalise",
        "evidence.brought",
        "evidence.dsse",
        "evidence.ed25519",
        "evidence.fingerprint",
        "evidence.instant",
        "evidence.roster",
        "evidence.signoff",
        "evidence.slices",
        "evidence.trusted",
        "evidence.weigh",
        "audit.errors",
        "audit.plan",
        "audit.definition.models",
    ),
    *("audit.render.tracker", "audit.render.markdown", "audit.render.visible"),
    "audit.render.words",
    *("audit.render.pagedata", "audit.render.github", "audit.render.documents"),
    *("audit.trust.attest", "audit.trust.intoto", "audit.trust.pgp"),
    *("audit.trust.because", "audit.trust.changes", "audit.trust.diff", "audit.trust.diff_pages"),
    *("audit.trust.fragile", "audit.trust.matching", "audit.trust.mending"),
    *("audit.trust.strictness", "audit.trust.unblock", "audit.trust.unblock_pages"),
)
"""Modules that only decide: no disk, clock, chance, process, network or thread."""

EFFECT_MODULES = frozenset(
    (
        *("asyncio", "ctypes", "glob", "io", "logging", "multiprocessing", "os", "random"),
        *("secrets", "shutil", "signal", "socket", "sqlite3", "subprocess", "tempfile"),
        *("threading", "time", "urllib", "uuid"),
    )
)
EFFECT_METHODS = frozenset(
    (
        *("exists", "expanduser", "glob", "is_dir", "is_file", "iterdir", "mkdir", "read_bytes"),
        *("read_text", "rename", "resolve", "rglob", "rmdir", "symlink_to", "touch", "unlink"),
        *("write_bytes", "write_text"),
    )
)
CLOCK_METHODS = frozenset({"now", "utcnow", "today"})
PURE_PATHS = frozenset({"PurePath", "PurePosixPath", "PureWindowsPath"})

SIMULATOR = ("arco.sim", "arco.sim.*")
"""Where one seed determines everything."""

GENERATED = ("evidence/standalone/verify.py", "tests/golden/*/verify.py")
"""Files that a program writes; other tests compare them, so no rule reads them."""

PRINTERS = ("arco.cli", "arco.cli.*", "audit.cli", "audit.cli.*", "audit.__main__")
"""Where `print` may stand: the shell."""
LOADERS = ("arco.cli", "arco.cli.*", "audit.cli", "audit.cli.*")
"""Where a module may be imported by name: the shell, so that `--help` stays fast."""
SPELLER = "evidence.layout"
"""The one module that spells the names of the files of a bundle."""


@dataclass(frozen=True)
class Source:
    """One parsed file: its dotted name, its place for messages, its text and its tree."""

    module: str
    place: str
    text: str
    tree: ast.Module


@dataclass(frozen=True)
class Problem:
    """What a rule found, and where."""

    place: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.place}:{self.line}: {self.text}"


def parse(module: str, text: str, place: str = "<planted>") -> Source:
    """Return the source of a module given as text."""
    return Source(module, place, text, ast.parse(text))


def read(root: Path, *packages: str) -> list[Source]:
    """Return every Python file below the packages, in order of its path."""
    sources = []
    for package in packages:
        for path in sorted((root / package).rglob("*.py")):
            inside = path.relative_to(root)
            if matches(inside.as_posix(), GENERATED):
                continue
            parts = inside.with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            sources.append(parse(name, path.read_text("utf-8"), inside.as_posix()))
    return sources


def matches(module: str, patterns: tuple[str, ...]) -> bool:
    """Say whether a dotted name matches one of the patterns."""
    return any(fnmatch(module, pattern) for pattern in patterns)


def imports(tree: ast.AST) -> Iterator[tuple[int, str, str]]:
    """Yield (line, module, name) of every import; the name is empty for `import module`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, node.module or "", alias.name) for alias in node.names)


def kernel_imports(source: Source) -> list[Problem]:
    """The kernel imports the standard library and itself, because the verifier is made of it."""
    if source.module not in KERNEL:
        return []
    found = []
    for line, module, name in imports(source.tree):
        dotted = f"{module}.{name}" if module == "evidence" else module
        if module.split(".")[0] in sys.stdlib_module_names:
            continue
        if not (matches(dotted, KERNEL) or dotted in KERNEL):
            found.append(Problem(source.place, line, f"the kernel imports module=`{dotted}`"))
    return found


def effects(source: Source) -> list[Problem]:
    """A module that decides touches no disk, clock, chance, process, network or thread."""
    if source.module not in PURE:
        return []
    found = []
    for line, module, name in imports(source.tree):
        top = module.split(".")[0]
        if top in EFFECT_MODULES or (top == "pathlib" and name not in PURE_PATHS):
            found.append(Problem(source.place, line, f"a pure module imports module=`{module}`"))
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and (banned := _effect(node.func)):
            found.append(Problem(source.place, node.lineno, f"a pure module calls name=`{banned}`"))
    return found


def seeded(source: Source) -> list[Problem]:
    """The simulator's chance is `Random(seed)`: nothing else of `random`, and never unseeded."""
    if not matches(source.module, SIMULATOR):
        return []
    found = [
        Problem(source.place, line, f"chance without a seed: module=`random` name=`{name}`")
        for line, module, name in imports(source.tree)
        if module == "random" and name != "Random"
    ]
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Random" and not node.args:
            found.append(Problem(source.place, node.lineno, "chance without a seed: Random()"))
    return found


def _effect(func: ast.expr) -> str:
    if isinstance(func, ast.Name):
        return func.id if func.id in {"open", "input", "breakpoint"} else ""
    if isinstance(func, ast.Attribute) and func.attr in EFFECT_METHODS:
        return func.attr
    if isinstance(func, ast.Attribute) and func.attr in CLOCK_METHODS:
        owner = func.value.attr if isinstance(func.value, ast.Attribute) else func.value
        name = owner.id if isinstance(owner, ast.Name) else owner
        return f"{name}.{func.attr}" if name in {"datetime", "date"} else ""
    return ""


def dynamic_code(source: Source) -> list[Problem]:
    """No import by name, no `eval`, no `exec`: what is imported can be read in the file."""
    found = []
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Call):
            continue
        func = node.func
        name = func.id if isinstance(func, ast.Name) else getattr(func, "attr", "")
        plain = isinstance(func, ast.Name) and name in {"eval", "exec", "compile", "__import__"}
        loads = name == "import_module" and not matches(source.module, LOADERS)
        if plain or loads:
            found.append(Problem(source.place, node.lineno, f"dynamic code: name=`{name}`"))
    return found


def prints(source: Source) -> list[Problem]:
    """Only the shell prints; everything else returns values."""
    if matches(source.module, PRINTERS):
        return []
    calls = (node for node in ast.walk(source.tree) if isinstance(node, ast.Call))
    return [
        Problem(source.place, call.lineno, "print outside the shell")
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "print"
    ]


def bundle_names(layout: Source) -> frozenset[str]:
    """Return the file names that the layout module spells; plain words are left out."""
    values = (node.value for node in layout.tree.body if isinstance(node, ast.Assign))
    texts = {value.value for value in values if isinstance(value, ast.Constant)}
    words = {text for text in texts if isinstance(text, str)}
    return frozenset(word for word in words if not word.isalpha() or word.isupper())


def path_literals(source: Source, names: frozenset[str]) -> list[Problem]:
    """A file of a bundle is named through `evidence.layout`, never spelled again."""
    if source.module == SPELLER:
        return []
    prose = _docstrings(source.tree)
    found = []
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        spelled = set(node.value.split("/")) & names
        if spelled and " " not in node.value and id(node) not in prose:
            text = f"spelled outside evidence/layout.py: name=`{spelled.pop()}`"
            found.append(Problem(source.place, node.lineno, text))
    return found


def _docstrings(tree: ast.Module) -> set[int]:
    texts = (n.value for n in ast.walk(tree) if isinstance(n, ast.Expr))
    return {id(value) for value in texts if isinstance(value, ast.Constant)}


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield every function and method of a tree, nested ones too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a function from its `def` to its end, without its docstring."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def sizes(source: Source) -> list[Problem]:
    """Functions fit on a screen, and files in a head."""
    found = [
        Problem(source.place, function.lineno, f"too long: {function.name} lines=`{lines}`")
        for function in functions(source.tree)
        if (lines := lines_of(function)) > FUNCTION_LINES_MAX
    ]
    count = source.text.count("\n")
    if count > FILE_LINES_MAX:
        found.append(Problem(source.place, count, f"file too long: lines=`{count}`"))
    return found


def distribution(sources: list[Source]) -> dict[str, float]:
    """Return count, median, 95th percentile and maximum of function lengths."""
    lines = sorted(lines_of(f) for source in sources for f in functions(source.tree))
    if not lines:
        return {"count": 0, "median": 0, "p95": 0, "max": 0}
    p95 = lines[min(len(lines) - 1, int(len(lines) * 0.95))]
    median = statistics.median(lines)
    return {"count": len(lines), "median": median, "p95": p95, "max": lines[-1]}


def docstrings(source: Source) -> list[Problem]:
    """Every module and every public class, function and method says what it is."""
    found = []
    if source.text.strip() and ast.get_docstring(source.tree) is None:
        found.append(Problem(source.place, 1, "module without a docstring"))
    for node in _public(source.tree.body):
        if ast.get_docstring(node) is None:
            found.append(Problem(source.place, node.lineno, f"no docstring: name=`{node.name}`"))
    return found


def _public(
    body: list[ast.stmt],
) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if node.name.startswith("_") or _is_overload(node):
            continue
        yield node
        if isinstance(node, ast.ClassDef):
            yield from _public(node.body)


def _is_overload(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    names = {getattr(word, "attr", getattr(word, "id", "")) for word in node.decorator_list}
    return bool(names & {"overload", "setter"})


def future_annotations(source: Source) -> list[Problem]:
    """Annotations are never evaluated at import: modules load fast and may name late imports."""
    code = [n for n in source.tree.body if not isinstance(n, ast.Expr)]
    names = {name for _, module, name in imports(source.tree) if module == "__future__"}
    if code and "annotations" not in names and any(True for _ in functions(source.tree)):
        return [Problem(source.place, 1, "no `from __future__ import annotations`")]
    return []


def promises(source: Source) -> list[Problem]:
    """What stands is finished: no note to finish it later, no stub."""
    found = [
        Problem(source.place, number, "unfinished work in the tree")
        for number, line in enumerate(source.text.splitlines(), 1)
        if any(f"# {word}" in line for word in ("TODO", "FIXME", "XXX", "HACK"))
    ]
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Raise) and "NotImplementedError" in ast.dump(node):
            found.append(Problem(source.place, node.lineno, "a stub: NotImplementedError"))
    return found
