"""The folder that keeps the history: chunks of Parquet files, and a manifest that makes them seen.

`manifest.json` names the chunks; a file that it does not name is not there. It is replaced by a
rename after everything that it names is on the disk, so that a crash loses at most the runs being
added. Writers hold the folder alone, readers together (flock on the folder itself); both wait.
A run is in the store once: its key is its final root. Small chunks are merged, so that ten thousand
runs lie in a few dozen files.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa

from audit.errors import Invalid
from audit.history import gather, tables
from audit.history.columns import KEY, TABLES
from audit.history.gather import Approval, Gathered
from audit.runner.files import sync_folder
from evidence import archive, chain, codec
from evidence.codec import Malformed

MANIFEST = "manifest.json"
CHUNK_RUNS = 1_000
"""A chunk of so many runs is large, and is not merged any more."""
SMALL_CHUNKS_MAX = 16
"""Chunks below that size, after which an addition merges them into one."""
CHUNKS_MAX = 100_000
"""Chunks that a manifest may name."""
PER_RUN = tuple(name for name in TABLES if name != "approvals")
_OWN = re.compile(
    rf"[0-9]{{8}}-({'|'.join(TABLES)})\.parquet({re.escape(archive.PARTIAL_SUFFIX)})?"
    rf"|{re.escape(MANIFEST + archive.PARTIAL_SUFFIX)}"
)
"""Names that only this module gives; nothing else in the folder is ever removed."""


@dataclass(frozen=True, slots=True)
class TableFile:
    """The file of one table in a chunk: its rows, and its digest, so that damage is named."""

    table: str
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some runs. `number` is part of the names of its files, and is never used again."""

    number: int
    runs: int
    files: tuple[TableFile, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """`manifest.json`: the chunks that are there, and the number of the next one."""

    format_version: Literal[1]
    next: int
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True, slots=True)
class Added:
    """What an addition did, in runs. `replaced`: they were there without having verified."""

    added: int
    known: int
    replaced: int
    approvals: int
    merged: int


def add(folder: Path, runs: Sequence[Gathered], approvals: Iterable[Approval] = ()) -> Added:
    """Add runs and approvals to a store; makes the folder where there is none.

    A run that is there already stays as it is, unless it did not verify then and does now.

    Raises:
        Invalid: the folder is no store, a newer one, or damaged; a run fits no table.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _held(folder, fcntl.LOCK_EX):
        manifest = _manifest(folder)
        _refuse_foreign(folder, manifest)
        _sweep(folder, manifest)
        known = _known(folder, manifest)
        fresh = _fresh(runs, known)
        signed = _unseen(folder, manifest, approvals)
        replaced = {run.final_root for run in fresh} & known.keys()
        if fresh or signed.num_rows:
            merged = _append(folder, manifest, fresh, signed, replaced)
        else:
            merged = 0
        count = len(fresh) - len(replaced)
        return Added(count, len(runs) - len(fresh), len(replaced), signed.num_rows, merged)


def known(folder: Path) -> dict[str, bool]:
    """Return the final root of every run in a store, and whether it verified; none without a store.

    Raises `Invalid` as `add` does.
    """
    if not (folder / MANIFEST).is_file():
        return {}
    with _held(folder, fcntl.LOCK_SH):
        return _known(folder, _manifest(folder))


@contextmanager
def opened(folder: Path) -> Iterator[dict[str, list[Path]]]:
    """Hold a store for reading; yields the files of each table, each looked at.

    Raises:
        Invalid: there is no store or nothing in it, it is newer, or a file is damaged.
    """
    if not (folder / MANIFEST).is_file():
        raise Invalid(
            "there is no history yet",
            place=str(folder),
            next_step="add the runs that lie here: arco-audit history add",
        )
    with _held(folder, fcntl.LOCK_SH):
        manifest = _manifest(folder)
        yield {name: list(_files(folder, manifest.chunks, name)) for name in TABLES}


def write_chunk(folder: Path, number: int, rows: Mapping[str, pa.Table]) -> Chunk:
    """Write the files of a chunk, which nobody sees before a manifest names it."""
    files = []
    for table in TABLES:
        data = tables.encode(table, rows[table])
        archive.put(folder, file_name(number, table), data)
        files.append(TableFile(table, rows[table].num_rows, chain.sha256(data)))
    return Chunk(number, rows["runs"].num_rows, tuple(files))


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Make the chunks of a manifest the ones that are there: files first, then their names."""
    sync_folder(folder)
    archive.put(folder, MANIFEST, codec.write(manifest))
    sync_folder(folder)


def file_name(number: int, table: str) -> str:
    """Return the name of the file of a table in a chunk."""
    return f"{number:08d}-{table}.parquet"


# --- reading --------------------------------------------------------------------------------------


def _manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    if not path.is_file():
        return Manifest(1, 1, ())
    try:
        value = codec.parse(path.read_bytes())
        version = value.get("format_version") if isinstance(value, dict) else None
        if isinstance(version, int) and version > 1:
            raise tables.newer(str(path), version)
        manifest = codec.from_value(Manifest, value)
    except Malformed as error:
        raise tables.damaged(path, str(error)) from error
    if not _sound(manifest):
        raise tables.damaged(path, "its chunks do not fit together")
    return manifest


def _sound(manifest: Manifest) -> bool:
    numbers = [chunk.number for chunk in manifest.chunks]
    return (
        len(numbers) <= CHUNKS_MAX
        and all(0 < number < manifest.next < 10**8 for number in numbers)
        and len(set(numbers)) == len(numbers)
        and all([file.table for file in chunk.files] == [*TABLES] for chunk in manifest.chunks)
    )


