"""The gate tracker: one JSON value that holds all that the Markdown documents say.

Here plan, facts and decision become `gate-tracker.json` (`schemas/gate-tracker.schema.json` says
its shape). Pure: nothing is read or written, and the same records give the same value. Paths in it
are relative to the repository, so that they mean the same wherever the tracker is published.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from evidence import layout
from evidence.model import (
    AttemptFact,
    CellDecision,
    CommandPassed,
    Decision,
    Facts,
    Gate,
    GateDecision,
    MetricWithin,
    Plan,
    Signal,
    SignalDecision,
    TestPassed,
)

SCHEMA_VERSION = "2.0"
"""Of the tracker's shape: version 1.0's keys are all there, with more beside them."""
CITED_LOGS_MAX = 4
"""Logs named as evidence of one signal or gate before the status file stands for all of them."""


class Step(NamedTuple):
    """What to do about a command: the words before, of, and after the mention of its log."""

    before: str
    log: str = ""
    after: str = ""


def build(
    plan: Plan,
    facts: Facts,
    decision: Decision,
    *,
    folder: str,
    generated_at_utc: str = "",
    plan_root: str = "",
) -> dict[str, Any]:
    """Return the tracker of one run.

    `folder` is the run's folder relative to the repository; `generated_at_utc` is RFC 3339 UTC, by
    default the instant of the decision; `plan_root` is hex, empty where it is not known.
    """
    root = folder.rstrip("/")
    matrix = _matrix(plan, facts, decision, root)
    logs = {cell["id"]: cell["log"] for cell in matrix["cells"]}
    decided = {signal.id: signal for signal in decision.signals}
    signals = [
        _signal(signal, decided[signal.id], _cited((signal,), logs, root))
        for signal in plan.signals
    ]
    members = _members(plan)
    gates = {gate.id: gate for gate in decision.gates}
    return {
        "schema_version": SCHEMA_VERSION,
        "basis": "derived",
        "tool": {"name": plan.tool.name, "version": plan.tool.version},
        "audit": {
            "id": plan.audit.id,
            "title": plan.audit.title,
            "date": plan.audit.date,
            "scope": plan.audit.scope,
        },
        "run": plan.label,
        "audit_date": plan.audit.date,
        "generated_at_utc": generated_at_utc or decision.as_of,
        "decided_as_of_utc": decision.as_of,
        "baseline_commit": plan.audit.baseline_commit,
        "subject": _subject(plan),
        "plan_root": plan_root,
        "definition_of_done": plan.audit.definition_of_done,
        "verdict": decision.verdict,
        "blockers": list(decision.blockers),
        "evidence_root": root,
        "command_matrix": matrix,
        "gates": [
            _gate(gates[gate.id], gate, _cited(members[gate.id], logs, root)) for gate in plan.gates
        ],
        "signals": signals,
    }


def heading(tracker: Mapping[str, Any]) -> str:
    """Return what a tracker's documents and page are called; claims are titled as claims."""
    title = str(tracker["audit"]["title"])
    return f"Claims, not verified - {title}" if tracker["basis"] == "claimed" else title


