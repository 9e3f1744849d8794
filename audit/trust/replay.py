"""A sealed run, asked again: some of its cells, chosen after the seal, in a fresh repository.

Here live the order of a replay and what it amounts to. What is run comes from the sealed plan
alone; the user's working tree is neither read nor touched, and the bundle is never written to.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit import plan as planning
from audit import runner, runs
from audit.errors import Corrupt, Invalid
from audit.repo import Repository
from audit.trust import replay_draw, replay_match
from audit.trust.replay_match import Compared, Side
from audit.trust.replay_tree import fresh
from evidence import codec, verify, words
from evidence.folder import Folder, in_threads, withheld
from evidence.model import Attempt, Cell, Plan
from evidence.redact import Redactor, find_secrets

FORMAT_VERSION = 1
INTERPRETER = "python"
"""What the plan writes for the Python that starts nox; this machine's stands elsewhere."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A verified run and what is run again of it, in an order in which needs precede.

    `withheld` are paths in the bundle of which something was taken out after the seal; such a cell
    can still be chosen, or whoever knows the nonce could keep one out of the choice by withholding.
    `cells` counts all of the plan; `beyond` says of some why no replay can compare them; `chosen`
    were drawn from the rest, `again` adds what they need.
    """

    records: runs.Records
    plan_root: str
    final_root: str
    nonce: bytes
    withheld: frozenset[str]
    cells: int
    beyond: Mapping[str, str]
    chosen: tuple[str, ...]
    again: tuple[Cell, ...]

    @property
    def reachable(self) -> int:
        """How many cells the choice was made from."""
        return self.cells - len(self.beyond)


def draw(folder: Path, nonce: bytes, sample: int | None, expect_root: str = "") -> Drawn:
    """Verify a run and choose what is run again; without `sample`, enough for 5 % at 0.95.

    Raises:
        Corrupt: the bundle does not verify.
        Invalid: it was not finished, nothing in it can be compared, or it was made of no commit.
    """
    runs.require_finished(folder)
    report = verify.verify(
        Folder(str(folder)),
        expect_root=expect_root,
        each=in_threads,
        withheld=withheld(str(folder)),
    )
    if not report.ok:
        raise _unverified(folder, report)
    records = runs.load(folder)
    plan = records.plan
    if plan.subject.dirty:
        raise Invalid(
            "the run was made on a dirty working tree, which no commit holds",
            place=str(folder),
            next_step="replay a run of a clean tree",
        )
    mine: dict[str, list[Attempt]] = {cell.id: [] for cell in plan.cells}
    for attempt in records.run.attempts:
        mine[attempt.cell].append(attempt)
    asked = {cell.id: replay_match.out_of_reach(cell, mine[cell.id]) for cell in plan.cells}
    beyond = {name: why for name, why in asked.items() if why}
    places = [place for place, cell in enumerate(plan.cells) if cell.id not in beyond]
    if not places:
        raise Invalid(
            "no cell of this run can be compared",
            place=str(folder),
            next_step="arco-audit status tells how its cells ended",
        )
    wanted = replay_draw.sample_for(len(places)) if sample is None else sample
    drawn = replay_draw.draw(report.final_root, nonce, places, wanted)
    chosen = tuple(plan.cells[place].id for place in drawn)
    return Drawn(
        records=records,
        plan_root=report.plan_root,
        final_root=report.final_root,
        nonce=nonce,
        withheld=frozenset(item.path for item in report.withheld),
        cells=len(plan.cells),
        beyond=beyond,
        chosen=chosen,
        again=_with_needs(plan, chosen),
    )


def _unverified(folder: Path, report: verify.Report) -> Corrupt:
    found = [finding for step in report.steps for finding in step.findings]
    first = f": {found[0].place}: {found[0].problem}" if found else ""
    return Corrupt(
        f"the bundle does not verify, so there is nothing to compare with{first}",
        place=str(folder),
        next_step=f"arco-audit verify {folder}",
    )


def _with_needs(plan: Plan, chosen: Sequence[str]) -> tuple[Cell, ...]:
    wanted: set[str] = set()
    waiting, by_id = list(chosen), {cell.id: cell for cell in plan.cells}
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting.extend(by_id[name].needs)
    return tuple(cell for cell in planning.order(plan) if cell.id in wanted)


def run_again(
    drawn: Drawn,
    repository: Repository,
    events: runner.Events,
    stop: threading.Event,
    clock: runner.Clock,
) -> tuple[Compared, ...] | None:
    """Run the cells of `drawn` at their commit and compare; None when `stop` was set meanwhile.

    Raises:
        Invalid: the repository does not have the commit.
        Unavailable: git or the disk refuses.
    """
    plan = drawn.records.plan
    commit = repository.require(plan.subject.commit)
    with fresh(repository, commit) as (tree, folder):
        # A nox report lies below the first output root, which is there in every run.
        (tree / plan.rules.outputs[0]).mkdir(parents=True, exist_ok=True)
        attempts = _attempts(drawn, tree, folder, events, stop, clock)
        if stop.is_set():
            return None
        return tuple(_compared(drawn, folder, attempts))


def _attempts(
    drawn: Drawn,
    tree: Path,
    folder: Path,
    events: runner.Events,
    stop: threading.Event,
    clock: runner.Clock,
) -> tuple[Attempt, ...]:
    rules = drawn.records.plan.rules
    writer = runner.JournalWriter.create(folder)
    options = runner.RunOptions(
        jobs=rules.jobs,
        fail_fast=False,
        run_id=f"replay-{drawn.records.run.id}-{os.urandom(4).hex()}",
        root=tree,
        folder=folder,
    )
    try:
        return runner.run_cells(
            [_runnable(cell) for cell in drawn.again],
            options=options,
            redactor=Redactor(find_secrets(dict(os.environ), rules.secret_env)),
            journal=writer,
            clock=clock,
            events=events,
            stop=stop,
        )
    finally:
        writer.close()


def _runnable(cell: Cell) -> Cell:
    """The cell as it is executed: where nox is started, by the Python that runs this program."""
    if cell.argv[:3] != (INTERPRETER, "-m", "nox"):
        return cell
    return dataclasses.replace(cell, argv=(sys.executable, *cell.argv[1:]))


def _compared(drawn: Drawn, folder: Path, attempts: Sequence[Attempt]) -> Iterator[Compared]:
    before = {attempt.cell: attempt for attempt in drawn.records.run.attempts}
    last = {attempt.cell: attempt for attempt in attempts}
    sealed, again = Folder(str(drawn.records.folder)), Folder(str(folder))
    for cell in drawn.again:
        part: replay_match.Part = "chosen" if cell.id in drawn.chosen else "needed"
        if cell.id in drawn.beyond:
            why = drawn.beyond[cell.id]
            yield Compared(cell.id, part, "not_compared", (why,))
        elif cell.id not in last:
            yield Compared(cell.id, part, "not_compared", ("it did not run here",))
        else:
            old = Side(before[cell.id], sealed.read, drawn.withheld)
            new = Side(last[cell.id], again.read)
            yield replay_match.compare(cell, part, old, new)


# --- what it amounts to ---------------------------------------------------------------------------


def count(cells: Sequence[Compared], outcome: replay_match.Outcome, part: str = "") -> int:
    """Return how many cells had an outcome; with `part`, only of those chosen or needed."""
    return sum(cell.outcome == outcome and part in ("", cell.part) for cell in cells)


def odds(drawn: Drawn, cells: Sequence[Compared]) -> list[dict[str, Any]]:
    """Return for some shares of false cells how likely this replay would have shown one.

    Only chosen cells that were compared count: what a cell needs was not drawn.
    """
    seen = count(cells, "same", "chosen") + count(cells, "differs", "chosen")
    return [
        {
            "share": replay_draw.decimal(share, 2),
            "false_cells": replay_draw.false_cells(drawn.reachable, share),
            "caught": replay_draw.decimal(replay_draw.caught(drawn.reachable, seen, share)),
        }
        for share in replay_draw.SHARES
    ]


def value(drawn: Drawn, cells: Sequence[Compared], *, utc: str) -> dict[str, Any]:
    """Return a replay as a JSON value, from which anybody can repeat the choice."""
    plan, run = drawn.records.plan, drawn.records.run
    return {
        "format_version": FORMAT_VERSION,
        "audit": plan.audit.id,
        "label": plan.label,
        "run": run.id,
        "commit": plan.subject.commit,
        "plan_root": drawn.plan_root,
        "final_root": drawn.final_root,
        "nonce": drawn.nonce.hex(),
        "replayed_utc": utc,
        "planned": drawn.cells,
        "reachable": drawn.reachable,
        "sample": len(drawn.chosen),
        "same": count(cells, "same", "chosen"),
        "differs": count(cells, "differs"),
        "not_compared": count(cells, "not_compared", "chosen"),
        "cells": codec.to_value(tuple(cells)),
        "beyond": dict(drawn.beyond),
        "odds": odds(drawn, cells),
    }


def statement(drawn: Drawn, cells: Sequence[Compared]) -> str:
    """Return in one sentence what a replay without differences is worth."""
    told = next(item for item in odds(drawn, cells) if item["share"] == "0.05")
    seen = count(cells, "same", "chosen") + count(cells, "differs", "chosen")
    return (
        f"if at least 5 % of the {drawn.reachable} cells ({told['false_cells']}) were false, "
        f"{words.count(seen, 'cell')} would show one with probability {told['caught']}"
    )
