"""Claims as a tracker and as documents that say in every title that they are claims.

Here `audit.toml` and `claims.json` become a tracker of basis `claimed`. Nothing is weighed here.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.check.importing import CLAIMS_FILE, Claims, read_claims
from audit.check.matrix import read_time
from audit.errors import Invalid, Unavailable
from evidence import layout

if TYPE_CHECKING:
    from audit.definition import Definition
    from audit.definition.models import GateTable, SignalTable

NO_CLAIM = "nobody claimed a status"


def render_as_claimed(definition: Path, out: Path) -> list[Path]:
    """Write the tracker and the documents that the claims imply into `out`; return their paths.

    Raises:
        Invalid: no definition or claims, or they make no tracker of a known shape.
        Unavailable: a document cannot be written.
    """
    from audit.definition import load
    from audit.render import documents

    loaded = load(definition)
    claims = read_claims(definition.parent / (loaded.audit.claims or CLAIMS_FILE))
    tracker = as_claimed_tracker(loaded, claims)
    _refuse(tracker, definition)
    pages = documents.render(tracker)
    pages[layout.TRACKER] = tracker_bytes(tracker)
    written = []
    for name in sorted(pages):
        _replace(out / name, pages[name])
        written.append(out / name)
    return written


def _refuse(tracker: dict[str, Any], definition: Path) -> None:
    from audit.render.schema import validate

    problems = validate(tracker)
    if problems:
        first = problems[0]
        raise Invalid(
            f"the claims make no valid tracker: {first.problem} at=`{first.place}`",
            place=str(definition.parent / CLAIMS_FILE),
            next_step="correct claims.json, or import the tracker again",
        )


def as_claimed_tracker(definition: Definition, claims: Claims) -> dict[str, Any]:
    """Return the claims as a tracker value of basis `claimed`, schema version 2.0.

    Gates and signals are the definition's; their statuses, reasons and evidence the claims'.
    """
    claimed = claims.value["tracker"]
    date = definition.audit.date or str(claimed.get("audit_date", ""))
    gates = [_gate(gate, claims) for gate in definition.gates]
    go = bool(gates) and all(gate["status"] == "GO" for gate in gates)
    return {
        "schema_version": "2.0",
        "basis": "claimed",
        "audit": {
            "id": definition.audit.id,
            "title": definition.audit.title,
            "date": date,
            "scope": definition.audit.scope,
        },
        "audit_date": date,
        "generated_at_utc": _time(str(claimed.get("generated_at_utc", "")), date),
        "baseline_commit": _hex(definition.audit.baseline),
        "definition_of_done": definition.audit.definition_of_done,
        "verdict": "GO" if go else "NO-GO",
        "blockers": [
            f"gate {gate['id']} is claimed {gate['status']}"
            for gate in gates
            if gate["status"] != "GO"
        ],
        "evidence_root": str(claimed.get("evidence_root", "")).rstrip("/"),
        "command_matrix": _matrix(claims),
        "gates": gates,
        "signals": [
            _signal(signal, gate.id, claims) for gate in definition.gates for signal in gate.signals
        ],
    }


def tracker_bytes(tracker: dict[str, Any]) -> bytes:
    """Return a tracker as the bytes of `gate-tracker.json`, indented as people wrote it."""
    text = json.dumps(tracker, indent=2, ensure_ascii=False) + "\n"
    return text.encode("utf-8", "backslashreplace")


def _time(text: str, date: str) -> str:
    moment = read_time(text)
    return text if moment and text.endswith("Z") else f"{date}T00:00:00Z"


def _hex(text: str) -> str:
    return text if re.fullmatch(r"[0-9a-f]{7,64}", text) else ""


def _gate(gate: GateTable, claims: Claims) -> dict[str, Any]:
    nothing: dict[str, Any] = {}
    found = next((item for item in claims.value["gates"] if item.get("id") == gate.id), nothing)
    statuses = [claims.statuses.get(signal.id, "NO-GO") for signal in gate.signals]
    closed = statuses.count("GO")
    status = claims.gates.get(gate.id)
    return {
        "id": gate.id,
        "name": gate.name,
        "status": status or "NO-GO",
        "status_reason": str(found.get("status_reason", "")) if status else NO_CLAIM,
        "closed": closed,
        "open": len(statuses) - closed,
        "required_signal_ids": [signal.id for signal in gate.signals],
        "evidence": [str(item) for item in found.get("evidence", [])],
    }


def _signal(signal: SignalTable, gate: int, claims: Claims) -> dict[str, Any]:
    status = claims.statuses.get(signal.id)
    return {
        "id": signal.id,
        "gate": gate,
        "title": signal.title,
        "owner": signal.owner,
        "status": status or "NO-GO",
        "status_reason": "" if status else NO_CLAIM,
        "next_step": "",
        "code": list(signal.code),
        "tests": list(signal.tests),
        "runbook": signal.runbook,
        "evidence": list(signal.evidence),
        "exit_test": signal.exit_test,
        "claim": status,
        "conditions": [],
    }


def _matrix(claims: Claims) -> dict[str, Any]:
    matrix = claims.value["command_matrix"]
    required = [str(line) for line in matrix.get("required_commands", [])]
    return {
        "status_file": str(matrix.get("status_file", "")),
        "all_pass": matrix.get("all_pass") is True,
        "required_commands": required,
        "cells": [_cell(row, required) for row in matrix.get("rows", [])],
    }


def _cell(row: dict[str, Any], required: list[str]) -> dict[str, Any]:
    passed = row.get("passed") is True
    code = row.get("exit_code")
    ran = isinstance(code, int)
    return {
        "id": str(row.get("id", "")),
        "cmd": str(row.get("cmd", "")),
        "required": not required or row.get("cmd") in required,
        "result": "passed" if passed else "failed" if ran else "absent",
        "passed": passed,
        "exit_code": code if ran else None,
        "attempts": 1 if ran else 0,
        "reason": "as claimed",
        "log": str(row.get("log", "")),
    }


def _replace(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        problem = f"cannot be written: {str(error.strerror).lower()}"
        next_step = "choose a folder you may write to"
        raise Unavailable(problem, place=str(path), next_step=next_step) from error
