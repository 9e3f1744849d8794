"""What an approver has to look at before signing, and the approval that follows from it.

Pure but for `earlier`, which looks for this person's last approval in the runs before. Everything
shown here is bound by the approval: the decision, the pages, and each gate as it stood.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from audit.errors import AuditError, Invalid
from audit.trust import book, bundle
from audit.trust.book import Book
from audit.trust.changes import Diff
from audit.trust.diff import diff
from evidence import roster, slices, trusted, weigh
from evidence.brought import Waived
from evidence.instant import milliseconds
from evidence.model import Decision, GateStatus, Status
from evidence.roster import Check, Roster
from evidence.signoff import Approval, Attachment, Entry, GateSeen, Page

HEARD = ("counts", "suspect", "expired")
"""Standings of an approval that its person truly gave."""


@dataclass(frozen=True, slots=True)
class SignalView:
    """An open signal: its status, why, and the waiver that lets it pass, if any."""

    id: str
    status: Status
    reason: str
    waived: Waived | None


@dataclass(frozen=True, slots=True)
class GateView:
    """A gate of the approver's role. `changed`: it is not as this person approved it last."""

    id: int
    name: str
    status: GateStatus
    closed: int
    open_signals: tuple[SignalView, ...]
    changed: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """An artifact that somebody brought for a gate of this role, and how it stands."""

    signal: str
    artifact: str
    name: str
    sha256: str
    bytes: int
    person: str
    note: str


@dataclass(frozen=True, slots=True)
class Review:
    """All that an approver is shown.

    `since` is the digest of this person's last approval in this log, empty where there is none;
    `added` are the lines that came after it, or all of them.
    """

    person: str
    role: str
    as_of: str
    verdict: str
    decision: str
    gates: tuple[GateView, ...]
    since: str
    added: tuple[str, ...]
    waivers: tuple[Waived, ...]
    waiting: tuple[Waiting, ...]
    pages: tuple[Page, ...]


def review(
    opened: Book, report: trusted.Report, role: str, person: str, only: Sequence[int] = ()
) -> Review:
    """Return what a person looks at in a role; `only` narrows it to some gates.

    Raises:
        Invalid: a gate that the plan does not have, or that is not this role's.
    """
    gates = _gates(opened, role, only)
    last = _last(report.weighed.weights, person, role)
    after = last.number if last else -1
    waived = {item.signal: item for item in report.weighed.brought.waived}
    signals = {item.id for item in opened.sealed.plan.signals if item.gate in gates}
    slices = _seen(opened, gates, report.as_of)
    return Review(
        person,
        role,
        report.as_of,
        report.verdict,
        opened.sealed.decision_sha256,
        _views(opened, report.decision, slices, last, waived),
        last.digest if last else "",
        tuple(
            f"line {entry.number + 1}: {trusted.title(entry)}"
            for entry in opened.log.entries
            if entry.number > after
        ),
        tuple(item for item in waived.values() if item.signal in signals),
        tuple(_waiting(report.weighed.weights, signals)),
        tuple(Page(path, sha256) for path, sha256 in sorted(opened.sealed.pages.items())),
    )


def _gates(opened: Book, role: str, only: Sequence[int]) -> tuple[int, ...]:
    own = slices.gates_of(role, opened.sealed.plan)
    other = [number for number in only if number not in own]
    if other:
        listed = ", ".join(map(str, own))
        raise Invalid(
            f"this gate is not one that the role approves gate=`{other[0]}` role=`{role}`",
            next_step=f"its gates are: {listed}",
        )
    return tuple(number for number in own if not only or number in only)


def _last(weights: Sequence[weigh.Weight], person: str, role: str) -> Entry | None:
    """The last approval that this person truly gave in this role."""
    found = None
    for weight in weights:
        record = weight.entry.record
        if isinstance(record, Approval) and weight.standing in HEARD:
            found = weight.entry if (record.person, record.role) == (person, role) else found
    return found


