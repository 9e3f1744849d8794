"""The value that the report page carries for its script: rows, not prose.

Here plan, run, facts and decision become short arrays, in the order that `report/*.js` names in
its `C`, `S`, `G`, `A` and `L` tables. Free text is made visible here: the script only sets text.
"""

from __future__ import annotations

import functools
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from audit.render import pagelogs, visible
from evidence import layout
from evidence.model import (
    Attempt,
    CellDecision,
    CommandPassed,
    Decision,
    Facts,
    MetricWithin,
    Plan,
    Run,
    Signal,
    TestPassed,
)

LogReader = Callable[[str], pagelogs.LogExcerpt | None]
"""Given the path of a log in the bundle, what can be shown of it; None where it is not there."""
_CELL_KINDS = (CommandPassed, TestPassed, MetricWithin)
_show = visible.line


@dataclass(frozen=True, slots=True)
class ReportView:
    """All that the page shows; `logs` reads a log by its path in the bundle."""

    plan: Plan
    run: Run
    facts: Facts
    decision: Decision
    tracker: Mapping[str, Any]
    logs: LogReader


@dataclass(frozen=True, slots=True)
class PageData:
    """The JSON text for the script, and the packed groups of logs."""

    json: str
    groups: Sequence[str]


def collect(view: ReportView) -> PageData:
    """Return what the page's script needs of a run."""
    logs, groups = _logs(view)
    number = {cell.id: n for n, cell in enumerate(view.plan.cells)}
    value = {
        "meta": _meta(view),
        "gates": [_gate(gate) for gate in view.tracker["gates"]],
        "signals": [
            _signal(shown, signal, number)
            for shown, signal in zip(view.tracker["signals"], view.plan.signals, strict=True)
        ],
        "cells": _cells(view, number, logs),
        "logs": list(logs.values()),
    }
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # `<` could end the script element or open a comment; JSON may spell it as an escape.
    return PageData(text.replace("<", "\\u003c"), groups)


@functools.lru_cache(4096)
def instant_ms(utc: str) -> int:
    """Return an RFC 3339 UTC time as milliseconds since 1970."""
    return round(datetime.fromisoformat(utc.replace("Z", "+00:00")).timestamp() * 1000)


def shown_path(path: str) -> str:
    """Return a path of the bundle as a relative link target."""
    safe = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/"
    data = path.encode("utf-8", "surrogateescape")
    return "./" + "".join(chr(c) if chr(c) in safe else f"%{c:02X}" for c in data)


def _meta(view: ReportView) -> dict[str, Any]:
    plan, run = view.plan, view.run
    return {
        "verdict": view.decision.verdict,
        "start": instant_ms(run.start_utc),
        "end": instant_ms(run.end_utc),
        "folder": _show(view.tracker["evidence_root"]),
        "jobs": plan.rules.jobs,
        "claims": any(signal.claim for signal in plan.signals),
    }


def _gate(gate: Mapping[str, Any]) -> list[Any]:
    evidence = [_show(path) for path in gate["evidence"]]
    reason = _show(gate["status_reason"])
    counts = [gate["closed"], gate["open"]]
    return [gate["id"], _show(gate["name"]), gate["status"], reason, *counts, evidence]


def _signal(shown: Mapping[str, Any], signal: Signal, number: Mapping[str, int]) -> list[Any]:
    cells = dict.fromkeys(
        number[cell]
        for condition in signal.conditions
        if isinstance(condition, _CELL_KINDS)
        for cell in condition.cells
        if cell in number
    )
    return [
        shown["id"],
        shown["gate"],
        _show(shown["title"]),
        _show(shown["owner"]),
        shown["status"],
        _show(shown["status_reason"]),
        _show(shown["next_step"]),
        [_show(path) for path in shown["code"]],
        [_show(path) for path in shown["tests"]],
        _show(shown["runbook"]),
        [_show(path) for path in shown["evidence"]],
        _show(shown["exit_test"]),
        shown["claim"] or "",
        [
            [_show(item["condition"]), item["answer"], _show(item["reason"])]
            for item in shown["conditions"]
        ],
        list(cells),
    ]


def _cells(
    view: ReportView, number: Mapping[str, int], logs: Mapping[str, list[Any]]
) -> list[list[Any]]:
    attempts: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in view.run.attempts:
        attempts[attempt.cell].append(attempt)
    start = instant_ms(view.run.start_utc)
    where = {path: n for n, path in enumerate(logs)}
    decided: dict[str, CellDecision] = {cell.cell: cell for cell in view.decision.cells}
    return [
        [
            cell.id,
            _show(cell.cmd),
            int(cell.required),
            decided[cell.id].result,
            int(decided[cell.id].passed),
            _show(decided[cell.id].reason),
            cell.timeout_ms,
            [number[need] for need in cell.needs if need in number],
            int(cell.flaky),
            [_attempt(item, start, where) for item in sorted(attempts[cell.id], key=_by_number)],
        ]
        for cell in view.plan.cells
    ]


def _by_number(attempt: Attempt) -> int:
    return attempt.number


def _attempt(attempt: Attempt, start: int, where: Mapping[str, int]) -> list[Any]:
    return [
        attempt.result,
        _show(attempt.reason),
        attempt.exit_code,
        _started_ms(attempt) - start,
        attempt.duration_ms,
        where.get(attempt.log.path, -1) if attempt.log else -1,
        attempt.leftovers,
        [
            [_show(kept.source), shown_path(kept.path), kept.bytes, kept.sha256]
            for kept in attempt.artifacts
        ],
    ]


def _started_ms(attempt: Attempt) -> int:
    """When an attempt started: times have whole seconds, its end and duration tell a bit more."""
    stamp = instant_ms(attempt.start_utc)
    return min(stamp + 999, max(stamp, instant_ms(attempt.end_utc) - attempt.duration_ms))


def _logs(view: ReportView) -> tuple[dict[str, list[Any]], Sequence[str]]:
    """Rows of the logs by path, and their text; the logs that matter most are packed first."""
    passed = {cell.cell for cell in view.decision.cells if cell.passed}
    with_log = [attempt for attempt in view.run.attempts if attempt.log]
    wanted = sorted(with_log, key=lambda a: (a.cell in passed, a.result == "passed"))
    packer = pagelogs.Packer()
    rows: dict[str, list[Any]] = {}
    for attempt in wanted:
        log = attempt.log
        if log is None or log.path in rows:
            continue
        excerpt = view.logs(log.path)
        placed = packer.add(excerpt) if excerpt else pagelogs.Placed(-2, 0, 0, 0, log.bytes)
        rows[log.path] = [
            log.path.removeprefix(f"{layout.LOGS}/"),
            log.bytes,
            placed.group,
            placed.offset,
            placed.head,
            placed.tail,
            placed.left_out,
            int(log.truncated),
            log.root,
        ]
    return rows, packer.groups()
