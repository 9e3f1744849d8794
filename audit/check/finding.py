"""What a check can say: the table of all codes, findings with a place, and the report.

Here live codes, values and their plain-text form. Nothing here looks at a tracker or at a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["error", "warning", "note", "could_not_check"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note", "could_not_check")
"""From worst to mildest; the order of every listing."""

SHOWN_CHARS = 120
"""Longest piece of foreign text that a message repeats."""

_HIDDEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]"
)


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of finding: what it means and what its reader does about it."""

    code: str
    severity: Severity
    meaning: str
    fix: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a finding is: file, 1-based line, and the path inside a JSON document."""

    file: str
    line: int | None = None
    json_path: str = ""

    def __str__(self) -> str:
        line = "" if self.line is None else f":{self.line}"
        return f"{self.file}{line}" + (f" {self.json_path}" if self.json_path else "")


@dataclass(frozen=True, slots=True)
class Finding:
    """One claim that its evidence does not carry, or (`could_not_check`) one not looked at."""

    code: str
    severity: Severity
    place: Place
    message: str
    fix: str


@dataclass(frozen=True, slots=True)
class Report:
    """All that a check found, in a fixed order, and all that it could not look at."""

    tracker: str
    findings: tuple[Finding, ...]
    could_not_check: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """Return 1 where there is an error finding, else 0."""
        return int(any(finding.severity == "error" for finding in self.findings))

    def count(self, severity: Severity) -> int:
        """Return how many findings have that severity."""
        both = (*self.findings, *self.could_not_check)
        return sum(finding.severity == severity for finding in both)


def shown(text: str, limit: int = SHOWN_CHARS) -> str:
    """Return foreign text fit for one line of a terminal: control and bidi marks made visible."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return _HIDDEN.sub(lambda hit: f"\\u{ord(hit[0]):04x}", cut)


def finding(code: str, place: Place, message: str, fix: str = "") -> Finding:
    """Return the finding `code` at a place; without `fix` the table's own is taken."""
    entry = CODES[code]
    return Finding(code, entry.severity, place, message, fix or entry.fix)


def report(tracker: str, found: Iterable[Finding]) -> Report:
    """Return the report over all findings: sorted, equal ones once."""
    ordered = sorted(set(found), key=_order)
    return Report(
        tracker,
        tuple(item for item in ordered if item.severity != "could_not_check"),
        tuple(item for item in ordered if item.severity == "could_not_check"),
    )


def _order(item: Finding) -> tuple[Any, ...]:
    place = item.place
    where = (place.file, place.line or 0, place.json_path)
    return (SEVERITIES.index(item.severity), item.code, *where, item.message)


def report_lines(result: Report) -> list[str]:
    """Return the report for people: by severity and code, place first, each distinct fix below."""
    lines: list[str] = []
    found = (*result.findings, *result.could_not_check)
    for severity in SEVERITIES:
        group = [item for item in found if item.severity == severity]
        if not group:
            continue
        lines += ["", f"{severity.replace('_', ' ')} ({len(group)})"]
        for code in sorted({item.code for item in group}):
            lines += _code_lines(code, [item for item in group if item.code == code])
    return [*lines[1:], *([""] if lines else []), _closing(result)]


def _code_lines(code: str, group: list[Finding]) -> list[str]:
    lines = [f"  {code}  {CODES[code].meaning}"]
    for number, item in enumerate(group):
        lines.append(f"    {item.place}: {item.message}")
        last = number + 1 == len(group) or group[number + 1].fix != item.fix
        lines += [f"      fix: {item.fix}"] if last else []
    return lines


def _closing(result: Report) -> str:
    counts = ", ".join(f"{result.count(each)} {each.replace('_', ' ')}" for each in SEVERITIES)
    return f"{shown(result.tracker)}: {counts}"


def report_value(result: Report) -> dict[str, Any]:
    """Return the report as a JSON value: `format_version`, `tracker`, `exit_code`, `counts`,
    `findings` and `could_not_check` (each: code, severity, place, message, fix)."""
    return {
        "format_version": 1,
        "tracker": result.tracker,
        "exit_code": result.exit_code,
        "counts": {severity: result.count(severity) for severity in SEVERITIES},
        "findings": [_value(item) for item in result.findings],
        "could_not_check": [_value(item) for item in result.could_not_check],
    }


def _value(item: Finding) -> dict[str, Any]:
    place = {"file": item.place.file, "line": item.place.line, "json_path": item.place.json_path}
    return {
        "code": item.code,
        "severity": item.severity,
        "place": place,
        "message": item.message,
        "fix": item.fix,
    }


