"""What a cell really reads: one run under `strace`, held against the reads that it declares.

Linux only, and only where strace is installed. The cell and what it needs run in a fresh repository
at the sealed commit; the bundle is never written to. An observation is a hint for the author of a
definition and no evidence: another run may read other files.
"""

from __future__ import annotations

import dataclasses
import os
import posixpath
import re
import shutil
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from audit import plan as planning
from audit import runner
from audit.errors import Invalid, Unavailable
from audit.repo import Repository
from audit.trust.replay_tree import fresh
from evidence import carry
from evidence.carry import Evidence
from evidence.globs import matcher
from evidence.model import Attempt, Cell, Plan, Result
from evidence.redact import Redactor, find_secrets

STRACE = ("strace", "-f", "-y", "-qq", "-s", "4096", "-e", "trace=%file")
"""How a cell is watched: every call that takes a file name, in all its processes."""
TRACE_BYTES_MAX = 4 << 30
"""Largest trace that is read."""
INTERPRETER = "python"
"""What the plan writes for the Python that starts nox; this machine's stands elsewhere."""
_ENDS_NOWHERE = ("ENOENT", "ENOTDIR")


@dataclass(frozen=True, slots=True)
class Observed:
    """What one run of a cell touched.

    `undeclared` are tracked files that it looked at and that no declared pattern matches;
    `looked_for` are paths below the repository that it looked for in vain and whose appearance no
    pattern would notice. `files` counts the tracked files that it looked at.
    """

    cell: str
    result: Result
    reads: tuple[str, ...]
    files: int
    undeclared: tuple[str, ...]
    looked_for: tuple[str, ...]


def observe(
    of: Evidence, name: str, repository: Repository, stop: threading.Event, clock: runner.Clock
) -> Observed | None:
    """Run a cell of a sealed run once under strace, and return what it touched; None when `stop`
    was set meanwhile.

    Raises:
        Invalid: the run has no such cell, or was made of no commit.
        Unavailable: strace is missing or may not watch, or git or the disk refuses.
    """
    plan = of.plan
    cells = _with_needs(plan, name)
    if plan.subject.dirty:
        raise Invalid("the run was made on a dirty working tree, which no commit holds")
    if not sys.platform.startswith("linux") or shutil.which(STRACE[0]) is None:
        raise Unavailable(
            "could not run: strace is not installed here", next_step="apt install strace, on Linux"
        )
    commit = repository.require(plan.subject.commit)
    with fresh(repository, commit) as (tree, folder):
        (tree / plan.rules.outputs[0]).mkdir(parents=True, exist_ok=True)
        trace = folder / "trace"
        watched = [_watched(cell, trace if cell.id == name else None) for cell in cells]
        attempts = _run(plan, watched, tree, folder, stop, clock)
        if stop.is_set():
            return None
        last = {attempt.cell: attempt for attempt in attempts}
        if name not in last or not trace.exists() or not trace.stat().st_size:
            why = f": {last[name].result}" if name in last else ""
            raise Unavailable(
                f"could not run: the cell was not watched{why} cell=`{name}`",
                next_step="see whether what it needs passes, and whether ptrace is allowed here",
            )
        cwd = posixpath.normpath(f"{tree}/{cells[-1].cwd}")
        touched = _from(trace, cwd)
        return compare(of, name, last[name].result, below(touched, str(tree)))


def _with_needs(plan: Plan, name: str) -> tuple[Cell, ...]:
    """The cell with all that it needs, in an order in which needs precede; it is the last."""
    by_id = {cell.id: cell for cell in plan.cells}
    if name not in by_id:
        raise Invalid(
            f"this run has no such cell cell=`{name:.80}`",
            next_step="arco-audit status lists the cells",
        )
    wanted, waiting = {name}, [name]
    while waiting:
        new = [need for need in by_id[waiting.pop()].needs if need not in wanted]
        wanted.update(new)
        waiting += new
    before = [cell for cell in planning.order(plan) if cell.id in wanted - {name}]
    return (*before, by_id[name])


def _watched(cell: Cell, trace: Path | None) -> Cell:
    """The cell as it is executed: nox by the Python of this program, and under strace if asked."""
    argv = cell.argv
    if argv[:3] == (INTERPRETER, "-m", "nox"):
        argv = (sys.executable, *argv[1:])
    if trace is not None:
        argv = (*STRACE, "-o", str(trace), "--", *argv)
    return dataclasses.replace(cell, argv=argv)


def _run(
    plan: Plan,
    cells: Sequence[Cell],
    tree: Path,
    folder: Path,
    stop: threading.Event,
    clock: runner.Clock,
) -> tuple[Attempt, ...]:
    writer = runner.JournalWriter.create(folder)
    options = runner.RunOptions(
        jobs=plan.rules.jobs,
        fail_fast=False,
        run_id=f"observe-{os.urandom(8).hex()}",
        root=tree,
        folder=folder,
    )
    try:
        return runner.run_cells(
            list(cells),
            options=options,
            redactor=Redactor(find_secrets(dict(os.environ), plan.rules.secret_env)),
            journal=writer,
            clock=clock,
            stop=stop,
        )
    finally:
        writer.close()


# --- reading a trace ------------------------------------------------------------------------------

