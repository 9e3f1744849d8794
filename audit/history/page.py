"""What the page of the history draws: answers turned into places on a canvas.

Pure: every number of a plot is computed here, the words around it stand in the template, and
nothing is asked of a store. A plot is 1,000 units wide, whatever the screen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from audit import __version__
from audit.history.query import Flaky, GateTrend, History, Owner, SlowCell, TimeToGreen, Trend
from audit.render import still, words

WIDTH, HEIGHT = 1000, 260
LEFT, RIGHT, TOP, BOTTOM = 46, 988, 12, 228
POINTS_MAX = 240
"""Points of a plot; more runs share them."""
MAP_RUNS_MAX = 60
"""Runs on the map of the gates."""
ROW_HEIGHT, CELL_HEIGHT = 26, 20
CHARTS_MAX = 6
"""Audits that are drawn, those with the newest runs."""
ROWS_MAX = 25
"""Rows of a table of the page; the command prints all of them."""
TICKS = 4
RISE: Mapping[str, int] = {"GO": 5, "PARTIAL": 12, "NO-GO": CELL_HEIGHT}
"""How high a status stands on the map, so that colour is not all that tells it."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Everything that the page shows, as the store answered it."""

    trends: Sequence[Trend]
    statuses: Sequence[tuple[str, str, int, str]]
    gates: Sequence[GateTrend]
    green: Sequence[TimeToGreen]
    flaky: Sequence[Flaky]
    owners: Sequence[Owner]
    cells: Sequence[SlowCell]


def ask(history: History) -> Answers:
    """Ask a store all that the page needs."""
    return Answers(
        history.trends(),
        history.gate_statuses(MAP_RUNS_MAX),
        history.gates(),
        history.time_to_green(),
        history.flaky(),
        history.owners(),
        history.cells(),
    )


def page(answers: Answers) -> bytes:
    """Return the page: the same bytes for the same answers."""
    filters: dict[str, Callable[..., str]] = {"span": words.span, "day": words.day}
    return still.page("history", view(answers), version=__version__, filters=filters)


def view(answers: Answers) -> dict[str, Any]:
    """Return what the template shows; there is at least one run."""
    by_audit: dict[str, list[Trend]] = {}
    for run in answers.trends:
        by_audit.setdefault(run.audit, []).append(run)
    newest = sorted(by_audit, key=lambda audit: by_audit[audit][-1].ended, reverse=True)
    slowest = max((cell.median_ms for cell in answers.cells), default=0)
    return {
        "runs": len(answers.trends),
        "first": words.day(answers.trends[0].ended),
        "last": words.day(answers.trends[-1].ended),
        "ready": sum(run.verdict == "GO" for run in answers.trends),
        "unverified": sum(not run.verified for run in answers.trends),
        "charts": [_chart(audit, by_audit[audit], answers) for audit in newest[:CHARTS_MAX]],
        "charts_left": len(newest[CHARTS_MAX:]),
        "green": answers.green[:ROWS_MAX],
        "green_left": len(answers.green[ROWS_MAX:]),
        "flaky": answers.flaky[:ROWS_MAX],
        "flaky_left": len(answers.flaky[ROWS_MAX:]),
        "owners": [{"owner": item, "bars": bars(item)} for item in answers.owners[:ROWS_MAX]],
        "owners_left": len(answers.owners[ROWS_MAX:]),
        "cells": [
            {"cell": item, "width": f"{100 * item.median_ms / max(slowest, 1):.2f}"}
            for item in answers.cells[:ROWS_MAX]
        ],
        "cells_left": len(answers.cells[ROWS_MAX:]),
    }


def _chart(audit: str, trends: Sequence[Trend], answers: Answers) -> dict[str, Any]:
    binned, per_point = worst(trends)
    steps = ticks(max(run.signals_open for run in binned))
    points = [
        {
            "x": _x(n, len(binned)),
            "y": _y(run.signals_open, steps[-1]),
            "verdict": run.verdict,
            "text": f"{words.minute(run.ended)} {run.label}: {run.verdict}, {run.signals_open} of"
            f" {run.signals} signals open",
        }
        for n, run in enumerate(binned)
    ]
    line = " L".join(f"{point['x']} {point['y']}" for point in points)
    return {
        "audit": audit,
        "per_point": per_point,
        "width": WIDTH,
        "height": HEIGHT,
        "left": LEFT,
        "right": RIGHT,
        "ticks": [{"y": _y(step, steps[-1]), "text": step} for step in steps],
        "points": points,
        "line": f"M{line}",
        "area": f"M{points[0]['x']} {BOTTOM} L{line} L{points[-1]['x']} {BOTTOM} Z",
        "labels": _labels(binned),
        "spoken": _spoken(trends),
        "map": _map([row for row in answers.statuses if row[1] == audit]),
        "gates": [gate for gate in answers.gates if gate.audit == audit],
    }


