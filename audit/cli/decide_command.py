"""`arco-audit decide`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from audit import runs
from audit.cli import options, screen
from audit.cli.failure import NOT_READY, READY
from audit.errors import Invalid
from evidence import codec, judge


@click.command("decide")
@options.run
@options.repo
@options.definition
@options.json
@click.option(
    "--as-of",
    default="",
    metavar="TIME",
    help="Decide as of this instant, RFC 3339 with a zone (default: the end of the run).",
)
def command(run: str, repo: Path, definition: Path | None, as_json: bool, as_of: str) -> int:
    """Derive the decision of a run again from its plan and facts, at any instant.

    Nothing is run and nothing is written. Exit codes: 0 ready, 1 a gate is not satisfied.

    \b
    Examples:
      arco-audit decide
      arco-audit decide --as-of 2027-01-01T00:00:00Z
    """
    records = runs.load(options.run_folder(repo, definition, run))
    decision = judge.decide(records.plan, records.facts, instant(as_of) if as_of else None)
    if as_json:
        screen.as_json(codec.to_value(decision))
    else:
        for line in screen.decision_lines(records.plan, decision):
            screen.say(line)
    return READY if decision.verdict == "GO" else NOT_READY


def instant(text: str) -> str:
    """Return an instant as RFC 3339 UTC with `Z`. Raises `Invalid` without a zone."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise Invalid(
            f"is no instant with a time zone as_of=`{text}`",
            next_step="write it like 2027-01-01T00:00:00Z",
        )
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
