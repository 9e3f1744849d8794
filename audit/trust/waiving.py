"""Waivers: made for the failure as it is now, taken back, and asked whether they earn their place.

Pure but for `before`, which looks into the runs beside this one. A waiver paints nothing green: it
lets one failure of one subject pass, for one signal, in a half-open window of time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.errors import AuditError, Invalid
from audit.trust import book, naming
from audit.trust.book import Book
from evidence import roster, trusted, weigh
from evidence.instant import milliseconds
from evidence.roster import Check
from evidence.signoff import Entry, Waiver, Withdrawal

IN_FORCE_OR_COMING: tuple[weigh.Standing, ...] = ("counts", "not yet", "shadowed")
"""Standings of a waiver that another one of the same signal would overlap."""
EARNS: tuple[weigh.Standing, ...] = ("counts", "withdrawn")
"""Standings of a waiver that lint has nothing to say about."""


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open window of time, RFC 3339 UTC."""

    from_utc: str
    until_utc: str

    def overlaps(self, other: Window) -> bool:
        """Whether an instant lies in both."""
        return milliseconds(self.from_utc) < milliseconds(other.until_utc) and milliseconds(
            other.from_utc
        ) < milliseconds(self.until_utc)


def waiver(
    opened: Book,
    case: weigh.Case,
    report: trusted.Report,
    *,
    signal: str,
    person: str,
    role: str,
    window: Window,
    reason: str,
) -> Waiver:
    """Return the waiver of a signal's failure as it is now, not yet signed.

    Raises:
        Invalid: an unknown signal or one that does not fail, no reason, a window that is none, a
            waiver of it in that time already, or a role that may not waive.
    """
    found = naming.signal_of(opened.sealed.plan, signal)
    _refuse_window(window, case.as_of)
    if not reason.strip():
        raise Invalid("a waiver without a reason says nothing", next_step="say why by --reason")
    if role not in case.roster.waive:
        wanted = ", ".join(f'"{name}"' for name in (*case.roster.waive, role))
        raise Invalid(
            f"the trust file lets nobody waive in this role role=`{role}`",
            next_step=f"whoever keeps the trust file writes waive = [{wanted}] there, above the"
            " first [[key]]",
        )
    failure = _failure(case, report, signal)
    _refuse_overlap(report.weighed.weights, signal, window)
    return Waiver(
        opened.at(),
        person,
        role,
        case.as_of,
        found.gate,
        signal,
        failure,
        opened.sealed.plan.subject.digest,
        window.from_utc,
        window.until_utc,
        reason.strip(),
    )


def _failure(case: weigh.Case, report: trusted.Report, signal: str) -> str:
    """Return the fingerprint of what a signal fails at. Raises `Invalid` where it does not fail."""
    failure = case.fingerprint(signal)
    closed = [item.id for item in report.decision.signals if item.status == "GO"]
    if not failure or signal in closed:
        raise Invalid(
            f"this signal does not fail, so there is nothing to waive signal=`{signal}`",
            next_step="arco-audit status",
        )
    return failure


def _refuse_window(window: Window, as_of: str) -> None:
    begins, ends = milliseconds(window.from_utc), milliseconds(window.until_utc)
    if ends <= begins:
        raise Invalid(
            f"it would end before it begins from=`{window.from_utc}` until=`{window.until_utc}`",
            next_step="name a later --until",
        )
    if ends <= milliseconds(as_of):
        raise Invalid(
            f"it would have ended already until=`{window.until_utc}`",
            next_step="name a later --until",
        )


def _refuse_overlap(weights: Sequence[weigh.Weight], signal: str, window: Window) -> None:
    for weight in weights:
        other = weight.entry.record
        if not isinstance(other, Waiver) or other.signal != signal:
            continue
        there = Window(other.from_utc, other.until_utc)
        if weight.standing in IN_FORCE_OR_COMING and window.overlaps(there):
            raise Invalid(
                f"line {weight.entry.number + 1} waives it already in that time"
                f" from=`{other.from_utc}` until=`{other.until_utc}`",
                next_step=f"arco-audit withdraw {weight.entry.digest[:16]}, or begin at its end",
            )


