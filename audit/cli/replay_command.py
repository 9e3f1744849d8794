"""`arco-audit replay`."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from audit.cli import options, progress, screen
from audit.cli.failure import NOT_READY, READY, Interrupted
from audit.errors import Invalid
from evidence import archive, codec

if TYPE_CHECKING:
    from audit.trust.replay import Drawn
    from audit.trust.replay_match import Compared

WORDS = {"same": "same", "differs": "DIFFERS", "not_compared": "not compared"}


@click.command("replay")
@options.run
@options.repo
@options.json
@click.option(
    "--nonce",
    required=True,
    metavar="HEX|TEXT",
    help="A value that nobody could know when the run was sealed: dice, a lottery, a new block.",
)
@click.option(
    "--sample",
    type=click.IntRange(1, 1_000_000),
    default=None,
    metavar="K",
    help="Cells to choose (default: enough to show 5 % of false cells with probability 0.95).",
)
@click.option(
    "--expect-root",
    default=None,
    metavar="HEX",
    help="The final root as you know it from elsewhere; without it a run sealed anew could pass.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    metavar="FILE",
    help="Write the outcome there as JSON.",
)
def command(
    run: str,
    repo: Path,
    as_json: bool,
    nonce: str,
    sample: int | None,
    expect_root: str | None,
    out: Path | None,
) -> int:
    """Run some cells of a sealed run again, and compare with what was sealed.

    Which cells follows from the final root and a nonce that comes after the seal, so nobody could
    know them beforehand. They and what they need run in a fresh repository at the sealed commit,
    which is removed at the end; your working tree is not touched. Exit codes: 0 all that was
    compared is the same, 1 something differs, 2 nothing could be run or compared, 3 the bundle does
    not verify.

    \b
    Examples:
      arco-audit replay --nonce "4 8 15 16 23 42"
      arco-audit replay release_evidence/1.0/head --nonce 9f86d081 --sample 10 --out replay.json
    """
    from audit.trust import replay, replay_draw

    folder = options.run_folder(repo, None, run)
    _outside(folder, out)
    root = options.root(expect_root)
    drawn = replay.draw(folder, replay_draw.nonce_of(nonce), sample, root)
    if not as_json:
        _say_choice(drawn)
    cells, utc = _run(drawn, repo, as_json)
    value = replay.value(drawn, cells, utc=utc)
    if out is not None:
        archive.put(out.parent, out.name, codec.encode(value))
    if as_json:
        screen.as_json(value)
    else:
        _say_outcome(drawn, cells)
    return _code(cells, folder)


def _outside(folder: Path, out: Path | None) -> None:
    """Refuse to write into the bundle: it would not verify any more."""
    if out is not None and out.resolve().is_relative_to(folder.resolve()):
        raise Invalid(
            "a sealed run is never written to", place=str(out), next_step="name a file elsewhere"
        )


def _run(drawn: Drawn, repo: Path, as_json: bool) -> tuple[Sequence[Compared], str]:
    from audit import runner
    from audit.cli.running import interruptible
    from audit.repo import Repository
    from audit.trust import replay

    clock, stop = runner.SystemClock(), threading.Event()
    plan = replace(drawn.records.plan, cells=drawn.again)
    with Repository.open(repo) as repository:
        runner.refuse_enclosed(repository.root, os.environ)
        with interruptible(stop), progress.shown(plan, (), as_json) as events:
            cells = replay.run_again(drawn, repository, events, stop, clock)
    if cells is None:
        raise Interrupted(
            "interrupted, and nothing was compared; the fresh repository is removed",
            next_step="run the same replay again: the same nonce chooses the same cells",
        )
    return cells, clock.utc()


def _code(cells: Sequence[Compared], folder: Path) -> int:
    if any(cell.outcome == "differs" for cell in cells):
        return NOT_READY
    if not any(cell.outcome == "same" and cell.part == "chosen" for cell in cells):
        raise Invalid(
            "none of the chosen cells could be compared",
            place=str(folder),
            next_step="look at the reasons above, or replay where the commands can run",
        )
    return READY


def _say_choice(drawn: Drawn) -> None:
    screen.say(f"final root: {drawn.final_root}")
    screen.say(f"nonce:      {drawn.nonce.hex()}")
    screen.say("the nonce must have come after the final root was printed, and from elsewhere")
    needs = len(drawn.again) - len(drawn.chosen)
    screen.say(
        f"chosen: {len(drawn.chosen)} of {drawn.reachable} cells that can be compared"
        f" ({drawn.cells} planned), and {needs} more that they need"
    )


def _say_outcome(drawn: Drawn, cells: Sequence[Compared]) -> None:
    from audit.trust import replay

    rows = [
        [cell.cell, cell.part, WORDS[cell.outcome], "; ".join(cell.notes) or "-"] for cell in cells
    ]
    screen.say()
    for line in screen.table(("cell", "why", "outcome", "what"), rows):
        screen.say(line)
    if drawn.beyond:
        rows = [[name, why] for name, why in drawn.beyond.items()]
        screen.say()
        for line in screen.table(("never compared", "because"), rows):
            screen.say(line)
    screen.say()
    screen.say(
        f"chosen cells: {replay.count(cells, 'same', 'chosen')} same,"
        f" {replay.count(cells, 'differs', 'chosen')} differ,"
        f" {replay.count(cells, 'not_compared', 'chosen')} not compared"
    )
    screen.say(replay.statement(drawn, cells))