def open_signals(tracker: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the signals that are not GO, in the tracker's order."""
    return [signal for signal in tracker["signals"] if signal["status"] != "GO"]


def cell_step(cell: Mapping[str, Any], log: str) -> Step:
    """Return the next step for a command that did not pass; `log` is what its log is called."""
    if cell["result"] == "could_not_run":
        return Step(f"make it able to run here: {cell['reason'] or 'it gave no reason'}")
    if cell["result"] == "interrupted":
        return Step("run again, since it was cut short")
    if not cell["log"]:
        waits = cell["result"] == "skipped"
        return Step(
            "it runs when what it waits for has passed"
            if waits
            else "see why it did not run, then run again"
        )
    if cell["result"] == "timed_out":
        return Step("read ", log, ", then raise its timeout or make it faster")
    if cell["result"] == "skipped":
        return Step("see in ", log, " why it skipped its work, then run again")
    return Step("mend what ", log, " reports, then run again")


def contradicted(tracker: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the signals whose claim says another status than the evidence does."""
    return [
        signal
        for signal in tracker["signals"]
        if signal["claim"] and signal["claim"] != signal["status"]
    ]


def _subject(plan: Plan) -> dict[str, Any]:
    return {
        "commit": plan.subject.commit,
        "committed_utc": plan.subject.committed_utc,
        "digest": plan.subject.digest,
        "branch": plan.subject.branch,
        "tags": list(plan.subject.tags),
        "dirty": list(plan.subject.dirty),
    }


def _matrix(plan: Plan, facts: Facts, decision: Decision, root: str) -> dict[str, Any]:
    deciding = _deciding(facts.attempts)
    decided = {cell.cell: cell for cell in decision.cells}
    cells = [
        {
            "id": cell.id,
            "cmd": cell.cmd,
            "required": cell.required,
            **_outcome(decided[cell.id], deciding.get(cell.id), root),
        }
        for cell in plan.cells
    ]
    required = [cell for cell in cells if cell["required"]]
    return {
        "status_file": f"{root}/{layout.STATUS_TSV}",
        # No required command at all is no success.
        "all_pass": bool(required) and all(cell["passed"] for cell in required),
        "required_commands": [cell["cmd"] for cell in required],
        "cells": cells,
    }


def _deciding(attempts: Iterable[AttemptFact]) -> dict[str, AttemptFact]:
    """The last attempt of each cell."""
    last: dict[str, AttemptFact] = {}
    for attempt in attempts:
        if attempt.cell not in last or attempt.number > last[attempt.cell].number:
            last[attempt.cell] = attempt
    return last


def _outcome(decided: CellDecision, last: AttemptFact | None, root: str) -> dict[str, Any]:
    started = last is not None and (
        last.exit_code is not None or last.result in ("timed_out", "interrupted")
    )
    return {
        "result": decided.result,
        "passed": decided.passed,
        "exit_code": last.exit_code if last else None,
        "attempts": decided.attempts,
        "reason": decided.reason,
        "log": f"{root}/{layout.LOGS}/{decided.cell}.log" if started else "",
    }


def _members(plan: Plan) -> dict[int, list[Signal]]:
    """The signals that each gate requires, in the gate's order."""
    by_id = {signal.id: signal for signal in plan.signals}
    return {gate.id: [by_id[name] for name in gate.signals if name in by_id] for gate in plan.gates}


def _cited(signals: Sequence[Signal], logs: Mapping[str, str], root: str) -> list[str]:
    """What signals rest on: the paths they declare, then the logs of the cells they ask about."""
    declared = [_placed(path, root) for signal in signals for path in signal.evidence]
    cells = {
        cell: None
        for signal in signals
        for condition in signal.conditions
        if isinstance(condition, CommandPassed | TestPassed | MetricWithin)
        for cell in condition.cells
    }
    named = [logs[cell] for cell in cells if logs.get(cell)]
    if len(named) > CITED_LOGS_MAX:
        named = [f"{root}/{layout.STATUS_TSV}"]
    return list(dict.fromkeys((*declared, *named)))


def _placed(path: str, root: str) -> str:
    """A declared path; a log or the status file may be declared as it is called in any run."""
    in_run = path == layout.STATUS_TSV or path.startswith(f"{layout.LOGS}/")
    return f"{root}/{path}" if in_run else path


def _signal(signal: Signal, decided: SignalDecision, evidence: list[str]) -> dict[str, Any]:
    return {
        "id": signal.id,
        "gate": signal.gate,
        "title": signal.title,
        "owner": signal.owner,
        "status": decided.status,
        "status_reason": decided.reason,
        "next_step": decided.next_step,
        "code": list(signal.code),
        "tests": list(signal.tests),
        "runbook": signal.runbook,
        "evidence": evidence,
        "exit_test": signal.exit_test,
        "claim": signal.claim,
        "conditions": [
            {"condition": item.condition, "answer": item.answer, "reason": item.reason}
            for item in decided.conditions
        ],
    }


def _gate(decided: GateDecision, gate: Gate, evidence: list[str]) -> dict[str, Any]:
    return {
        "id": decided.id,
        "name": gate.name,
        "status": decided.status,
        "status_reason": decided.reason,
        "closed": decided.closed,
        "open": decided.open,
        "required_signal_ids": list(gate.signals),
        "evidence": evidence,
    }
