"""What an import can say of a signal mechanically: conditions and commands, with their reasons.

Pure but for looks into the tree. The one rule: an import never reads greener than the claim it
comes from, whatever the commands will say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from audit.check.claims import PathClaim, code_spans
from audit.check.context import Context, MatrixFile
from audit.check.finding import shown
from audit.check.matrix import MatrixRow, log_name, one_spelling
from audit.check.tree import Tree, clean
from evidence import layout


@dataclass(frozen=True, slots=True)
class ImportedCommand:
    """One `[[command]]`. `remark` says where it comes from; `required` as the tracker has it."""

    id: str
    cmd: str
    required: bool
    remark: str


@dataclass(frozen=True, slots=True)
class ImportedCondition:
    """One line of `closes_when`: a condition as TOML keys and values, or only a remark."""

    keys: tuple[tuple[str, str], ...] = ()
    remark: str = ""


@dataclass(slots=True)
class Commands:
    """The commands found so far, and which of them wrote which log."""

    found: dict[str, ImportedCommand] = field(default_factory=dict)
    by_log: dict[str, str] = field(default_factory=dict)
    _by_line: dict[str, str] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)

    def add(self, wanted: str, cmd: str, required: bool, remark: str) -> str:
        """Return the id of the command with this line, which is added where it is new."""
        line = one_spelling(cmd)
        if line not in self._by_line:
            name = free_id(wanted, self._taken)
            self.found[name] = ImportedCommand(name, cmd, required, remark)
            self._by_line[line] = name
        return self._by_line[line]


def free_id(wanted: str, taken: set[str]) -> str:
    """Return a safe id made from a text, and unlike every taken one even where case is lost.

    `taken` holds ids without case; the new one is added.
    """
    base = re.sub(r"[^A-Za-z0-9._-]+", "-", wanted).strip("-._")[:100] or "command"
    if layout.RESERVED.fullmatch(base):
        base = f"{base}-x".replace(".-", "-")
    name, number = base, 2
    while name.casefold() in taken:
        name, number = f"{base}-{number}", number + 1
    taken.add(name.casefold())
    return name


# --- commands -------------------------------------------------------------------------------------


def find_commands(context: Context) -> Commands:
    """Return the rows of the tracker's matrix, then what else wrote a log that a signal cites."""
    commands = Commands()
    if context.current:
        for row in context.current.matrix.rows:
            wanted = context.required(context.current, row)
            name = commands.add(row.id, row.cmd, wanted, _ran(row))
            _note_log(commands, context.current, row, name)
    for line in context.tracker.matrix.required:
        words = re.sub(r"\s-\S+", "", line)
        commands.add(words, line, True, "the tracker requires it; no row of its run was found")
    for log in _cited_logs(context):
        if log not in commands.by_log:
            _from_elsewhere(context, commands, log)
    return commands


def _note_log(commands: Commands, file: MatrixFile, row: MatrixRow, name: str) -> None:
    if row.line in file.logs:
        commands.by_log[file.logs[row.line]] = name


def _ran(row: MatrixRow) -> str:
    if not row.start_utc or not row.end_utc:
        return ""
    seconds = int((row.end_utc - row.start_utc).total_seconds())
    return f"took {seconds} s on {row.start_utc.date().isoformat()}"


def _cited_logs(context: Context) -> Iterator[str]:
    for row in context.ledger_rows:
        for claim in row.evidence:
            path = clean(claim.path) if claim.path else None
            if path and path.endswith(".log"):
                yield path


def _from_elsewhere(context: Context, commands: Commands, log: str) -> None:
    """Add the command of a cited log from another status file, or from the README beside it."""
    for file in context.matrices.values():
        row = file.log_row(log)
        if row:
            remark = f"from {file.path}: not in the tracker's matrix"
            commands.by_log[log] = commands.add(row.id, row.cmd, False, remark)
            return
    line = _told_by_readme(context.tree, log) if context.tree else None
    if line:
        remark = "told by the README beside the log: not in the tracker's matrix"
        commands.by_log[log] = commands.add(log_name(log), line, False, remark)


