"""The sign-off of a run on the disk: read, weighed, and appended to, one durable line at a time.

Here lies everything that touches the sign-off folder; what its entries mean is `evidence.signoff`
and `evidence.weigh`. The run's own folder is never written to. A line is written under a lock and
only behind the line that its signer saw; a tail that a crash cut off was never acknowledged, and is
taken away before the next line is written.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Protocol

from audit import runs
from audit.errors import Conflict, Corrupt, Invalid
from audit.runner.files import AGAIN, sync_folder, unwritable
from evidence import archive, codec, dsse, layout, roster, signoff, trusted, verify, weigh
from evidence.codec import Malformed
from evidence.folder import Folder, in_threads
from evidence.model import Plan
from evidence.roster import Check, Key, Roster
from evidence.signoff import Log, Record

TRUST = "audit-trust.toml"
"""The trust file at the root of a repository, where no other is named."""
ATTACHED_BYTES_MAX = signoff.ATTACHED_BYTES_MAX
"""Largest file that can be attached."""
COUNTS: tuple[weigh.Standing, ...] = ("counts",)
_COPY_BYTES = 1 << 20


class Signer(Protocol):
    """Somebody who can sign: the private key stays behind `sign`."""

    @property
    def keyid(self) -> str:
        """The id of the key in the trust file."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the signature over a message."""
        ...


@dataclass(frozen=True, slots=True)
class Book:
    """A sealed run and its sign-off log, as they were read."""

    run: Path
    folder: Path
    sealed: trusted.Sealed
    log: Log

    @property
    def layer(self) -> Folder:
        """The sign-off folder as a source of bytes."""
        return Folder(str(self.folder))

    def at(self) -> signoff.At:
        """Return where the next entry stands."""
        return signoff.next_at(self.log, self.sealed.plan, self.sealed.final_root)


def open_book(run: Path, folder: Path | None = None) -> Book:
    """Return the sign-off of a finished run; an empty one where nobody has signed.

    Raises:
        Invalid: the run was not finished, or its sign-off folder has to be named.
        Corrupt: a record of the run, or the log, cannot be read.
    """
    runs.load(run)
    try:
        sealed = trusted.records(Folder(str(run)))
    except Malformed as error:
        raise Corrupt(str(error), place=str(run), next_step=f"arco-audit verify {run}") from error
    where = folder or _beside(run, sealed)
    return Book(run, where, sealed, _read(where))


def verified(run: Path, folder: Path | None = None) -> tuple[Book, verify.Report]:
    """Return the sign-off of a run that verifies, and what verification found.

    Raises:
        Invalid: as `open_book`.
        Corrupt: the run does not verify; names the first finding.
    """
    opened = open_book(run, folder)
    report = verify.verify(
        Folder(str(run)), each=in_threads, withheld=trusted.withheld_files(opened.layer)
    )
    if not report.ok:
        found = [item for step in report.steps for item in step.findings]
        first = f"{found[0].place}: {found[0].problem}" if found else "a step was not checked"
        raise Corrupt(
            f"this bundle does not verify, so nothing is said of it: {first}",
            place=str(run),
            next_step=f"arco-audit verify {run}",
        )
    if open_book(run, folder).sealed != opened.sealed:
        raise Corrupt("somebody changed it while it was verified", place=str(run))
    return opened, report


def beside(run: Path, plan: Plan) -> Path | None:
    """Return where the sign-off of a run lies or would; None where nobody can know."""
    found = trusted.layer_of(run.resolve().as_posix(), plan)
    return Path(found) if found else None


def signed_beside(book: Book) -> list[Path]:
    """Return the other finished runs of the same audit that lie beside a run and were signed."""
    plan = book.sealed.plan
    root = runs.audit_folder(book.run, plan)
    if root.name != plan.audit.id:
        return []
    return [
        folder
        for folder in runs.finished_beside(book.run, root)
        if (root / layout.SIGN_OFF / folder.relative_to(root) / layout.SIGN_OFF_LOG).is_file()
    ]


def _beside(run: Path, sealed: trusted.Sealed) -> Path:
    found = beside(run, sealed.plan)
    if not found:
        raise Invalid(
            "this run does not lie where runs are put, so its sign-off is not beside it",
            place=str(run),
            next_step="name the folder with --sign-off DIR",
        )
    return found


def _read(folder: Path) -> Log:
    return signoff.read_log(_bytes(folder))


