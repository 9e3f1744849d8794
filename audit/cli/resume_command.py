"""`arco-audit resume`."""

from __future__ import annotations

from pathlib import Path

import click

from audit.cli import options, running


@click.command("resume")
@options.run
@options.repo
@options.definition
@options.json
def command(run: str, repo: Path, definition: Path | None, as_json: bool) -> int:
    """Continue a run that was interrupted or killed.

    RUN is the folder of the run or its label; by default the newest run. Cells with a recorded end
    do not run again; what was in flight becomes `interrupted`, its leftovers are ended, and it is
    tried again. Refused when the subject, the definition or the tool is another one.

    \b
    Examples:
      arco-audit resume
      arco-audit resume head/candidate-2
    """
    from audit import steps

    folder = options.run_folder(repo, definition, run)
    return running.resume(steps.Wish(repo, definition, allow_dirty=True), folder, as_json)
