"""Taking chunks of a log, or a whole file, out of a sealed bundle that still verifies.

Here are the only writes to a run after its seal. What is taken out is overwritten by a marker of
the same length, and the salts of those chunks by zeros, so that nobody can guess at the text; its
leaf hashes stay in the seal. The entry that says who did it and why is appended before anything is
overwritten, so that after a crash the job is finished by doing it again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from audit.errors import Corrupt, Invalid
from audit.runner.files import AGAIN, sync_folder, unwritable
from audit.trust import naming
from audit.trust.book import Book
from evidence import codec, contents, layout, seal, weigh
from evidence.chain import CHUNK_BYTES, SALT_BYTES
from evidence.codec import Malformed
from evidence.folder import Folder
from evidence.model import Log, Seal
from evidence.signoff import Withholding

MATCH_BYTES_MAX = 4096
"""Longest text that is looked for."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What is to be taken out of one file: chunks of a log, or the file with no chunk named."""

    path: str
    chunks: tuple[int, ...]
    leaves: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants to take out: the pieces, and files that hold the text and cannot be."""

    pieces: tuple[Piece, ...]
    left: tuple[str, ...]


def wanted(opened: Book, path: str, chunks: Sequence[int], match: bytes) -> Wanted:
    """Return what has to be taken out for a path and its chunks, or for a text wherever it is.

    With a log the report page goes too, which quotes logs. `match` is looked for in every file.

    Raises:
        Invalid: a path or chunk that is not there, one that cannot be withheld, or nothing to do.
    """
    logs = {attempt.log.path: attempt.log for attempt in opened.sealed.run.attempts if attempt.log}
    bundle = Folder(str(opened.run))
    if len(match) > MATCH_BYTES_MAX:
        raise Invalid(f"is too long to be looked for bytes_max=`{MATCH_BYTES_MAX}`")
    _refuse_unknown(opened, path, logs)
    if path in logs and not chunks and not match:
        raise Invalid(
            "nobody says which chunks of the log",
            place=path,
            next_step="name them by --chunk N, or the text by --match TEXT",
        )
    found = {path: set(chunks)} if path not in logs or chunks else {}
    left: list[str] = []
    names = sorted({*bundle.names()} - {layout.VERIFIER}) if match else []  # no words of the run
    for name in names:
        if name in logs:
            hits = matching(bundle.blocks(name), match)
            if hits:
                found.setdefault(name, set()).update(hits)
        elif not seal.is_salts(name) and matching(bundle.blocks(name), match):
            if layout.may_be_withheld(name):
                found.setdefault(name, set())
            else:
                left.append(name)
    if found.keys() & logs.keys() and (opened.run / layout.REPORT).exists():
        found.setdefault(layout.REPORT, set())
    if not found and not left:
        raise Invalid("this text is nowhere in the bundle", place=path, next_step="look again")
    pieces = tuple(_piece(opened, name, sorted(numbers)) for name, numbers in sorted(found.items()))
    return Wanted(pieces, tuple(left))


def _refuse_unknown(opened: Book, path: str, logs: dict[str, Log]) -> None:
    sealed = {leaf.name for leaf in _sealed(opened).final}
    if path in logs:
        return
    if f"file/{path}" not in sealed:
        known = [*logs, *(name.removeprefix("file/") for name in sealed if name[:5] == "file/")]
        raise naming.unknown("file", path, sorted(known))
    if not layout.may_be_withheld(path):
        raise Invalid(
            "without this file the bundle would not verify",
            place=path,
            next_step="logs, kept files, documents and the report page can be withheld",
        )


def _sealed(opened: Book) -> Seal:
    try:
        return codec.read(Seal, Folder(str(opened.run)).read(layout.SEAL), layout.SEAL)
    except Malformed as error:
        raise Corrupt(str(error), place=str(opened.run)) from error


def _piece(opened: Book, path: str, chunks: Sequence[int]) -> Piece:
    logs = (attempt.log for attempt in opened.sealed.run.attempts)
    log = next((log for log in logs if log and log.path == path), None)
    if log is None:
        leaves = tuple(x.hash for x in _sealed(opened).final if x.name == f"file/{path}")
        return Piece(path, (), leaves)
    if not log.leaves:
        raise Invalid("the log is empty", place=path, next_step="there is nothing to withhold")
    beyond = [number for number in chunks if not 0 <= number < len(log.leaves)]
    if beyond:
        raise Invalid(
            f"the log has no such chunk chunk=`{beyond[0]}` chunks=`{len(log.leaves)}`",
            place=path,
            next_step=f"chunks are numbered from 0 to {len(log.leaves) - 1}",
        )
    return Piece(path, tuple(chunks), tuple(log.leaves[number] for number in chunks))


def matching(blocks: Iterable[bytes], text: bytes) -> list[int]:
    """Return the numbers of the chunks that hold a part of a text, wherever it lies across them."""
    found: set[int] = set()
    kept, start = b"", 0
    for block in blocks:
        data = kept + block
        at = data.find(text)
        while at >= 0:
            last = (start + at + len(text) - 1) // CHUNK_BYTES
            found |= set(range((start + at) // CHUNK_BYTES, last + 1))
            at = data.find(text, at + 1)
        keep = min(len(data), len(text) - 1)
        start, kept = start + len(data) - keep, data[len(data) - keep :]
    return sorted(found)


def entries(
    opened: Book, pieces: Iterable[Piece], person: str, role: str, reason: str, utc: str
) -> Iterator[Withholding]:
    """Yield an entry for each piece; the place of each is that of the next line, to be moved on.

    Raises:
        Invalid: no reason.
    """
    if not reason.strip():
        raise Invalid("nobody says why it is withheld", next_step="say why by --reason")
    for piece in pieces:
        yield Withholding(
            *(opened.at(), person, role, utc, piece.path),
            *(piece.chunks, piece.leaves, reason.strip()),
        )


def at_the_end(opened: Book, entry: Withholding) -> Withholding:
    """Return an entry that stands behind all that was appended meanwhile."""
    return replace(entry, at=opened.at())


# --- doing it -------------------------------------------------------------------------------------


def finish(opened: Book, weights: Iterable[weigh.Weight]) -> list[str]:
    """Take out whatever entries that count say is withheld and is still there; return the paths.

    Two fsyncs for a log, two for a file. Does nothing twice.

    Raises:
        Unavailable: the disk says no; do it again.
        Corrupt: a log is not what its entry is about, or a file lies behind a link.
    """
    done: list[str] = []
    for weight in weights:
        record = weight.entry.record
        if isinstance(record, Withholding) and weight.standing == "counts":
            path = opened.run / record.path
            if os.path.lexists(path):
                _refuse_links(opened.run, record.path)
            try:
                if record.chunks and _blank(opened, record):
                    done.append(record.path)
                elif not record.chunks and os.path.lexists(path):
                    _remove(path)
                    done.append(record.path)
            except OSError as error:
                raise unwritable(path, error, next_step=AGAIN) from error
    return list(dict.fromkeys(done))


def _refuse_links(run: Path, name: str) -> None:
    """A folder on the way that is a link would lead to files of somebody else."""
    place = run.resolve() / name
    if place.parent.resolve() != place.parent:
        raise Corrupt("lies behind a link", place=str(run / name))


def _blank(opened: Book, record: Withholding) -> bool:
    """Overwrite chunks and their salts where they stand; return whether any was still there."""
    path, salts = opened.run / record.path, opened.run / layout.salts_path(record.path)
    logs = (attempt.log for attempt in opened.sealed.run.attempts)
    size = next(log.bytes for log in logs if log and log.path == record.path)
    written = False
    with _opened(path) as text, _opened(salts) as salt:
        if os.fstat(text).st_size != size:
            raise Corrupt("has not the size that was sealed", place=str(path))
        for number in record.chunks:
            start, at = number * CHUNK_BYTES, number * SALT_BYTES
            chunk = os.pread(text, min(CHUNK_BYTES, size - start), start)
            if not contents.is_marker(chunk) or os.pread(salt, SALT_BYTES, at) != contents.NO_SALT:
                _write(text, contents.marker(record.reason, len(chunk)), start)
                _write(salt, contents.NO_SALT, at)
                written = True
        os.fsync(text)
        os.fsync(salt)
    return written


def _remove(path: Path) -> None:
    """Overwrite a file with zeros, then take its name away."""
    if path.is_symlink():
        raise Corrupt("is not a regular file", place=str(path))
    with _opened(path) as handle:
        left = os.fstat(handle).st_size
        for start in range(0, left, CHUNK_BYTES):
            _write(handle, bytes(min(CHUNK_BYTES, left - start)), start)
        os.fsync(handle)
    path.unlink()
    sync_folder(path.parent)


def _write(handle: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        count = os.pwrite(handle, view, at)
        view, at = view[count:], at + count


class _opened:  # noqa: N801  (used as a function)
    """A descriptor for writing what is there; never through a link."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> int:
        self.handle = os.open(self.path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        return self.handle

    def __exit__(self, *_: object) -> None:
        os.close(self.handle)
