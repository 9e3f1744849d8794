"""A run as rows: one mapping per row and table, with the keys of `columns`.

Pure functions over the records of a run. Nothing is read here, and nothing is decided again: what
the bundle says is what the rows say, with the flag beside it whether the bundle verified.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from audit.runs import Records
from evidence import roster, signoff, weigh
from evidence.model import Attempt, Cell, CellDecision

Row = Mapping[str, Any]
FAILURES = ("failed", "timed_out")
"""Results that say no; all others but `passed` say nothing of the code."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """One run as rows by table. `place` is where its bundle lies, for messages."""

    place: str
    final_root: str
    verified: bool
    rows: Mapping[str, Sequence[Row]]


@dataclass(frozen=True, slots=True)
class Approval:
    """One approval of a run, as the layer beside it tells it; times are RFC 3339 UTC."""

    final_root: str
    audit: str
    approver: str
    role: str
    key: str
    answer: str
    decision_digest: str
    gates: tuple[str, ...]
    signed: str
    expires: str | None = None


def gather(records: Records, *, final_root: str, verified: bool) -> Gathered:
    """Return a run as rows; `verified` is what the verifier said of its bundle."""
    head = {
        "final_root": final_root,
        "audit": records.plan.audit.id,
        "ended": instant(records.run.end_utc),
    }
    rows = {
        "runs": [head | {"verified": verified} | _run(records)],
        "cells": [head | row for row in _cells(records)],
        "signals": [head | row for row in _signals(records)],
        "gates": [head | row for row in _gates(records)],
    }
    return Gathered(str(records.folder), final_root, verified, rows)


def approvals_of(
    weighed: weigh.Weighed, book: roster.Roster, check: roster.Check
) -> Iterator[Approval]:
    """Yield the approvals of a weighed sign-off that count, each with the key that signed it.

    Words that nobody signed, or that do not count for another reason, are no approvals.
    """
    for weight in weighed.weights:
        record = weight.entry.record
        if not isinstance(record, signoff.Approval) or weight.standing != "counts":
            continue
        signed = roster.signers(weight.entry.envelope, book, check).keys
        key = next(
            key.id
            for key in signed
            if key.person == record.person and not roster.may(key, record.role, record.signed_utc)
        )
        yield Approval(
            final_root=record.at.final_root,
            audit=record.at.audit,
            approver=record.person,
            role=record.role,
            key=key,
            answer="approved",
            decision_digest=record.decision,
            gates=tuple(str(seen.gate) for seen in record.gates),
            signed=record.signed_utc,
            expires=record.expires_utc,
        )


def approval_rows(approvals: Iterable[Approval]) -> list[Row]:
    """Return the rows of the table `approvals`. Raises `ValueError` for what is no instant."""
    return [
        {
            "final_root": item.final_root,
            "audit": item.audit,
            "approver": item.approver,
            "role": item.role,
            "key": item.key,
            "answer": item.answer,
            "decision_digest": item.decision_digest,
            "gates": list(item.gates),
            "signed": instant(item.signed),
            "expires": None if item.expires is None else instant(item.expires),
        }
        for item in approvals
    ]


def instant(text: str) -> datetime:
    """Return an RFC 3339 instant. Raises `ValueError` for anything else."""
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"is no instant with a time zone: {text[:40]}")
    return time


def _instant_or_none(text: str) -> datetime | None:
    try:
        return instant(text)
    except ValueError:
        return None


def _run(records: Records) -> dict[str, Any]:
    plan, run, decision = records.plan, records.run, records.decision
    took = instant(run.end_utc) - instant(run.start_utc)
    return {
        "label": plan.label,
        "verdict": decision.verdict,
        "blockers": list(decision.blockers),
        "gates": len(decision.gates),
        "gates_go": sum(gate.status == "GO" for gate in decision.gates),
        "signals": len(decision.signals),
        "signals_open": sum(signal.status != "GO" for signal in decision.signals),
        "cells": len(decision.cells),
        "cells_passed": sum(cell.passed for cell in decision.cells),
        "attempts": len(run.attempts),
        "started": instant(run.start_utc),
        "duration_ms": round(took.total_seconds() * 1000),
        "run_id": run.id,
        "plan_root": run.plan_root,
        "subject_digest": plan.subject.digest,
        "commit": plan.subject.commit,
        "committed": _instant_or_none(plan.subject.committed_utc),
        "branch": plan.subject.branch,
        "tags": list(plan.subject.tags),
        "dirty": len(plan.subject.dirty),
        "tool_version": plan.tool.version,
        "clock": run.clock,
        "resumed": run.resumed,
    }


def _cells(records: Records) -> list[dict[str, Any]]:
    """One row per attempt, in the order of the plan; one with the number 0 where there was none."""
    by_cell: dict[str, list[Attempt]] = {cell.id: [] for cell in records.plan.cells}
    for attempt in records.run.attempts:
        by_cell[attempt.cell].append(attempt)
    rows: list[dict[str, Any]] = []
    for cell, decided in zip(records.plan.cells, records.decision.cells, strict=True):
        about = _about(cell, decided) | {"subject_digest": records.plan.subject.digest}
        attempts = sorted(by_cell[cell.id], key=lambda attempt: attempt.number)
        if not attempts:
            rows.append(about | _absent(decided))
        failures = 0
        for attempt in attempts:
            last = attempt is attempts[-1]
            rows.append(about | _attempt(attempt) | {"deciding": last, "failed_before": failures})
            failures += attempt.result in FAILURES
    return rows


def _about(cell: Cell, decided: CellDecision) -> dict[str, Any]:
    return {
        "cell": cell.id,
        "command": cell.command,
        "passed": decided.passed,
        "timeout_ms": cell.timeout_ms,
        "required": cell.required,
        "flaky": cell.flaky,
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    log = attempt.log
    return {
        "attempt": attempt.number,
        "result": attempt.result,
        "reason": attempt.reason,
        "exit_code": attempt.exit_code,
        "started": instant(attempt.start_utc),
        "stopped": instant(attempt.end_utc),
        "duration_ms": attempt.duration_ms,
        "log_bytes": log.bytes if log else 0,
        "log_truncated": bool(log and log.truncated),
        "artifacts": len(attempt.artifacts),
        "leftovers": attempt.leftovers,
    }


def _absent(decided: CellDecision) -> dict[str, Any]:
    return {
        "attempt": 0,
        "deciding": True,
        "result": "absent",
        "failed_before": 0,
        "reason": decided.reason,
        "exit_code": None,
        "started": None,
        "stopped": None,
        "duration_ms": None,
        "log_bytes": 0,
        "log_truncated": False,
        "artifacts": 0,
        "leftovers": 0,
    }


def _signals(records: Records) -> list[dict[str, Any]]:
    return [
        {
            "signal": signal.id,
            "gate": signal.gate,
            "title": signal.title,
            "owner": signal.owner,
            "status": decided.status,
            "claim": signal.claim,
            "reason": decided.reason,
            "next_step": decided.next_step,
            "conditions": len(decided.conditions),
            "conditions_met": sum(item.answer == "met" for item in decided.conditions),
        }
        for signal, decided in zip(records.plan.signals, records.decision.signals, strict=True)
    ]


def _gates(records: Records) -> list[dict[str, Any]]:
    names = {gate.id: gate.name for gate in records.plan.gates}
    return [
        {
            "gate": decided.id,
            "name": names[decided.id],
            "status": decided.status,
            "reason": decided.reason,
            "closed": decided.closed,
            "open": decided.open,
        }
        for decided in records.decision.gates
    ]
