"""Runs as rows, made up: a test changes what it is about."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from audit.history.gather import Approval, Gathered

BEGIN = datetime(2026, 12, 1, tzinfo=UTC)


def root_of(number: int) -> str:
    """The final root of a run that is called by a number."""
    return hashlib.sha256(f"run {number}".encode()).hexdigest()


def made_up(
    number: int,
    *,
    verified: bool = True,
    audit: str = "a-1",
    subject: str = "s",
    minutes: int | None = None,
    signals: Mapping[str, str] | None = None,
    owners: Mapping[str, str] | None = None,
    cells: Mapping[str, Sequence[str]] | None = None,
    ms: int = 1000,
    label: str = "",
) -> Gathered:
    """A run that ended `minutes` (or its number) after the beginning.

    `signals` are statuses, `cells` the results of all attempts; the one gate is GO when all are.
    """
    ended = BEGIN + timedelta(minutes=number if minutes is None else minutes)
    signals = {"G0-001": "GO"} if signals is None else signals
    cells = {"tests": ["passed"]} if cells is None else cells
    head = {"final_root": root_of(number), "audit": audit, "ended": ended}
    open_ = sum(status != "GO" for status in signals.values())
    rows = {
        "runs": [head | _run(number, label, verified, subject, ended, len(signals), open_)],
        "signals": [head | _signal(*item, owners or {}) for item in signals.items()],
        "gates": [head | _gate(len(signals), open_)],
        "cells": [head | row for item in cells.items() for row in _cells(*item, subject, ms)],
    }
    return Gathered(f"folder-{number}", root_of(number), verified, rows)


def approval(number: int, **changes: Any) -> Approval:
    """An approval of a run."""
    own = {
        "final_root": root_of(number),
        "audit": "a-1",
        "approver": "ann",
        "role": "SRE",
        "key": "key-1",
        "answer": "approved",
        "decision_digest": "ab" * 32,
        "gates": ("0",),
        "signed": "2026-12-01T10:00:00Z",
    }
    return Approval(**{**own, **changes})


def _run(
    number: int,
    label: str,
    verified: bool,
    subject: str,
    ended: datetime,
    signals: int,
    open_: int,
) -> dict[str, Any]:
    return {
        "label": label or f"run-{number}",
        "verified": verified,
        "verdict": "NO-GO" if open_ else "GO",
        "blockers": ["a gate"] if open_ else [],
        "gates": 1,
        "gates_go": int(not open_),
        "signals": signals,
        "signals_open": open_,
        "cells": 1,
        "cells_passed": 1,
        "attempts": 1,
        "started": ended - timedelta(seconds=5),
        "duration_ms": 5000,
        "run_id": f"id-{number}",
        "plan_root": "cd" * 32,
        "subject_digest": subject,
        "commit": "ef" * 20,
        "committed": None,
        "branch": "main",
        "tags": [],
        "dirty": 0,
        "tool_version": "0.1.0",
        "clock": "system",
        "resumed": 0,
    }


def _signal(name: str, status: str, owners: Mapping[str, str]) -> dict[str, Any]:
    return {
        "signal": name,
        "gate": 0,
        "title": name,
        "owner": owners.get(name, "SRE"),
        "status": status,
        "claim": None,
        "reason": "because",
        "next_step": "",
        "conditions": 1,
        "conditions_met": int(status == "GO"),
    }


def _gate(signals: int, open_: int) -> dict[str, Any]:
    return {
        "gate": 0,
        "name": "Base",
        "status": "NO-GO" if open_ else "GO",
        "reason": "because",
        "closed": signals - open_,
        "open": open_,
    }


def _cells(name: str, results: Sequence[str], subject: str, ms: int) -> list[dict[str, Any]]:
    return [
        {
            "subject_digest": subject,
            "cell": name,
            "command": name,
            "attempt": number,
            "deciding": number == len(results),
            "result": result,
            "passed": result == "passed",
            "failed_before": sum(r in ("failed", "timed_out") for r in results[: number - 1]),
            "reason": "",
            "exit_code": None,
            "started": None,
            "stopped": None,
            "duration_ms": ms,
            "timeout_ms": 60_000,
            "log_bytes": 0,
            "log_truncated": False,
            "artifacts": 0,
            "leftovers": 0,
            "required": True,
            "flaky": False,
        }
        for number, result in enumerate(results, 1)
    ]
