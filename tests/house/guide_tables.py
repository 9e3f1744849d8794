"""The parts of the guide that follow from code: the table of findings.

Run as a program to write them again. Lives with the tests because the package needs none of it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from audit.check.codes import CODES

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "guide" / "check.md"
BEGIN, END = "<!-- codes: begin -->", "<!-- codes: end -->"


def table() -> str:
    """Return the table of all codes in Markdown."""
    rows = [
        f"| `{code.code}` | {code.severity.replace('_', ' ')} | {code.meaning} | {code.fix} |"
        for code in sorted(CODES.values(), key=lambda code: code.code)
    ]
    head = ["| Code | Severity | Meaning | What to do |", "|---|---|---|---|"]
    return "\n".join([*head, *rows])


def page(text: str) -> str:
    """Return the page with the table between its marks as it should be."""
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def main() -> int:
    """Write the page again."""
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
