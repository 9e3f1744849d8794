"""The sign-off log: what people add to a run after it was sealed, as signed and chained lines.

Here live the entries and how the log is written and read; what they amount to is decided by
`weigh`. One line is one DSSE envelope around an in-toto Statement, and every statement names its
number and the digest of the line before it: whoever signs one vouches for all before. A prefix of
a log is a log; lines that do not follow are named and not heard.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evidence import chain, codec, dsse, layout
from evidence.codec import Malformed
from evidence.dsse import Envelope, Statement, Subject
from evidence.model import Plan

ORIGIN = "arco-audit-sign-off"
LOG_BYTES_MAX = 256 << 20
"""Largest sign-off log that is read."""

ATTACHED_BYTES_MAX = 1 << 30
"""Largest file that can be attached, and that is looked at."""


@dataclass(frozen=True, slots=True)
class At:
    """Where an entry stands: the run that it is about, its number from 0, the line before it."""

    audit: str
    label: str
    final_root: str
    number: int
    previous: str


@dataclass(frozen=True, slots=True)
class GateSeen:
    """A gate as its approver saw it: the digest that `slices.slice_digest` gives."""

    gate: int
    digest: str


@dataclass(frozen=True, slots=True)
class Page:
    """A page that was shown, with its SHA-256."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Approval:
    """A role-holder's statement over the decision and the pages that were shown.

    `since` is the digest of this person's approval before, from which changes were shown.
    """

    at: At
    person: str
    role: str
    signed_utc: str
    decision: str
    gates: tuple[GateSeen, ...]
    pages: tuple[Page, ...]
    since: str
    note: str = ""
    expires_utc: str | None = None


@dataclass(frozen=True, slots=True)
class Attachment:
    """An artifact that people brought for an `external` condition. It counts once it is approved.

    It lies in the sign-off folder under its digest; `review_utc` says when to look at it again.
    """

    at: At
    person: str
    role: str
    signed_utc: str
    signal: str
    artifact: str
    name: str
    sha256: str
    bytes: int
    note: str = ""
    expires_utc: str | None = None
    review_utc: str | None = None


@dataclass(frozen=True, slots=True)
class Waiver:
    """Permission to pass a red signal, for one failure of one subject in a half-open window."""

    at: At
    person: str
    role: str
    signed_utc: str
    gate: int
    signal: str
    fingerprint: str
    subject: str
    from_utc: str
    until_utc: str
    reason: str


@dataclass(frozen=True, slots=True)
class Withholding:
    """Chunks of a log, or a whole file, that were taken out of the bundle, and why.

    `leaves` are the sealed leaf hashes of the chunks: they stay in the seal, and are shown.
    """

    at: At
    person: str
    role: str
    signed_utc: str
    path: str
    chunks: tuple[int, ...]
    leaves: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Carry:
    """A proof that the evidence of an earlier run for a command still holds; see `carry`."""

    at: At
    person: str
    role: str
    signed_utc: str
    command: str
    run: str
    final_root: str
    proof: str


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """An entry taken back, by who made it or by another holder of its role."""

    at: At
    person: str
    role: str
    signed_utc: str
    entry: str
    reason: str


