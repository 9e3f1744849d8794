"""The run on the board as it stands now, and the approval that the server process signs.

Everything is read again for each page: what is shown is what lies on the disk. The private key
stays in the signer that the command handed over. What was shown is what is signed: `digest` names
the whole view, and `sign` refuses where any of it is different by then.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from audit.errors import AuditError, Conflict, Invalid
from audit.trust import approving, book, keys
from audit.trust.approving import Earlier, Review
from audit.trust.book import Book, Signer
from evidence import chain, codec, trusted
from evidence.roster import Roster
from evidence.signoff import Approval

NOTE_CHARS_MAX = 2_000
"""Longest note that goes with an approval."""


class Changed(AuditError):  # noqa: N818  (an answer, not a fault)
    """What was shown is no longer what would be signed; nothing was written."""


@dataclass(frozen=True, slots=True)
class View:
    """All that one page is made from, read at one instant."""

    book: Book
    roster: Roster
    report: trusted.Report
    review: Review
    utc: str

    @property
    def draft(self) -> Approval | None:
        """The approval of all that is shown, not yet signed; None where there is no gate."""
        return approving.approval(self.book, self.review, self.utc) if self.review.gates else None

    @property
    def digest(self) -> str:
        """The SHA-256 of all that an approver is shown and signs, but for the time of day."""
        seen = replace(self.review, as_of="")
        draft = self.draft and replace(self.draft, signed_utc="")
        return chain.sha256(codec.compact([codec.to_value(seen), codec.to_value(draft)]))


@dataclass(frozen=True)
class Office:
    """A run, who looks at it, and the signer if there is one.

    `trust` is None where nobody said whom to trust: then nothing that people signed counts.
    """

    run: Path
    sign_off: Path | None
    trust: Path | None
    now: Callable[[], str]
    role: str = ""
    person: str = ""
    signer: Signer | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def look(self, *, verify: bool = False) -> View:
        """Return what there is to see now; with `verify`, of a bundle that verifies.

        Raises:
            Invalid: the run or the trust file cannot be used. Corrupt: evidence cannot be.
        """
        opened = (
            book.verified(self.run, self.sign_off)[0]
            if verify
            else book.open_book(self.run, self.sign_off)
        )
        known = Roster(1) if self.trust is None else book.roster_of(self.trust)
        utc = self.now()
        report = book.weighed(opened, known, utc, keys.check_any)
        seen = approving.review(opened, report, self.role, self.person)
        return View(opened, known, report, seen, utc)

    def earlier(self, view: View) -> Earlier | None:
        """Return the newest earlier run that this person approved, compared with this one."""
        if not (self.person and self.role):
            return None
        return approving.earlier(view.book, view.roster, self.person, self.role, keys.check_any)

    def sign(
        self, shown: str, gates: Sequence[int], note: str = "", expires_utc: str | None = None
    ) -> Book:
        """Sign the approval of some gates and append it; `shown` is the digest of what was seen.

        Raises:
            Changed: something is different from what was shown, or somebody signs right now.
            Invalid: nobody signs here, no gate was named, or it would not count.
            Corrupt: the bundle does not verify. Unavailable: the disk says no.
        """
        if self.signer is None:
            raise Invalid(
                "this board only reads", next_step="start it with --role ROLE --key FILE to sign"
            )
        if not gates:
            raise Invalid("no gate was chosen", next_step="choose the gates that you approve")
        if len(note) > NOTE_CHARS_MAX:
            raise Invalid(f"the note is longer than chars=`{NOTE_CHARS_MAX}`", next_step="say less")
        with self._lock:
            return self._sign(self.signer, shown, gates, note, expires_utc)

    def _sign(
        self, signer: Signer, shown: str, gates: Sequence[int], note: str, expires: str | None
    ) -> Book:
        view = self.look(verify=True)
        if view.digest != shown:
            raise Changed("something changed since this was shown, and nothing was signed")
        book.speaker(view.roster, signer.keyid, self.role, view.utc, self.person)
        seen = approving.review(view.book, view.report, self.role, self.person, gates)
        record = approving.approval(view.book, seen, view.utc, note, expires)
        case = book.case_at(view.book, view.roster, view.utc, keys.check_any)
        try:
            done = book.sign(view.book, record, [signer], case)
        except Conflict as error:
            raise Changed(error.problem) from error
        book.note_decision(done, book.weighed(done, view.roster, view.utc, keys.check_any))
        return done
