"""What a check says: findings with a place, and the report over all of them.

Here live values and their plain-text form. Nothing here looks at a tracker or at a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from audit.check.codes import CODES, SEVERITIES, Severity

SHOWN_CHARS = 120
"""Longest piece of foreign text that a message repeats."""

_HIDDEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a finding is: file, 1-based line, and the path inside a JSON document."""

    file: str
    line: int | None = None
    json_path: str = ""

    def __str__(self) -> str:
        line = "" if self.line is None else f":{self.line}"
        return f"{self.file}{line}" + (f" {self.json_path}" if self.json_path else "")


@dataclass(frozen=True, slots=True)
class Finding:
    """One claim that its evidence does not carry, or (`could_not_check`) one not looked at."""

    code: str
    severity: Severity
    place: Place
    message: str
    fix: str


@dataclass(frozen=True, slots=True)
class Report:
    """All that a check found, in a fixed order, and all that it could not look at."""

    tracker: str
    findings: tuple[Finding, ...]
    could_not_check: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """Return 1 where there is an error finding, else 0."""
        return int(any(finding.severity == "error" for finding in self.findings))

    def count(self, severity: Severity) -> int:
        """Return how many findings have that severity."""
        both = (*self.findings, *self.could_not_check)
        return sum(finding.severity == severity for finding in both)


def shown(text: str, limit: int = SHOWN_CHARS) -> str:
    """Return foreign text fit for one line of a terminal: control and bidi marks made visible."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return _HIDDEN.sub(lambda hit: f"\\u{ord(hit[0]):04x}", cut)


def finding(code: str, place: Place, message: str, fix: str = "") -> Finding:
    """Return the finding `code` at a place; without `fix` the table's own is taken."""
    entry = CODES[code]
    return Finding(code, entry.severity, place, message, fix or entry.fix)


def report(tracker: str, found: Iterable[Finding]) -> Report:
    """Return the report over all findings: sorted, equal ones once."""
    ordered = sorted(set(found), key=_order)
    return Report(
        tracker,
        tuple(item for item in ordered if item.severity != "could_not_check"),
        tuple(item for item in ordered if item.severity == "could_not_check"),
    )


def _order(item: Finding) -> tuple[Any, ...]:
    place = item.place
    where = (place.file, place.line or 0, place.json_path)
    return (SEVERITIES.index(item.severity), item.code, *where, item.message)


def report_lines(result: Report) -> list[str]:
    """Return the report for people: by severity and code, place first, each distinct fix below."""
    lines: list[str] = []
    found = (*result.findings, *result.could_not_check)
    for severity in SEVERITIES:
        group = [item for item in found if item.severity == severity]
        if not group:
            continue
        lines += ["", f"{severity.replace('_', ' ')} ({len(group)})"]
        for code in sorted({item.code for item in group}):
            lines += _code_lines(code, [item for item in group if item.code == code])
    return [*lines[1:], *([""] if lines else []), _closing(result)]


def _code_lines(code: str, group: list[Finding]) -> list[str]:
    lines = [f"  {code}  {CODES[code].meaning}"]
    for number, item in enumerate(group):
        lines.append(f"    {item.place}: {item.message}")
        last = number + 1 == len(group) or group[number + 1].fix != item.fix
        lines += [f"      fix: {item.fix}"] if last else []
    return lines


def _closing(result: Report) -> str:
    counts = ", ".join(f"{result.count(each)} {each.replace('_', ' ')}" for each in SEVERITIES)
    return f"{shown(result.tracker)}: {counts}"


def report_value(result: Report) -> dict[str, Any]:
    """Return the report as a JSON value: `format_version`, `tracker`, `exit_code`, `counts`,
    `findings` and `could_not_check` (each: code, severity, place, message, fix)."""
    return {
        "format_version": 1,
        "tracker": result.tracker,
        "exit_code": result.exit_code,
        "counts": {severity: result.count(severity) for severity in SEVERITIES},
        "findings": [_value(item) for item in result.findings],
        "could_not_check": [_value(item) for item in result.could_not_check],
    }


def _value(item: Finding) -> dict[str, Any]:
    place = {"file": item.place.file, "line": item.place.line, "json_path": item.place.json_path}
    return {
        "code": item.code,
        "severity": item.severity,
        "place": place,
        "message": item.message,
        "fix": item.fix,
    }
