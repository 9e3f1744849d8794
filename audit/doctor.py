"""What this machine and this repository lack for an audit, each with what to do about it.

Looks and never changes anything. A check that fails means that `run` would refuse or record a
`could_not_run`; a warning means that evidence would be weaker than it could be.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from audit import runner, steps
from audit.errors import AuditError
from audit.runner import modules
from evidence.instant import milliseconds
from evidence.redact import Redactor, find_secrets

if TYPE_CHECKING:
    from audit.repo import Repository

FREE_BYTES_WANTED = 1 << 30
"""Free disk below which a long audit may not fit."""

Word = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: what it is, how it is, what was seen, and the next step."""

    name: str
    word: Word
    said: str
    next_step: str = ""


def examine(wish: steps.Wish) -> list[Finding]:
    """Return what was found, in the order of looking; what depends on a failure is left out."""
    return [*_machine(), *_repository(wish)]


def _machine() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", "ok", version)
    if sys.platform == "linux":
        yield Finding("system", "ok", "linux: detached children are found by their environment")
    else:
        yield Finding(
            "system",
            "warning",
            f"{sys.platform}: a child that detaches itself may outlive its cell",
            "run the release audit on Linux",
        )
    secrets = find_secrets(dict(os.environ))
    uncovered = Redactor(secrets).uncovered
    if uncovered:
        yield _uncovered(uncovered)
    else:
        yield Finding("secrets", "ok", f"variables that would be redacted: {len(secrets)}")


def _uncovered(names: tuple[str, ...]) -> Finding:
    return Finding(
        "secrets",
        "warning",
        f"too short to be redacted names=`{', '.join(names)}`",
        "use secrets of at least 8 bytes, or keep them out of the environment",
    )


def _repository(wish: steps.Wish) -> Iterator[Finding]:
    from audit.repo import Repository

    try:
        with Repository.open(wish.repo) as repository:
            yield Finding("repository", "ok", str(repository.root))
            yield from _history(repository)
            yield from _definition(wish, repository)
    except AuditError as error:
        yield Finding("repository", "error", str(error), error.next_step)


def _history(repository: Repository) -> Iterator[Finding]:
    if repository.shallow:
        yield Finding(
            "history",
            "warning",
            "a shallow clone: baselines and ancestors cannot be looked up",
            "git fetch --unshallow, or fetch-depth: 0 in the CI checkout",
        )
    free = shutil.disk_usage(repository.root).free
    if free < FREE_BYTES_WANTED:
        yield Finding("disk", "warning", f"little room free_bytes=`{free}`", "make room")
    else:
        yield Finding("disk", "ok", f"{free >> 30} GiB free")
    if not os.access(repository.root, os.W_OK):
        yield Finding("disk", "error", "the repository cannot be written", "give write access")


def _definition(wish: steps.Wish, repository: Repository) -> Iterator[Finding]:
    try:
        _, definition = steps.define(wish)
        yield Finding("definition", "ok", f"{len(definition.commands)} commands")
        for note in definition.notes:
            yield Finding("definition", "warning", note, "see the definition")
        subject = repository.subject(definition.audit.outputs)
        yield _clock(subject.committed_utc, runner.SystemClock().utc())
        dirty = subject.dirty
        if dirty:
            yield Finding(
                "working tree",
                "error",
                f"differs from its commit paths=`{', '.join(dirty[:5])}`",
                "commit or stash, or run with --allow-dirty, which can never be GO",
            )
        else:
            yield Finding("working tree", "ok", "as committed")
        prepared = steps.prepare(
            steps.Wish(wish.repo, wish.definition, label="doctor", allow_dirty=True),
            repository,
            definition,
            utc="",
        )
    except AuditError as error:
        yield Finding("definition", "error", str(error), error.next_step)
        return
    if prepared.redactor.uncovered:
        yield _uncovered(prepared.redactor.uncovered)
    yield from _programs(prepared, shutil.which)
    yield from _packages(prepared)


def _clock(committed_utc: str, now_utc: str) -> Finding:
    """Ages, windows and signatures are reckoned with this clock."""
    after_s = (milliseconds(now_utc) - milliseconds(committed_utc)) // 1000
    if after_s >= 0:
        return Finding("clock", "ok", f"{now_utc}, after the commit seconds=`{after_s}`")
    return Finding(
        "clock",
        "warning",
        f"{now_utc} is before the commit committed=`{committed_utc}` seconds=`{-after_s}`",
        "set the clock of this machine, or look who committed with a wrong one",
    )


def _programs(prepared: steps.Prepared, which: Callable[[str], str | None]) -> Iterator[Finding]:
    """Every program that a cell starts must be there, or that cell could not run."""
    root = prepared.repository.root
    missing: dict[str, list[str]] = {}
    for cell in prepared.real.cells:
        program = cell.argv[0]
        found = which(program) if os.sep not in program else (root / cell.cwd / program).exists()
        if not found:
            missing.setdefault(program, []).append(cell.id)
    for program, cells in sorted(missing.items()):
        yield Finding(
            "program",
            "error",
            f"not found program=`{program}` cells=`{', '.join(cells[:5])}`",
            f"install {Path(program).name}, or put it on PATH",
        )
    if not missing:
        yield Finding("programs", "ok", f"all {len(prepared.real.cells)} cells can start")


def _packages(prepared: steps.Prepared) -> Iterator[Finding]:
    """What `python -m` is to run has to be there, unless a cell before it installs it."""
    root = prepared.repository.root
    asked: dict[tuple[str, str, str], list[str]] = {}
    for cell in prepared.real.cells:
        package = modules.wanted(cell.argv)
        if package:
            asked.setdefault((cell.argv[0], package, cell.cwd), []).append(cell.id)
    for (python, package, cwd), cells in sorted(asked.items()):
        if modules.has(python, package, root / cwd) is False:
            yield Finding(
                "package",
                "warning",
                f"{python} has no package=`{package}` cells=`{', '.join(cells[:5])}`",
                f"{python} -m pip install {package}, unless a command of the audit does that",
            )
