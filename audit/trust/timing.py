"""What is known of the clock behind a run: its source, and how it fits what others say of time.

Pure functions over sealed records. A wrong clock forges nothing by itself, but ages, windows and
signatures are reckoned with it, so whatever does not fit is named.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from evidence.instant import milliseconds
from evidence.model import Plan, Run

CI_TIMES = ("CI_JOB_STARTED_AT", "CI_PIPELINE_CREATED_AT", "SYSTEM_PIPELINESTARTTIME")
"""Variables by which a CI service says when it began; they are known where a definition has them
in `record_env`."""
TOLERANCE_MS = 60_000
"""How far two clocks may be apart before it is called a finding."""


@dataclass(frozen=True, slots=True)
class Skew:
    """How long after an instant that somebody else named the run began; negative is before."""

    source: str
    utc: str
    after_ms: int


@dataclass(frozen=True, slots=True)
class Clock:
    """The clock of a run. `findings` say what cannot be."""

    source: str
    start_utc: str
    skews: tuple[Skew, ...]
    findings: tuple[str, ...]


def clock_of(plan: Plan, run: Run) -> Clock:
    """Return what is known of the clock of a run."""
    start_ms = milliseconds(run.start_utc)
    known = [("commit", plan.subject.committed_utc)]
    known += [(item.name, item.value) for item in run.environment if item.name in CI_TIMES]
    skews = tuple(
        Skew(source, utc, start_ms - at_ms) for source, utc in known for at_ms in _instant(utc)
    )
    return Clock(run.clock, run.start_utc, skews, tuple(_findings(run, skews)))


def _instant(text: str) -> Iterator[int]:
    """An RFC 3339 time with any zone as milliseconds, if it is one."""
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is not None:
            since = time.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
            yield since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000
    except (ValueError, OverflowError):
        return


def _findings(run: Run, skews: tuple[Skew, ...]) -> Iterator[str]:
    for skew in skews:
        what = "the commit that it is about" if skew.source == "commit" else skew.source
        allowed_ms = 0 if skew.source == "commit" else TOLERANCE_MS
        if skew.after_ms < -allowed_ms:
            yield f"the run began before {what}: {run.start_utc} and {skew.utc}"
    if milliseconds(run.end_utc) < milliseconds(run.start_utc):
        yield f"the run ended before it began: {run.end_utc}"


def lines(clock: Clock) -> list[str]:
    """Return a clock as lines: its source, the skews, and what does not fit."""
    told = [f"{span(skew.after_ms)} {skew.source} ({skew.utc})" for skew in clock.skews]
    text = f"clock: {clock.source}; the run began {clock.start_utc}"
    return [", ".join([text, *told]), *(f"warning: {finding}" for finding in clock.findings)]


def span(after_ms: int) -> str:
    """Return how long after or before something is, in its largest unit.

    >>> span(7_200_000), span(-1500), span(0)
    ('2 h after', '1.5 s before', '0 s after')
    """
    side = "before" if after_ms < 0 else "after"
    size_ms = abs(after_ms)
    for unit, unit_ms in (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000)):
        if size_ms >= unit_ms:
            return f"{size_ms // unit_ms} {unit} {side}"
    return f"{size_ms / 1000:g} s {side}"
