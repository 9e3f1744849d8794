"""`arco-audit selftest`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

import click

from audit.cli import options, output, screen
from audit.cli.failure import NOT_READY, READY

if TYPE_CHECKING:
    from audit.trust.selftest import Outcome, Progress, Score

SURVIVORS_SHOWN_MAX = 20
"""Survivors on the screen; `--json` lists them all."""


@click.command("selftest")
@options.run
@options.repo
@options.definition
@options.json
@click.option(
    "--mutants",
    type=click.IntRange(1, 1_000_000),
    default=1_000,
    show_default=True,
    metavar="N",
    help="Changes to try.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63),
    default=0,
    show_default=True,
    metavar="S",
    help="The same seed tries the same changes.",
)
def command(
    run: str, repo: Path, definition: Path | None, as_json: bool, mutants: int, seed: int
) -> int:
    """Change a sealed run a thousand times in memory, and see whether each change is noticed.

    Half of the changes tamper with the bundle: the verifier must name them. The others change the
    facts under a gate: a command fails, a test is skipped, a file is gone, and the gate must leave
    GO. A gate that stays GO whatever its facts say is decorative. Nothing is written. Exit codes: 0
    every change was noticed and no gate is decorative, 1 otherwise, 3 the bundle does not verify.

    \b
    Examples:
      arco-audit selftest
      arco-audit selftest release_evidence/1.0/head --mutants 5000 --seed 7 --json
    """
    from audit.trust import selftest

    folder = options.run_folder(repo, definition, run)
    with _progress(mutants, as_json) as progress:
        outcome = selftest.examine(folder, mutants=mutants, seed=seed, progress=progress)
    if as_json:
        screen.as_json(selftest.value(outcome))
    else:
        screen.say(f"run: {folder}")
        for line in _lines(outcome):
            screen.say(line)
    return READY if outcome.ok else NOT_READY


@contextlib.contextmanager
def _progress(mutants: int, quiet: bool) -> Iterator[Progress]:
    """Yield what is told after each mutant: a bar on a terminal, nothing elsewhere."""
    if quiet or not sys.stdout.isatty():
        yield lambda done, of: None
        return
    from rich.console import Console
    from rich.progress import Progress as Bars

    console = Console(file=cast("TextIO", output.Lasting(sys.stdout)))
    with Bars(console=console, transient=True) as bars:
        bar = bars.add_task("mutants", total=mutants)
        yield lambda done, of: bars.update(bar, completed=done)


def _lines(outcome: Outcome) -> Iterator[str]:
    header = ("gate", "status", "tampering", "evidence", "score", "area")
    rows = [
        [
            str(item.gate),
            item.status,
            _share(item.tampering),
            _share(item.evidence),
            _percent(item.tampering, item.evidence),
            item.name + (" (decorative)" if item.decorative else ""),
        ]
        for item in outcome.gates
    ]
    whole = outcome.tampering, outcome.evidence
    rows.append(["-", "-", *map(_share, whole), _percent(*whole), "the bundle and the release"])
    yield from screen.table(header, rows)
    survivors = outcome.survivors
    if survivors:
        listed = [
            [item.family, item.kind, item.signal or _gates(item.gates), item.said]
            for item in survivors[:SURVIVORS_SHOWN_MAX]
        ]
        yield ""
        yield from screen.table(("survivor", "change", "of", "what"), listed)
        if len(survivors) > SURVIVORS_SHOWN_MAX:
            yield f"and {len(survivors) - SURVIVORS_SHOWN_MAX} more; --json lists them all"
    yield ""
    for gate in outcome.decorative:
        yield f"gate {gate} is decorative: it stays GO whatever its facts say"
    for signal in outcome.vacuous:
        yield f"signal {signal} is vacuous: it stays GO whatever its facts say"
    killed = len(outcome.tried) - len(survivors)
    yield f"mutants: {len(outcome.tried)}, noticed: {killed}, survivors: {len(survivors)}"
    yield f"seed: {outcome.seed}"


def _gates(gates: tuple[int, ...]) -> str:
    return f"gate {', '.join(map(str, gates))}" if gates else "the bundle"


def _share(score: Score) -> str:
    return f"{score.killed}/{score.mutants}"


def _percent(*scores: Score) -> str:
    """The kill score in whole percent, rounded down: 100 % means every one."""
    mutants = sum(score.mutants for score in scores)
    return f"{100 * sum(score.killed for score in scores) // mutants} %" if mutants else "-"
