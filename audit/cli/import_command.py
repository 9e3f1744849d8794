"""`arco-audit import`."""

from __future__ import annotations

from pathlib import Path

import click

from audit.cli import options, screen
from audit.cli.failure import READY


@click.command("import")
@click.argument("tracker", type=click.Path(path_type=Path))
@click.option(
    "--repo",
    required=True,
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    metavar="DIR",
    help="The tree that the tracker speaks of.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where audit.toml and claims.json are written.",
)
@options.json
def command(tracker: Path, repo: Path, out: Path, as_json: bool) -> int:
    """Turn a gate tracker into an audit.toml and its claims, and lose nothing.

    Statuses become claims, which are shown and never believed. What prose says about closing a
    signal cannot be guessed: conditions that could be read are written, the rest is a comment.

    \b
    Examples:
      arco-audit import docs/audits/2026-02-12/gate-tracker.json --repo . --out imported
      arco-audit render --as-claimed --definition imported/audit.toml --out claimed
    """
    from audit import check

    done = check.import_tracker(tracker, repo, out)
    open_ = list(done.without_exit_condition)
    if as_json:
        screen.as_json(
            {
                "definition": str(done.definition),
                "claims": str(done.claims),
                "gates": done.gates,
                "signals": done.signals,
                "commands": done.commands,
                "without_exit_condition": open_,
            }
        )
        return READY
    screen.say(f"written: {done.definition}")
    screen.say(f"written: {done.claims}")
    screen.say(f"gates: {done.gates}  signals: {done.signals}  commands: {done.commands}")
    if open_:
        screen.say(f"no exit condition could be read for {len(open_)}: {', '.join(open_)}")
        screen.say("next: say in closes_when how they close; until then they are NO-GO")
    return READY
