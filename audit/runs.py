"""Runs that lie on the disk: found by name or as the newest, and read as records.

Reads only. Whether what is read can be trusted is the verifier's question.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from audit.errors import Corrupt, Invalid
from evidence import archive, codec, journal, layout, words
from evidence.codec import Malformed
from evidence.folder import Folder
from evidence.instant import milliseconds
from evidence.model import Decision, Facts, Plan, Run

T = TypeVar("T")

DEPTH_MAX = 8
"""Folders between an output root and a run: the audit id and the segments of a label."""


NAME_CHARS_MAX = 200
"""Characters of a name that a message repeats."""


@dataclass(frozen=True, slots=True)
class Records:
    """The records of a run that was judged."""

    folder: Path
    plan: Plan
    run: Run
    facts: Facts
    decision: Decision


def find(roots: list[Path], name: str) -> Path:
    """Return the folder of a run: a path, a label below one of the output roots, or the newest.

    Raises:
        Invalid: there is none; names what was looked for and what is there.
    """
    if name and is_run(Path(name)):
        return Path(name)
    names = {folder: _named(folder, root) for root in roots for folder in below(root)}
    found = list(names)
    if name:
        wanted = [folder for folder in found if _ends_with(folder, name)]
        if len(wanted) == 1:
            return wanted[0]
        newest = sorted(wanted or found, key=_age, reverse=True)
        listed = words.listed([names[folder] for folder in newest])
        problem = "several runs are called" if wanted else "no run is called"
        shown = name if len(name) <= NAME_CHARS_MAX else name[:NAME_CHARS_MAX] + "…"
        step = "name one of them, or the folder of a run" if listed else "arco-audit run"
        raise Invalid(f"{problem} name=`{shown}` runs=`{listed or 'none'}`", next_step=step)
    if not found:
        places = ", ".join(map(str, roots))
        raise Invalid(f"no run lies below roots=`{places}`", next_step="arco-audit run")
    return max(found, key=_age)


def _age(folder: Path) -> tuple[str, str]:
    """What is greater for a run that was opened later."""
    return _opened(folder), str(folder)


def _named(folder: Path, root: Path) -> str:
    """How a run can be called in a message and on a command line: audit and label."""
    return str(folder.relative_to(root)) if folder != root else str(folder)


def _ends_with(folder: Path, name: str) -> bool:
    wanted = Path(name).parts
    return folder.parts[-len(wanted) :] == wanted


def is_run(folder: Path) -> bool:
    """Whether a run lies there, however far it came; a name that no disk takes is none."""
    try:
        return (folder / layout.PLAN).is_file()
    except OSError:
        return False


def below(folder: Path, depth: int = 0) -> Iterator[Path]:
    """Yield the runs in a folder; nothing inside a run is one of its own."""
    if is_run(folder):
        yield folder
        return
    if depth < DEPTH_MAX and folder.is_dir():
        with os.scandir(folder) as entries:
            inner = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        for path in inner:
            yield from below(Path(path), depth + 1)


def audit_folder(folder: Path, plan: Plan) -> Path:
    """Return what is above the label of a run: the folder of its audit, where runs are put."""
    root = folder.resolve()
    for _ in Path(plan.label).parts:
        root = root.parent
    return root


def finished_beside(folder: Path, root: Path) -> list[Path]:
    """Return the finished runs below a root, but for the one that is asked about, by name."""
    own = folder.resolve()
    return [
        other
        for other in sorted(below(root))
        if other.resolve() != own and archive.is_sealed(other)
    ]


def _opened(folder: Path) -> str:
    """When a run was opened; a run without a journal sorts before all others."""
    try:
        with (folder / layout.JOURNAL).open("rb") as stream:
            told = journal.read(stream.readline())
    except OSError:
        return ""
    first = told.records[0] if told.records else None
    return first.utc if isinstance(first, journal.Opened) else ""


def require_finished(folder: Path) -> None:
    """Refuse a folder in which no finished run lies.

    Raises:
        Invalid: no run lies there, or it was not finished: says to resume it.
    """
    if archive.is_sealed(folder):
        return
    require(folder)
    raise Invalid(
        "this run was not finished, so nothing was decided",
        place=str(folder),
        next_step=f"arco-audit resume {folder}",
    )


def require(folder: Path) -> None:
    """Refuse a folder in which nothing of a run lies. Raises `Invalid`."""
    if not is_run(folder) and not archive.is_sealed(folder):
        raise Invalid(
            "no run lies there",
            place=str(folder),
            next_step="name the folder that holds the plan.json of a run, or its label",
        )


def load(folder: Path) -> Records:
    """Return the records of a finished run.

    Raises:
        Invalid: as `require_finished` says.
        Corrupt: a record cannot be read.
    """
    require_finished(folder)
    records = Records(
        folder,
        record(folder, layout.PLAN, Plan),
        record(folder, layout.RUN, Run),
        record(folder, layout.FACTS, Facts),
        record(folder, layout.DECISION, Decision),
    )
    if not _fit(records):
        raise Corrupt(
            "its records are not of one run",
            place=str(folder),
            next_step=f"arco-audit verify {folder}",
        )
    return records


def _fit(records: Records) -> bool:
    """Whether the records speak of the same cells, gates, signals and conditions."""
    plan, decision = records.plan, records.decision
    signals = [(item.id, len(item.conditions)) for item in plan.signals]
    cells = [item.id for item in plan.cells]
    gates = [item.id for item in plan.gates]
    return (
        [(item.id, len(item.conditions)) for item in decision.signals] == signals
        and [item.cell for item in decision.cells] == cells
        and [item.id for item in decision.gates] == gates
        and {item.gate for item in plan.signals} <= set(gates)
        and {attempt.cell for attempt in records.run.attempts} <= set(cells)
        and all(map(_is_instant, _instants(records)))
    )


def _instants(records: Records) -> Iterator[str]:
    """Every time that is reckoned with."""
    run, facts = records.run, records.facts
    yield from (run.start_utc, run.end_utc, facts.as_of, records.decision.as_of)
    yield from (item.end_utc for item in facts.attempts)
    for attempt in run.attempts:
        yield from (attempt.start_utc, attempt.end_utc)


def _is_instant(text: str) -> bool:
    try:
        milliseconds(text)
    except ValueError:
        return False
    return True


def record(folder: Path, name: str, cls: type[T]) -> T:
    """Return one record of a run. Raises `Corrupt`."""
    try:
        return codec.read(cls, Folder(str(folder)).read(name))
    except Malformed as error:
        raise Corrupt(
            str(error), place=str(folder / name), next_step=f"arco-audit verify {folder}"
        ) from error
