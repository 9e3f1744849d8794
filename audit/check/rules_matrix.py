"""Rules over status files and logs: what was run, what it left, and what rests on it.

Every rule is a generator of findings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from audit.check.claims import read_prose
from audit.check.context import Context, MatrixFile, rowless
from audit.check.finding import Finding, Place, finding, shown
from audit.check.logs import LogReading
from audit.check.matrix import MatrixRow, one_spelling, read_time
from audit.check.rules_paths import Cited, cited_by_claims
from audit.check.tree import clean


def check_matrices(context: Context) -> Iterator[Finding]:
    """Yield what is wrong with the runs that the evidence root holds."""
    if context.tree is None:
        return
    yield from _status_file(context)
    for file in context.matrices.values():
        yield from _readable(context, file)
        yield from _rows(context, file)
    for log in rowless(context):
        yield finding("AUD409", Place(log), f"no status file has a row for it log=`{shown(log)}`")
    yield from _resting(context)
    yield from _logs(context)


# --- the status file that the tracker stands on ---------------------------------------------------


def _status_file(context: Context) -> Iterator[Finding]:
    stated = context.tracker.matrix.status_file
    path = clean(stated)
    place = context.at("command_matrix.status_file")
    if path is None:
        yield finding("AUD204", place, f"path outside the repository path=`{shown(stated)}`")
    elif context.current is None:
        if path not in context.unread and not context.is_away(path, is_evidence=False):
            yield finding("AUD401", place, f"no such file path=`{shown(stated)}`")
    elif context.current.matrix.variant:
        yield from _all_pass(context, context.current)
        yield from _required(context, context.current)
        yield from _generated(context, context.current)


def _all_pass(context: Context, file: MatrixFile) -> Iterator[Finding]:
    claimed = context.tracker.matrix.all_pass
    place = context.at("command_matrix.all_pass")
    required = [row for row in file.matrix.rows if context.required(file, row)]
    failed = [row for row in required if not context.passed(file, row)]
    whole = bool(required) and not file.matrix.problems
    if claimed and failed:
        first = f"command=`{shown(failed[0].id)}` exit_code=`{_code(failed[0])}`"
        message = f"rows that did not pass file=`{shown(file.path)}` rows=`{len(failed)}` {first}"
        yield finding("AUD404", place, message)
    elif not claimed and whole and not failed and not list(_required(context, file)):
        message = f"every row passed file=`{shown(file.path)}` rows=`{len(required)}`"
        yield finding("AUD405", place, message)


def _code(row: MatrixRow) -> str:
    return "none" if row.exit_code is None else str(row.exit_code)


def _required(context: Context, file: MatrixFile) -> Iterator[Finding]:
    if file.matrix.problems:
        return  # the missing row may be one that could not be read
    told = {text for row in file.matrix.rows for text in (row.id, one_spelling(row.cmd))}
    for number, line in enumerate(context.tracker.matrix.required):
        if line not in told and one_spelling(line) not in told:
            place = context.at(f"command_matrix.required_commands[{number}]")
            message = f"no row in file=`{shown(file.path)}` command=`{shown(line)}`"
            yield finding("AUD406", place, message)


def _generated(context: Context, file: MatrixFile) -> Iterator[Finding]:
    made = read_time(context.tracker.generated_at_utc)
    ended = max((row.last for row in file.matrix.rows if row.last), default=None)
    if made and ended and made < ended:
        said = f"generated_at_utc=`{_utc(made)}` end_utc=`{_utc(ended)}`"
        message = f"generated before its run ended {said} file=`{shown(file.path)}`"
        yield finding("AUD412", context.at("generated_at_utc"), message)


def _utc(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


# --- every status file ----------------------------------------------------------------------------


def _readable(context: Context, file: MatrixFile) -> Iterator[Finding]:
    code = "AUD403" if file.matrix.variant else "AUD402"
    for problem in file.matrix.problems:
        what = "row cannot be read" if file.matrix.variant else "unknown columns"
        yield finding(code, Place(file.path, problem.line), f"{what} {shown(problem.text, 240)}")
    if file.matrix.rows and not file.matrix.has_header:
        message = f"no header row variant=`{file.matrix.variant}`"
        yield finding("AUD415", Place(file.path, 1), message)
    readings = (context.reading(log) for log in file.logs.values())
    told = file.commit_beside or any(reading and reading.names_commit for reading in readings)
    if file.matrix.rows and not told:
        message = f"no commit recorded rows=`{len(file.matrix.rows)}`"
        yield finding("AUD410", Place(file.path), message)


def _rows(context: Context, file: MatrixFile) -> Iterator[Finding]:
    is_current = file is context.current
    seen: dict[str, int] = {}
    for row in file.matrix.rows:
        place = Place(file.path, row.line)
        named = f"command=`{shown(row.id)}`"
        for text in _identities(context, file, row):
            if text in seen and seen[text] != row.line:
                message = f"stands in line {seen[text]} already {named}"
                yield finding("AUD407", place, message)
                break
            seen[text] = row.line
        if row.start_utc and row.end_utc and row.end_utc < row.start_utc:
            times = f"start_utc=`{_utc(row.start_utc)}` end_utc=`{_utc(row.end_utc)}`"
            yield finding("AUD411", place, f"ends before it starts {named} {times}")
        if row.exit_code is not None and row.line not in file.logs:
            yield finding("AUD408", place, f"no log {named}")
        if not context.passed(file, row) and not is_current:
            yield finding("AUD414", place, f"did not pass {named} exit_code=`{_code(row)}`")
        elif context.passed(file, row) and row.exit_code not in (0, _told_code(context, file, row)):
            message = f"passed with another exit code {named} exit_code=`{_code(row)}`"
            yield finding("AUD417", place, message)


def _told_code(context: Context, file: MatrixFile, row: MatrixRow) -> int:
    """Return the exit code that a 2.0 tracker tells beside the result, else 0."""
    code = context.cell(file, row).get("exit_code")
    return code if isinstance(code, int) else 0


def _identities(context: Context, file: MatrixFile, row: MatrixRow) -> tuple[str, ...]:
    """Return by what a row is recognised: a step, signal or stage may hold several commands, and
    cells of a 2.0 tracker may run the same line in other surroundings."""
    name, line = f"id {row.id.lower()}", f"cmd {' '.join(row.cmd.split())}"
    if context.cell(file, row):
        return (name,)
    return (name, line) if file.matrix.variant in "ab" else (f"{row.label} {line}",)


# --- what rests on runs ---------------------------------------------------------------------------


def _resting(context: Context) -> Iterator[Finding]:
    """Yield closed claims that rest on a run that failed, or that the current matrix replaced."""
    current = context.current
    alone = set(rowless(context))
    begun = min(
        (row.first for row in current.matrix.rows if row.first) if current else (), default=None
    )
    for cited in (*_evidence(context), *_evidence_lines(context)):
        path = clean(cited.claim.path or "") if cited.claim.path else None
        if path is None or cited.status != "GO":
            continue
        path = context.evidence_path(path)
        reading = context.reading(path) if path in alone else None
        if reading and reading.failure:
            message = f"log of {cited.of} reports `{shown(reading.failure.text)}` log=`{path}`"
            yield finding("AUD505", cited.place, message)
        for file in context.matrices.values():
            rows = _rows_of(file, path)
            yield from _failed(context, cited, file, rows)
            if file is not current and begun and rows:
                yield from _older(cited, path, rows, begun, current)


def _rows_of(file: MatrixFile, path: str) -> tuple[MatrixRow, ...]:
    if path == file.path:
        return file.matrix.rows
    row = file.log_row(path)
    return (row,) if row else ()


def _evidence(context: Context) -> Iterator[Cited]:
    return (cited for cited in cited_by_claims(context) if cited.is_evidence)


def _evidence_lines(context: Context) -> Iterator[Cited]:
    """Yield what findings of a gate claimed GO name in lines that begin with "Evidence"."""
    statuses = {f"gate-{gate.id}-findings.md": gate.status for gate in context.tracker.gates}
    for file, document in context.findings.items():
        status = statuses.get(file.rpartition("/")[2], "")
        for line, _, text in document.prose:
            if re.match(r"\s*[-*+]?\s*evidence\b", text, re.IGNORECASE):
                for claim in read_prose(text):
                    yield Cited(claim, Place(file, line), "the findings", status, True)


def _failed(
    context: Context, cited: Cited, file: MatrixFile, rows: tuple[MatrixRow, ...]
) -> Iterator[Finding]:
    for row in rows:
        if not context.passed(file, row):
            named = f"command=`{shown(row.id)}` exit_code=`{_code(row)}`"
            yield finding("AUD416", cited.place, f"{cited.of} rests on a failed row {named}")


def _older(
    cited: Cited,
    path: str,
    rows: tuple[MatrixRow, ...],
    begun: datetime,
    current: MatrixFile | None,
) -> Iterator[Finding]:
    ended = max((row.last for row in rows if row.last), default=None)
    if ended is None or ended >= begun:
        return
    times = f"ended=`{_utc(ended)}` current_run=`{_utc(begun)}`"
    message = f"evidence of {cited.of} is of an earlier run {times} path=`{shown(path)}`"
    again = [row for row in current.matrix.rows if row.id == rows[0].id] if current else []
    log = current.logs.get(again[0].line) if current and again and len(rows) == 1 else None
    fix = f"point at {log}, which ran since" if log else ""
    yield finding("AUD413", cited.place, message, fix)


# --- logs -----------------------------------------------------------------------------------------


def _logs(context: Context) -> Iterator[Finding]:
    rows: dict[str, tuple[MatrixFile, MatrixRow]] = {}
    for file in context.matrices.values():
        for row in file.matrix.rows:
            if row.line in file.logs:
                rows.setdefault(file.logs[row.line], (file, row))
    for log in dict.fromkeys((*context.logs, *rows)):
        reading = context.reading(log)
        if reading is None:
            yield finding("AUD904", Place(log), f"log cannot be read log=`{shown(log)}`")
            continue
        if log in rows and reading.failure and context.passed(*rows[log]):
            file, row = rows[log]
            where = f"log=`{shown(log)}:{reading.failure.line}`"
            said = f"command=`{shown(row.id)}` says=`{shown(reading.failure.text)}`"
            message = f"recorded as passed over a log that reports failures {said} {where}"
            yield finding("AUD501", Place(file.path, row.line), message)
        yield from _leaks(log, reading)


def _leaks(log: str, reading: LogReading) -> Iterator[Finding]:
    if reading.ignored:
        message = f"tests that did not run count=`{reading.ignored.count}`"
        yield finding("AUD502", Place(log, reading.ignored.line), message)
    if reading.local:
        named = f"first=`{shown(reading.local.text)}` count=`{reading.local.count}`"
        yield finding("AUD503", Place(log, reading.local.line), f"absolute local path {named}")
    if reading.secret:
        named = f"kind=`{reading.secret.text}` count=`{reading.secret.count}`"
        yield finding("AUD504", Place(log, reading.secret.line), f"looks like a secret {named}")