def _told_by_readme(tree: Tree, log: str) -> str | None:
    """Return the command that a README names in the line below the log's own."""
    folder = log.rpartition("/")[0]
    for place in (folder, folder.rpartition("/")[0]):
        text = (tree.read(f"{place}/README.md") or b"").decode("utf-8", "replace")
        lines = text.splitlines()
        for number, line in enumerate(lines):
            if any(f"{place}/{span}" == log or span == log for span in code_spans(line)):
                below = [
                    span for near in lines[number + 1 : number + 3] for span in code_spans(near)
                ]
                command = next((span for span in below if " " in span), None)
                if command:
                    return command
    return None


# --- conditions -----------------------------------------------------------------------------------


def conditions(
    context: Context,
    commands: Commands,
    roles: Mapping[str, str],
    outputs: tuple[str, ...],
    claimed: Claimed,
) -> tuple[ImportedCondition, ...]:
    """Return the conditions of one signal, with a remark for everything that was not made one."""
    found = [*_preconditions(context.tree, claimed.code, outputs)]
    found += [
        item
        for item in _preconditions(context.tree, claimed.evidence, outputs)
        if item.keys and item not in found
    ]
    names = list(dict.fromkeys(_command_ids(context, commands, claimed.evidence)))
    role = roles[claimed.owner]
    if claimed.status in ("GO", "PARTIAL"):
        found += [ImportedCondition((("command", name),)) for name in names]
        if claimed.status == "PARTIAL":
            remark = "claimed PARTIAL: replace this by what was still missing"
            found.append(ImportedCondition((("approval", role),), remark))
    else:
        found += [
            ImportedCondition(
                remark=f'not a condition, as claimed {claimed.status}: command "{name}"'
            )
            for name in names
        ]
    if claimed.status == "BLOCKED-EXTERNAL":
        found += _external(context, claimed.evidence, role)
    if not any(item.keys and item.keys[0][0] != "file" for item in found):
        remark = "no exit condition could be told from the tracker: NO-GO until one is written"
        found.append(ImportedCondition(remark=remark))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Claimed:
    """One signal as tracker and ledger have it together."""

    id: str
    title: str
    owner: str
    status: str
    code: tuple[PathClaim, ...]
    evidence: tuple[PathClaim, ...]
    exit_test: str
    tests: tuple[str, ...] = ()
    runbook: str = ""


def _preconditions(
    tree: Tree | None, code: tuple[PathClaim, ...], outputs: tuple[str, ...]
) -> Iterator[ImportedCondition]:
    for claim in code:
        path = clean(claim.path) if claim.path else None
        if path is None or claim.is_glob:
            yield ImportedCondition(remark=f"not a file, so no condition: {shown(claim.text)}")
        elif f"{path}/".startswith(outputs):
            yield ImportedCondition(remark=f"made by the audit itself: {shown(path)}")
        elif (tree.kind(path) if tree else None) == "folder" or claim.text.endswith("/"):
            yield ImportedCondition(remark=f"a folder, name a file in it: {shown(path)}")
        else:
            there = tree is None or tree.kind(path) is not None
            yield ImportedCondition((("file", path),), "" if there else "not there at the import")


def _command_ids(
    context: Context, commands: Commands, evidence: tuple[PathClaim, ...]
) -> Iterator[str]:
    for claim in evidence:
        path = clean(claim.path) if claim.path else None
        if path and path in commands.by_log:
            yield commands.by_log[path]
        elif path and context.current and path == context.current.path:
            yield from (name for name, each in commands.found.items() if each.required)


def _external(
    context: Context, evidence: tuple[PathClaim, ...], role: str
) -> Iterator[ImportedCondition]:
    root = clean(context.tracker.evidence_root)
    for claim in evidence:
        path = clean(claim.path) if claim.path else None
        if path and root and path.startswith(f"{root}/") and not claim.is_glob:
            yield ImportedCondition((("external", path), ("role", role)))
