"""A comparison told to people and machines: rows for a screen, Markdown, a page, a JSON value.

Here values become text; nothing is compared and nothing is printed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from audit import __version__
from audit.render import markdown, still
from audit.trust.changes import KINDS, REGRESSIONS, Change, Diff, Kind
from evidence import codec, words

ROWS_MAX = 50
"""Changes of one kind that are shown before the rest is counted; JSON has all of them."""

TONES: Mapping[str, str] = {
    **dict.fromkeys(REGRESSIONS, "nogo"),
    **dict.fromkeys(("fixed", "strengthened"), "go"),
}
"""The class of each kind of change on a page; all others are still."""


def value(found: Diff) -> dict[str, Any]:
    """Return a comparison as a JSON value, complete."""
    counts = {kind: sum(change.kind == kind for change in found.changes) for kind in KINDS}
    return {
        "old": found.old,
        "new": found.new,
        "verdicts": list(found.verdicts),
        "regressed": found.regressed,
        "changes": codec.to_value(found.changes),
        "counts": {kind: count for kind, count in counts.items() if count},
        "unchanged": found.unchanged,
        "closed": list(found.closed),
        "files": None if found.files is None else list(found.files),
    }


def groups(found: Diff) -> Iterator[tuple[Kind, Sequence[Change], int]]:
    """Yield (kind, changes to show, how many are left out) of each kind that occurs."""
    for kind in KINDS:
        own = [change for change in found.changes if change.kind == kind]
        if own:
            yield kind, own[:ROWS_MAX], len(own[ROWS_MAX:])


def moved(change: Change) -> str:
    """Return what a change was and is, on one line."""
    what = f"{change.what}: " if change.what else ""
    if change.kind in ("vanished", "added"):  # one side has nothing to show
        return what + (change.before or change.after)
    return f"{what}{change.before or 'none'} → {change.after or 'none'}"


def conclusion(found: Diff) -> list[str]:
    """Return the last lines: what is the same, what closed, and what somebody must look at."""
    lines = [f"unchanged: {found.unchanged}"]
    if found.files is not None:
        lines.append(f"tracked files that differ: {len(found.files)}")
    if found.closed:
        lines.append(f"signals closed since: {', '.join(found.closed)}")
    bad = sum(change.kind in REGRESSIONS for change in found.changes)
    lines.append(
        f"look at {words.count(bad, 'change')}: vanished, failing, weakened or altered"
        if bad
        else "nothing vanished, newly fails or became weaker"
    )
    return lines


def as_markdown(found: Diff) -> str:
    """Return a comparison as a Markdown page; text of any origin in it stays text."""
    old, new = markdown.code(found.old), markdown.code(found.new)
    lines = [f"# {new} compared with {old}", "", f"Verdict: {' → '.join(found.verdicts)}", ""]
    for kind, changes, left in groups(found):
        lines += [
            f"## {kind.capitalize()}",
            "",
            "| What | Change | Likely because |",
            "|---|---|---|",
        ]
        for change in changes:
            why = "; ".join(markdown.text(reason) for reason in change.because)
            about = markdown.text(f"{change.noun} {change.place}".rstrip())
            lines.append(f"| {about} | {markdown.text(moved(change))} | {why} |")
        lines += ["", f"{left} more.", ""] if left else [""]
    lines += [f"- {markdown.text(line)}" for line in conclusion(found)]
    return "\n".join(lines) + "\n"


def as_html(found: Diff) -> bytes:
    """Return a comparison as a page for a browser: no script, and nothing is fetched."""
    view = {
        "old": found.old,
        "new": found.new,
        "verdicts": found.verdicts,
        "groups": list(groups(found)),
        "conclusion": conclusion(found),
        "moved": moved,
    }
    return still.page("diff", view, version=__version__, tones=TONES)