_CALL = re.compile(r"(?P<pid>\d+) +(?P<call>\w+)\((?P<rest>.*)", re.DOTALL)
_RESUMED = re.compile(r"(?P<pid>\d+) +<\.\.\. \w+ resumed>(?P<rest>.*)", re.DOTALL)
_UNFINISHED = " <unfinished ...>"
_NAME = re.compile(
    r'(?:(?P<at>AT_FDCWD|-?\d+)(?:<(?P<folder>(?:[^>\\]|\\.)*)>)?, )?"(?P<path>(?:[^"\\]|\\.)*)"'
)

_ESCAPE = re.compile(r"\\([0-7]{1,3}|.)", re.DOTALL)
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "v": "\v", "f": "\f"}


def _from(trace: Path, cwd: str) -> dict[str, bool]:
    if trace.stat().st_size > TRACE_BYTES_MAX:
        raise Unavailable(
            f"the trace is too large bytes=`{trace.stat().st_size}`",
            next_step="observe a cell that does less",
        )
    with trace.open(encoding="latin-1", newline="\n") as lines:
        return touches(lines, cwd)


def touches(lines: Iterable[str], cwd: str) -> dict[str, bool]:
    """Return the absolute paths that a trace names, and whether each was ever there.

    `lines` are those of `strace -f -y -o`, as latin-1; `cwd` is where the first process starts. A
    call that another process interrupted comes in two lines, which are put together.
    """
    found: dict[str, bool] = {}
    pending: dict[str, str] = {}
    where: dict[str, str] = {}
    for line in lines:
        text = line.rstrip("\n")
        resumed = _RESUMED.match(text)
        if resumed:
            text = pending.pop(resumed["pid"], "") + resumed["rest"]
        elif text.endswith(_UNFINISHED):
            pending[text.partition(" ")[0]] = text.removesuffix(_UNFINISHED)
            continue
        call = _CALL.match(text)
        if call:
            _note(call, where, cwd, found)
    return found


def _note(call: re.Match[str], where: dict[str, str], cwd: str, found: dict[str, bool]) -> None:
    named, (_, equals, ended) = _NAME.search(call["rest"]), call["rest"].rpartition(" = ")
    if named is None or not equals:
        return
    pid = call["pid"]
    if named["at"] == "AT_FDCWD" and named["folder"]:
        where[pid] = _plain(named["folder"])
    base = where.get(pid, cwd)
    if named["at"] not in (None, "AT_FDCWD"):
        base = _plain(named["folder"] or "")
    path = posixpath.normpath(posixpath.join(base, _plain(named["path"])))
    if not path.startswith("/"):
        return
    there = not ended.startswith("-1 ")
    if there or any(word in ended for word in _ENDS_NOWHERE):
        found[path] = found.get(path, False) or there
    if call["call"] == "chdir" and there:
        where[pid] = path


def _plain(text: str) -> str:
    """What strace shows, without its C escapes, as a path of Python."""
    raw = _ESCAPE.sub(_unescaped, text) if "\\" in text else text
    return raw.encode("latin-1", "replace").decode("utf-8", "surrogateescape")


def _unescaped(match: re.Match[str]) -> str:
    word = match[1]
    return chr(int(word, 8) % 256) if word[0] in "01234567" else _LETTERS.get(word, word)


def below(touched: dict[str, bool], root: str) -> dict[str, bool]:
    """Return what was touched below a folder, by its path from there."""
    start = f"{root}/"
    return {path[len(start) :]: there for path, there in touched.items() if path.startswith(start)}


def compare(of: Evidence, name: str, result: Result, touched: dict[str, bool]) -> Observed:
    """Return what of the touched paths the cell's declared reads, and those of its needs, leave
    out. A cell that declares none reads everything, and leaves nothing out."""
    reads = tuple(sorted({glob for cell in _with_needs(of.plan, name) for glob in cell.reads}))
    whole = any(not cell.reads for cell in _with_needs(of.plan, name))
    declared = matcher((*reads, *carry.ALWAYS_READ))
    tracked = {file.path.decode("utf-8", "surrogateescape") for file in of.files}
    outputs = tuple(f"{root.rstrip('/')}/" for root in of.plan.rules.outputs)

    def told(path: str) -> bool:
        return not (whole or declared(path) or f"{path}/".startswith((*outputs, ".git/")))

    read = sorted(path for path, there in touched.items() if there and path in tracked)
    vain = sorted(path for path, there in touched.items() if not there and path not in tracked)
    return Observed(
        cell=name,
        result=result,
        reads=reads,
        files=len(read),
        undeclared=tuple(filter(told, read)),
        looked_for=tuple(filter(told, vain)),
    )


def lines(seen: Observed) -> Iterator[str]:
    """Yield what people are told of an observation."""
    reads = ", ".join(seen.reads) or "everything, because no reads are declared"
    yield f"cell: {seen.cell}  {seen.result}"
    yield f"declared: {reads}"
    yield f"tracked files that it looked at: {seen.files}"
    for title, paths in (
        ("looked at and not declared", seen.undeclared),
        ("looked for in vain and not declared", seen.looked_for),
    ):
        yield f"{title}: {len(paths)}"
        yield from (f"  {path}" for path in paths)
