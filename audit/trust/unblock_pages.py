"""What is to be mended, and what a green audit hangs on: told to people and machines.

Here values become text; nothing is decided and nothing is printed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from audit import __version__
from audit.render import markdown, still
from audit.trust.fragile import Fragility
from audit.trust.unblock import Fix, Open, Unblock
from evidence import codec, words

POINTS_MAX = 30
"""Single points of a gate that are named before the rest is counted; JSON has all of them."""


def value(found: Unblock, gates: Sequence[Fragility]) -> dict[str, Any]:
    """Return both answers as a JSON value, complete."""
    return {**codec.to_value(found), "fragile": codec.to_value(tuple(gates))}


def summary(found: Unblock) -> str:
    """Return in one line how much is to be mended, and what comes cheapest."""
    if found.verdict == "GO":
        return "GO: nothing is to be mended"
    if not found.fixes and not found.beyond:
        return f"{found.verdict}: ready only thanks to waivers; nothing else is to be mended"
    text = f"{words.count(len(found.fixes), 'thing')} to mend for GO"
    if found.beyond:
        text += ", and the definition must change"
    if first := next((gate for gate in found.gates if gate.fixes), None):
        text += f"; the next gate is {first.id} with {len(first.fixes)}"
    return text if found.exact else text + "; with so many choices there may be a smaller set"


def blocked(fix: Fix) -> str:
    """Return what waits for a fix, on one line."""
    if not fix.signals:
        return "the verdict"
    gates = ", ".join(str(gate) for gate in fix.gates)
    return f"{words.listed(fix.signals)} (gate {gates})" if gates else words.listed(fix.signals)


def tree(found: Unblock) -> Iterator[tuple[int, str]]:
    """Yield (depth, line): gates, their open signals, the open conditions, what closes them."""
    for gate in found.gates:
        yield 0, f"gate {gate.id} {gate.status}: {gate.name}"
        own = [item for item in found.open if item.gate == gate.id]
        for _, items in itertools.groupby(own, key=lambda item: item.signal):
            yield from _branch(list(items))
    for blocker in found.beyond:
        yield 0, f"and then the definition must change: {blocker}"


def _branch(items: Sequence[Open]) -> Iterator[tuple[int, str]]:
    first = items[0]
    yield 1, f"{first.signal} {first.status} ({first.owner}): {first.title}"
    for item in items:
        yield 2, f"{item.condition}: {item.answer}, {item.reason}"
        yield from ((3, f"mend {name}") for name in item.fixes)


def fragile_rows(gates: Sequence[Fragility]) -> list[list[str]]:
    """Return a row for each gate: what it hangs on, the most fragile first."""
    return [
        [
            str(gate.id),
            gate.name,
            str(len(gate.single_points)),
            f"{gate.margin.metric} {gate.margin.value}, {gate.margin.bound}" if gate.margin else "",
            f"{gate.expiry.at_utc} {gate.expiry.cell}" if gate.expiry else "",
            f"{gate.few.tests} behind {gate.few.pattern}" if gate.few else "",
        ]
        for gate in gates
    ]


FRAGILE_HEAD = ("gate", "area", "single points", "nearest bound", "first stale", "fewest tests")


def why_fragile(gates: Sequence[Fragility]) -> list[str]:
    """Return why the first gate is the most fragile, and every single point of it."""
    if not gates:
        return []
    first = gates[0]
    points, left = first.single_points[:POINTS_MAX], first.single_points[POINTS_MAX:]
    lines = [
        f"gate {first.id} is the most fragile: it falls when any one of"
        f" {words.count(len(first.single_points), 'piece')} of evidence is lost",
        *(f"  {point}" for point in points),
    ]
    if left:
        lines.append(f"  and {len(left)} more")
    if first.margin:
        near = first.margin
        lines.append(f"its nearest bound: {near.metric} is {near.value}, {near.bound}")
    return lines


def tables(
    found: Unblock, gates: Sequence[Fragility]
) -> list[tuple[str, Sequence[str], list[list[str]]]]:
    """Return the tables of a page: name, heading, rows; none where nothing is to be mended."""
    if found.verdict == "GO":
        return [("What each gate hangs on", FRAGILE_HEAD, fragile_rows(gates))]
    if not found.fixes and not found.beyond:
        return []
    fixes = [
        [fix.name, blocked(fix), ", ".join(fix.owners), fix.reason, fix.next_step]
        for fix in found.fixes
    ]
    work = [
        [str(gate.id), gate.name, gate.status, str(len(gate.fixes)), ", ".join(gate.fixes)]
        for gate in found.gates
    ]
    mend = ("To mend", ("Mend", "Blocks", "Owner", "Why", "Next"), fixes)
    following = ("The next gate", ("Gate", "Area", "Status", "Fixes", "Which"), work)
    return [mend, following] if work else [mend]


def why(found: Unblock, gates: Sequence[Fragility]) -> list[tuple[int, str]]:
    """Return why a page says so, as (depth, line)."""
    if found.verdict == "GO":
        return [(0, line.strip()) for line in why_fragile(gates)]
    return list(tree(found))


def title(found: Unblock) -> str:
    """Return what a page of both answers is called."""
    return "GO: what it hangs on" if found.verdict == "GO" else f"{found.verdict}: what to mend"


def as_markdown(found: Unblock, gates: Sequence[Fragility], waived: Sequence[str] = ()) -> str:
    """Return both answers as a Markdown page; text of any origin in it stays text.

    `waived` says in a line each what people let pass.
    """
    lines = [f"# {title(found)}", "", summary(found), ""]
    if waived:
        lines += ["## Waived", "", *(f"- {markdown.text(line)}" for line in waived), ""]
    for name, head, rows in tables(found, gates):
        lines += [f"## {name}", "", *_rows(head, rows), ""]
    reasons = why(found, gates)
    if reasons:
        lines += ["## Why", ""]
        lines += [f"{'  ' * depth}- {markdown.text(line)}" for depth, line in reasons]
    return "\n".join(lines).rstrip("\n") + "\n"


def as_html(
    found: Unblock, gates: Sequence[Fragility], waived: Sequence[str] = (), *, run: str
) -> bytes:
    """Return both answers as a page for a browser; `run` is what the run is called."""
    view = {
        "run": run,
        "title": title(found),
        "summary": summary(found),
        "waived": waived,
        "tables": tables(found, gates),
        "why": why(found, gates),
    }
    return still.page("unblock", view, version=__version__)


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
        *(f"| {' | '.join(map(markdown.text, row))} |" for row in rows),
    ]
