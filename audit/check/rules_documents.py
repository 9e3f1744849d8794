"""Rules over the documents beside the tracker: they say what it says, and count alike.

Every rule is a generator of findings. Paths that documents name are judged in `rules_paths`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from audit.check.claims import code_spans, read_claim
from audit.check.context import Context
from audit.check.documents import Document, Row, Table, whole
from audit.check.finding import Finding, Place, finding, shown
from audit.check.rules_tracker import closed_and_open
from audit.check.tracker import ClaimedGate
from audit.check.tree import clean
from evidence.model import GATE_ORDER, STATUS_ORDER

_OPEN_HEADING = re.compile(r"(?i)\b(open|remaining|unresolved|blocked)\b")
_CLOSED_HEADING = re.compile(r"(?i)\bclosed\b")
_FAILED = re.compile(r"(?i)fail(ed)?\b")


def check_documents(context: Context) -> Iterator[Finding]:
    """Yield where ledger, summary and findings do not say what the tracker says."""
    for document, file in ((context.ledger, context.ledger_file), *_summary(context)):
        if document is None:
            if file not in context.unread:
                yield finding("AUD310", Place(file), f"no such document file=`{shown(file)}`")
            continue
        yield from _header(context, document, file)
        yield from _ragged(document, file)
    if context.ledger:
        yield from _ledger(context)
    if context.summary:
        yield from _summary_gates(context, context.summary)
        yield from _sections(context, context.summary, context.summary_file)
    for file, document in context.findings.items():
        yield from _header(context, document, file)
        yield from _ragged(document, file)
        yield from _findings(context, document, file)
        yield from _sections(context, document, file)
    for file in context.unread:
        message = f"not plain UTF-8 text of bearable size file=`{shown(file)}`"
        yield finding("AUD904", Place(file), message)


def _summary(context: Context) -> tuple[tuple[Document | None, str], ...]:
    return ((context.summary, context.summary_file),)


# --- headers --------------------------------------------------------------------------------------


def _header(context: Context, document: Document, file: str) -> Iterator[Finding]:
    tracker = context.tracker
    wanted = {
        "audit date": tracker.audit_date,
        "ledger date": tracker.audit_date,
        "baseline commit": tracker.baseline_commit,
        "evidence root": tracker.evidence_root,
        "definition of done": tracker.definition_of_done,
    }
    for name, expected in wanted.items():
        value, line = document.header.get(name, ("", 0))
        if value and expected and not _same_header(name, value, expected):
            said = f"{name.replace(' ', '_')}=`{shown(value)}` tracker=`{shown(expected)}`"
            yield finding("AUD309", Place(file, line), f"header and tracker differ {said}")


def _same_header(name: str, value: str, expected: str) -> bool:
    if name == "evidence root":
        return clean(value) == clean(expected)
    if name == "definition of done":
        spelled = re.sub(r"[ _-]+", "_", value.strip())
        # A definition told in a sentence is for people; only a keyword can be compared.
        return not re.fullmatch(r"[A-Z_]+", spelled) or spelled == expected
    return value == expected


def _ragged(document: Document, file: str) -> Iterator[Finding]:
    for table in document.tables:
        for row in table.rows:
            if row.ragged is not None:
                counts = f"cells=`{row.ragged}` wanted=`{len(table.columns)}`"
                yield finding("AUD312", Place(file, row.line), f"row of another width {counts}")


# --- ledger ---------------------------------------------------------------------------------------


def _ledger(context: Context) -> Iterator[Finding]:
    file = context.ledger_file
    if not context.ledger_rows:
        message = "no table with the columns Signal ID and Status"
        yield finding("AUD312", Place(file), message)
        return
    gates = {name: gate.id for gate in context.tracker.gates for name in gate.signals}
    seen: dict[str, int] = {}
    owners = {signal.id: signal.owner for signal in context.tracker.signals}
    for row in context.ledger_rows:
        place = Place(file, row.line)
        named = f"signal=`{shown(row.id)}`"
        if row.id in seen:
            yield finding("AUD105", place, f"signal stands in line {seen[row.id]} already {named}")
        seen.setdefault(row.id, row.line)
        if row.id not in context.statuses:
            yield finding("AUD302", place, f"in the ledger, not in the tracker {named}")
            continue
        yield from _status(context, row.id, row.status, place)
        if row.gate is not None and gates.get(row.id, row.gate) != row.gate:
            message = f"gate differs {named} ledger=`{row.gate}` tracker=`{gates[row.id]}`"
            yield finding("AUD304", place, message)
        if row.owner and owners[row.id] and row.owner != owners[row.id]:
            said = f"ledger=`{shown(row.owner)}` tracker=`{shown(owners[row.id])}`"
            yield finding("AUD303", place, f"owner differs {named} {said}")
        lacks = [
            name for name, text in (("owner", row.owner), ("exit test", row.exit_test)) if not text
        ]
        if lacks:
            yield finding("AUD315", place, f"no {' and no '.join(lacks)} {named}")
    for signal in context.tracker.signals:
        if signal.id not in seen:
            place = context.at(f"signals[{signal.index}]")
            message = f"in the tracker, not in the ledger signal=`{shown(signal.id)}`"
            yield finding("AUD302", place, message)


def _status(context: Context, name: str, status: str, place: Place) -> Iterator[Finding]:
    said = f"signal=`{shown(name)}` here=`{shown(status)}`"
    if status not in STATUS_ORDER:
        yield finding("AUD106", place, f"unknown signal status {said}")
    elif status != context.statuses[name]:
        message = f"status differs {said} tracker=`{shown(context.statuses[name])}`"
        yield finding("AUD301", place, message)


# --- summary --------------------------------------------------------------------------------------


def _summary_gates(context: Context, summary: Document) -> Iterator[Finding]:
    table = summary.table("gate", "status", besides=("id", "title"))
    file = context.summary_file
    if table is None:
        message = "no table with the columns Gate and Status"
        yield finding("AUD312", Place(file), message)
        return
    gates = {gate.id: gate for gate in context.tracker.gates}
    seen = set()
    for row in table.rows:
        if row.ragged is not None:
            return  # which gates are missing cannot be told from a table that is broken
        number = whole(row.text("gate"))
        gate = gates.get(number) if number is not None else None
        if gate is None:
            message = f"in the summary, not in the tracker gate=`{shown(row.text('gate'))}`"
            yield finding("AUD313", Place(file, row.line), message)
            continue
        seen.add(gate.id)
        yield from _summary_row(context, gate, row)
    for gate in context.tracker.gates:
        if gate.id not in seen:
            message = f"in the tracker, not in the summary gate=`{gate.id}`"
            yield finding("AUD313", context.at(f"gates[{gate.index}]"), message)


def _summary_row(context: Context, gate: ClaimedGate, row: Row) -> Iterator[Finding]:
    place = Place(context.summary_file, row.line)
    status = row.text("status")
    if status not in GATE_ORDER:
        message = f"unknown gate status gate=`{gate.id}` status=`{shown(status)}`"
        yield finding("AUD106", place, message)
    elif status != gate.status:
        said = f"summary=`{status}` tracker=`{shown(gate.status)}`"
        yield finding("AUD306", place, f"status differs gate=`{gate.id}` {said}")
    name = row.text("name")
    if name and name != gate.name:
        said = f"summary=`{shown(name)}` tracker=`{shown(gate.name)}`"
        yield finding("AUD307", place, f"name differs gate=`{gate.id}` {said}")
    closed, still_open = closed_and_open(context, gate)
    for column, real in (("closed", closed), ("open", still_open)):
        if column in row.cells and whole(row.text(column)) != real:
            said = f"said=`{shown(row.text(column))}` real=`{real}`"
            yield finding("AUD305", place, f"{column} signals miscounted gate=`{gate.id}` {said}")
    known = {clean(read_claim(text).path or "") for text in gate.evidence}
    for claim in row.paths("evidence"):
        if claim.path is not None and clean(claim.path) not in known:
            message = f"not among the gate's evidence gate=`{gate.id}` path=`{shown(claim.text)}`"
            yield finding("AUD311", place, message)


# --- findings and prose ---------------------------------------------------------------------------


def _findings(context: Context, document: Document, file: str) -> Iterator[Finding]:
    value = document.header.get("gate", ("", 0))[0] or document.title
    number = whole(value)
    gate = next((gate for gate in context.tracker.gates if gate.id == number), None)
    if number is not None and gate is None:
        yield finding(
            "AUD313", Place(file), f"findings of a gate that is not there gate=`{number}`"
        )
    if gate is None:
        return
    for line, heading, text in document.prose:
        if "overall status" not in heading.lower():
            continue
        said = [span for span in code_spans(text) if span in GATE_ORDER]
        said = said or [word for word in re.findall(r"[A-Z-]{2,}", text) if word in GATE_ORDER]
        if said:
            if said[0] != gate.status:
                pair = f"here=`{said[0]}` tracker=`{shown(gate.status)}`"
                message = f"overall status differs gate=`{gate.id}` {pair}"
                yield finding("AUD308", Place(file, line), message)
            break
    for table in document.tables:
        yield from _failed_items(gate, table, file)


def _failed_items(gate: ClaimedGate, table: Table, file: str) -> Iterator[Finding]:
    for row in table.rows:
        if gate.status == "GO" and _FAILED.fullmatch(row.text("status")):
            message = f"item failed in a gate claimed GO gate=`{gate.id}`"
            yield finding("AUD308", Place(file, row.line), message)


def _sections(context: Context, document: Document, file: str) -> Iterator[Finding]:
    """Yield where tables, lists under a heading, or sentences speak otherwise of a signal."""
    for table in document.tables:
        if {"id", "status"} <= set(table.columns):
            for row in table.rows:
                if row.text("id") in context.statuses:
                    place = Place(file, row.line)
                    yield from _status(context, row.text("id"), row.text("status"), place)
    for line, heading, text in document.prose:
        spans = code_spans(text)
        names = [span for span in dict.fromkeys(spans) if span in context.statuses]
        if len(names) != 1:
            continue
        claimed = context.statuses[names[0]]
        said = [span for span in spans if span in STATUS_ORDER]
        named = f"signal=`{shown(names[0])}` tracker=`{shown(claimed)}`"
        place = Place(file, line)
        if len(said) == 1 and said[0] != claimed:
            yield finding("AUD314", place, f"a sentence claims {said[0]} {named}")
        elif not said and _is_item_of(text, names[0]):
            if _CLOSED_HEADING.search(heading) and claimed != "GO":
                yield finding("AUD314", place, f"listed under closed signals {named}")
            elif _OPEN_HEADING.search(heading) and claimed == "GO":
                yield finding("AUD314", place, f"listed under open signals {named}")


def _is_item_of(text: str, name: str) -> bool:
    return bool(re.match(rf"\s*(?:\d+[.)]|[-*+])\s+(?:\*\*)?`{re.escape(name)}`", text))
