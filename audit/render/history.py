"""The page of the history: one HTML file with its plots, which asks nobody for anything.

Here a view that somebody else computed becomes HTML; no script is in it, and a strict
Content-Security-Policy names its one style by digest. Only the package's own templates are read.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import importlib.resources
from collections.abc import Callable, Mapping
from typing import Any

import jinja2
import markupsafe

from audit.render import pages

STYLES = (("report", "base.css"), ("report", "parts.css"), ("history", "page.css"))
TONES: Mapping[str, str] = {
    "GO": "go",
    "PARTIAL": "partial",
    "NO-GO": "nogo",
    "BLOCKED-EXTERNAL": "blocked",
}
"""The class of each status."""


def page(view: Any, *, version: str, filters: Mapping[str, Callable[..., str]]) -> bytes:
    """Return the page for a view: self-contained, and the same bytes for the same view.

    `filters` say times and durations: `day` and `span`.
    """
    style = _style()
    made = _environment()
    made.filters.update(filters)
    text = made.get_template("history.html.j2").render(
        view=view,
        version=version,
        style=markupsafe.Markup(style),
        policy=_policy(style),
    )
    return text.encode("utf-8", "backslashreplace")


def _policy(style: str) -> str:
    digest = base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii")
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


@functools.cache
def _style() -> str:
    folder = importlib.resources.files("audit.render") / "templates"
    return "\n" + "".join((folder / room / name).read_text("utf-8") for room, name in STYLES)


def _environment() -> jinja2.Environment:
    made = pages.environment()
    made.globals.update(tones=TONES)
    return made
