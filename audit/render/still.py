"""Pages without a script: one HTML file each, which asks nobody for anything.

Here a view that somebody else computed becomes HTML; a strict Content-Security-Policy names the one
style by its digest. What stands on a page is the business of whoever computed its view and of its
template; only the package's own templates are read.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import importlib.resources
from collections.abc import Callable, Mapping
from typing import Any

import markupsafe

from audit.render import pages

STYLES = (
    ("report", "base.css"),
    ("report", "parts.css"),
    ("history", "page.css"),
    ("still", "page.css"),
)
TONES: Mapping[str, str] = {
    "GO": "go",
    "PARTIAL": "partial",
    "GO-WITH-WAIVERS": "partial",
    "NO-GO": "nogo",
    "BLOCKED-EXTERNAL": "blocked",
}
"""The class of each status."""


def page(
    template: str,
    view: Any,
    *,
    version: str,
    filters: Mapping[str, Callable[..., str]] | None = None,
    tones: Mapping[str, str] | None = None,
) -> bytes:
    """Return the page that a template makes of a view: the same bytes for the same view.

    `filters` say things in words, such as times; `tones` are the classes of more words.
    """
    style = _style()
    made = pages.environment()
    made.filters.update(filters or {})
    made.globals.update(tones={**TONES, **(tones or {})})
    text = made.get_template(f"{template}.html.j2").render(
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
