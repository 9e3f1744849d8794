"""CTRF: signals, cells and the verdict as tests, with every attempt of a cell told.

A retry is an attempt after the first; a test is flaky only when it passed after failing and the
definition allows that. A cell that failed before it passed and may not is failed, whatever its last
attempt said. Source: the CTRF specification (ctrf.io), version 0.0.0, sections 8, 9 and 11.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from audit.exchange import source as sources
from audit.exchange.source import Source, line, lines
from evidence import words
from evidence.model import Attempt, Cell, CellDecision, Signal, SignalDecision

SPEC_VERSION = "0.0.0"
STATUSES = ("passed", "failed", "skipped", "pending", "other")


def export(source: Source) -> dict[str, bytes]:
    """Return the CTRF report of a run, by name."""
    plan = source.plan
    tests = list(_tests(source))
    value = {
        "reportFormat": "CTRF",
        "specVersion": SPEC_VERSION,
        "reportId": source.id("ctrf"),
        "timestamp": source.run.end_utc,
        "generatedBy": sources.TOOL,
        "results": {
            "tool": {"name": sources.TOOL, "version": line(plan.tool.version)},
            "summary": _summary(source, tests),
            "tests": tests,
            "environment": {
                "reportName": line(plan.audit.title),
                "buildName": line(f"{plan.audit.id}/{plan.label}"),
                "commit": plan.subject.commit,
                "branchName": line(plan.subject.branch),
                "healthy": source.decision.verdict == "GO",
                "extra": {
                    "planRoot": source.run.plan_root,
                    "finalRoot": source.final_root,
                    **source.told_signed_off("verdictWithSignOff"),
                },
            },
        },
    }
    return {"ctrf-report.json": sources.as_json(value)}


def _summary(source: Source, tests: list[dict[str, Any]]) -> dict[str, int]:
    statuses = [test["status"] for test in tests]
    return {
        "tests": len(tests),
        **{name: statuses.count(name) for name in STATUSES},
        "flaky": sum(test.get("flaky", False) for test in tests),
        "suites": len({test["suite"][0] for test in tests}),
        "start": sources.milliseconds(source.run.start_utc),
        "stop": sources.milliseconds(source.run.end_utc),
    }


def _tests(source: Source) -> Iterator[dict[str, Any]]:
    names = {gate.id: gate.name for gate in source.plan.gates}
    for signal, decided in source.signals:
        yield _signal(source, signal, decided, names[signal.gate])
    attempts = source.attempts()
    for cell, told in zip(source.plan.cells, source.decision.cells, strict=True):
        yield _cell(source, cell, told, attempts[cell.id])
    ready = source.decision.verdict == "GO"
    verdict = _test(
        source, "passed" if ready else "failed", sources.VERDICT, "the release is ready"
    )
    text = "\n".join(map(line, source.decision.blockers))
    yield verdict | ({} if ready else {"message": lines(text)})


def _test(source: Source, status: str, suite: str, name: str) -> dict[str, Any]:
    return {
        "id": source.id("ctrf", suite, name),
        "name": line(name),
        "status": status,
        "duration": 0,
        "suite": [line(suite)],
    }


def _signal(source: Source, signal: Signal, decided: SignalDecision, gate: str) -> dict[str, Any]:
    status = "passed" if decided.status == "GO" else "failed"
    suite = f"gate {signal.gate}: {gate}"
    test = _test(source, status, suite, f"{signal.id} {signal.title}") | {
        "rawStatus": decided.status,
        "type": "signal",
        "extra": {"owner": line(signal.owner)},
    }
    if decided.status == "GO":
        return test
    waiver = source.waiver(signal.id)
    if waiver:
        told = {"by": waiver.person, "reason": waiver.reason, "untilUtc": waiver.until_utc}
        test["extra"]["waiver"] = {key: line(text) for key, text in told.items()}
    return test | {"message": lines(f"{line(decided.reason)}\nnext: {line(decided.next_step)}")}


_STATUSES: Mapping[str, str] = {
    "passed": "passed",
    "failed": "failed",
    "timed_out": "failed",
    "skipped": "skipped",
    "could_not_run": "other",
    "interrupted": "other",
    "absent": "other",
}


def _cell(
    source: Source, cell: Cell, decided: CellDecision, attempts: Sequence[Attempt]
) -> dict[str, Any]:
    status = _STATUSES[decided.result]
    if status == "passed" and not decided.passed:
        status = "failed"
    test = _test(source, status, "cells", cell.id) | {
        "rawStatus": decided.result,
        "type": "cell",
        "extra": {"command": line(cell.cmd), "required": cell.required},
    }
    if not attempts:
        return test | {"message": line(words.outcome(decided))}
    test |= _times(attempts[-1]) | {"retries": len(attempts) - 1}
    if decided.passed:
        test["flaky"] = any(item.result in ("failed", "timed_out") for item in attempts)
    else:
        test["message"] = line(words.outcome(decided))
    if len(attempts) > 1:
        test["retryAttempts"] = [_attempt(source, item) for item in attempts[1:]]
        # What a retry was for is told as well: the field holds retries only (section 11).
        test["extra"]["firstAttempt"] = _attempt(source, attempts[0])
    return test


def _attempt(source: Source, attempt: Attempt) -> dict[str, Any]:
    number = attempt.number
    return {
        "attempt": number,
        "attemptId": source.id("ctrf", "attempt", attempt.cell, str(number)),
        "status": _STATUSES[attempt.result],
        "message": line(attempt.reason),
        **_times(attempt),
    }


def _times(attempt: Attempt) -> dict[str, int]:
    return {
        "duration": attempt.duration_ms,
        "start": sources.milliseconds(attempt.start_utc),
        "stop": sources.milliseconds(attempt.end_utc),
    }
