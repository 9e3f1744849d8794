"""The journal on the disk: appended, synced, and taken up again after a crash.

Here live the writer and what a later process makes of what an earlier one left. What a record looks
like is `evidence.journal`'s; which records are written when is the scheduler's.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from audit import errors
from audit.runner import children
from audit.runner.capture import measure_log
from audit.runner.clock import Clock
from audit.runner.files import NEXT_STEP, on_error, sync, sync_folder, unwritable
from evidence import journal, layout
from evidence.journal import Closed, Ended, Journal, Opened, Record, Resumed, Started
from evidence.model import Attempt


class JournalWriter:
    """Appends records to a run's journal; any thread may call it.

    Syncs: one per record, and threads that wait at the same time share one. A cell costs four in
    all: its start, its log, its salts and its end.
    """

    def __init__(self, path: Path, descriptor: int, head: str, size: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._head = head
        self._size = size
        self._synced = size
        self._broken = False
        self._append_lock = threading.Lock()
        self._sync_lock = threading.Lock()

    @classmethod
    def create(cls, folder: Path) -> JournalWriter:
        """Return the writer of a new journal in the bundle `folder`.

        Raises:
            Conflict: a journal is there already.
            Unavailable: the folder cannot be written.
        """
        path = folder / layout.JOURNAL
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            with on_error(os.close, descriptor):
                sync_folder(folder)
        except FileExistsError as error:
            raise errors.Conflict(
                "this run has a journal already",
                place=str(path),
                next_step="take it up with `resume`, or run under another label",
            ) from error
        except OSError as error:
            raise unwritable(path, error) from error
        return cls(path, descriptor, journal.START, 0)

    @classmethod
    def reopen(cls, folder: Path, told: Journal) -> JournalWriter:
        """Return the writer that goes on behind the valid prefix `told`; what follows is cut off.

        Raises:
            Unavailable: the journal cannot be written.
        """
        path = folder / layout.JOURNAL
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            with on_error(os.close, descriptor):
                os.ftruncate(descriptor, told.valid_bytes)
                os.fsync(descriptor)
        except OSError as error:
            raise unwritable(path, error) from error
        return cls(path, descriptor, told.head, told.valid_bytes)

    def append(self, record: Record) -> None:
        """Append a record and return when it is on the disk.

        Raises:
            Unavailable: it could not be written; the records before it stay a valid journal.
        """
        with self._append_lock:
            if self._broken:
                raise errors.Unavailable(
                    "an earlier write failed", place=str(self.path), next_step=NEXT_STEP
                )
            head, line = journal.frame(self._head, record)
            try:
                self._write(line)
            except OSError as error:
                self._take_back()
                raise unwritable(self.path, error) from error
            self._head = head
            self._size += len(line)
            wanted = self._size
        self._sync_up_to(wanted)

    def close(self) -> None:
        """Close the file; every record is on the disk already."""
        os.close(self._descriptor)

    def _write(self, line: bytes) -> None:
        at = 0
        while at < len(line):
            at += os.pwrite(self._descriptor, line[at:], self._size + at)

    def _take_back(self) -> None:
        """Cut off half a record, so that what was written before stays the whole story."""
        self._broken = True
        try:
            os.ftruncate(self._descriptor, self._size)
        except OSError:
            return  # a torn tail is cut off by the next reader too

    def _sync_up_to(self, wanted: int) -> None:
        with self._sync_lock:
            if self._synced >= wanted:
                return
            if self._broken:
                raise errors.Unavailable(
                    "an earlier write failed", place=str(self.path), next_step=NEXT_STEP
                )
            reached = self._size
            try:
                sync(self._descriptor)
            except OSError as error:
                # What a failed sync left on the disk is not known, so nothing may follow it.
                self._broken = True
                raise unwritable(self.path, error) from error
            self._synced = reached


# --- taking a run up again ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Recovered:
    """What an earlier process left of a run, put in order.

    `past` holds every attempt that ended, those that it left in flight as `interrupted` last.
    `resumed` counts continuations, this one included; `closed` says that nothing was left to do,
    and then nothing was written.
    """

    writer: JournalWriter
    opened: Opened
    past: tuple[Attempt, ...]
    resumed: int
    closed: bool
    leftovers: int


def read_journal(folder: Path) -> Journal:
    """Return what the journal of a run tells.

    Raises:
        Invalid: there is no journal, or it does not begin with the plan root.
        Corrupt: a record in its middle does not hold; a torn tail is no such thing.
        Unavailable: it cannot be read.
    """
    path = folder / layout.JOURNAL
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise errors.Invalid(
            "there is no run here", place=str(path), next_step="start one with `run`"
        ) from error
    except OSError as error:
        raise errors.Unavailable(
            f"cannot be read: {(error.strerror or str(error)).lower()}", place=str(path)
        ) from error
    told = journal.read(data)
    if told.problem and _goes_on(data[told.valid_bytes :]):
        raise errors.Corrupt(
            f"{told.problem}, and others follow it",
            place=str(path),
            next_step="keep the folder for inspection and run under another label",
        )
    if not told.records or not isinstance(told.records[0], Opened):
        raise errors.Invalid(
            "the run ended before its plan root was recorded",
            place=str(path),
            next_step="remove the folder and start with `run`",
        )
    return told


def _goes_on(tail: bytes) -> bool:
    """Whether whole records lie behind a bad one: an edit or a bad disk, and no torn write."""
    lines = tail.split(b"\n")[1:]
    return any(len(line) > 65 and line[64:66] == b" {" and line.endswith(b"}") for line in lines)


def recover(folder: Path, *, clock: Clock) -> Recovered:
    """Put in order what a crash left: cut the torn tail, end leftovers, record what was in flight.

    The caller holds the folder's lock, or children of a living run would be ended. An attempt in
    flight becomes `interrupted`; its log is kept as far as it reached the disk and salted anew.

    Raises:
        Invalid: no run is there.
        Corrupt: the journal was changed.
        Unavailable: the folder cannot be written.
    """
    told = read_journal(folder)
    opened = told.records[0]
    assert isinstance(opened, Opened)
    past = [record.attempt for record in told.records if isinstance(record, Ended)]
    resumed = sum(isinstance(record, Resumed) for record in told.records)
    writer = JournalWriter.reopen(folder, told)
    if isinstance(told.records[-1], Closed):
        return Recovered(writer, opened, tuple(past), resumed, True, 0)
    with on_error(JournalWriter.close, writer):
        leftovers = children.sweep_run(opened.run)
        _put_in_order(folder, told, past, writer, clock.utc())
    return Recovered(writer, opened, tuple(past), resumed + 1, False, leftovers)


def _put_in_order(
    folder: Path, told: Journal, past: list[Attempt], writer: JournalWriter, utc: str
) -> None:
    """Give every log its name, and every attempt in flight its end, in the journal and `past`."""
    flying = in_flight(told.records)
    last = {attempt.cell: attempt.number for attempt in past}
    last.update((started.cell, started.number) for started in flying)
    for cell, number in last.items():
        move_aside(folder, past, cell, number)
    writer.append(Resumed("resumed", utc))
    for started in flying:
        _drop_artifacts(folder, started)
        attempt = _interrupted(folder, started, past, utc)
        writer.append(Ended("ended", attempt))
        past.append(attempt)


def in_flight(records: Sequence[Record]) -> tuple[Started, ...]:
    """Return the attempts that started and have no end."""
    ended = {
        (record.attempt.cell, record.attempt.number)
        for record in records
        if isinstance(record, Ended)
    }
    return tuple(
        record
        for record in records
        if isinstance(record, Started) and (record.cell, record.number) not in ended
    )


def _drop_artifacts(folder: Path, started: Started) -> None:
    """Remove what was being copied when the end came: whether it is whole is not known."""
    kept = folder / layout.artifact_path(started.cell, started.number, "")
    try:
        if kept.exists():
            shutil.rmtree(kept)
    except OSError as error:
        raise unwritable(kept, error) from error


def _interrupted(folder: Path, started: Started, past: Sequence[Attempt], utc: str) -> Attempt:
    name = layout.log_path(started.cell, started.number, started.number)
    log = measure_log(folder, name) if (folder / name).is_file() else None
    return Attempt(
        cell=started.cell,
        number=started.number,
        result="interrupted",
        reason="the process that ran it ended before it did; how long it ran is not known",
        exit_code=None,
        start_utc=started.utc,
        end_utc=utc,
        duration_ms=0,
        log=log,
        artifacts=(),
        leftovers=0,
    )


def move_aside(folder: Path, attempts: Iterable[Attempt], cell: str, last: int) -> None:
    """Give the logs of all attempts of `cell` before `last` their own names.

    Comes right after the record that makes `last` the last attempt, and before its log is opened:
    while an earlier attempt with a log has no log under its own name, the plain name is its. So a
    crash at any moment leaves what doing it again puts right.

    Raises:
        Unavailable: the folder cannot be written.
    """
    plain = layout.log_path(cell, last, last)
    for attempt in attempts:
        if attempt.cell != cell or attempt.number >= last or attempt.log is None:
            continue
        aside = layout.log_path(cell, attempt.number, last)
        if (folder / aside).exists():
            continue
        for source, target in (
            (layout.salts_path(plain), layout.salts_path(aside)),
            (plain, aside),
        ):
            try:
                if (folder / source).exists():
                    (folder / source).rename(folder / target)
            except OSError as error:
                raise unwritable(folder / target, error) from error
