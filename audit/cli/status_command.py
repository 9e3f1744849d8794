"""`arco-audit status`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from audit import runs
from audit.cli import options, screen, signing
from audit.cli.diff_command import closed_before, closed_line
from audit.cli.failure import NOT_READY, READY, WAIVED
from evidence import archive, codec, journal, judge, layout, trusted
from evidence.model import Plan


@click.command("status")
@options.run
@options.repo
@options.definition
@options.json
@signing.trust
@signing.as_of
@signing.strict
def command(
    run: str,
    repo: Path,
    definition: Path | None,
    as_json: bool,
    trust: Path | None,
    sign_off: Path | None,
    as_of: str,
    strict_waivers: bool,
) -> int:
    """Show the gates and the open signals of a run, or how far it got.

    RUN is the folder of a run or a label; by default the newest run. Where people signed and a
    trust file says whom to trust, what they brought counts as of now. Exit codes: 0 ready, 1 a gate
    is not satisfied or the run is not finished, 4 with --strict-waivers: ready, thanks to waivers.

    \b
    Examples:
      arco-audit status
      arco-audit status --json
      arco-audit status --trust audit-trust.toml --strict-waivers
    """
    folder = options.run_folder(repo, definition, run)
    runs.require(folder)
    if not archive.is_sealed(folder):
        return _unfinished(folder, as_json)
    records = runs.load(folder)
    found = signing.brought(records, repo, trust, sign_off, as_of)
    if found and found.report:
        closed = closed_before(folder, found.report.decision, signing.decider(repo, trust, as_of))
        return tell_brought(records, found.report, closed, as_json, strict_waivers)
    if as_of:
        decision = judge.decide(records.plan, records.facts, signing.instant(as_of))
        records = replace(records, decision=decision)
    closed = closed_before(folder, records.decision)
    if as_json:
        value = {"run": str(folder), "closed_since": closed and closed[1]}
        unweighed = {"sign_off": {"weighed": False, "folder": str(found.folder)}} if found else {}
        screen.as_json({**codec.to_value(records.decision), **value, **unweighed})
    else:
        screen.say(f"run: {folder}")
        for line in screen.decision_lines(records.plan, records.decision):
            screen.say(line)
        _tell_clock(records)
        if closed:
            screen.say(closed_line(closed))
        if found:
            screen.say(not_weighed(found))
    return READY if records.decision.verdict == "GO" else NOT_READY


def _tell_clock(records: runs.Records) -> None:
    from audit.trust import timing

    for line in timing.lines(timing.clock_of(records.plan, records.run)):
        screen.say(line)


def not_weighed(found: signing.Brought) -> str:
    """Return the line that says that people signed, and that nobody says whom to trust."""
    return f"a sign-off lies at {found.folder} and is not weighed; --trust FILE weighs it"


def tell_brought(
    records: runs.Records,
    report: trusted.Report,
    closed: tuple[str, list[str]] | None,
    as_json: bool,
    strict_waivers: bool,
) -> int:
    """Print a decision with what people brought, and what closed; return the exit code."""
    if as_json:
        told = {**codec.to_value(report.decision), "verdict": report.verdict}
        told |= {"run": str(records.folder), "closed_since": closed and closed[1]}
        screen.as_json({**told, "sign_off": signing.value(report)})
    else:
        waived = {
            item.signal: f"waived by {item.person} as {item.role} until {item.until_utc}:"
            f" {item.reason}"
            for item in report.weighed.brought.waived
        }
        screen.say(f"run: {records.folder}")
        lines = screen.decision_lines(records.plan, report.decision, report.verdict, waived)
        for line in (*lines, *signing.entry_lines(report)):
            screen.say(line)
        screen.say()
        if report.verdict == "GO-WITH-WAIVERS":
            screen.say(click.style("ready only thanks to waivers:", fg="yellow", bold=True))
            for line in signing.waived_lines(report):
                screen.say(f"  {line}")
        _tell_clock(records)
        if closed:
            screen.say(closed_line(closed))
        screen.say(f"with what people brought, as of {report.as_of}")
    if report.verdict == "GO-WITH-WAIVERS":
        return WAIVED if strict_waivers else READY
    return READY if report.verdict == "GO" else NOT_READY


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
