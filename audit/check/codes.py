"""Every code that a check can give: severity, meaning and fix, in one table.

Documentation is made from this table. Codes are stable: none is ever given another meaning. Nothing
here looks at a tracker.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note", "could_not_check"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note", "could_not_check")
"""From worst to mildest; the order of every listing."""


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of finding: what it means and what its reader does about it."""

    code: str
    severity: Severity
    meaning: str
    fix: str


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
    (
        "AUD905",
        "could_not_check",
        "the folder of the run is not in this tree",
        "bring the evidence back to where evidence_root says, then check again",
    ),
)

CODES: dict[str, Code] = {row[0]: Code(*row) for row in _TABLE}
"""Every code there is. Codes are stable: a code is never given another meaning."""


def codes_markdown() -> str:
    """Return the table of all codes as Markdown, for the documentation."""
    rows = [
        f"| `{entry.code}` | {entry.severity.replace('_', ' ')} | {entry.meaning} | {entry.fix} |"
        for entry in CODES.values()
    ]
    return "\n".join(("| Code | Severity | Meaning | Fix |", "|---|---|---|---|", *rows, ""))
