"""Rules over the tracker alone: ids, statuses, gates, times, counts, baseline.

Every rule is a generator of findings. Documents, paths and status files have rooms of their own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

from audit.check.context import Context
from audit.check.finding import Finding, finding, shown
from audit.check.matrix import read_time
from audit.check.tracker import KNOWN_VERSIONS, ClaimedGate
from evidence.model import GATE_ORDER, STATUS_ORDER

ZONE_SLACK = timedelta(hours=14)
"""A date without a zone begins up to 14 hours before its midnight in UTC."""
DEFINITIONS_OF_DONE = ("ALL_GATES_GO",)


def check_tracker(context: Context) -> Iterator[Finding]:
    """Yield what is wrong with the tracker by itself."""
    yield from _version(context)
    for path in context.tracker.twice:
        yield finding("AUD103", context.at(path), f"key stands twice key=`{shown(path)}`")
    yield from _ids(context)
    yield from _statuses(context)
    yield from _membership(context)
    yield from _gates(context)
    yield from _times(context)
    yield from _verdict(context)
    yield from _baseline(context)


def _version(context: Context) -> Iterator[Finding]:
    version = context.tracker.schema_version
    if version is None:
        yield finding("AUD102", context.at(""), "no schema_version")
    elif version not in KNOWN_VERSIONS:
        message = f"unknown schema version schema_version=`{shown(version)}`"
        yield finding("AUD101", context.at("schema_version"), message)


def _ids(context: Context) -> Iterator[Finding]:
    gates: dict[int, int] = {}
    for gate in context.tracker.gates:
        if gate.id in gates:
            message = f"gate id stands at gates[{gates[gate.id]}] already id=`{gate.id}`"
            yield finding("AUD104", context.at(f"gates[{gate.index}].id"), message)
        gates.setdefault(gate.id, gate.index)
    signals: dict[str, int] = {}
    for signal in context.tracker.signals:
        if signal.id in signals:
            where = f"signals[{signals[signal.id]}]"
            message = f"signal id stands at {where} already id=`{shown(signal.id)}`"
            yield finding("AUD105", context.at(f"signals[{signal.index}].id"), message)
        signals.setdefault(signal.id, signal.index)


def _statuses(context: Context) -> Iterator[Finding]:
    for gate in context.tracker.gates:
        if gate.status not in GATE_ORDER:
            message = f"unknown gate status gate=`{gate.id}` status=`{shown(gate.status)}`"
            yield finding("AUD106", context.at(f"gates[{gate.index}].status"), message)
    for signal in context.tracker.signals:
        if signal.status not in STATUS_ORDER:
            named = f"signal=`{shown(signal.id)}` status=`{shown(signal.status)}`"
            place = context.at(f"signals[{signal.index}].status")
            yield finding("AUD106", place, f"unknown signal status {named}")


def _membership(context: Context) -> Iterator[Finding]:
    required: Counter[str] = Counter()
    for gate in context.tracker.gates:
        for number, name in enumerate(gate.signals):
            place = context.at(f"gates[{gate.index}].required_signal_ids[{number}]")
            required[name] += 1
            if name not in context.statuses:
                message = f"no such signal gate=`{gate.id}` signal=`{shown(name)}`"
                yield finding("AUD107", place, message)
            elif required[name] == 2:
                message = f"signal required more than once signal=`{shown(name)}`"
                yield finding("AUD111", place, message)
    for signal in context.tracker.signals:
        if not required[signal.id]:
            message = f"no gate requires it signal=`{shown(signal.id)}`"
            yield finding("AUD108", context.at(f"signals[{signal.index}]"), message)


def allowed(context: Context, gate: ClaimedGate) -> str:
    """Return the highest status that the claimed statuses of a gate's signals allow.

    A signal that does not exist, or whose status is not known, counts as NO-GO.
    """
    statuses = [context.statuses.get(name, "NO-GO") for name in gate.signals]
    if statuses and all(status == "GO" for status in statuses):
        return "GO"
    return "PARTIAL" if {"GO", "PARTIAL"} & set(statuses) else "NO-GO"


def closed_and_open(context: Context, gate: ClaimedGate) -> tuple[int, int]:
    """Return how many signals of a gate are claimed GO, and how many are not."""
    names = set(gate.signals)
    closed = sum(context.statuses.get(name) == "GO" for name in names)
    return closed, len(names) - closed


def _gates(context: Context) -> Iterator[Finding]:
    for gate in context.tracker.gates:
        place = context.at(f"gates[{gate.index}].status")
        limit = allowed(context, gate)
        closed, still_open = closed_and_open(context, gate)
        if gate.status in GATE_ORDER and gate.status != limit:
            above = GATE_ORDER.index(gate.status) > GATE_ORDER.index(limit)
            counts = f"closed=`{closed}` open=`{still_open}`"
            message = f"signals allow {limit} gate=`{gate.id}` status=`{gate.status}` {counts}"
            yield finding("AUD109" if above else "AUD110", place, message)
        for name, said, real in (("closed", gate.closed, closed), ("open", gate.open, still_open)):
            if said is not None and said != real:
                message = f"{name} signals miscounted gate=`{gate.id}` said=`{said}` real=`{real}`"
                yield finding("AUD117", context.at(f"gates[{gate.index}].{name}"), message)


def _times(context: Context) -> Iterator[Finding]:
    tracker = context.tracker
    day = _date(tracker.audit_date)
    if day is None:
        message = f"not a date audit_date=`{shown(tracker.audit_date)}`"
        yield finding("AUD112", context.at("audit_date"), message)
    made = read_time(tracker.generated_at_utc)
    if made is None:
        message = f"not a time with a zone generated_at_utc=`{shown(tracker.generated_at_utc)}`"
        yield finding("AUD112", context.at("generated_at_utc"), message)
    if day and made and made < datetime.combine(day, time(), UTC) - ZONE_SLACK:
        said = f"generated_at_utc=`{tracker.generated_at_utc}` audit_date=`{tracker.audit_date}`"
        message = f"generated before the audit {said}"
        yield finding("AUD113", context.at("generated_at_utc"), message)


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else None
    except ValueError:
        return None


def _verdict(context: Context) -> Iterator[Finding]:
    tracker = context.tracker
    if tracker.definition_of_done not in DEFINITIONS_OF_DONE:
        message = f"unknown definition_of_done=`{shown(tracker.definition_of_done)}`"
        yield finding("AUD116", context.at("definition_of_done"), message)
    gates_go = bool(tracker.gates) and all(gate.status == "GO" for gate in tracker.gates)
    if tracker.verdict == "GO" and not gates_go:
        count = sum(gate.status != "GO" for gate in tracker.gates)
        message = f"verdict GO over open gates open=`{count}`"
        yield finding("AUD118", context.at("verdict"), message)
    elif tracker.verdict is not None and tracker.verdict not in ("GO", "NO-GO"):
        message = f"unknown verdict verdict=`{shown(tracker.verdict)}`"
        yield finding("AUD106", context.at("verdict"), message)


def _baseline(context: Context) -> Iterator[Finding]:
    baseline = context.tracker.baseline_commit
    place = context.at("baseline_commit")
    if not baseline:
        return
    if not re.fullmatch(r"[0-9a-f]{40}(?:[0-9a-f]{24})?", baseline):
        message = f"not a full commit id baseline_commit=`{shown(baseline)}`"
        yield finding("AUD114", place, message)
    repository = context.repository
    if repository is None:
        message = f"no git repository to look it up in commit=`{shown(baseline)}`"
        yield finding("AUD902", place, message)
        return
    head = context.rev or "HEAD"
    commit = None if baseline.startswith("-") else repository.commit(baseline)
    answer = repository.is_ancestor(commit, head) if commit else None
    if commit is None:
        yield finding("AUD902", place, f"this clone does not hold it commit=`{shown(baseline)}`")
    elif answer is None:
        message = f"history is cut off here commit=`{shown(baseline)}` of=`{shown(head)}`"
        yield finding("AUD902", place, message)
    elif not answer:
        message = f"not an ancestor commit=`{shown(baseline)}` of=`{shown(head)}`"
        yield finding("AUD115", place, message)