_TABLE: tuple[tuple[str, Severity, str, str], ...] = (
    # --- 1xx: the tracker by itself ---
    (
        "AUD101",
        "error",
        "the schema version is not known",
        "write a version that the reader knows: 1.0 or 2.0",
    ),
    (
        "AUD102",
        "warning",
        "the schema version is missing",
        "add schema_version, so that readers know how to read the file",
    ),
    (
        "AUD103",
        "error",
        "a JSON key stands twice in one object",
        "remove one of the two; readers differ in which one they take",
    ),
    ("AUD104", "error", "two gates have the same id", "give each gate an id of its own"),
    ("AUD105", "error", "two signals have the same id", "give each signal an id of its own"),
    (
        "AUD106",
        "error",
        "a status is not a known word",
        "signals: GO, PARTIAL, NO-GO or BLOCKED-EXTERNAL; gates: GO, PARTIAL or NO-GO",
    ),
    (
        "AUD107",
        "error",
        "a gate requires a signal that does not exist",
        "add the signal, or remove it from required_signal_ids",
    ),
    (
        "AUD108",
        "error",
        "a signal is required by no gate",
        "name it in required_signal_ids of its gate, or remove it",
    ),
    (
        "AUD109",
        "error",
        "a gate is claimed above what its signals allow",
        "claim what the signals allow, or close the open signals",
    ),
    (
        "AUD110",
        "note",
        "a gate is claimed below what its signals allow",
        "raise the claim, or add the signal that is really missing",
    ),
    ("AUD111", "warning", "a signal is required more than once", "require it in one gate, once"),
    (
        "AUD112",
        "error",
        "a date or time cannot be read",
        "write dates as YYYY-MM-DD and times as YYYY-MM-DDTHH:MM:SSZ",
    ),
    (
        "AUD113",
        "error",
        "the tracker was generated before the audit's date",
        "correct audit_date or generated_at_utc",
    ),
    (
        "AUD114",
        "warning",
        "the baseline is not a full commit id",
        "write all 40 (or 64) lowercase hex digits: names of branches and tags move",
    ),
    (
        "AUD115",
        "error",
        "the baseline is not an ancestor of what is audited",
        "name a baseline that the audited commit descends from",
    ),
    ("AUD116", "error", "the definition of done is not known", "write ALL_GATES_GO"),
    (
        "AUD117",
        "error",
        "the tracker's own counts do not add up",
        "count the signals again: closed are GO, open are all others",
    ),
    (
        "AUD118",
        "error",
        "the verdict does not follow from the gates",
        "write GO only when every gate is GO",
    ),
    # --- 2xx: paths ---
    (
        "AUD201",
        "error",
        "a closed claim names a path that does not exist",
        "correct the path, or bring the file back",
    ),
    (
        "AUD202",
        "warning",
        "an open claim names a path that does not exist",
        "create it when the work is done, or correct the path",
    ),
    (
        "AUD203",
        "error",
        "a line lies beyond the end of its file",
        "name the line again, or better a test or a function by its name",
    ),
    (
        "AUD204",
        "error",
        "a path leaves the repository",
        "write paths relative to the root of the repository",
    ),
    (
        "AUD205",
        "error",
        "a claim rests on an evidence folder that holds nothing but a README",
        "put the evidence there, or lower the claim",
    ),
    (
        "AUD206",
        "warning",
        "a document names a path that does not exist",
        "correct the path, or bring the file back",
    ),
    (
        "AUD207",
        "error",
        "a closed claim names no evidence",
        "name the artifact that shows it, or lower the claim",
    ),
    # --- 3xx: the documents beside the tracker ---
    (
        "AUD301",
        "error",
        "two documents claim different statuses for a signal",
        "derive both from one source, then render again",
    ),
    (
        "AUD302",
        "error",
        "a signal stands in one document only",
        "add it where it is missing, or remove it where it is left over",
    ),
    (
        "AUD303",
        "warning",
        "two documents name different owners",
        "agree on one owner and write it in both",
    ),
    (
        "AUD304",
        "error",
        "two documents put a signal into different gates",
        "agree on one gate and write it in both",
    ),
    (
        "AUD305",
        "error",
        "closed and open counts do not add up",
        "count the signals again: closed are GO, open are all others",
    ),
    (
        "AUD306",
        "error",
        "two documents claim different statuses for a gate",
        "derive both from one source, then render again",
    ),
    (
        "AUD307",
        "warning",
        "two documents name a gate differently",
        "use the tracker's name in all documents",
    ),
    (
        "AUD308",
        "error",
        "a findings document contradicts the status of its gate",
        "correct the document or the claim",
    ),
    (
        "AUD309",
        "error",
        "a document's header contradicts the tracker",
        "correct the header, or render the document again",
    ),
    (
        "AUD310",
        "warning",
        "a document of the audit is missing",
        "write signal-ledger.md and summary.md beside the tracker",
    ),
    (
        "AUD311",
        "note",
        "the summary names evidence that the tracker's gate does not",
        "add it to the gate's evidence in the tracker, or name the tracker's own",
    ),
    (
        "AUD312",
        "error",
        "a table cannot be read",
        "give every row as many cells as the header has; write a pipe inside a cell as \\|",
    ),
    (
        "AUD313",
        "error",
        "a gate stands in one document only",
        "add it where it is missing, or remove it where it is left over",
    ),
    (
        "AUD314",
        "warning",
        "prose speaks of a signal otherwise than the tracker",
        "correct the sentence or the claim",
    ),
    (
        "AUD315",
        "warning",
        "a signal has no owner or no exit test",
        "name one owner, and say what must be seen for the signal to close",
    ),
    # --- 4xx: the command matrix ---
    (
        "AUD401",
        "error",
        "the status file of the command matrix does not exist",
        "point command_matrix.status_file at the file that the run wrote",
    ),
    (
        "AUD402",
        "error",
        "the columns of a status file are not known",
        "use the header: command exit_code start_utc end_utc cmd (tab separated)",
    ),
    (
        "AUD403",
        "error",
        "a row of a status file cannot be read",
        "give each row the header's cells, a whole exit code, and UTC times that end in Z",
    ),
    (
        "AUD404",
        "error",
        "all_pass is claimed over a row that did not pass",
        "set all_pass to false, or run the matrix again",
    ),
    (
        "AUD405",
        "note",
        "all_pass is denied although every row passed",
        "set all_pass to true, or add the row that is missing",
    ),
    (
        "AUD406",
        "error",
        "a required command has no row",
        "run the command, or remove it from required_commands",
    ),
    (
        "AUD407",
        "error",
        "a command stands twice in one status file",
        "keep one row per command, of the attempt that decides; keep others in files of their own",
    ),
    ("AUD408", "error", "a row has no log", "archive the log beside the status file"),
    (
        "AUD409",
        "warning",
        "a log has no row: no exit code, time or commit is recorded for it",
        "write the row of its run into a status file beside it",
    ),
    (
        "AUD410",
        "warning",
        "a run does not record the commit it ran at",
        "record the full commit id beside the status file",
    ),
    ("AUD411", "error", "a time runs backwards", "check the clock, and run the command again"),
    (
        "AUD412",
        "error",
        "the tracker was generated before its run ended",
        "generate the tracker after the run, or correct the times",
    ),
    (
        "AUD413",
        "warning",
        "a closed claim rests on a run older than the audit's own matrix",
        "point at the log of the current run, or run the command again",
    ),
    (
        "AUD414",
        "note",
        "a run beside the current one holds a row that did not pass",
        "nothing, where a later run replaces it; otherwise run it again",
    ),
    (
        "AUD415",
        "note",
        "a status file has no header: its columns were told by their values",
        "add the header: command exit_code start_utc end_utc cmd",
    ),
    (
        "AUD416",
        "error",
        "a closed claim rests on a row that did not pass",
        "lower the claim, or bring a run that passed",
    ),
    (
        "AUD417",
        "note",
        "a row passed although its exit code is not 0",
        "nothing, where the command is meant to fail; otherwise correct the result",
    ),
    # --- 5xx: logs ---
    (
        "AUD501",
        "error",
        "a run is recorded as passed over a log that reports failures",
        "find out where the exit code was lost, and run the command again",
    ),
    (
        "AUD502",
        "note",
        "a log reports tests that did not run",
        "give each a reason, or run them in a cell of their own",
    ),
    (
        "AUD503",
        "warning",
        "a log holds absolute paths of somebody's machine",
        "redact the paths, or run in a neutral folder",
    ),
    (
        "AUD504",
        "error",
        "a log holds what looks like a secret",
        "revoke the secret, then redact the log",
    ),
    (
        "AUD505",
        "error",
        "a closed claim rests on a log that reports failures",
        "lower the claim, or bring a run that passed",
    ),
    # --- 9xx: not looked at ---
    ("AUD901", "could_not_check", "no repository to look into", "name it with --repo DIR"),
    (
        "AUD902",
        "could_not_check",
        "a commit cannot be looked up",
        "use a full clone (git fetch --unshallow) that holds the commit",
    ),
    (
        "AUD903",
        "could_not_check",
        "a line cannot be looked up: the file is empty in this folder",
        "check in a git repository that holds the contents",
    ),
    (
        "AUD904",
        "could_not_check",
        "a file cannot be read",
        "make it a plain file below the size limit that this user may read",
    ),
)

CODES: dict[str, Code] = {row[0]: Code(*row) for row in _TABLE}
"""Every code there is. Codes are stable: a code is never given another meaning."""
