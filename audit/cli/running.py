"""From a wish to a sealed run: the steps in order, with Ctrl-C, progress and the last words.

`run`, `resume` and `plan` share this. The first Ctrl-C ends the commands and records them as
interrupted; the run can then be resumed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from audit import plan as planning
from audit import runner, steps
from audit.cli import progress, screen
from audit.cli.diff_command import closed_before, closed_line
from audit.cli.failure import NOT_READY, READY, Interrupted
from evidence import codec, layout, seal
from evidence.model import Plan

TAIL_BYTES = 16_384
"""Bytes from the end of a failed log that CI shows at once."""
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals by which a person, a CI service or a closed terminal asks for an end."""


def show_plan(wish: steps.Wish, as_json: bool) -> int:
    """Print the plan of a run and its root."""
    repository, definition = steps.define(wish)
    prepared = steps.prepare(wish, repository, definition, utc=runner.SystemClock().utc())
    if as_json:
        screen.as_json({**codec.to_value(prepared.plan), "plan_root": prepared.plan_root})
        return READY
    for line in planning.tree_lines(prepared.plan):
        screen.say(line)
    for note in definition.notes:
        screen.say(f"note: {note}")
    screen.say(f"plan root: {prepared.plan_root}")
    if not wish.label:
        screen.say("note: a run gets another root, unless --label says what it is called")
    return READY


def start(wish: steps.Wish, as_json: bool) -> int:
    """Run a new audit and return its exit code."""
    clock = runner.SystemClock()
    repository, definition = steps.define(wish)
    prepared = steps.prepare(wish, repository, definition, utc=clock.utc())
    with steps.begin(prepared, clock) as begun:
        finished = _go_on(begun, clock, as_json)
    return _conclude(prepared, finished, as_json)


def resume(wish: steps.Wish, folder: Path, as_json: bool) -> int:
    """Continue the run in `folder` and return its exit code."""
    from audit import runs

    clock = runner.SystemClock()
    repository, definition = steps.define(wish)
    written = runs.record(folder, layout.PLAN, Plan)
    wish = steps.Wish(
        wish.repo,
        wish.definition,
        label=written.label,
        jobs=written.rules.jobs,
        fail_fast=written.rules.fail_fast,
        allow_dirty=True,
    )
    prepared = steps.prepare(wish, repository, definition, utc=clock.utc())
    steps.same_folder(prepared, folder)
    with steps.take_up(prepared, clock) as begun:
        finished = _go_on(begun, clock, as_json)
    return _conclude(prepared, finished, as_json)


def _go_on(begun: steps.Begun, clock: runner.Clock, as_json: bool) -> steps.Finished | None:
    """Run and seal; None when somebody stopped it."""
    prepared = begun.prepared
    quiet = as_json
    _warn(prepared, quiet)
    if not quiet:
        screen.say(f"plan root: {prepared.plan_root}")
        screen.say(f"evidence: {prepared.folder}")
    stop = threading.Event()
    with interruptible(stop), progress.shown(prepared.plan, begun.past, quiet) as events:
        attempts = steps.execute(begun, events, stop, clock)
    return None if stop.is_set() else steps.finish(begun, attempts, clock)


def _conclude(prepared: steps.Prepared, finished: steps.Finished | None, as_json: bool) -> int:
    if finished is None:
        raise Interrupted(
            "interrupted",
            place=prepared.folder,
            next_step=f"continue with arco-audit resume {prepared.folder}",
        )
    steps.prove(finished)
    return _tell(prepared, finished, as_json)


def _warn(prepared: steps.Prepared, quiet: bool) -> None:
    if prepared.redactor.uncovered:
        names = ", ".join(prepared.redactor.uncovered)
        screen.say(f"warning: too short to be redacted, not covered: {names}", error=True)
    if prepared.plan.subject.dirty and not quiet:
        screen.say("warning: the working tree is dirty, so this run can never be GO", error=True)


def _tell(prepared: steps.Prepared, finished: steps.Finished, as_json: bool) -> int:
    decision, folder = finished.records.decision, prepared.folder
    paths = {
        "summary": f"{folder}/{layout.DOCUMENTS}/{layout.SUMMARY}",
        "report": f"{folder}/{layout.REPORT}",
        "logs": f"{folder}/{layout.LOGS}/",
        "evidence": folder,
    }
    roots = {"plan_root": finished.point.plan_root, "final_root": finished.point.final_root}
    before = closed_before(finished.records.folder, decision)
    if as_json:
        closed = {"closed_since": before and before[1]}
        screen.as_json({**codec.to_value(decision), **closed, **paths, **roots})
    else:
        screen.say()
        for line in screen.decision_lines(prepared.plan, decision):
            screen.say(line)
        if before:
            screen.say(closed_line(before))
        screen.say()
        for name, path in paths.items():
            screen.say(f"{name + ':':<12}{path}")
        screen.say(f"plan root:  {roots['plan_root']}")
        screen.say(f"final root: {roots['final_root']}")
    _tell_github(finished, before, as_json)
    return READY if decision.verdict == "GO" else NOT_READY


def _tell_github(
    finished: steps.Finished, before: tuple[str, list[str]] | None, as_json: bool
) -> None:
    """Write summary and outputs where GitHub asks for them; annotate, and fold logs in."""
    summary, output = os.environ.get("GITHUB_STEP_SUMMARY"), os.environ.get("GITHUB_OUTPUT")
    on_github = os.environ.get("GITHUB_ACTIONS") == "true" and not as_json
    if not (summary or output or on_github):
        return
    from audit.render import github

    if summary:
        since, closed = before or ("", [])
        _append(summary, github.step_summary(finished.tracker, since=since, closed=closed))
    if output:
        values = github.output_values(finished.tracker, final_root=finished.point.final_root)
        _append(output, github.outputs(values))
    if on_github:
        for name, tail in _tails(finished):
            screen.say(github.group(f"log of {name}", tail), lines=True)
        for line in github.annotate(finished.tracker):
            screen.say(line)


def _tails(finished: steps.Finished) -> Iterator[tuple[str, bytes]]:
    """The end of the log of every required cell that did not pass."""
    attempts = seal.deciding(finished.records.run)
    required = {cell.id for cell in finished.records.plan.cells if cell.required}
    for decided in finished.records.decision.cells:
        attempt = attempts.get(decided.cell)
        if decided.passed or decided.cell not in required or not attempt or not attempt.log:
            continue
        with (finished.records.folder / attempt.log.path).open("rb") as stream:
            stream.seek(max(0, attempt.log.bytes - TAIL_BYTES))
            yield decided.cell, stream.read()


def _append(path: str, data: bytes) -> None:
    """Append to a file of the CI service; the run is sealed already, so a refusal is a warning."""
    try:
        with Path(path).open("ab") as stream:
            stream.write(data)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        screen.say(f"warning: cannot be written for GitHub: {why} path=`{path}`", error=True)


@contextlib.contextmanager
def interruptible(stop: threading.Event) -> Iterator[None]:
    """Turn what asks a process to end into `stop` while commands run.

    A terminal that is closed asks too, but whoever ignores a signal (`nohup`) goes on doing so.
    """

    def asked(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    heard = [number for number in ENDINGS if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, asked) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