def _files(folder: Path, chunks: Iterable[Chunk], table: str) -> Iterator[Path]:
    """Yield the files of a table that have rows, each looked at."""
    for chunk in chunks:
        for file in chunk.files:
            if file.table == table and file.rows:
                yield _looked_at(folder / file_name(chunk.number, table), file)


def _looked_at(path: Path, file: TableFile) -> Path:
    try:
        digest = chain.sha256(path.read_bytes())
    except FileNotFoundError as error:
        raise tables.damaged(path, "it is missing") from error
    if digest != file.sha256:
        raise tables.damaged(path, "it is not the file that was written")
    tables.check(file.table, path)
    return path


def _known(folder: Path, manifest: Manifest) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for path in _files(folder, manifest.chunks, "runs"):
        rows = tables.read("runs", path, [KEY, "verified"])
        found.update(zip(rows[KEY].to_pylist(), rows["verified"].to_pylist(), strict=True))
    return found


# --- writing --------------------------------------------------------------------------------------


def _fresh(runs: Sequence[Gathered], known: Mapping[str, bool]) -> list[Gathered]:
    """The runs to be added, each once: new ones, and those that verify at last."""
    chosen: dict[str, Gathered] = {}
    for run in runs:
        before = chosen.get(run.final_root)
        seen = known.get(run.final_root) if before is None else before.verified
        if seen is None or (run.verified and not seen):
            chosen[run.final_root] = run
    return list(chosen.values())


def _unseen(folder: Path, manifest: Manifest, approvals: Iterable[Approval]) -> pa.Table:
    """The approvals that are not there yet, whole rows compared."""
    rows = list(dict.fromkeys(approvals))
    try:
        wanted = tables.table_of("approvals", gather.approval_rows(rows)).to_pylist()
    except ValueError as error:
        raise Invalid(f"an approval {error}", next_step="look at the sign-off layer") from error
    there = [
        row
        for path in (_files(folder, manifest.chunks, "approvals") if rows else ())
        for row in tables.read("approvals", path).to_pylist()
    ]
    return tables.table_of("approvals", [row for row in wanted if row not in there])


def _append(
    folder: Path,
    manifest: Manifest,
    fresh: Sequence[Gathered],
    signed: pa.Table,
    replaced: Set[str],
) -> int:
    """Write one chunk of what is new and of the chunks that it takes in; return their number."""
    taken = _taken(folder, manifest, replaced)
    rows = {
        table: pa.concat_tables(
            [
                *(_kept(folder, chunk, table, replaced) for chunk in taken),
                *([signed] if table == "approvals" else _built(table, fresh)),
            ]
        )
        for table in TABLES
    }
    chunk = write_chunk(folder, manifest.next, rows)
    left = tuple(chunk for chunk in manifest.chunks if chunk not in taken)
    write_manifest(folder, Manifest(1, manifest.next + 1, (*left, chunk)))
    _remove(folder, taken)
    return len(taken)


def _built(table: str, fresh: Sequence[Gathered]) -> list[pa.Table]:
    empty = tables.schema(table).empty_table()
    return [empty, *(tables.table_of(table, run.rows[table], place=run.place) for run in fresh)]


def _taken(folder: Path, manifest: Manifest, replaced: Set[str]) -> list[Chunk]:
    """The chunks that are written again: those of replaced runs, and many small ones."""
    small = [chunk for chunk in manifest.chunks if chunk.runs < CHUNK_RUNS]
    merge = small if len(small) >= SMALL_CHUNKS_MAX else []
    return [
        chunk
        for chunk in manifest.chunks
        if chunk in merge
        or (replaced and not replaced.isdisjoint(_known(folder, Manifest(1, 0, (chunk,)))))
    ]


def _kept(folder: Path, chunk: Chunk, table: str, replaced: Set[str]) -> pa.Table:
    """The rows of a chunk without those of replaced runs; approvals always stay."""
    paths = list(_files(folder, [chunk], table))
    if not paths:
        return tables.schema(table).empty_table()
    rows = tables.read(table, paths[0])
    if not replaced or table not in PER_RUN:
        return rows
    return rows.filter(
        pa.array([root not in replaced for root in rows[KEY].to_pylist()], pa.bool_())
    )


def _refuse_foreign(folder: Path, manifest: Manifest) -> None:
    """A folder without a manifest must hold nothing but what a crash left of a first addition."""
    if manifest.chunks or (folder / MANIFEST).exists():
        return
    foreign = sorted(name for name in os.listdir(folder) if not _OWN.fullmatch(name))
    if foreign:
        raise Invalid(
            f"this folder holds other things than a history names=`{', '.join(foreign[:3])}`",
            place=str(folder),
            next_step="name an empty folder, or one that is not there yet, with --store",
        )


def _sweep(folder: Path, manifest: Manifest) -> None:
    """Remove what a crash left: files of ours that the manifest does not name."""
    named = {file_name(chunk.number, table) for chunk in manifest.chunks for table in TABLES}
    for name in os.listdir(folder):
        if _OWN.fullmatch(name) and name not in named:
            (folder / name).unlink(missing_ok=True)


def _remove(folder: Path, chunks: Iterable[Chunk]) -> None:
    for chunk in chunks:
        for table in TABLES:
            (folder / file_name(chunk.number, table)).unlink(missing_ok=True)


@contextmanager
def _held(folder: Path, how: int) -> Iterator[None]:
    """Hold the folder itself, so that a store that nobody may write can be read."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)
