"""`arco-audit decide`."""

from __future__ import annotations

from pathlib import Path

import click

from audit import runs
from audit.cli import options, screen, signing
from audit.cli.diff_command import closed_before
from audit.cli.failure import NOT_READY, READY
from audit.cli.status_command import not_weighed, tell_brought
from evidence import codec, judge


@click.command("decide")
@options.run
@options.repo
@options.definition
@options.json
@signing.trust
@signing.strict
@click.option(
    "--as-of",
    default="",
    metavar="TIME",
    help="Decide as of this instant, RFC 3339 with a zone (default: the end of the run; where"
    " people signed and a trust file is there, now).",
)
def command(
    run: str,
    repo: Path,
    definition: Path | None,
    as_json: bool,
    trust: Path | None,
    sign_off: Path | None,
    strict_waivers: bool,
    as_of: str,
) -> int:
    """Derive the decision of a run again from its plan and facts, at any instant.

    Where people signed and a trust file says whom to trust, what they brought counts. Nothing is
    run and nothing is written. Exit codes: 0 ready, 1 a gate is not satisfied, 4 with
    --strict-waivers: ready, thanks to waivers.

    \b
    Examples:
      arco-audit decide
      arco-audit decide --as-of 2027-01-01T00:00:00Z
      arco-audit decide --trust audit-trust.toml --strict-waivers
    """
    records = runs.load(options.run_folder(repo, definition, run))
    found = signing.brought(records, repo, trust, sign_off, as_of)
    if found and found.report:
        decided = signing.decider(repo, trust, as_of)
        closed = closed_before(records.folder, found.report.decision, decided)
        return tell_brought(records, found.report, closed, as_json, strict_waivers)
    decision = judge.decide(records.plan, records.facts, signing.instant(as_of) if as_of else None)
    if as_json:
        screen.as_json(codec.to_value(decision))
    else:
        for line in screen.decision_lines(records.plan, decision):
            screen.say(line)
        if found:
            screen.say(not_weighed(found))
    return READY if decision.verdict == "GO" else NOT_READY