def _seen(opened: Book, gates: Sequence[int], as_of: str) -> tuple[GateSeen, ...]:
    sealed = opened.sealed
    entries = slices.visible(opened.log.entries, as_of)
    return tuple(
        GateSeen(gate, slices.slice_digest(gate, entries, sealed.plan, sealed.decision))
        for gate in gates
    )


def _views(
    opened: Book,
    decision: Decision,
    slices: Sequence[GateSeen],
    last: Entry | None,
    waived: dict[str, Waived],
) -> tuple[GateView, ...]:
    before = last.record.gates if last and isinstance(last.record, Approval) else ()
    plan = opened.sealed.plan
    decided = {item.id: item for item in decision.gates}
    homes = {signal.id: signal.gate for signal in plan.signals}
    names = {gate.id: gate.name for gate in plan.gates}
    return tuple(
        GateView(
            seen.gate,
            names[seen.gate],
            decided[seen.gate].status,
            decided[seen.gate].closed,
            tuple(
                SignalView(item.id, item.status, item.reason, waived.get(item.id))
                for item in decision.signals
                if homes[item.id] == seen.gate and item.status != "GO"
            ),
            last is not None and seen not in before,
        )
        for seen in slices
    )


def _waiting(weights: Sequence[weigh.Weight], signals: set[str]) -> list[Waiting]:
    newest: dict[tuple[str, str], Waiting] = {}
    for weight in weights:
        item = weight.entry.record
        if isinstance(item, Attachment) and weight.standing == "waits" and item.signal in signals:
            newest[item.signal, item.artifact] = Waiting(
                item.signal,
                item.artifact,
                item.name,
                item.sha256,
                item.bytes,
                item.person,
                item.note,
            )
    return list(newest.values())


def approval(
    opened: Book, seen: Review, signed_utc: str, note: str = "", expires_utc: str | None = None
) -> Approval:
    """Return the approval of what was reviewed, not yet signed.

    Raises:
        Invalid: there is nothing to approve, or it would expire before it is given.
    """
    if not seen.gates:
        raise Invalid("there is no gate to approve", next_step="name a role that approves gates")
    if expires_utc is not None and milliseconds(expires_utc) <= milliseconds(signed_utc):
        raise Invalid(
            f"it would have expired already expires=`{expires_utc}`", next_step="name a later time"
        )
    return Approval(
        opened.at(),
        seen.person,
        seen.role,
        signed_utc,
        seen.decision,
        _seen(opened, [gate.id for gate in seen.gates], signed_utc),
        seen.pages,
        seen.since,
        note,
        expires_utc,
    )


# --- the run before -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Earlier:
    """The newest earlier run that this person approved in this role, and what changed since.

    `problem` says why the two could not be compared; then there is no `diff`.
    """

    run: Path
    label: str
    signed_utc: str
    diff: Diff | None
    problem: str = ""


def earlier(
    opened: Book, keys: Roster, person: str, role: str, check: Check = roster.check_ed25519
) -> Earlier | None:
    """Return the newest earlier run of the same audit that a person approved, compared with this.

    Only approvals that this person's key truly signed are looked at. Reads the sign-off of every
    run beside this one, and verifies both bundles.
    """
    found: list[tuple[str, Book, str]] = []
    for folder in book.signed_beside(opened):
        try:
            other = book.open_book(folder)
            if other.sealed.run.start_utc > opened.sealed.run.start_utc:
                continue
            weighed = book.weighed(other, keys, opened.sealed.run.start_utc, check).weighed
        except AuditError:
            continue  # what cannot be read was approved by nobody who can be asked
        last = _last(weighed.weights, person, role)
        if last:
            found.append((other.sealed.run.start_utc, other, last.record.signed_utc))
    if not found:
        return None
    _, other, signed_utc = max(found, key=lambda item: (item[0], str(item[1].run)))
    label = other.sealed.plan.label
    try:
        compared = diff(bundle.read(other.run), bundle.read(opened.run))
    except AuditError as error:
        return Earlier(other.run, label, signed_utc, None, error.problem)
    return Earlier(other.run, label, signed_utc, compared)