def _bytes(folder: Path) -> bytes:
    """The log as it lies there, empty where none does; never through a link, never a pipe."""
    path = folder / layout.SIGN_OFF_LOG
    if not os.path.lexists(path):
        return b""
    try:
        if path.lstat().st_size > signoff.LOG_BYTES_MAX:
            raise Corrupt(f"is larger than {signoff.LOG_BYTES_MAX} bytes", place=str(path))
        return Folder(str(folder)).read(layout.SIGN_OFF_LOG)
    except Malformed as error:
        raise Corrupt(
            error.problem, place=str(path), next_step="look who put that there"
        ) from error
    except OSError as error:
        raise Corrupt(f"cannot be read: {error.strerror}", place=str(path)) from error


def roster_of(path: Path) -> Roster:
    """Return the roster in a trust file.

    Raises:
        Invalid: it is not there or holds what cannot be.
    """
    try:
        return roster.read(path.read_bytes(), path.name)
    except OSError as error:
        raise Invalid(
            f"the trust file cannot be read: {(error.strerror or str(error)).lower()}",
            place=str(path),
            next_step="arco-audit keygen writes one; --trust FILE names another",
        ) from error
    except Malformed as error:
        raise Invalid(
            error.problem, place=error.place, next_step="correct the trust file"
        ) from error


def weighed(
    book: Book, book_of_keys: Roster, as_of: str, check: Check = roster.check_ed25519
) -> trusted.Report:
    """Return what a run's sign-off amounts to at an instant; the run is not verified here."""
    bundle = Folder(str(book.run))
    return trusted.verify_trust(bundle, book.layer, book_of_keys, as_of, check=check)


def case_at(
    book: Book, book_of_keys: Roster, as_of: str, check: Check = roster.check_ed25519
) -> weigh.Case:
    """Return what the log of a run is weighed against, at an instant."""
    bundle = Folder(str(book.run))
    return trusted.case_of(book.sealed, bundle, book.layer, book_of_keys, as_of, check=check)


def speaker(book_of_keys: Roster, keyid: str, role: str, utc: str, person: str = "") -> Key:
    """Return the key of the trust file by which somebody speaks for a role at an instant.

    Raises:
        Invalid: the key is not listed, is another person's, or may not speak so.
    """
    key = next((key for key in book_of_keys.key if key.id == keyid), None)
    if key is None:
        raise Invalid(
            f"this key is not in the trust file keyid=`{keyid:.64}`",
            next_step="add it there (arco-audit keygen --trust), or sign with another --key",
        )
    why = roster.may(key, role, utc)
    held = ", ".join(key.roles)
    step = f"act in a role that the trust file gives it ({held}), or use another key"
    if role in key.roles and why:
        step = "sign with a key that is valid now: arco-audit keygen --trust makes one"
    if person and person != key.person:
        why = f"the key is that of {key.person} and not of {person:.80}"
    if why:
        raise Invalid(f"this key may not sign that: {why}", next_step=step)
    return key


def payload_of(book: Book, record: Record) -> bytes:
    """Return the bytes that are signed for an entry, wrapped by DSSE's pre-authentication."""
    return signoff.statement_of(record, book.sealed.plan, book.sealed.decision_sha256)


def line_of(book: Book, record: Record, signers: Sequence[Signer]) -> bytes:
    """Return the signed line of an entry. Nothing is written."""
    payload = payload_of(book, record)
    message = dsse.pae(dsse.PAYLOAD_TYPE, payload)
    signatures = tuple(dsse.Signature(one.keyid, one.sign(message)) for one in signers)
    return signoff.line_of(payload, signatures)


def tried(book: Book, line: bytes, case: weigh.Case) -> weigh.Weight:
    """Return how a line would stand in the log behind those that are there. Nothing is written."""
    before = b"".join(dsse.write(entry.envelope) + b"\n" for entry in book.log.entries)
    log = signoff.read_log(before + line)
    if log.size != book.log.size + 1:
        raise _meanwhile(book.folder / layout.SIGN_OFF_LOG)
    return weigh.weigh(log, case).weights[-1]


def sign(
    book: Book,
    record: Record,
    signers: Sequence[Signer],
    case: weigh.Case,
    standings: Collection[weigh.Standing] = COUNTS,
) -> Book:
    """Append an entry that will stand as it should; return the book with it.

    Raises:
        Invalid: it would not count; says why, and nothing was written.
        Conflict: as `append`. Corrupt: as `append`. Unavailable: as `append`.
    """
    line = line_of(book, record, signers)
    weight = tried(book, line, case)
    if weight.standing not in standings:
        raise Invalid(
            f"this would not count standing=`{weight.standing}`: {weight.reason}",
            next_step="nothing was written; see what the trust file and the log allow",
        )
    return _held(book, record, line)


