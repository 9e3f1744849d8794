"""What every export starts from: the records of one run, its final root, and the waivers in force.

Here lives what the formats share: ids that follow from the final root, text that is safe in any of
them, and the evidence behind each condition. Pure; nothing here knows a format.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from audit.render import visible
from evidence import words
from evidence.brought import Waived
from evidence.model import (
    Attempt,
    Condition,
    ConditionDecision,
    Decision,
    Facts,
    Plan,
    Run,
    Signal,
    SignalDecision,
)

TEXT_CHARS_MAX = 16_000
"""Characters of one text in an export; more is cut, and the cut is said."""
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:arco-audit:export")
"""Below it lie the ids of every export: version 5, so that the same run has the same ids."""
TOOL = "arco-audit"
VERDICT = "verdict"
"""The id of the rule, case or item that stands for the verdict as a whole."""


@dataclass(frozen=True, slots=True)
class Source:
    """One run to be exported. `final_root` is hex.

    `waivers` maps a signal's id to the waiver in force; None says that nobody looked for any.
    `signed_off` is the verdict with waivers, empty where no sign-off was weighed: formats tell it
    beside the decision's own verdict, and nothing passes by it.
    """

    plan: Plan
    run: Run
    facts: Facts
    decision: Decision
    final_root: str
    waivers: Mapping[str, Waived] | None = None
    signed_off: str = ""

    @property
    def signals(self) -> list[tuple[Signal, SignalDecision]]:
        """Every signal with what was decided of it, in the order of the plan."""
        return list(zip(self.plan.signals, self.decision.signals, strict=True))

    def id(self, *names: str) -> str:
        """Return the UUID (version 5) of a part of this run, as it was decided at that instant."""
        return str(
            uuid.uuid5(NAMESPACE, json.dumps([self.final_root, self.decision.as_of, *names]))
        )

    def waiver(self, signal: str) -> Waived | None:
        """Return the waiver in force for a signal, or None."""
        return (self.waivers or {}).get(signal)

    def told_signed_off(self, name: str) -> dict[str, str]:
        """Return the verdict with waivers under a property's name; nothing where none is known."""
        return {name: self.signed_off} if self.signed_off else {}

    def attempts(self) -> dict[str, list[Attempt]]:
        """Return the attempts of every cell of the plan, first to last."""
        found: dict[str, list[Attempt]] = {cell.id: [] for cell in self.plan.cells}
        for attempt in sorted(self.run.attempts, key=lambda attempt: attempt.number):
            found.setdefault(attempt.cell, []).append(attempt)
        return found


@dataclass(frozen=True, slots=True)
class Observation:
    """What was looked at for one condition. `expires_utc` is when the evidence gets too old."""

    signal: str
    number: int
    asked: str
    decided: ConditionDecision
    tested: bool
    collected_utc: str
    expires_utc: str | None
    logs: tuple[str, ...]


def observations(source: Source) -> Iterator[Observation]:
    """Yield the evidence behind every condition, in the order of the plan."""
    last = {cell: found[-1] for cell, found in source.attempts().items() if found}
    for signal, decided in source.signals:
        for number, condition in enumerate(signal.conditions):
            yield _observation(source, signal.id, number, condition, decided, last)


def _observation(
    source: Source,
    signal: str,
    number: int,
    condition: Condition,
    decided: SignalDecision,
    last: Mapping[str, Attempt],
) -> Observation:
    cells: tuple[str, ...] = getattr(condition, "cells", ())
    ran = [last[name] for name in cells if name in last]
    max_age_ms: int | None = getattr(condition, "max_age_ms", None)
    oldest = min((attempt.end_utc for attempt in ran), default="")
    return Observation(
        signal=signal,
        number=number,
        asked=words.describe(condition),
        decided=decided.conditions[number],
        tested=bool(cells),
        collected_utc=max((attempt.end_utc for attempt in ran), default=source.facts.as_of),
        expires_utc=later(oldest, max_age_ms) if oldest and max_age_ms is not None else None,
        logs=tuple(attempt.log.path for attempt in ran if attempt.log is not None),
    )


def not_of_gates(decision: Decision) -> list[str]:
    """Return what blocks the release beside its gates: a dirty tree, a required cell, no gates."""
    gates = {gate.id for gate in decision.gates if gate.status != "GO"}
    starts = tuple(f"gate {gate} is " for gate in gates)
    return [text for text in decision.blockers if not (starts and text.startswith(starts))]


def later(utc: str, more_ms: int) -> str | None:
    """Return an instant that many milliseconds later; None where the calendar ends before."""
    try:
        time = datetime.fromisoformat(utc) + timedelta(milliseconds=more_ms)
    except OverflowError:
        return None
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def milliseconds(utc: str) -> int:
    """Return an instant as milliseconds since 1970."""
    return (datetime.fromisoformat(utc) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
        milliseconds=1
    )


def line(text: str) -> str:
    """Return a text as one line that every format can hold: no controls, surrogates or hiding."""
    return _shortened(visible.line(text)).translate(_NONCHARACTERS)


def lines(text: str) -> str:
    """Return a text with its line feeds and tabs, as `line` does otherwise."""
    return _shortened(visible.lines(text)).translate(_NONCHARACTERS)


_NONCHARACTERS = {0xFFFE: "\N{REPLACEMENT CHARACTER}", 0xFFFF: "\N{REPLACEMENT CHARACTER}"}
"""The two code points that are no surrogates and that XML 1.0 (section 2.2) cannot hold."""


def _shortened(text: str) -> str:
    more = len(text) - TEXT_CHARS_MAX
    return f"{text[:TEXT_CHARS_MAX]}… ({more} characters more)" if more > 0 else text


def phrase(text: str) -> str:
    """Return one line that is not empty and neither begins nor ends with space (OSCAL strings)."""
    return " ".join(line(text).split()) or "-"


def as_json(value: Any) -> bytes:
    """Return a JSON document: keys in the order given, indented, ASCII only.

    Everything beyond ASCII is escaped, so that it goes through any terminal and pipe as it is.
    """
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode("ascii")


def uri(path: str) -> str:
    """Return a path as a relative reference (RFC 3986), whatever bytes its name has."""
    try:
        name = path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        name = path.encode("utf-8", "surrogatepass")
    return quote(name, safe="/-._~")


def log_of(attempt: Attempt) -> str:
    """Return where the log of an attempt lies in the bundle; empty where nothing was printed."""
    return attempt.log.path if attempt.log is not None else ""
