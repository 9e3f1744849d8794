"""The pages of the board as bytes: views in, HTML out. No script is in any of them.

Here values that `audit.trust` decided become rows and pages. Every text goes through one escape;
only the package's own templates are read.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import importlib.resources
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jinja2
import markupsafe

from audit.board.office import View
from audit.render import pages as templates
from audit.render import visible
from audit.trust import diff_pages
from evidence import trusted
from evidence.brought import Waived
from evidence.model import Plan, Run, Signal, SignalDecision

STYLES = (
    ("audit.render", "report/base.css"),
    ("audit.render", "report/parts.css"),
    ("audit.render", "history/page.css"),
    ("audit.render", "still/page.css"),
    ("audit.board", "board.css"),
)
"""The styles of the other pages, then what the board adds."""
TEXT_CHARS_MAX = 400_000
"""Characters of a document that its page shows; the file itself has all of them."""
TONES: Mapping[str, str] = {
    **dict.fromkeys(("GO", "met", "passed", "counts"), "go"),
    **dict.fromkeys(("PARTIAL", "GO-WITH-WAIVERS", "waits", "not yet", "unused"), "partial"),
    **dict.fromkeys(("BLOCKED-EXTERNAL", "missing", "shadowed"), "blocked"),
    **dict.fromkeys(("NO-GO", "no", "broken", "stale", "wrong_subject", "failed"), "nogo"),
    **dict.fromkeys(("suspect", "expired", "refused", "unchecked", "orphan", "changed"), "nogo"),
    "timed_out": "nogo",
    **diff_pages.TONES,
}
"""The class of each status, answer, standing and kind of change; all others are still."""


def render(template: str, **values: Any) -> bytes:
    """Return a page from its template."""
    page = _environment().get_template(f"{template}.html.j2")
    return page.render(values).encode("utf-8", "backslashreplace")


@functools.cache
def policy() -> str:
    """Return the Content-Security-Policy of every page: one style by its digest, own forms."""
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode("ascii")
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; frame-src 'self';"
        " frame-ancestors 'none'; base-uri 'none'"
    )


DOCUMENT_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self';"
    " base-uri 'none'; form-action 'none'"
)
"""The policy of a file of the bundle: nothing runs, nothing is fetched, and it is nobody's page."""


@functools.cache
def _style() -> str:
    files = (importlib.resources.files(package) / "templates" / name for package, name in STYLES)
    return "\n" + "".join(file.read_text("utf-8") for file in files)


@functools.cache
def _environment() -> jinja2.Environment:
    made = templates.environment("audit.board")
    made.filters.update(lines=_lines, title=trusted.title)
    made.globals.update(tones=TONES, style=markupsafe.Markup(_style()))
    return made


def _lines(text: str) -> markupsafe.Markup:
    """Text of many lines, for a `pre`."""
    return markupsafe.escape(visible.lines(text))


# --- rows -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LogLink:
    """A log of the bundle that a signal rests on."""

    cell: str
    number: int
    result: str
    path: str


@dataclass(frozen=True, slots=True)
class SignalRow:
    """A signal as planned and as decided, the waiver that lets it pass, and its logs."""

    plan: Signal
    decided: SignalDecision
    waived: Waived | None
    logs: tuple[LogLink, ...]


def signal_rows(view: View, gate: int) -> list[SignalRow]:
    """Return the signals of a gate, those that are open first."""
    decided = {item.id: item for item in view.report.decision.signals}
    waived = {item.signal: item for item in view.report.weighed.brought.waived}
    rows = [
        SignalRow(
            signal,
            decided[signal.id],
            waived.get(signal.id),
            tuple(_logs(signal, view.book.sealed.run)),
        )
        for signal in view.book.sealed.plan.signals
        if signal.gate == gate
    ]
    return sorted(rows, key=lambda row: row.decided.status == "GO")


def _logs(signal: Signal, run: Run) -> Iterator[LogLink]:
    cells = {cell for item in signal.conditions for cell in getattr(item, "cells", ())}
    for attempt in run.attempts:
        if attempt.cell in cells and attempt.log:
            yield LogLink(attempt.cell, attempt.number, attempt.result, attempt.log.path)


def evidence_paths(run: Run) -> frozenset[str]:
    """Return the paths of logs and kept files: all of the bundle that the board hands out."""
    logs = {attempt.log.path for attempt in run.attempts if attempt.log}
    return frozenset(logs | {kept.path for attempt in run.attempts for kept in attempt.artifacts})


def role_title(plan: Plan, role: str) -> str:
    """Return what the plan calls a role."""
    return next((item.title for item in plan.roles if item.id == role), role)


def sign_command(view: View, trust: str) -> str:
    """Return the words that start a board which can sign."""
    role = view.review.role or "ROLE"
    named = f" --trust {trust}" if trust else ""
    return f"arco-audit serve {view.book.run} --role {role} --key FILE{named}"
