"""How results look on a screen or in a pipe: aligned tables, coloured statuses, plain in a pipe.

click takes colours out where stdout is no terminal. Nothing here decides anything.
"""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import click

from audit.cli import output
from evidence import codec
from evidence.model import Decision, Plan

COLOURS = {
    "GO": "green",
    "GO-WITH-WAIVERS": "yellow",
    "PARTIAL": "yellow",
    "BLOCKED-EXTERNAL": "magenta",
    "NO-GO": "red",
    "passed": "green",
    "failed": "red",
    "timed_out": "red",
    "could_not_run": "yellow",
    "skipped": "yellow",
    "interrupted": "magenta",
    "absent": "magenta",
    "ok": "green",
    "FAILED": "red",
    "VERIFIED": "green",
    "NOT VERIFIED": "red",
    "error": "red",
    "warning": "yellow",
}


say = output.say
"""Print one line; what cannot be printed never stops anything."""

WRAP_COLUMNS_MIN = 24
"""Room below which wrapping a column would only make it worse."""


def coloured(word: str) -> str:
    """Return a status word in its colour."""
    return click.style(word, fg=COLOURS[word], bold=True) if word in COLOURS else word


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return aligned lines: a heading, then a row each.

    On a terminal the last column is wrapped under itself; in a pipe a row is one line.
    """
    cells = [[output.one_line(cell) for cell in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(header, *cells, strict=True)]
    lines = [click.style(_row(header, widths), bold=True)]
    for row in cells:
        first, *more = _wrapped(row[-1], sum(widths[:-1]) + 2 * len(widths[:-1]))
        lines += [_row([*row[:-1], first], widths), *more]
    return lines


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        coloured(cell) + " " * (width - _width(cell))
        for cell, width in zip(cells[:-1], widths, strict=False)
    ]
    return "  ".join([*padded, coloured(cells[-1])]).rstrip()


def _wrapped(text: str, indent: int) -> list[str]:
    """The lines of a last column that starts at `indent`."""
    room = shutil.get_terminal_size().columns - indent
    if not sys.stdout.isatty() or room < WRAP_COLUMNS_MIN:
        return [text]
    lines = textwrap.wrap(text, room, break_on_hyphens=False) or [""]
    return [lines[0], *(" " * indent + line for line in lines[1:])]


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def as_json(value: Any) -> None:
    """Print a JSON value in canonical form; what could steer a terminal is escaped as JSON does."""
    text = codec.encode(value).decode("utf-8", "replace").rstrip("\n")
    say(
        "".join(char if char.isprintable() or char == "\n" else _in_json(char) for char in text),
        lines=True,
    )


def as_page(page: bytes) -> None:
    """Print an HTML page in ASCII, so that no stream's encoding makes another page of it."""
    text = page.decode("utf-8").encode("ascii", "xmlcharrefreplace").decode("ascii")
    say(text.rstrip("\n"), lines=True)


def _in_json(char: str) -> str:
    return json.dumps(char)[1:-1]


def decision_lines(
    plan: Plan, decision: Decision, verdict: str = "", waived: Mapping[str, str] | None = None
) -> list[str]:
    """Return a decision as lines: the verdict, the gates, what is open and who does what next.

    `verdict` is the one with waivers; `waived` says of red signals who lets them pass.
    """
    names = {gate.id: gate.name for gate in plan.gates}
    owners = {signal.id: signal.owner for signal in plan.signals}
    gates = [
        [str(gate.id), names[gate.id], gate.status, str(gate.closed), str(gate.open), gate.reason]
        for gate in decision.gates
    ]
    lines = table(("gate", "area", "status", "closed", "open", "why"), gates)
    open_ = [
        row
        for item in decision.signals
        if item.status != "GO"
        for row in (
            [item.id, item.status, owners[item.id], item.reason],
            ["", "", "", f"next: {item.next_step}"],
            *([["", "", "", waived[item.id]]] if waived and item.id in waived else []),
        )
    ]
    if open_:
        lines += ["", *table(("signal", "status", "owner", "why, and what is next"), open_)]
    cells = [[cell.cell, cell.result, cell.reason] for cell in decision.cells if not cell.passed]
    if cells:
        lines += ["", *table(("cell", "result", "why"), cells)]
    lines += ["", f"verdict: {coloured(verdict or decision.verdict)}  as of {decision.as_of}"]
    return lines + [f"  {blocker}" for blocker in decision.blockers]
