"""`arco-audit run`."""

from __future__ import annotations

from pathlib import Path

import click

from audit.cli import options, running
from audit.cli.failure import READY


@click.command("run")
@options.repo
@options.definition
@options.json
@click.option("--label", default="", metavar="LABEL", help="Name of the run; may contain /.")
@click.option("--jobs", "-j", type=click.IntRange(1, 1024), help="Cells to run at a time.")
@click.option(
    "--fail-fast/--keep-going",
    default=None,
    help="Stop at the first required cell that does not pass, or run all of them.",
)
@click.option("--allow-dirty", is_flag=True, help="Run on uncommitted changes; never GO.")
@click.option("--dry-run", is_flag=True, help="Show the plan and its root, and run nothing.")
def command(
    repo: Path,
    definition: Path | None,
    as_json: bool,
    label: str,
    jobs: int | None,
    fail_fast: bool | None,
    allow_dirty: bool,
    dry_run: bool,
) -> int:
    """Run the command matrix, judge the evidence, seal it and show the verdict.

    Prints the plan root before the first command and the final root at the end: keep both where the
    evidence cannot reach, such as the log of the CI job. Exit codes: 0 ready, 1 a gate is not
    satisfied, 2 nothing was decided, 130 interrupted (arco-audit resume continues).

    \b
    Examples:
      arco-audit run
      arco-audit run --label head/candidate-2 --jobs 2 --json
    """
    from audit import steps

    wish = steps.Wish(repo, definition, label, jobs, fail_fast, allow_dirty)
    if dry_run:
        return running.show_plan(wish, as_json)
    return running.start(wish, as_json) or READY
