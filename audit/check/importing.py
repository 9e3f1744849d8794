"""Turning a foreign tracker into `audit.toml` and `claims.json`, without losing or believing it.

Here both files are composed and written, together or not at all. Which conditions a signal gets is
decided in `conditions`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.check.claims import PathClaim, read_claim
from audit.check.conditions import (
    Claimed,
    ImportedCommand,
    ImportedCondition,
    conditions,
    find_commands,
    free_id,
)
from audit.check.context import Context, gather
from audit.check.finding import shown
from audit.check.rules_tracker import DEFINITIONS_OF_DONE
from audit.check.tracker import ClaimedGate, Tracker, read_tracker
from audit.check.tree import Folder, clean
from audit.errors import Conflict, Invalid, Unavailable
from evidence import codec, layout
from evidence.model import GATE_ORDER, STATUS_ORDER, GateStatus, Status

DEFINITION_FILE = "audit.toml"
CLAIMS_FILE = "claims.json"
CLAIMS_BYTES_MAX = 64 * 1024 * 1024
NOT_STATED = "not stated"
_HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode categories that a definition refuses: controls, direction marks, line separators."""
_PLACEHOLDER = re.compile(r"(?<!\$)\{([A-Za-z_][A-Za-z0-9_-]*)\}")


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What an import wrote. `without_exit_condition`: signals that stay NO-GO until people say
    how they close."""

    definition: Path
    claims: Path
    gates: int
    signals: int
    commands: int
    without_exit_condition: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Claims:
    """`claims.json`: what people wrote down. `value` is the whole file.

    `statuses` and `gates` hold the claims whose word is a known status, by id.
    """

    value: dict[str, Any]
    statuses: dict[str, Status]
    gates: dict[int, GateStatus]


def import_tracker(tracker: Path, repo: Path, out: Path) -> ImportSummary:
    """Write `audit.toml` and `claims.json` into `out` from a tracker and the documents beside it.

    Raises:
        Invalid: the tracker cannot be read, or holds ids that no definition may hold.
        Conflict: one of the files exists already; nothing is written then.
        Unavailable: the files cannot be written; nothing is left behind.
    """
    if not repo.is_dir():
        raise Invalid("no such folder", place=str(repo), next_step="name it with --repo DIR")
    for name in (DEFINITION_FILE, CLAIMS_FILE):
        if (out / name).exists() or (out / name).is_symlink():
            next_step = "choose another folder with --out, or move the file away"
            raise Conflict("it exists already", place=str(out / name), next_step=next_step)
    value = read_tracker(tracker)
    context = gather(value, repo, Folder(repo), None, None)
    signals = claimed_signals(context)
    _refuse_ids(context, signals)
    text, written = _definition(context, signals)
    claims = codec.encode(_claims(context, signals))
    _write_both(out, {CLAIMS_FILE: claims, DEFINITION_FILE: text.encode("utf-8", "replace")})
    return ImportSummary(
        definition=out / DEFINITION_FILE,
        claims=out / CLAIMS_FILE,
        gates=len(value.gates),
        signals=len(signals),
        commands=written.commands,
        without_exit_condition=tuple(written.without_exit),
    )


def claimed_signals(context: Context) -> dict[str, Claimed]:
    """Return the signals as tracker and ledger have them together; the tracker's status counts."""
    rows = {row.id: row for row in context.ledger_rows}
    found = {}
    for signal in context.tracker.signals:
        row = rows.get(signal.id)
        found[signal.id] = Claimed(
            id=signal.id,
            title=_word(signal.title or (row.title if row else "") or signal.id),
            owner=_word(signal.owner or (row.owner if row else "") or NOT_STATED),
            status=signal.status,
            code=_claims_of(signal.code) or (row.code if row else ()),
            evidence=_claims_of(signal.evidence) or (row.evidence if row else ()),
            exit_test=_word(signal.exit_test or (row.exit_test if row else "") or NOT_STATED),
            tests=signal.tests,
            runbook=signal.runbook,
        )
    return found


