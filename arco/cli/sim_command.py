"""`arco sim`: run seeds over several processes, replay one, plant bugs."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

import click

from arco.cli import failure, options
from arco.cli.commands import Group

SEEDS = 2_000
CHUNK_SEEDS = 100
"""Seeds that a process runs before it says how it went."""
TRACE_LINES = 200
"""Lines of a replay that are shown unless all are asked for: the last ones."""

T = TypeVar("T")
R = TypeVar("R")

_jobs = click.option(
    "--jobs", type=click.IntRange(1, 256), help="Processes at once.  [default: one per processor]"
)


@click.group("sim", cls=Group)
def command() -> None:
    """Run the shipping protocol in a simulated world, made from a seed, and judge every step.

    Writers, readers and a collector work on a store that loses replies, lands writes late, lies
    about clocks and lets them crash; after each step it is asked whether anything is untrue.

    \b
    Examples:
      arco sim run --seeds 2000
      arco sim replay 7
      arco sim planted
    """


@command.command("run")
@click.option("--seeds", type=click.IntRange(1), default=SEEDS, show_default=True, help="How many.")
@click.option("--first-seed", type=click.IntRange(0), default=0, show_default=True, help="Where.")
@_jobs
@options.as_json
def run_command(seeds: int, first_seed: int, jobs: int | None, as_json: bool) -> int:
    """Run seeds, and name each that violates anything with the command that shows it again.

    \b
    Examples:
      arco sim run --seeds 2000
      arco sim run --seeds 100000 --first-seed 5000000 --json
    """
    from arco.sim import runs

    end = first_seed + seeds
    chunks = [(at, min(CHUNK_SEEDS, end - at)) for at in range(first_seed, end, CHUNK_SEEDS)]
    began = perf_counter()
    with _told("seeds", seeds, as_json) as told:
        parts = []
        for part in _spread(_run_chunk, chunks, jobs):
            parts.append(part)
            told(sum(one.seeds for one in parts))
            if sum(len(one.failures) for one in parts) >= runs.FAILURES_MAX:
                break
    ran = runs.joined(parts)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(ran), sort_keys=True))
    else:
        for failed in ran.failures:
            click.echo(click.style("violation: ", fg="red", bold=True) + failed.violation)
            click.echo(f"  seed {failed.seed}; show it: {failed.command}")
        rate = ran.steps / max(perf_counter() - began, 0.001)
        click.echo(
            f"{ran.seeds:,} seeds, {ran.steps:,} steps ({rate:,.0f} a second), "
            f"{ran.requests:,} requests, {ran.versions:,} versions: "
            f"{len(ran.failures)} violations"
        )
    return failure.FOUND if ran.failures else failure.DONE


@command.command("replay")
@click.argument("seed", type=click.IntRange(0))
@click.option("--all", "whole", is_flag=True, help="Show the whole course, not only its end.")
@click.option(
    "--shrink",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a test of what the failure needs.",
)
@options.as_json
def replay_command(seed: int, whole: bool, shrink: Path | None, as_json: bool) -> int:
    """Run one seed again, and show what happened when.

    \b
    Examples:
      arco sim replay 7
      arco sim replay 7 --shrink test_seed_7.py
    """
    from arco.sim import runs

    outcome = runs.replay(seed)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(outcome), sort_keys=True))
    else:
        lines = outcome.trace if whole else outcome.trace[-TRACE_LINES:]
        if len(lines) < len(outcome.trace):
            click.echo(f"… {len(outcome.trace) - len(lines):,} earlier lines: add --all")
        for at_ms, *words in lines:
            click.echo(f"{at_ms:>9,} ms  {'  '.join(map(str, words))}")
        word, colour = (
            (outcome.violation, "red") if outcome.violation else ("no violation", "green")
        )
        click.echo(click.style(word, fg=colour, bold=True))
    if shrink is not None and outcome.violation:
        _write_shrunk(seed, shrink)
    return failure.FOUND if outcome.violation else failure.DONE


def _write_shrunk(seed: int, path: Path) -> None:
    from arco.sim import runs

    small = runs.shrunk(seed)
    if small is None:
        return
    path.write_text(small.test, encoding="utf-8")
    click.echo(f"shrunk to {len(small.taken)} choices: file=`{path}`", err=True)


@command.command("planted")
@click.argument("names", nargs=-1)
@_jobs
@options.as_json
def planted_command(names: tuple[str, ...], jobs: int | None, as_json: bool) -> int:
    """Plant known bugs, one at a time, and show that each is caught within its stated seeds.

    A simulator that finds nothing proves nothing: this is its own test.

    \b
    Examples:
      arco sim planted
      arco sim planted store-overwrites pins-ignored
    """
    from arco.sim.planted import BY_NAME

    unknown = [name for name in names if name not in BY_NAME]
    if unknown:
        raise click.UsageError(f"no such bug: {', '.join(unknown)}; known: {', '.join(BY_NAME)}")
    wanted = list(names or BY_NAME)
    caught = []
    with _told("bugs", len(wanted), as_json) as told:
        for one in _spread(_catch, wanted, jobs):
            caught.append(one)
            told(len(caught))
    caught.sort(key=lambda one: list(BY_NAME).index(one["bug"]))
    missed = [one for one in caught if not one["good"]]
    if as_json:
        click.echo(json.dumps({"caught": caught, "missed": len(missed)}, sort_keys=True))
        return failure.FOUND if missed else failure.DONE
    width = max(len(one["bug"]) for one in caught)
    for one in caught:
        word, colour = ("caught", "green") if one["good"] else ("MISSED", "red")
        seed = "-" if one["seed"] is None else str(one["seed"])
        told_by = click.style(word, fg=colour, bold=True)
        click.echo(f"{one['bug']:<{width}}  {told_by}  seed {seed:>4} of {one['seeds']}")
        click.echo(f"{'':<{width}}  {one['violation'] or one['what']}")
    click.echo(f"{len(caught) - len(missed)} of {len(caught)} planted bugs caught")
    return failure.FOUND if missed else failure.DONE


# --- over several processes ---------------------------------------------------------------------


def _run_chunk(chunk: tuple[int, int]) -> Any:
    from arco.sim import runs

    return runs.run(*chunk)


def _catch(name: str) -> dict[str, Any]:
    from arco.sim import runs
    from arco.sim.planted import BY_NAME

    one = runs.catch(BY_NAME[name])
    return {
        "bug": name,
        "what": one.bug.what,
        "seeds": one.bug.seeds,
        "seed": one.seed,
        "violation": one.violation,
        "good": one.good,
    }


def _spread(work: Callable[[T], R], items: Iterable[T], jobs: int | None) -> Iterator[R]:
    """Yield what the work returns for each item, as it comes; a Ctrl-C ends every process."""
    count = jobs or os.cpu_count() or 1
    if count == 1:
        yield from map(work, items)
        return
    # Spawned, not forked: what a child of a program with threads inherits is anybody's guess.
    context = multiprocessing.get_context("spawn")
    with context.Pool(count, initializer=_leave_interrupts) as pool:
        yield from pool.imap_unordered(work, items)


def _leave_interrupts() -> None:
    """Let the parent alone answer a Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _told(what: str, total: int, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Yield what tells progress on a terminal, and nothing in a pipe."""
    if quiet or not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)
