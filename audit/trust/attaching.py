"""An artifact that people bring for an `external` condition, as an entry of the sign-off log. Pure.

The file itself is kept by `book.keep`. It counts once its role has approved it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.errors import Invalid
from audit.trust import naming
from audit.trust.book import Book
from evidence.instant import milliseconds
from evidence.signoff import Approval, Attachment
from evidence.weigh import Weight


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody brings: for which signal and artifact, under which name, in which role.

    An empty artifact is the only one that the signal waits for; an empty role is the one that
    approves it.
    """

    signal: str
    artifact: str
    name: str
    person: str
    role: str
    note: str = ""
    expires_utc: str | None = None
    review_utc: str | None = None


def checked(opened: Book, wish: Wish, utc: str) -> Wish:
    """Return a wish with everything filled in, before any file is copied.

    Raises:
        Invalid: an unknown signal or artifact, no person, or a time that is past.
    """
    signal = naming.signal_of(opened.sealed.plan, wish.signal)
    condition = naming.external_of(signal, wish.artifact)
    if not wish.person.strip():
        raise Invalid(
            "nobody says who brings this", next_step="say it by --person NAME, or sign by --key"
        )
    for field, value in (("expires", wish.expires_utc), ("review-by", wish.review_utc)):
        if value is not None and milliseconds(value) <= milliseconds(utc):
            raise Invalid(f"is past already {field}=`{value}`", next_step="name a later time")
    return Wish(
        wish.signal,
        condition.artifact,
        wish.name,
        wish.person,
        wish.role or condition.role,
        wish.note,
        wish.expires_utc,
        wish.review_utc,
    )


def attachment(opened: Book, wish: Wish, utc: str, sha256: str, size: int) -> Attachment:
    """Return the entry for a file that lies in the sign-off folder, not yet written."""
    return Attachment(
        opened.at(),
        wish.person,
        wish.role,
        utc,
        wish.signal,
        wish.artifact,
        wish.name,
        sha256,
        size,
        wish.note,
        wish.expires_utc,
        wish.review_utc,
    )


def approver(opened: Book, wish: Wish) -> str:
    """Return the role whose approval makes an artifact count."""
    signal = naming.signal_of(opened.sealed.plan, wish.signal)
    return naming.external_of(signal, wish.artifact).role


def gate_of(opened: Book, wish: Wish) -> int:
    """Return the gate that the artifact is brought for: its approvals were of what was before."""
    return naming.signal_of(opened.sealed.plan, wish.signal).gate


def unsettled(before: Sequence[Weight], after: Sequence[Weight]) -> tuple[Weight, ...]:
    """Return the approvals that counted and need another look since entries were added.

    Both are weighed at the same instant; `after` has the entries of `before` and more.
    """
    return tuple(
        new
        for old, new in zip(before, after, strict=False)
        if isinstance(old.entry.record, Approval)
        and old.standing == "counts"
        and (old.standing, old.reason) != (new.standing, new.reason)
    )
