"""All that the rules look at, gathered once: tracker, documents, tree, status files and logs.

Here files are found and read. No rule is applied here.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audit.check.documents import Document, LedgerRow, ledger_rows, read_document
from audit.check.finding import Place
from audit.check.logs import LogReading, names_commit, read_log
from audit.check.matrix import (
    Matrix,
    MatrixRow,
    log_name,
    looks_like_matrix,
    one_spelling,
    read_matrix,
)
from audit.check.tracker import Tracker
from audit.check.tree import Tree, clean, matches
from audit.repo import Repository
from evidence import layout

DOCUMENT_BYTES_MAX = 16 * 1024 * 1024
"""Largest Markdown document that is read."""
_OF_A_RUN = frozenset(
    (
        *(layout.PLAN, layout.RUN, layout.FACTS, layout.DECISION, layout.SEAL, layout.CHECKPOINT),
        *(layout.JOURNAL, layout.STATUS_TSV, layout.SUMS, layout.REPORT, layout.VERIFIER),
        *(layout.LOGS, layout.ARTIFACTS, layout.DOCUMENTS, layout.OBJECTS),
    )
)
"""What evidence that is named relative to the folder of its run begins with."""
_ATTEMPT = re.compile(r"\.attempt-\d+$")
_SIDECARS = (".json", ".env", ".txt", ".md", ".toml", ".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class MatrixFile:
    """A status file of the tree. `logs` gives the path of each row's log by the row's line.

    `commit_beside` says that a file beside it names a commit.
    """

    path: str
    matrix: Matrix
    logs: dict[int, str]
    commit_beside: bool
    rows: dict[str, MatrixRow]

    def log_row(self, log: str) -> MatrixRow | None:
        """Return the row that a log belongs to."""
        return self.rows.get(log)


@dataclass
class Context:
    """What the rules read. `tree` is None where there is no repository to look into.

    Documents are keyed by their file as findings name it; `repository` is None without git.
    """

    tracker: Tracker
    file: str
    tree: Tree | None
    repository: Repository | None
    rev: str | None
    ledger: Document | None
    ledger_file: str
    ledger_rows: tuple[LedgerRow, ...]
    summary: Document | None
    summary_file: str
    findings: dict[str, Document]
    matrices: dict[str, MatrixFile] = field(default_factory=dict)
    logs: tuple[str, ...] = ()
    unread: list[str] = field(default_factory=list)

    def at(self, json_path: str) -> Place:
        """Return the place of a JSON path of the tracker."""
        return Place(self.file, self.tracker.lines.get(json_path), json_path)

    @functools.cached_property
    def absent(self) -> str | None:
        """The highest folder that is missing on the way to the evidence of a 2.0 tracker, or None.

        What people commit is the documents; the folder of the run may be kept elsewhere.
        """
        root = clean(self.tracker.evidence_root)
        if not root or self.tree is None or self.tracker.schema_version != "2.0":
            return None
        parts = root.split("/")
        above = ("/".join(parts[: number + 1]) for number in range(len(parts)))
        return next((path for path in above if self.tree.kind(path) is None), None)

    def is_away(self, path: str, *, is_evidence: bool) -> bool:
        """Return whether a path would lie in the run's folder, which is not in this tree."""
        if self.absent is None:
            return False
        in_run = is_evidence and path.split("/", maxsplit=1)[0] in _OF_A_RUN
        return in_run or f"{path}/".startswith(f"{self.absent}/")

    def evidence_path(self, path: str) -> str:
        """Return where evidence lies: as named, or below the evidence root when it is only there.

        `path` may hold `*` or `?`.
        """
        root, tree = clean(self.tracker.evidence_root), self.tree
        if tree is None or not root or tree.kind(path) is not None:
            return path
        below = f"{root}/{path}"
        if re.search(r"[*?]", path):
            return below if not matches(tree, path) and matches(tree, below) else path
        return below if tree.kind(below) is not None else path

    @functools.cached_property
    def statuses(self) -> dict[str, str]:
        """The status that the tracker claims for each signal."""
        return {signal.id: signal.status for signal in self.tracker.signals}

    @functools.cached_property
    def cells(self) -> dict[str, dict[str, Any]]:
        """The cells that a 2.0 tracker lists, by id; empty for 1.0."""
        cells = self.tracker.value["command_matrix"].get("cells")
        cells = cells if isinstance(cells, list) else []
        return {str(cell.get("id")): cell for cell in cells if isinstance(cell, dict)}

    @functools.cached_property
    def current(self) -> MatrixFile | None:
        """The status file that the tracker stands on."""
        path = clean(self.tracker.matrix.status_file)
        return self.matrices.get(path) if path else None

    def cell(self, file: MatrixFile, row: MatrixRow) -> dict[str, Any]:
        """Return what a 2.0 tracker says of a row of the current run, else nothing."""
        return self.cells.get(row.id, {}) if file is self.current else {}

    def passed(self, file: MatrixFile, row: MatrixRow) -> bool:
        """Return whether a row claims to have passed; the tracker's own result counts first."""
        result = self.cell(file, row).get("result")
        return result == "passed" if result else row.passed

    def required(self, file: MatrixFile, row: MatrixRow) -> bool:
        """Return whether the tracker requires the row; where it lists nothing, it requires all."""
        cell = self.cell(file, row)
        if "required" in cell:
            return cell["required"] is True
        lines = self.required_lines
        return not lines or row.id in lines or one_spelling(row.cmd) in lines

    @functools.cached_property
    def required_lines(self) -> frozenset[str]:
        """The required commands as they compare."""
        return frozenset(one_spelling(line) for line in self.tracker.matrix.required)

    def reading(self, log: str) -> LogReading | None:
        """Return what a log says, read once, or None where it cannot be read."""
        if log not in self._readings:
            data = self.tree.read(log) if self.tree else None
            self._readings[log] = None if data is None else read_log(data)
        return self._readings[log]

    _readings: dict[str, LogReading | None] = field(default_factory=dict)


