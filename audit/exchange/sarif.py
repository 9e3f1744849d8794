"""SARIF 2.1.0: a rule per signal, a result per open one, an invocation per attempt.

All rules are there, also those without a result, so that an alert can close when its signal does.
The verdict is a rule of its own: what blocks beside the signals is no less red.
Source: OASIS SARIF 2.1.0, sections 3.14 (run), 3.20 (invocation), 3.27 (result), 3.35
(suppression).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from audit.exchange import source as sources
from audit.exchange.source import Source, line, lines
from evidence.model import Attempt, Cell, Signal, SignalDecision

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
BASE = "SRCROOT"
"""The root of the repository, which whoever shows the results fills in."""
LOCATIONS_MAX = 10
"""Places named for one result; GitHub shows no more."""


def export(source: Source) -> dict[str, bytes]:
    """Return the SARIF file of a run, by name."""
    value = {"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(source)]}
    return {"results.sarif": sources.as_json(value)}


def _run(source: Source) -> dict[str, Any]:
    plan = source.plan
    rules = [_rule(signal) for signal in plan.signals] + [_verdict_rule()]
    driver = {"name": sources.TOOL, "version": line(plan.tool.version), "rules": rules}
    return {
        "tool": {"driver": driver},
        "automationDetails": {
            "id": line(f"{sources.TOOL}/{plan.audit.id}/{plan.label}"),
            "guid": source.id("sarif"),
        },
        "originalUriBaseIds": {BASE: {"description": {"text": "the root of the repository"}}},
        "invocations": list(_invocations(source)),
        "results": list(_results(source)),
        "columnKind": "unicodeCodePoints",
        "properties": {
            "verdict": source.decision.verdict,
            **source.told_signed_off("verdictWithSignOff"),
            "asOfUtc": source.decision.as_of,
            "commit": plan.subject.commit,
            "planRoot": source.run.plan_root,
            "finalRoot": source.final_root,
        },
    }


# --- rules ----------------------------------------------------------------------------------------


def _rule(signal: Signal) -> dict[str, Any]:
    return {
        "id": line(signal.id),
        "shortDescription": {"text": line(signal.title)},
        "fullDescription": {"text": line(signal.exit_test) or line(signal.title)},
        "defaultConfiguration": {"level": "error"},
        "properties": {
            "gate": signal.gate,
            "owner": line(signal.owner),
            "runbook": line(signal.runbook),
            "tags": [f"gate-{signal.gate}"],
        },
    }


def _verdict_rule() -> dict[str, Any]:
    return {
        "id": sources.VERDICT,
        "shortDescription": {"text": "The release is ready"},
        "fullDescription": {
            "text": "Every gate is GO, every required cell passed, and the tree is the audited one."
        },
        "defaultConfiguration": {"level": "error"},
    }


# --- results --------------------------------------------------------------------------------------


def _results(source: Source) -> Iterator[dict[str, Any]]:
    for index, (signal, decided) in enumerate(source.signals):
        if decided.status != "GO":
            yield _result(source, index, signal, decided)
    blockers = source.decision.blockers
    if source.decision.verdict != "GO":
        text = "not ready: " + "; ".join(map(line, blockers))
        result = _red(source, sources.VERDICT, len(source.signals), lines(text))
        yield result | ({} if source.waivers is None else {"suppressions": []})


def _result(source: Source, index: int, signal: Signal, decided: SignalDecision) -> dict[str, Any]:
    text = f"{decided.status}: {line(decided.reason)}\nnext: {line(decided.next_step)}"
    result = _red(source, signal.id, index, lines(text))
    result["locations"] = _locations(signal)
    result["properties"] = {"status": decided.status, "owner": line(signal.owner)}
    waiver = source.waiver(signal.id)
    if waiver:
        result["suppressions"] = [
            {
                "kind": "external",
                "status": "accepted",
                "guid": source.id("sarif", "waiver", signal.id),
                "justification": line(f"{waiver.reason} ({waiver.person})"),
                "properties": {"by": line(waiver.person), "untilUtc": waiver.until_utc},
            }
        ]
    elif source.waivers is not None:
        # One result with suppressions obliges all others to have them (section 3.27.23).
        result["suppressions"] = []
    return result


def _red(source: Source, rule: str, index: int, text: str) -> dict[str, Any]:
    name = line(rule)
    return {
        "ruleId": name,
        "ruleIndex": index,
        "kind": "fail",
        "level": "error",
        "message": {"text": text},
        "guid": source.id("sarif", "result", rule),
        "partialFingerprints": {"arcoAuditSignal/v1": hashlib.sha256(name.encode()).hexdigest()},
    }


def _locations(signal: Signal) -> list[dict[str, Any]]:
    """Where to look: code, tests and runbook as the definition names them, and the signal."""
    where = {"fullyQualifiedName": line(f"gate-{signal.gate}/{signal.id}"), "kind": "resource"}
    logical = {"logicalLocations": [where]}
    paths = [path for path in (*signal.code, *signal.tests, signal.runbook) if _is_path(path)]
    if not paths:
        return [logical]
    return [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": sources.uri(path.partition("::")[0]), "uriBaseId": BASE}
            },
            **logical,
        }
        for path in paths[:LOCATIONS_MAX]
    ]


def _is_path(text: str) -> bool:
    """Whether a text is a path below the root and neither a pattern nor prose."""
    return bool(text) and not text.startswith("/") and not set(text) & set("*?[ ")


# --- invocations ----------------------------------------------------------------------------------


def _invocations(source: Source) -> Iterator[dict[str, Any]]:
    by_cell = source.attempts()
    for cell in source.plan.cells:
        attempts = by_cell[cell.id]
        yield from (_invocation(cell, attempt) for attempt in attempts)
        if not attempts:
            yield _told(cell, "absent", "it did not run") | {"executionSuccessful": False}


def _invocation(cell: Cell, attempt: Attempt) -> dict[str, Any]:
    value = _told(cell, attempt.result, attempt.reason)
    value |= {
        "executionSuccessful": attempt.result == "passed",
        "startTimeUtc": attempt.start_utc,
        "endTimeUtc": attempt.end_utc,
    }
    if attempt.exit_code is not None:
        value["exitCode"] = attempt.exit_code
    if attempt.result == "could_not_run":
        value["processStartFailureMessage"] = line(attempt.reason)
    value["properties"] |= {
        "attempt": attempt.number,
        "durationMs": attempt.duration_ms,
        "log": line(sources.log_of(attempt)),
    }
    return value


def _told(cell: Cell, result: str, reason: str) -> dict[str, Any]:
    value: dict[str, Any] = {
        "commandLine": line(cell.cmd),
        "arguments": [line(word) for word in cell.argv[1:]],
        "workingDirectory": {"uri": sources.uri(cell.cwd), "uriBaseId": BASE},
        "properties": {"cell": line(cell.id), "result": result, "required": cell.required},
    }
    if reason and result != "passed":
        told = {"text": line(reason)}
        value["toolExecutionNotifications"] = [{"level": "error", "message": told}]
    return value
