"""`arco-audit publish`."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from audit import publish as publishing
from audit import runs
from audit.cli import options, screen
from audit.cli.failure import READY
from audit.definition import load


@click.command("publish")
@options.run
@options.repo
@options.definition
@options.json
def command(run: str, repo: Path, definition: Path | None, as_json: bool) -> int:
    """Copy the documents of a run to where they are committed, after verifying it.

    They go to the last output root of the definition, by default docs/audits/<audit id>/. Commit
    them; neither that folder nor the evidence is part of the subject.

    \b
    Examples:
      arco-audit publish
      arco-audit publish head/candidate-2
    """
    folder = options.run_folder(repo, definition, run)
    records = runs.load(folder)
    root = options.root_of(repo)
    rules = load(definition or root / options.DEFINITION)
    written = publishing.publish(root, folder, records.plan)
    commit = publishing.to_commit(root, folder, records.plan, rules)
    size, budget = publishing.folder_bytes(folder), rules.evidence.budget
    if as_json:
        paths = [str(path) for path in written]
        screen.as_json({"published": paths, "commit": commit, "run_bytes": size, "budget": budget})
    else:
        for path in written:
            screen.say(f"published: {path}")
        limit = f", of a budget of {budget / 1e6:.1f} MB" if budget else ""
        screen.say(f"the evidence of this run takes {size / 1e6:.1f} MB{limit}")
        screen.say(f"next: git add --force {shlex.join(commit)}")
    if budget is not None and size > budget:
        screen.say(
            f"warning: the evidence is over its budget bytes=`{size}` budget=`{budget}`;"
            " keep it outside of git, or lower output_limit",
            error=True,
        )
    return READY