Record = Approval | Attachment | Waiver | Withholding | Carry | Withdrawal
TYPES: Mapping[str, type[Record]] = {
    f"urn:arco-audit:sign-off:{kind.__name__.lower()}:v1": kind
    for kind in (Approval, Attachment, Waiver, Withholding, Carry, Withdrawal)
}
"""The predicate types, and what each holds."""
_TYPE_OF = {kind: name for name, kind in TYPES.items()}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log. `digest` is the SHA-256 of the line without its newline."""

    number: int
    digest: str
    envelope: Envelope
    record: Record


@dataclass(frozen=True, slots=True)
class Log:
    """A log as far as it is true, and what is wrong with the rest. `size` counts true lines."""

    entries: tuple[Entry, ...]
    problems: tuple[str, ...]
    root: str

    @property
    def size(self) -> int:
        """How many lines are true."""
        return len(self.entries)

    @property
    def head(self) -> str:
        """The digest that the next entry names as the line before it."""
        return self.entries[-1].digest if self.entries else ""


# --- writing --------------------------------------------------------------------------------------


def next_at(log: Log, plan: Plan, final_root: str) -> At:
    """Return where the next entry of a log stands."""
    return At(plan.audit.id, plan.label, final_root, log.size, log.head)


def statement_of(record: Record, plan: Plan, decision: str) -> bytes:
    """Return the payload that is signed for an entry: its subjects, then the entry itself.

    The subjects are the run's decision (`decision` is its SHA-256), the audited commit and tree,
    and the pages or the artifact that the entry is about.
    """
    algorithm = "gitTree", plan.subject.tree
    subjects = [
        Subject(layout.DECISION, (("sha256", decision),)),
        Subject("subject", (("gitCommit", plan.subject.commit), algorithm)),
    ]
    if isinstance(record, Approval):
        subjects += [Subject(page.path, (("sha256", page.sha256),)) for page in record.pages]
    if isinstance(record, Attachment):
        subjects.append(Subject(record.artifact, (("sha256", record.sha256),)))
    predicate = codec.to_value(record)
    return dsse.write_statement(Statement(tuple(subjects), _TYPE_OF[type(record)], predicate))


def line_of(payload: bytes, signatures: tuple[dsse.Signature, ...]) -> bytes:
    """Return the line of an entry, its newline included."""
    return dsse.write(Envelope(dsse.PAYLOAD_TYPE, payload, signatures)) + b"\n"


def checkpoint_text(plan: Plan, final_root: str, log: Log) -> bytes:
    """Return the note text over a log: origin, size, base64 root, then the root of its run.

    Source: C2SP tlog-checkpoint, whose extension lines may follow the root.
    """
    encoded = base64.b64encode(bytes.fromhex(log.root)).decode()
    origin = f"{ORIGIN}/{plan.audit.id}/{plan.label}"
    return f"{origin}\n{log.size}\n{encoded}\nfinal-root {final_root}\n".encode()


def checkpoint_problem(data: bytes, log: Log) -> str:
    """Return why a log is not one that had come as far as a checkpoint says; empty where it is.

    A log that is longer may be: the checkpoint is written after the line.
    """
    try:
        origin, size, encoded, extension, rest = data.decode().split("\n")
        count = int(size)
        root = base64.b64decode(encoded, validate=True).hex()
    except ValueError:
        return "is not a checkpoint of four lines"
    if rest or not origin.startswith(f"{ORIGIN}/") or count < 0:
        return "is not the checkpoint of a sign-off log"
    if count > log.size:
        return f"says that the log had {count} lines; {log.size} of them are there"
    entries = list(log.entries[:count])
    if _root(entries) != root:
        return f"is over other lines than the first {count} of the log"
    if entries and extension != f"final-root {entries[0].record.at.final_root}":
        return "is about another run"
    return ""


# --- reading --------------------------------------------------------------------------------------


def read_log(data: bytes) -> Log:
    """Return the entries of a log as far as each line follows the one before it.

    A last line without its newline was cut while it was written: it is named, and not heard.
    """
    entries: list[Entry] = []
    problems: list[str] = []
    start = 0
    while start < len(data):
        place, end = f"line {len(entries) + 1}", data.find(b"\n", start)
        if end < 0:
            problems.append(f"{place} is cut off")
            break
        try:
            entries.append(_entry(data[start:end], entries, place))
        except Malformed as error:
            problems.append(f"{error.place}: {error.problem}, and nothing after it is heard")
            break
        start = end + 1
    return Log(tuple(entries), tuple(problems), _root(entries))


def _entry(line: bytes, before: list[Entry], place: str) -> Entry:
    envelope = dsse.read(line, place)
    if dsse.write(envelope) != line:
        raise Malformed(place, "is not written as an envelope is")
    statement = dsse.read_statement(envelope, place)
    kind = TYPES.get(statement.predicate_type)
    if kind is None:
        raise Malformed(place, f"is of an unknown type {statement.predicate_type!r:.80}")
    record: Any = codec.from_value(kind, statement.predicate, place)
    at: At = record.at
    if at.number != len(before):
        raise Malformed(place, f"is numbered {at.number}, {len(before)} was next")
    if at.previous != (before[-1].digest if before else ""):
        raise Malformed(place, "does not follow the line before it")
    if before and at.final_root != before[0].record.at.final_root:
        raise Malformed(place, "is about another run than the first line")
    return Entry(at.number, chain.sha256(line), envelope, record)


def _root(entries: list[Entry]) -> str:
    leaves = (chain.leaf_hash(f"entry/{entry.number}", entry.digest) for entry in entries)
    return chain.root_of(list(leaves))