def before(
    opened: Book,
    case: weigh.Case,
    report: trusted.Report,
    signal: str,
    check: Check = roster.check_ed25519,
) -> Waiver:
    """Return the waiver of this signal in force in the newest earlier run, if it still fits.

    It was bound to another tree; whoever may waive signs it again for this one.

    Raises:
        Invalid: it does not fail now, there is none, or it fails otherwise than when it was waived.
    """
    naming.signal_of(opened.sealed.plan, signal)
    failure = _failure(case, report, signal)
    found: list[tuple[str, Waiver]] = []
    for folder in book.signed_beside(opened):
        try:
            other = book.open_book(folder)
            weights = book.weighed(other, case.roster, case.as_of, check).weighed.weights
        except AuditError:
            continue  # nobody can say what was waived there
        records = (item.entry.record for item in weights if item.standing == "counts")
        waivers = [item for item in records if isinstance(item, Waiver) and item.signal == signal]
        found += [(other.sealed.run.start_utc, item) for item in waivers]
    if not found:
        raise Invalid(
            f"no earlier run has a waiver of it that is in force signal=`{signal}`",
            next_step="waive it with --until and --reason",
        )
    _, waived = max(found, key=lambda item: item[0])
    if waived.fingerprint != failure:
        raise Invalid(
            f"it now fails otherwise than when it was waived in run=`{waived.at.label}`"
            f" signal=`{signal}`",
            next_step="look at what changed; if it may pass, waive it with --until and --reason",
        )
    return waived


# --- taking back ----------------------------------------------------------------------------------


def entry_of(opened: Book, name: str) -> Entry:
    """Return the entry that a line number or the beginning of a digest names.

    Raises:
        Invalid: there is none, or several begin so.
    """
    if name.isdecimal() and len(name) < 8:
        found = [entry for entry in opened.log.entries if entry.number == int(name) - 1]
    else:
        found = [entry for entry in opened.log.entries if name and entry.digest.startswith(name)]
    if len(found) != 1:
        word = "several entries begin" if found else "no entry begins"
        raise Invalid(
            f"{word} so entry=`{name[:80]}`",
            next_step="arco-audit status lists the entries with their lines and digests",
        )
    return found[0]


def withdrawal(
    opened: Book, entry: Entry, *, person: str, role: str, reason: str, utc: str
) -> Withdrawal:
    """Return the entry that takes another one back. Raises `Invalid` without a reason."""
    if not reason.strip():
        raise Invalid("nobody says why it is taken back", next_step="say why by --reason")
    return Withdrawal(opened.at(), person, role, utc, entry.digest, reason.strip())


# --- lint -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Linted:
    """One waiver and what is to be said of it; `ok` where it earns its place."""

    line: int
    digest: str
    signal: str
    standing: str
    reason: str
    ok: bool


def lint(weighed: weigh.Weighed) -> tuple[Linted, ...]:
    """Return every waiver with its standing. One that lasts too long is `over-broad`."""
    broad = {item.number: item for item in _over_broad(weighed)}
    found = []
    for weight in weighed.weights:
        entry = weight.entry
        if not isinstance(entry.record, Waiver):
            continue
        standing: str = "over-broad" if entry.number in broad else weight.standing
        reason = weight.reason
        if entry.number in broad:
            reason = f"it lasts more than {weigh.WAIVER_DAYS_MAX} days, {weight.reason}"
        ok = weight.standing in EARNS and entry.number not in broad
        found.append(
            Linted(entry.number + 1, entry.digest, entry.record.signal, standing, reason, ok)
        )
    return tuple(found)


def _over_broad(weighed: weigh.Weighed) -> list[Entry]:
    return [
        weight.entry
        for weight in weighed.weights
        if weight.standing in ("counts", "not yet")
        and isinstance(weight.entry.record, Waiver)
        and weigh.is_over_broad(weight.entry.record)
    ]
