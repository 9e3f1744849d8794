"""What GitHub Actions shows of a run: step summary, annotations, log groups, outputs.

Here values become the text of workflow commands and files; printing them and opening
`GITHUB_STEP_SUMMARY` and `GITHUB_OUTPUT` is the caller's work. Formats: GitHub's documentation of
workflow commands; percent signs, line ends, and in properties commas and colons are escaped.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from audit.render import documents, tracker, visible
from evidence import layout

SUMMARY_BYTES_MAX = 900 * 1024
"""GitHub drops a whole step summary above 1 MiB without a word; this leaves room for others."""
ANNOTATIONS_MAX = 10
"""Errors that GitHub shows per step; the last one says how many more there are."""
ANNOTATION_CHARS_MAX = 3000
_ROWS = (300, 60, 12)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")

Level = Literal["error", "warning", "notice"]


def step_summary(
    value: Mapping[str, Any],
    *,
    since: str = "",
    closed: Sequence[str] = (),
    bytes_max: int = SUMMARY_BYTES_MAX,
) -> bytes:
    """Return the step summary of a tracker as Markdown of at most `bytes_max` bytes.

    `closed` are the signals that closed since the run `since`. Gates and blockers stand first;
    lists get shorter until all fits and say what was left out.
    """
    opened = tracker.open_signals(value)
    cells = [cell for cell in value["command_matrix"]["cells"] if not cell["passed"]]
    template = documents.environment().get_template("github-summary.md.j2")
    page = b""
    for rows in _ROWS:
        text = template.render(
            t=value,
            heading=tracker.heading(value),
            opened=opened[:rows],
            opened_left=len(opened[rows:]),
            cells=cells[:rows],
            cells_left=len(cells[rows:]),
            blockers=value["blockers"][:rows],
            blockers_left=len(value["blockers"][rows:]),
            since=since,
            closed=closed[:rows],
            closed_left=len(closed[rows:]),
            layout=layout,
        )
        page = text.encode("utf-8", "backslashreplace")
        if len(page) <= bytes_max:
            return page
    return _cut(page, bytes_max)


def annotation(
    level: Level, message: str, *, title: str = "", file: str = "", line: int | None = None
) -> str:
    """Return one workflow command that annotates, such as ``::error title=Gate 2::open: …``.

    `file` is relative to the repository, `line` counts from 1; both are left out where empty.
    """
    given = {"title": title, "file": file, "line": "" if line is None else str(line)}
    properties = ",".join(f"{key}={_property(text)}" for key, text in given.items() if text)
    return f"::{level}{' ' + properties if properties else ''}::{_message(message)}"


def annotate(value: Mapping[str, Any]) -> list[str]:
    """Return the annotations of a tracker: what keeps it from GO, at most `ANNOTATIONS_MAX`."""
    if value["verdict"] == "GO":
        return []
    made = [
        annotation("error", _with_step(cell), title=title)
        for cell in value["command_matrix"]["cells"]
        if cell["required"] and not cell["passed"]
        for title in [f"{cell['id']} did not pass"]
    ]
    first = {signal["gate"]: signal for signal in reversed(tracker.open_signals(value))}
    for gate in value["gates"]:
        if gate["status"] != "GO":
            title = f"Gate {gate['id']} {gate['status']}: {gate['name']}"
            step = _owner_step(first.get(gate["id"]))
            made.append(annotation("error", f"{gate['status_reason']}{step}", title=title))
    own = ("gate ", "required cell ")
    made += [annotation("error", line) for line in value["blockers"] if not line.startswith(own)]
    if len(made) <= ANNOTATIONS_MAX:
        return made
    left = len(made) - (ANNOTATIONS_MAX - 1)
    more = annotation("error", f"{left} more; the step summary and the report page name them")
    return [*made[: ANNOTATIONS_MAX - 1], more]


def group(title: str, text: str | bytes) -> str:
    """Return `text` as a folded group of a workflow's log, in which no line is a command.

    A log can print `::add-mask::` or `::error::` as well as we can, so commands are stopped around
    it. The word that starts them again is the digest of the text, which the text cannot hold.
    """
    data = text.encode("utf-8", "backslashreplace") if isinstance(text, str) else text
    shown = visible.log(data)
    word = _word(shown)
    end = "" if shown.endswith("\n") or not shown else "\n"
    return (
        f"::group::{_message(title)}\n::stop-commands::{word}\n{shown}{end}::{word}::\n::endgroup::"
    )


def outputs(values: Mapping[str, str]) -> bytes:
    """Return what is to be appended to the file that `GITHUB_OUTPUT` names.

    Values of several lines stand between delimiters derived from their digest. Raises `ValueError`
    for a name that GitHub would not take.
    """
    parts = []
    for name, value in values.items():
        if not _NAME.fullmatch(name):
            raise ValueError(f"no name of an output, name=`{name}`")
        if "\n" in value or "\r" in value or "<<" in value:
            word = _word(value)
            parts.append(f"{name}<<{word}\n{value}\n{word}\n")
        else:
            parts.append(f"{name}={value}\n")
    return "".join(parts).encode("utf-8", "surrogateescape")


def output_values(value: Mapping[str, Any], *, final_root: str = "") -> dict[str, str]:
    """Return the outputs of a run: verdict, paths relative to the repository, and roots in hex."""
    root = value["evidence_root"]
    pages = f"{root}/{layout.DOCUMENTS}"
    return {
        "verdict": value["verdict"],
        "evidence": root,
        "report": f"{root}/{layout.REPORT}",
        "summary": f"{pages}/{layout.SUMMARY}",
        "tracker": f"{pages}/{layout.TRACKER}",
        "plan_root": value.get("plan_root", ""),
        "final_root": final_root,
        "blockers": "\n".join(visible.line(line) for line in value["blockers"]),
    }


def _with_step(cell: Mapping[str, Any]) -> str:
    step = "".join(tracker.cell_step(cell, cell["log"]))
    return f"{cell['reason'] or cell['result']}\nnext: {step}"


def _owner_step(signal: Mapping[str, Any] | None) -> str:
    return f"\nnext, {signal['owner']}: {signal['next_step']}" if signal else ""


def _message(text: str) -> str:
    shown = "\n".join(visible.line(part) for part in text.split("\n"))[:ANNOTATION_CHARS_MAX]
    return shown.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")


def _word(text: str) -> str:
    return "end-" + hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:40]


def _cut(page: bytes, bytes_max: int) -> bytes:
    note = b"\n\nCut here; the report page has the rest.\n"
    kept = page[: max(0, bytes_max - len(note))]
    return kept[: kept.rfind(b"\n") + 1] + note