def _claims_of(texts: tuple[str, ...]) -> tuple[PathClaim, ...]:
    return tuple(read_claim(text) for text in texts)


def _word(text: str) -> str:
    return _one_line(text) or NOT_STATED


def _one_line(text: str) -> str:
    """Return a text as one line without anything hidden; one without such marks stays as it is."""
    if not any(unicodedata.category(letter) in _HIDDEN for letter in text):
        return text.strip()
    shown_only = (" " if unicodedata.category(item) in _HIDDEN else item for item in text)
    return " ".join("".join(shown_only).split())


def _refuse_ids(context: Context, signals: dict[str, Claimed]) -> None:
    """Refuse what no definition can hold, before anything is written."""
    tracker = context.tracker
    place = str(tracker.path)
    next_step = "correct the tracker; `check` names every place"
    gates = [gate.id for gate in tracker.gates]
    if len(set(gates)) != len(gates) or any(not 0 <= number <= 9999 for number in gates):
        problem = "gate ids must be unique and lie between 0 and 9999"
        raise Invalid(problem, place=place, next_step=next_step)
    folded = {name.casefold() for name in signals}
    if len(tracker.signals) != len(folded):
        raise Invalid("signal ids must be unique", place=place, next_step=next_step)
    for name in signals:
        if not layout.CELL_ID.fullmatch(name) or layout.RESERVED.fullmatch(name):
            problem = f"a signal id is no safe name id=`{shown(name)}`"
            raise Invalid(problem, place=place, next_step=next_step)


# --- audit.toml -----------------------------------------------------------------------------------


@dataclass(slots=True)
class _Written:
    commands: int
    without_exit: list[str]