def worst(trends: Sequence[Trend]) -> tuple[list[Trend], int]:
    """Return at most `POINTS_MAX` runs, the worst of as many neighbours each, and that number."""
    size = -(-len(trends) // POINTS_MAX)
    groups = (trends[start : start + size] for start in range(0, len(trends), size))
    return [
        max(group, key=lambda run: (run.verdict != "GO", run.signals_open)) for group in groups
    ], size


def ticks(most: int) -> list[int]:
    """Return the lines of a plot up to a number: whole, from nought, the last one not below it.

    >>> ticks(0), ticks(3), ticks(38)
    ([0, 1], [0, 1, 2, 3], [0, 10, 20, 30, 40])
    """
    step = max(1, -(-most // TICKS))
    return list(range(0, max(most, 1) + step, step))[: -(-max(most, 1) // step) + 1]


def bars(owner: Owner) -> list[dict[str, str]]:
    """Return the bar of an owner: the share of each status, from GO to NO-GO, in percent."""
    counts = {
        "GO": owner.go,
        "PARTIAL": owner.partial,
        "BLOCKED-EXTERNAL": owner.blocked,
        "NO-GO": owner.no_go,
    }
    made, left = [], 0.0
    for status, number in counts.items():
        width = 100 * number / max(owner.signals, 1)
        if number:
            made.append({"status": status, "x": f"{left:.2f}", "width": f"{width:.2f}"})
        left += width
    return made


def _x(place: int, places: int) -> float:
    middle = (LEFT + RIGHT) / 2
    return round(LEFT + (RIGHT - LEFT) * place / (places - 1), 1) if places > 1 else middle


def _y(value: int, top: int) -> float:
    return round(BOTTOM - (BOTTOM - TOP) * value / top, 1)


def _labels(runs: Sequence[Trend]) -> list[dict[str, Any]]:
    if len(runs) == 1:
        return [{"anchor": "mid", "x": _x(0, 1), "text": words.day(runs[0].ended)}]
    return [
        {"anchor": "start", "x": LEFT, "text": words.day(runs[0].ended)},
        {"anchor": "end", "x": RIGHT, "text": words.day(runs[-1].ended)},
    ]


def _spoken(runs: Sequence[Trend]) -> str:
    """The plot in a sentence, for whoever does not see it."""
    first, last = runs[0], runs[-1]
    return (
        f"{len(runs)} runs from {words.day(first.ended)} to {words.day(last.ended)}. "
        f"Open signals: {first.signals_open} at first, {max(run.signals_open for run in runs)} at "
        f"most, {last.signals_open} in the last run, which is {last.verdict}."
    )


def _map(statuses: Sequence[tuple[str, str, int, str]]) -> dict[str, Any]:
    """The map of the gates: a row each, a column for each of the newest runs."""
    runs = [list(group) for _, group in groupby(statuses, key=lambda row: row[0])]
    gates = sorted({row[2] for row in statuses})
    width = (RIGHT - LEFT) / max(len(runs), 1)
    rows = []
    for n, gate in enumerate(gates):
        cells = [
            _cell(n, column, width, ended, status)
            for column, run in enumerate(runs)
            for ended, _, number, status in run
            if number == gate
        ]
        rows.append({"gate": gate, "y": n * ROW_HEIGHT, "cells": cells})
    last = {number: status for _, _, number, status in (runs[-1] if runs else [])}
    spoken = ", ".join(f"gate {gate} {status}" for gate, status in sorted(last.items()))
    return {
        "rows": rows,
        "columns": len(runs),
        "height": len(gates) * ROW_HEIGHT,
        "spoken": f"In the last run: {spoken}.",
    }


def _cell(row: int, column: int, width: float, ended: str, status: str) -> dict[str, Any]:
    rise = RISE.get(status, CELL_HEIGHT)
    return {
        "x": round(LEFT + column * width, 2),
        "y": row * ROW_HEIGHT + CELL_HEIGHT - rise,
        "width": round(max(width - 1.5, 0.5), 2),
        "height": rise,
        "status": status,
        "text": f"{words.minute(ended)}: {status}",
    }
