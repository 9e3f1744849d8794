"""The README's public status, as it follows from the published gate tracker.

Run as a program after `arco-audit publish` to write the block again; a test compares it.
"""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
BEGIN, END = "<!-- status: begin -->", "<!-- status: end -->"

UNPUBLISHED = """<!-- status: NO-GO -->
**Not ready for production.** No audit has been published yet."""


def published(root: Path) -> dict[str, Any] | None:
    """Return the published tracker of the audit that `audit.toml` defines, or None."""
    table = tomllib.loads((root / "audit.toml").read_text("utf-8"))
    tracker = root / "docs" / "audits" / table["audit"]["id"] / "gate-tracker.json"
    if not tracker.exists():
        return None
    value: dict[str, Any] = json.loads(tracker.read_text("utf-8"))
    return value


def block(tracker: dict[str, Any] | None) -> str:
    """Return the Markdown between the marks."""
    if tracker is None:
        return UNPUBLISHED
    ready = tracker["verdict"] == "GO"
    folder = f"docs/audits/{tracker['audit']['id']}"
    said = "Ready for production." if ready else "Not ready for production."
    lines = [
        f"<!-- status: {tracker['verdict']} -->",
        f"**{said}** Audited: commit `{tracker['subject']['commit'][:12]}`;"
        f" [summary]({folder}/summary.md), [signal by signal]({folder}/signal-ledger.md).",
        "",
        "| Gate | Area | Status | Closed | Open |",
        "|---:|---|---|---:|---:|",
    ]
    lines += [
        f"| {gate['id']} | {gate['name']} | {gate['status']} | {gate['closed']} | {gate['open']} |"
        for gate in tracker["gates"]
    ]
    return "\n".join(lines)


def page(text: str, tracker: dict[str, Any] | None) -> str:
    """Return the README with the block as it should be."""
    before, rest = text.split(f"{BEGIN}\n")
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n{block(tracker)}\n{END}{after}"


def main() -> int:
    """Write the block again."""
    README.write_text(page(README.read_text("utf-8"), published(ROOT)), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