def toml(text: str) -> str:
    """Return a text as a TOML basic string."""
    clean_text = text.encode("utf-8", "replace").decode("utf-8")
    return json.dumps(clean_text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _texts(items: Iterable[str]) -> str:
    return "[" + ", ".join(toml(item) for item in items) + "]"


def _definition(context: Context, signals: dict[str, Claimed]) -> tuple[str, _Written]:
    commands = find_commands(context)
    owners = list(dict.fromkeys(signal.owner for signal in signals.values()))
    taken: set[str] = set()
    roles = {owner: free_id(re.sub(r"\s*[+&/,]\s*", "-", owner), taken) for owner in owners}
    written = _Written(len(commands.found), [])
    lines = [*_head(context), ""]
    for owner, role in roles.items():
        lines += ["[[role]]", f"id = {toml(role)}", f"title = {toml(owner)}", ""]
    for command in commands.found.values():
        lines += [*_command(command), ""]
    outputs = _outputs(context)
    done: set[str] = set()
    for gate in context.tracker.gates:
        lines += [*_gate(gate), ""]
        for name in gate.signals:
            if name in signals and name not in done:
                done.add(name)
                found = conditions(context, commands, roles, outputs, signals[name])
                lines += [*_signal(signals[name], found), ""]
                if not any(item.keys and item.keys[0][0] != "file" for item in found):
                    written.without_exit.append(name)
    for name in signals:
        if name not in done:
            lines.append(f"# {name} is required by no gate; it is kept in {CLAIMS_FILE} only.")
    return "\n".join(lines).rstrip("\n") + "\n", written


def _head(context: Context) -> list[str]:
    tracker = context.tracker
    name = tracker.evidence_root.rstrip("/").rpartition("/")[2]
    title = context.summary.title if context.summary and context.summary.title else name
    lines = [
        f"# Made from {_remark(context.file)}. Its statuses are claims: they are in {CLAIMS_FILE},",
        "# shown beside what the evidence says, and never believed.",
        "# Remarks say what could not be told mechanically. A signal without an exit condition is",
        "# NO-GO: emptiness is not success.",
        "",
        "[audit]",
        f"id = {toml(free_id(name or 'audit', set()))}",
        f"title = {toml(_word(title))}",
    ]
    if re.fullmatch(r"\d{4}-\d\d-\d\d", tracker.audit_date):
        lines.append(f"date = {toml(tracker.audit_date)}")
    scope = context.summary.header.get("scope", ("", 0))[0] if context.summary else ""
    if scope:
        lines.append(f"scope = {toml(_word(scope))}")
    if tracker.baseline_commit:
        lines.append(f"baseline = {toml(tracker.baseline_commit)}")
    if tracker.definition_of_done not in DEFINITIONS_OF_DONE:
        lines.append(f"# the tracker's definition of done: {_remark(tracker.definition_of_done)}")
    lines.append(f"definition_of_done = {toml(DEFINITIONS_OF_DONE[0])}")
    lines += [f"outputs = {_texts(_outputs(context))}", f"claims = {toml(CLAIMS_FILE)}"]
    return lines


def _outputs(context: Context) -> tuple[str, ...]:
    """Return the output roots: the first folder of the evidence, and the one of all audits."""
    evidence = (clean(context.tracker.evidence_root) or "").split("/")[0] or "release_evidence"
    documents = Path(context.file).parent.parent.as_posix()
    inside = not documents.startswith(("/", ".")) and documents.split("/")[0] != evidence
    return (f"{evidence}/", f"{documents}/") if inside else (f"{evidence}/",)


def _remark(text: str) -> str:
    return shown(text, 400)


def _command(command: ImportedCommand) -> list[str]:
    from audit.definition import words

    line = _PLACEHOLDER.sub(r"{{\1}}", _one_line(command.cmd))
    try:
        words.split(line)
        way = "run"
    except ValueError:
        way = "shell"
    lines = [f"# {_remark(command.remark)}"] if command.remark else []
    lines += ["[[command]]", f"id = {toml(command.id)}", f"{way} = {toml(line)}"]
    return lines if command.required else [*lines, "required = false"]


def _gate(gate: ClaimedGate) -> list[str]:
    return ["[[gate]]", f"id = {gate.id}", f"name = {toml(_word(gate.name))}"]


def _signal(signal: Claimed, found: tuple[ImportedCondition, ...]) -> list[str]:
    lines = [
        "[[gate.signal]]",
        f"id = {toml(signal.id)}",
        f"title = {toml(signal.title)}",
        f"owner = {toml(signal.owner)}",
        f"code = {_texts(claim.text for claim in signal.code)}",
        *([f"tests = {_texts(signal.tests)}"] if signal.tests else []),
        *([f"runbook = {toml(signal.runbook)}"] if signal.runbook else []),
        f"evidence = {_texts(claim.text for claim in signal.evidence)}",
        f"exit_test = {toml(signal.exit_test)}",
        "closes_when = [",
    ]
    for item in found:
        remark = _remark(item.remark)
        if item.keys:
            pairs = ", ".join(f"{key} = {toml(value)}" for key, value in item.keys)
            lines.append(f"  {{ {pairs} }}," + (f"  # {remark}" if remark else ""))
        else:
            lines.append(f"  # {remark}")
    return [*lines, "]"]


# --- claims.json ----------------------------------------------------------------------------------


def _claims(context: Context, signals: dict[str, Claimed]) -> dict[str, Any]:
    tracker = context.tracker
    ledger = {row.id: row.status for row in context.ledger_rows}
    gate_of = {name: gate.id for gate in tracker.gates for name in gate.signals}
    documents = {
        context.ledger_file: context.ledger,
        context.summary_file: context.summary,
        **context.findings,
    }
    return {
        "format_version": 1,
        "source": {
            "tracker": context.file,
            "sha256": hashlib.sha256(tracker.path.read_bytes()).hexdigest(),
        },
        "tracker": tracker.value,
        "documents": {file: item.text for file, item in documents.items() if item},
        "gates": [
            {
                "id": gate.id,
                "name": gate.name,
                "status": gate.status,
                "status_reason": gate.status_reason,
                "evidence": list(gate.evidence),
            }
            for gate in tracker.gates
        ],
        "signals": [
            {
                "id": signal.id,
                "gate": gate_of.get(signal.id),
                "title": signal.title,
                "owner": signal.owner,
                "status": signal.status,
                "ledger_status": ledger.get(signal.id),
                "code": [claim.text for claim in signal.code],
                "evidence": [claim.text for claim in signal.evidence],
                "exit_test": signal.exit_test,
            }
            for signal in signals.values()
        ],
        "command_matrix": _matrix_claims(context, tracker),
    }


def _matrix_claims(context: Context, tracker: Tracker) -> dict[str, Any]:
    file = context.current
    return {
        "status_file": tracker.matrix.status_file,
        "all_pass": tracker.matrix.all_pass,
        "required_commands": list(tracker.matrix.required),
        "rows": [
            {
                "id": row.id,
                "cmd": row.cmd,
                "exit_code": row.exit_code,
                "passed": context.passed(file, row),
                "start_utc": row.start_utc.isoformat().replace("+00:00", "Z")
                if row.start_utc
                else "",
                "end_utc": row.last.isoformat().replace("+00:00", "Z") if row.last else "",
                "log": file.logs.get(row.line, ""),
            }
            for row in file.matrix.rows
        ]
        if file
        else [],
    }


def read_claims(path: Path) -> Claims:
    """Return the claims in a file.

    Raises:
        Invalid: not readable, or not a claims file of this version.
    """
    next_step = "write it again with `arco-audit import`"
    try:
        if path.stat().st_size > CLAIMS_BYTES_MAX:
            raise Invalid("too large for claims", place=str(path), next_step=next_step)
        value = json.loads(path.read_bytes().decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        problem = f"not readable as claims: {str(error).lower():.200}"
        raise Invalid(problem, place=str(path), next_step=next_step) from error
    wanted = {"gates": list, "signals": list, "tracker": dict, "command_matrix": dict}
    known = isinstance(value, dict) and value.get("format_version") == 1
    if not known or not all(isinstance(value.get(key), kind) for key, kind in wanted.items()):
        problem = f"not a claims file of version 1 keys=`{', '.join(wanted)}`"
        raise Invalid(problem, place=str(path), next_step=next_step)
    signals = [item for item in value["signals"] if isinstance(item, dict)]
    gates = [item for item in value["gates"] if isinstance(item, dict)]
    return Claims(
        value,
        {str(item.get("id")): item["status"] for item in signals if _known(item, STATUS_ORDER)},
        {item["id"]: item["status"] for item in gates if _known(item, GATE_ORDER)},
    )


def _known(item: dict[str, Any], words: tuple[str, ...]) -> bool:
    return item.get("status") in words and isinstance(item.get("id"), str | int)


# --- writing --------------------------------------------------------------------------------------


def _write_both(out: Path, files: dict[str, bytes]) -> None:
    """Create all files or none; a file that exists is never replaced."""
    made: list[Path] = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            _create(out / name, data)
            made.append(out / name)
    except FileExistsError as error:
        _remove(made)
        next_step = "choose another folder with --out, or move the file away"
        raise Conflict(
            "it exists already", place=str(error.filename2 or out), next_step=next_step
        ) from error
    except OSError as error:
        _remove(made)
        problem = f"cannot be written: {str(error.strerror).lower()}"
        raise Unavailable(
            problem, place=str(out), next_step="choose a folder you may write to"
        ) from error


def _create(path: Path, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        os.link(temporary, path)  # unlike a rename, a link never replaces a file
    finally:
        Path(temporary).unlink()


def _remove(paths: list[Path]) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink()
