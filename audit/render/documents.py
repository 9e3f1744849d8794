"""The Markdown documents of an audit, printed from its gate tracker and from nothing else.

Here live `render` (tracker to pages) and `differences` (pages compared with what the tracker
implies). Deterministic: the same tracker gives the same bytes. Wording lives in the templates.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import jinja2

from audit.render import markdown, tracker
from evidence import layout

MATRIX_ROWS_MAX = 200
"""Cells printed in the summary before it shows only those that did not pass."""
STATUS_MEANINGS = (
    ("GO", "the closure condition is met, with evidence that anyone can check"),
    ("PARTIAL", "some evidence is there, but the closure condition is not fully met"),
    ("NO-GO", "unresolved: the gate cannot close"),
    ("BLOCKED-EXTERNAL", "waits for something that only people or other systems can bring"),
)


def render(value: Mapping[str, Any]) -> dict[str, bytes]:
    """Return every document that the tracker implies, by its path below the documents folder.

    `value` is a gate tracker of schema version 2.0, derived or claimed.
    """
    shared = _shared(value)
    pages = {
        layout.SUMMARY: _page("summary.md.j2", shared),
        layout.LEDGER: _page("signal-ledger.md.j2", shared),
    }
    by_gate: dict[int, list[Any]] = {gate["id"]: [] for gate in value["gates"]}
    for signal in value["signals"]:
        by_gate.setdefault(signal["gate"], []).append(signal)
    for gate in value["gates"]:
        own = {"gate": gate, "signals": by_gate[gate["id"]]}
        pages[layout.findings_path(gate["id"])] = _page("findings.md.j2", shared | own)
    return pages


def differences(value: Mapping[str, Any], found: Mapping[str, bytes]) -> list[str]:
    """Return one line per document that is not what the tracker implies.

    `found` maps the paths of the Markdown documents that are there to their bytes. Documents that
    are missing, differ (with the first line that does), or belong to no gate are named.
    """
    implied = render(value)
    problems = []
    for path, wanted in implied.items():
        if path not in found:
            problems.append(f"{path}: it is missing")
        elif found[path] != wanted:
            problems.append(f"{path}:{_first_difference(found[path], wanted)}")
    strays = sorted(found.keys() - implied.keys())
    return problems + [f"{path}: no gate of the tracker has this page" for path in strays]


def environment() -> jinja2.Environment:
    """Return the one environment for Markdown templates: strict, and quoting by default."""
    return _environment()


def _first_difference(found: bytes, wanted: bytes) -> str:
    have, want = found.split(b"\n"), wanted.split(b"\n")
    for number, (one, other) in enumerate(zip(have, want, strict=False), start=1):
        if one != other:
            text = one.decode("utf-8", "replace")
            return f"{number}: it differs from what the tracker implies, line=`{text:.80}`"
    number = min(len(have), len(want))
    what = "it ends too early" if len(have) < len(want) else "more follows than the tracker implies"
    return f"{number}: {what}"


def _shared(value: Mapping[str, Any]) -> dict[str, Any]:
    cells = value["command_matrix"]["cells"]
    required = [cell for cell in cells if cell["required"]]
    status_file = value["command_matrix"]["status_file"]
    # Claims may keep their logs beside a status file that is not in the evidence root.
    beside = status_file.rpartition("/")[0] if status_file else value["evidence_root"]
    return {
        "t": value,
        # A claimed tracker may lack what only a run can know.
        "subject": value.get("subject"),
        "plan_root": value.get("plan_root", ""),
        "as_of": value.get("decided_as_of_utc") or value["generated_at_utc"],
        "claimed": value["basis"] == "claimed",
        "heading": tracker.heading(value),
        "open_signals": tracker.open_signals(value),
        "contradicted": tracker.contradicted(value),
        "has_claims": any(signal["claim"] for signal in value["signals"]),
        "cells": cells if len(cells) <= MATRIX_ROWS_MAX else _not_passed(cells),
        "cells_left_out": 0 if len(cells) <= MATRIX_ROWS_MAX else _passed(cells),
        "required_count": len(required) or len(value["command_matrix"]["required_commands"]),
        "required_not_passed": len(_not_passed(required)),
        "meanings": STATUS_MEANINGS,
        "logs": f"{beside}/{layout.LOGS}/".lstrip("/"),
        "layout": layout,
    }


def _not_passed(cells: list[Any]) -> list[Any]:
    return [cell for cell in cells if not cell["passed"]]


def _passed(cells: list[Any]) -> int:
    return sum(cell["passed"] for cell in cells)


def _page(template: str, values: Mapping[str, Any]) -> bytes:
    return _environment().get_template(template).render(values).encode("utf-8", "backslashreplace")


@functools.cache
def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("audit.render"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # this is not HTML: `finalize` quotes for Markdown
        finalize=markdown.finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    made.filters.update(
        code=markdown.code,
        place=markdown.place,
        places=markdown.places,
        safe_markdown=markdown.Markdown,
    )
    return made
