"""`arco-audit plan`."""

from __future__ import annotations

from pathlib import Path

import click

from audit.cli import options, running


@click.command("plan")
@options.repo
@options.definition
@options.json
@click.option("--label", default="", metavar="LABEL", help="Name of the run; may contain /.")
def command(repo: Path, definition: Path | None, as_json: bool, label: str) -> int:
    """Show what a run would do: subject, cells in order, gates, signals, conditions, plan root.

    Nothing is run and nothing is written; uncommitted changes are shown, not refused.

    \b
    Examples:
      arco-audit plan
      arco-audit plan --json > plan.json
    """
    from audit import steps

    wish = steps.Wish(repo, definition, label, allow_dirty=True)
    return running.show_plan(wish, as_json)
