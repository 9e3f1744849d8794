"""The part of the guide that follows from `audit.history.columns`: the tables.

Run as a program to write it again.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT))

from audit.history.columns import KINDS, TABLES  # noqa: E402  (run as a program, too)

PAGE = ROOT / "docs" / "guide" / "history.md"
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"
ABOUT = {
    "runs": "One row per run.",
    "cells": "One row per attempt of a cell, and one with the number 0 for a cell without any.",
    "signals": "One row per signal of a run.",
    "gates": "One row per gate of a run.",
    "approvals": "One row per approval of a run that counted when `history add --trust` weighed the"
    " sign-off; it stays when it is withdrawn or expires later.",
}


def section() -> str:
    """Return the tables in Markdown."""
    lines = []
    for table, about in ABOUT.items():
        lines += [f"### `{table}`", "", about, "", "| Column | Type | Meaning |", "|---|---|---|"]
        for column in TABLES[table]:
            mark = "?" if column.optional else ""
            lines.append(f"| `{column.name}`{mark} | {KINDS[column.kind]} | {column.meaning} |")
        lines.append("")
    return "\n".join(lines)


def page(text: str) -> str:
    """Return the page with the tables as they should be."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{section()}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
