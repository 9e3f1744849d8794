"""The report page: one HTML file that shows a whole run and asks nobody for anything.

Here the page is put together: what blocks the release is plain HTML, so that it is there without a
script; lists, timeline and logs are data that the page's own script draws. A strict
Content-Security-Policy names both by their digest. Only the package's own templates are read.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import importlib.resources
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
import markupsafe

from audit.render import pagedata, pages, tracker, visible, words
from audit.render.pagedata import ReportView
from audit.render.pagelogs import LogExcerpt
from evidence import layout
from evidence.model import STATUS_ORDER

__all__ = ["LogExcerpt", "ReportView", "page"]

OPEN_SIGNALS_SHOWN_MAX = 60
"""Open signals in the plain part of the page; its lists hold all of them."""
CELLS_SHOWN_MAX = 10
"""Required commands that did not pass, in the plain part."""
GLYPHS_MAX = 24
"""Signals of a gate drawn one by one on the gate map; more become a bar."""
STYLES = ("base.css", "parts.css")
SCRIPTS = ("base.js", "lists.js", "details.js", "logs.js", "timeline.js", "main.js")
HOST_LABELS: Mapping[str, str] = {
    "machine": "Architecture",
    "processors": "Processors",
    "python": "Python",
    "system": "Operating system",
}
"""What a reader sees for the names that a run gives to facts about its host."""
DONE_WORDS: Mapping[str, str] = {"ALL_GATES_GO": "all gates are GO"}
ICONS: Mapping[str, str] = {
    "GO": "go",
    "PARTIAL": "partial",
    "NO-GO": "nogo",
    "BLOCKED-EXTERNAL": "blocked",
    "passed": "go",
    "failed": "nogo",
    "timed_out": "late",
    "skipped": "skipped",
    "could_not_run": "blocked",
    "interrupted": "cut",
    "absent": "skipped",
}


@dataclass(frozen=True, slots=True)
class _Cause:
    """A required command that did not pass, and what it holds back."""

    cell: Mapping[str, Any]
    signals: Sequence[str]
    owners: Sequence[str]
    step: tracker.Step


def page(view: ReportView) -> bytes:
    """Return `report.html` for a run: self-contained, and the same bytes for the same view."""
    data = pagedata.collect(view)
    style, script = _asset(STYLES), _asset(SCRIPTS)
    values = {
        **_plain_part(view),
        "style": markupsafe.Markup(style),
        "script": markupsafe.Markup(script),
        "policy": _policy(style, script),
        "data": markupsafe.Markup(data.json),
        "groups": data.groups,
    }
    text = _environment().get_template("report.html.j2").render(values)
    return text.encode("utf-8", "backslashreplace")


def _plain_part(view: ReportView) -> dict[str, Any]:
    t = view.tracker
    opened = tracker.open_signals(t)
    causes = _causes(view)
    required = [cell for cell in t["command_matrix"]["cells"] if cell["required"]]
    return {
        "t": t,
        "plan": view.plan,
        "run": view.run,
        "heading": tracker.heading(t),
        "layout": layout,
        "causes": causes[:CELLS_SHOWN_MAX],
        "causes_left": len(causes[CELLS_SHOWN_MAX:]),
        "by_gate": _by_gate(t, opened[:OPEN_SIGNALS_SHOWN_MAX]),
        "open_count": len(opened),
        "open_left": len(opened[OPEN_SIGNALS_SHOWN_MAX:]),
        "owners": len({signal["owner"] for signal in opened}),
        "gates_open": sum(gate["status"] != "GO" for gate in t["gates"]),
        "required_count": len(required),
        "required_open": sum(not cell["passed"] for cell in required),
        "other_blockers": _other_blockers(t["blockers"]),
        "contradicted": tracker.contradicted(t),
        "map": _map(t),
        "glyphs_max": GLYPHS_MAX,
        "took": _duration(view),
        "done": DONE_WORDS.get(t["definition_of_done"], t["definition_of_done"]),
        "host_labels": HOST_LABELS,
    }


def _causes(view: ReportView) -> list[_Cause]:
    """Required cells that did not pass, those that hold back most signals first."""
    held: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    shown = {signal["id"]: signal for signal in view.tracker["signals"]}
    for signal in view.plan.signals:
        if shown[signal.id]["status"] == "GO":
            continue
        cells = {cell for item in signal.conditions for cell in getattr(item, "cells", ())}
        for cell in cells:
            held[cell].append(shown[signal.id])
    causes = [
        _Cause(
            cell,
            [signal["id"] for signal in held[cell["id"]]],
            sorted({signal["owner"] for signal in held[cell["id"]]}),
            tracker.cell_step(cell, "its log"),
        )
        for cell in view.tracker["command_matrix"]["cells"]
        if cell["required"] and not cell["passed"]
    ]
    return sorted(causes, key=lambda cause: -len(cause.signals))


def _by_gate(t: Mapping[str, Any], opened: Iterable[Mapping[str, Any]]) -> list[Any]:
    grouped: dict[int, list[Any]] = defaultdict(list)
    for signal in opened:
        grouped[signal["gate"]].append(signal)
    return [(gate, grouped[gate["id"]]) for gate in t["gates"] if grouped[gate["id"]]]


def _other_blockers(blockers: Iterable[str]) -> list[str]:
    """What blocks beside gates and commands, which have tables of their own."""
    return [line for line in blockers if not line.startswith(("gate ", "required cell "))]


def _map(t: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One tile per gate: its signals, how many of each status, and the bar they make."""
    members: dict[int, list[Any]] = defaultdict(list)
    for signal in t["signals"]:
        members[signal["gate"]].append(signal)
    return [_tile(gate, members[gate["id"]]) for gate in t["gates"]]


def _tile(gate: Mapping[str, Any], signals: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    counts = Counter(signal["status"] for signal in signals)
    bars, left = [], 0.0
    for status in reversed(STATUS_ORDER):
        if counts[status]:
            width = 100 * counts[status] / len(signals)
            bars.append({"status": status, "x": f"{left:.2f}", "width": f"{width:.2f}"})
            left += width
    return {"gate": gate, "signals": signals, "bars": bars}


def _duration(view: ReportView) -> int:
    run = view.run
    return pagedata.instant_ms(run.end_utc) - pagedata.instant_ms(run.start_utc)


def _policy(style: str, script: str) -> str:
    digests = [
        base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
        for text in (style, script)
    ]
    return (
        f"default-src 'none'; style-src 'sha256-{digests[0]}'; script-src 'sha256-{digests[1]}'; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
    )


@functools.cache
def _asset(names: tuple[str, ...]) -> str:
    folder = importlib.resources.files("audit.render") / "templates" / "report"
    return "\n" + "".join((folder / name).read_text("utf-8") for name in names)


def _prose(text: str) -> markupsafe.Markup:
    """Prose with `code` in it: balanced backticks only, everything else is text."""
    parts = [str(markupsafe.escape(part)) for part in visible.line(text).split("`")]
    if len(parts) % 2 == 0:
        return markupsafe.Markup("`".join(parts))
    marked = (f"<code>{part}</code>" if n % 2 else part for n, part in enumerate(parts))
    return markupsafe.Markup("".join(marked))


def _clock(utc: str) -> str:
    return utc.replace("T", " ").replace("Z", " UTC")


@functools.cache
def _environment() -> jinja2.Environment:
    made = pages.environment()
    made.filters.update(prose=_prose, spoken=words.span, clock=_clock, href=pagedata.shown_path)
    made.globals.update(icons=ICONS)
    return made
