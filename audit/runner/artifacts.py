"""Files that a cell leaves: results promised, artifacts declared; copied into the bundle.

Paths come from a definition and from what a command did, so each is checked: nothing outside the
repository is read, nothing enormous is copied, and a refusal is a stated reason.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from audit.runner.files import sync, unwritable
from evidence import chain, layout
from evidence.model import Artifact, Cell
from evidence.redact import Redactor

ARTIFACT_BYTES_MAX = 512 << 20
"""Largest file that is kept."""
ARTIFACTS_MAX = 1_000
"""Most files that are kept of one attempt."""
REASONS_MAX = 5
"""Refusals that are told one by one; of more, only the number."""
REPORT_BYTES_MAX = 16 << 20
"""Largest nox report that is looked into."""
_COPY_BYTES = 1 << 20
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


class RefusedError(Exception):
    """A file is not kept, for the reason that this says."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What was kept of an attempt, why the rest was not, and the bytes of its nox reports."""

    artifacts: tuple[Artifact, ...]
    refusals: tuple[str, ...]
    reports: tuple[bytes, ...]


def clear_results(root: Path, cell: Cell) -> None:
    """Remove the declared result files before an attempt: an earlier run's can then never count.

    Only regular files inside the repository, or links, which are taken away unfollowed.

    Raises:
        RefusedError: one is there and cannot be removed, or its path leads out.
    """
    for result in cell.results:
        path = root / result.path
        try:
            folder = _inside(root, path.parent, result.path)
            if ".git" in (folder / path.name).relative_to(root.resolve()).parts[:1]:
                raise RefusedError(f"belongs to git path=`{result.path}`")
            mode = path.lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            continue
        if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
            raise RefusedError(f"an earlier result is no file path=`{result.path}`")
        try:
            path.unlink()
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise RefusedError(f"an earlier result stays: {why} path=`{result.path}`") from error


def keep(root: Path, folder: Path, cell: Cell, number: int, redactor: Redactor) -> Kept:
    """Copy what a cell left into the bundle, redacted and synced; one sync a file.

    A nox report is ours, so it is taken away once it is kept.

    Raises:
        Unavailable: the bundle cannot be written.
    """
    artifacts: list[Artifact] = []
    refusals: list[str] = []
    reports: list[bytes] = []
    formats = {result.path: result.format for result in cell.results}
    for source in _sources(root, cell, refusals):
        if len(artifacts) == ARTIFACTS_MAX:
            refusals.append(f"only {ARTIFACTS_MAX} files of an attempt are kept")
            break
        try:
            artifact = _copy(
                root, folder, layout.artifact_path(cell.id, number, source), source, redactor
            )
        except FileNotFoundError:
            continue  # promised and not there: the facts say so
        except RefusedError as refused:
            refusals.append(str(refused))
            continue
        artifacts.append(artifact)
        if formats.get(source) == "nox":
            (root / source).unlink(missing_ok=True)  # ours: the plan asked for it
            if artifact.bytes <= REPORT_BYTES_MAX:
                reports.append((folder / artifact.path).read_bytes())
    return Kept(tuple(artifacts), _short(refusals), tuple(reports))


def _short(refusals: list[str]) -> tuple[str, ...]:
    more = len(refusals) - REASONS_MAX
    return (*refusals[:REASONS_MAX], *([f"and {more} more were not kept"] if more > 0 else ()))


def _sources(root: Path, cell: Cell, refusals: list[str]) -> Iterator[str]:
    """Yield the paths to keep, relative to the root, each once, results first."""
    seen = set()
    for source in (*(result.path for result in cell.results), *_produced(root, cell, refusals)):
        if source not in seen:
            seen.add(source)
            yield source


def _produced(root: Path, cell: Cell, refusals: list[str]) -> Iterator[str]:
    for pattern in cell.produces:
        if pattern.startswith("/") or ".." in pattern.split("/"):
            refusals.append(f"leads out of the repository path=`{pattern}`")
            continue
        try:
            found = sorted(str(path.relative_to(root)) for path in _matches(root, pattern))
        except (ValueError, NotImplementedError, OSError) as error:
            refusals.append(f"cannot be looked for: {str(error).lower()} path=`{pattern}`")
            continue
        yield from found


def _matches(root: Path, pattern: str) -> Iterable[Path]:
    for path in root.glob(pattern):
        if path.is_symlink() or not path.is_dir():
            yield path


def _copy(root: Path, folder: Path, name: str, source: str, redactor: Redactor) -> Artifact:
    if _UNSAFE.search(source):
        raise RefusedError(f"its name has control characters path=`{_UNSAFE.sub('?', source)}`")
    if redactor.text(source) != source:
        raise RefusedError(f"its name holds a secret path=`{redactor.text(source)}`")
    real = _inside(root, root / source, source)
    if folder.resolve() in (real, *real.parents) or real.relative_to(root.resolve()).parts[:1] == (
        ".git",
    ):
        raise RefusedError(f"belongs to git or to this run path=`{source}`")
    descriptor = _open(real, source)
    try:
        return _write(descriptor, folder / name, name, source, redactor)
    finally:
        os.close(descriptor)


def _inside(root: Path, path: Path, source: str) -> Path:
    try:
        real = path.resolve(strict=True)
    except (RuntimeError, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise RefusedError(f"cannot be followed: {str(error).lower()} path=`{source}`") from error
    if not real.is_relative_to(root.resolve()):
        raise RefusedError(f"leads out of the repository path=`{source}`")
    return real


def _open(real: Path, source: str) -> int:
    try:
        # No waiting for a pipe that somebody made, no following of a link put there meanwhile.
        descriptor = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise RefusedError(f"cannot be read: {why} path=`{source}`") from error
    state = os.fstat(descriptor)
    if not stat.S_ISREG(state.st_mode):
        os.close(descriptor)
        raise RefusedError(f"is no file path=`{source}`")
    if state.st_size > ARTIFACT_BYTES_MAX:
        os.close(descriptor)
        raise RefusedError(f"is too large to keep bytes=`{state.st_size}` path=`{source}`")
    return descriptor


def _write(descriptor: int, target: Path, name: str, source: str, redactor: Redactor) -> Artifact:
    hasher, size, stream = chain.new_sha256(), 0, redactor.stream()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            while True:
                block = os.read(descriptor, _COPY_BYTES)
                data = stream.feed(block) if block else stream.flush()
                file.write(data)
                hasher.update(data)
                size += len(data)
                if not block:
                    break
            file.flush()
            sync(file.fileno())
    except OSError as error:
        raise unwritable(target, error) from error
    return Artifact(source, name, size, hasher.hexdigest())
