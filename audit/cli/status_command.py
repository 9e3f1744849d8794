"""`arco-audit status`."""

from __future__ import annotations

from pathlib import Path

import click

from audit import runs
from audit.cli import options, screen
from audit.cli.diff_command import closed_before
from audit.cli.failure import NOT_READY, READY
from evidence import archive, codec, journal, layout
from evidence.model import Plan


@click.command("status")
@options.run
@options.repo
@options.definition
@options.json
def command(run: str, repo: Path, definition: Path | None, as_json: bool) -> int:
    """Show the gates and the open signals of a run, or how far it got.

    RUN is the folder of a run or a label; by default the newest run. Exit codes: 0 ready, 1 a gate
    is not satisfied or the run is not finished.

    \b
    Examples:
      arco-audit status
      arco-audit status --json
    """
    folder = options.run_folder(repo, definition, run)
    if not archive.is_sealed(folder):
        return _unfinished(folder, as_json)
    records = runs.load(folder)
    closed = closed_before(folder, records.decision)
    if as_json:
        value = {"run": str(folder), "closed_since": closed and closed[1]}
        screen.as_json({**codec.to_value(records.decision), **value})
    else:
        screen.say(f"run: {folder}")
        for line in screen.decision_lines(records.plan, records.decision):
            screen.say(line)
        if closed:
            screen.say(f"signals closed since {closed[0]}: {', '.join(closed[1]) or 'none'}")
    return READY if records.decision.verdict == "GO" else NOT_READY


def _unfinished(folder: Path, as_json: bool) -> int:
    plan = runs.record(folder, layout.PLAN, Plan)
    path = folder / layout.JOURNAL
    told = journal.read(path.read_bytes() if path.exists() else b"")
    ended = {
        record.attempt.cell: record.attempt
        for record in told.records
        if isinstance(record, journal.Ended)
    }
    started = {record.cell for record in told.records if isinstance(record, journal.Started)}
    words = {
        cell.id: ended[cell.id].result
        if cell.id in ended
        else ("started" if cell.id in started else "waiting")
        for cell in plan.cells
    }
    if as_json:
        screen.as_json({"run": str(folder), "finished": False, "cells": words})
    else:
        screen.say(f"run: {folder}  (not finished: arco-audit resume {folder})")
        for line in screen.table(("cell", "result"), [[*item] for item in words.items()]):
            screen.say(line)
    return NOT_READY