def gather(
    tracker: Tracker,
    root: Path | None,
    tree: Tree | None,
    repository: Repository | None,
    rev: str | None,
) -> Context:
    """Return the context of a tracker; `root` is the folder that paths are relative to."""
    folder = tracker.path.parent
    unread: list[str] = []

    def name(path: Path) -> str:
        return _relative(path, root)

    def document(path: Path) -> Document | None:
        if not path.is_file():
            return None
        try:
            if path.stat().st_size > DOCUMENT_BYTES_MAX:
                raise OSError("too large")
            return read_document(path.read_bytes().decode("utf-8-sig"))
        except (OSError, UnicodeDecodeError):
            unread.append(name(path))
            return None

    ledger = document(folder / layout.LEDGER)
    found = sorted((folder / layout.FINDINGS).glob("*.md"))
    findings = {name(path): item for path in found if (item := document(path)) is not None}
    context = Context(
        tracker=tracker,
        file=name(tracker.path),
        tree=tree,
        repository=repository,
        rev=rev,
        ledger=ledger,
        ledger_file=name(folder / layout.LEDGER),
        ledger_rows=ledger_rows(ledger) if ledger else (),
        summary=document(folder / layout.SUMMARY),
        summary_file=name(folder / layout.SUMMARY),
        findings=findings,
        unread=unread,
    )
    if tree is not None:
        _matrices(context, tree)
    return context


def _relative(path: Path, root: Path | None) -> str:
    if root is not None:
        real, top = path.resolve(), root.resolve()
        if real.is_relative_to(top):
            return real.relative_to(top).as_posix()
    return path.as_posix()


def _matrices(context: Context, tree: Tree) -> None:
    root = clean(context.tracker.evidence_root)
    files = tree.below(root) if root else ()
    stated = clean(context.tracker.matrix.status_file)
    tables = [path for path in files if path.endswith(".tsv")]
    if stated and stated not in tables and tree.kind(stated) == "file":
        tables.append(stated)
        files = tuple(sorted({*files, *tree.below(stated.rpartition("/")[0])}))
    context.logs = tuple(path for path in files if path.endswith(".log"))
    for path in tables:
        data = tree.read(path)
        if data is None:
            context.unread.append(path)
        elif path == stated or looks_like_matrix(path.rpartition("/")[2], data):
            matrix = read_matrix(data)
            logs = _row_logs(tree, path, matrix, files)
            rows = {logs[row.line]: row for row in reversed(matrix.rows) if row.line in logs}
            beside = _commit_beside(tree, path, files)
            context.matrices[path] = MatrixFile(path, matrix, logs, beside, rows)


def _row_logs(tree: Tree, path: str, matrix: Matrix, files: Iterable[str]) -> dict[int, str]:
    """Return the log of each row: as written, else by name in the log folders beside the file."""
    folder, _, name = path.rpartition("/")
    hit = re.fullmatch(r"command-matrix-(.+)-status\.tsv", name)
    wanted = f"logs-{hit[1]}" if hit else "logs"
    near = [log for log in files if log.endswith((".log", ".txt")) and _beside(folder, log)]
    near.sort(key=lambda log: (not log.rpartition("/")[0].endswith(wanted), log))
    by_name: dict[str, str] = {}
    for log in near:
        by_name.setdefault(log_name(log), log)
    found: dict[int, str] = {}
    for row in matrix.rows:
        written = clean(row.log_path) if row.log_path else None
        places = [place for place in (written, written and f"{folder}/{written}") if place]
        named = by_name.get(log_name(row.log_path) if row.log_path else row.id)
        best = next((place for place in places if tree.kind(place) == "file"), named)
        if best:
            found[row.line] = best
    return found


def _beside(folder: str, log: str) -> bool:
    prefix = f"{folder}/" if folder else ""
    rest = log.removeprefix(prefix)
    parts = rest.split("/")
    return log.startswith(prefix) and (len(parts) == 1 or (len(parts) == 2 and "log" in parts[0]))


def _commit_beside(tree: Tree, path: str, files: Iterable[str]) -> bool:
    folder = path.rpartition("/")[0]
    beside = [file for file in files if file.rpartition("/")[0] == folder]
    return any(names_commit(tree.read(file) or b"") for file in beside if file.endswith(_SIDECARS))


def rowless(context: Context) -> tuple[str, ...]:
    """Return the logs below the evidence root that no status file has a row for.

    Where the status file beside a log could not be read whole, its row may well be there.
    """
    broken = [
        path.rpartition("/")[0] for path, file in context.matrices.items() if file.matrix.problems
    ]
    known = {log for matrix in context.matrices.values() for log in matrix.logs.values()}
    stems = {log.removesuffix(".log") for log in known}
    return tuple(
        log
        for log in context.logs
        if log not in known
        and _ATTEMPT.sub("", log.removesuffix(".log")) not in stems
        and not any(_beside(folder, log) for folder in broken)
        and log.rpartition("/")[2] != layout.JOURNAL
    )