def append(book: Book, record: Record, signers: Sequence[Signer]) -> Book:
    """Sign an entry and append it; return the book with it. Two fsyncs, and one more at first.

    `record.at` has to be `book.at()`: what is signed names the line before it.

    Raises:
        Conflict: somebody else appended meanwhile; nothing was written.
        Corrupt: the log does not hold together; nothing is appended to such a one.
        Unavailable: the disk says no.
    """
    return _held(book, record, line_of(book, record, signers))


def _held(book: Book, record: Record, line: bytes) -> Book:
    path = book.folder / layout.SIGN_OFF_LOG
    try:
        book.folder.mkdir(parents=True, exist_ok=True)
        with archive.hold(book.folder):
            return _append(book, path, record, line)
    except archive.Busy as error:
        raise _meanwhile(path) from error
    except OSError as error:
        raise unwritable(path, error, next_step=AGAIN) from error


def _append(book: Book, path: Path, record: Record, line: bytes) -> Book:
    data = _bytes(book.folder)
    whole = data[: data.rfind(b"\n") + 1]
    log = signoff.read_log(whole)
    if log.problems:
        raise Corrupt(
            f"nothing is appended to a log that does not hold together: {log.problems[0]}",
            place=str(path),
            next_step="restore it from where it is kept, or move it away and sign again",
        )
    if (record.at.number, record.at.previous) != (log.size, log.head):
        raise _meanwhile(path)
    with path.open("r+b" if data else "wb") as stream:
        stream.truncate(len(whole))
        stream.seek(len(whole))
        stream.write(line)
        stream.flush()
        os.fsync(stream.fileno())
    if not data:
        sync_folder(book.folder)
    longer = signoff.read_log(whole + line)
    text = signoff.checkpoint_text(book.sealed.plan, book.sealed.final_root, longer)
    archive.put(book.folder, layout.SIGN_OFF_CHECKPOINT, text)
    return replace(book, log=longer)


def _meanwhile(path: Path) -> Conflict:
    return Conflict(
        "somebody else signs or has signed meanwhile, and nothing was written",
        place=str(path),
        next_step="look at what was added, then do it again",
    )


def keep(book: Book, file: Path) -> tuple[str, int]:
    """Copy a file into the sign-off folder under its digest; return its SHA-256 and its bytes.

    Whole or not at all, in blocks, with one fsync. A file that is there already is not written.

    Raises:
        Invalid: not a regular file, unreadable, or larger than `ATTACHED_BYTES_MAX`.
        Unavailable: the disk says no.
    """
    folder = book.folder / layout.ATTACHED
    partial = folder / f"{os.getpid()}{archive.PARTIAL_SUFFIX}"
    with _regular(file) as source:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with archive.fresh(partial) as stream:
                digest, size = _copied(source, stream, file)
                stream.flush()
                os.fsync(stream.fileno())
            partial.rename(folder / digest)
        except OSError as error:
            raise unwritable(folder, error, next_step=AGAIN) from error
        finally:
            partial.unlink(missing_ok=True)
    return digest, size


def _regular(file: Path) -> BinaryIO:
    """A file opened without waiting for the other end of a pipe. Raises `Invalid`."""
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise Invalid(f"cannot be read: {why}", place=str(file), next_step="name a file") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise Invalid("is no regular file", place=str(file), next_step="name a file")
    return os.fdopen(handle, "rb")


def _copied(source: BinaryIO, target: BinaryIO, file: Path) -> tuple[str, int]:
    """The SHA-256 and the size of the copy, whatever becomes of the file meanwhile."""
    hasher, size = hashlib.sha256(), 0
    while block := source.read(_COPY_BYTES):
        size += len(block)
        if size > ATTACHED_BYTES_MAX:
            raise Invalid(f"is larger than bytes=`{ATTACHED_BYTES_MAX}`", place=str(file))
        hasher.update(block)
        target.write(block)
    return hasher.hexdigest(), size


def note_decision(book: Book, report: trusted.Report) -> None:
    """Write the decision with what people brought into the sign-off folder, for whoever reads it
    without weighing. One fsync.

    Raises:
        Unavailable: the disk says no.
    """
    path = book.folder / layout.DECISION
    value = {"format_version": 1, "final_root": book.sealed.final_root, **trusted.value(report)}
    try:
        archive.put(book.folder, layout.DECISION, codec.encode(value))
    except OSError as error:
        raise unwritable(path, error, next_step=AGAIN) from error
