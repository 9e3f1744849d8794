"""`arco-audit check`."""

from __future__ import annotations

from pathlib import Path

import click

from audit.cli import options, screen


@click.command("check")
@click.argument("tracker", type=click.Path(path_type=Path))
@click.option(
    "--repo",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    metavar="DIR",
    help="The tree that the tracker speaks of (default: the one it lies in).",
)
@click.option("--rev", metavar="REV", help="Look at this revision instead of the working tree.")
@options.json
def command(tracker: Path, repo: Path | None, rev: str | None, as_json: bool) -> int:
    """Find what a gate tracker claims and its own evidence does not carry.

    Reads the tracker, the ledger, summary and findings beside it, the command matrices and logs.
    What cannot be looked at is said to be so and is no finding. Exit codes: 0 no error findings,
    1 error findings, 2 not readable or of another shape.

    \b
    Examples:
      arco-audit check docs/audits/2026-02-12/gate-tracker.json
      arco-audit check gate-tracker.json --repo ~/src/project --rev v1.0 --json
    """
    from audit import check

    report = check.check(tracker, repo, rev)
    if as_json:
        screen.as_json(check.report_value(report))
    else:
        for line in check.report_lines(report):
            screen.say(line)
    return report.exit_code
