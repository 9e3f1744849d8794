"""`arco-audit attach`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from audit.cli import options, passphrase, screen, signing
from audit.cli.failure import READY

if TYPE_CHECKING:
    from audit.trust.attaching import Wish
    from evidence.weigh import Weight


@click.command("attach")
@click.argument("signal")
@click.argument("file", type=click.Path(path_type=Path))
@options.run
@options.repo
@options.json
@signing.role
@signing.key
@signing.trust
@click.option("--artifact", default="", metavar="NAME", help="Which one, where it waits for many.")
@click.option("--expires", default="", metavar="TIME", help="When it stops counting, RFC 3339.")
@click.option("--review-by", default="", metavar="TIME", help="When to look at it again.")
@click.option("--note", default="", metavar="TEXT", help="What an approver should know of it.")
def command(
    signal: str,
    file: Path,
    run: str,
    repo: Path,
    as_json: bool,
    role: str,
    person: str,
    key: Path | None,
    passphrase_file: Path | None,
    trust: Path | None,
    sign_off: Path | None,
    artifact: str,
    expires: str,
    review_by: str,
    note: str,
) -> int:
    """Bring a file that a signal waits for, such as the minutes of a drill.

    A copy is kept in the sign-off folder under its digest; it counts once its role approves it
    (arco-audit sign). A key is not needed: the approval is signed, and without one the name is
    shown as a claim. An earlier approval of that gate needs another look then. Exit codes: 0
    attached, 3 the bundle does not verify.

    \b
    Examples:
      arco-audit attach G6-002 drill.md --person "Ada" --review-by 2027-06-01T00:00:00Z
      arco-audit attach G6-002 drill.md --role SRE --key ada.pem
    """
    from audit.trust import attaching, book

    at = signing.desk(run, repo, trust, sign_off)
    wish = attaching.Wish(
        signal,
        artifact,
        file.name,
        person,
        role,
        note,
        signing.instant(expires, "expires") if expires else None,
        signing.instant(review_by, "review-by") if review_by else None,
    )
    who = None
    if key is not None:
        who = passphrase.signer_of(key, passphrase_file)
        wish = replace(wish, person=person or _person(at, who.keyid))
    wish = attaching.checked(at.book, wish, at.utc)
    if who is not None:
        book.speaker(at.roster, who.keyid, wish.role, at.utc, wish.person)
    digest, size = book.keep(at.book, file)
    record = attaching.attachment(at.book, wish, at.utc, digest, size)
    before = at.report().weighed.weights
    done = signing.put(at, record, [who] if who else [], "waits")
    stale = attaching.unsettled(before, replace(at, book=done).report().weighed.weights)
    lines = [weight.entry.number + 1 for weight in stale]
    told = {
        **{"signal": signal, "artifact": wish.artifact, "sha256": digest, "bytes": size},
        **{"signed": who is not None, "approvals_to_look_at": lines},
    }
    signing.conclude(at, done, as_json, **told)
    if not as_json:
        _tell_next(at, wish, stale)
    return READY


def _tell_next(at: signing.Desk, wish: Wish, stale: Sequence[Weight]) -> None:
    from audit.trust import attaching

    if stale:
        people = ", ".join(dict.fromkeys(weight.entry.record.person for weight in stale))
        gate = attaching.gate_of(at.book, wish)
        screen.say(f"approvals of gate {gate} need another look: {people}")
    approver = attaching.approver(at.book, wish)
    screen.say(f"next: {approver} approves it: arco-audit sign --role {approver}")


def _person(at: signing.Desk, keyid: str) -> str:
    return next((key.person for key in at.roster.key if key.id == keyid), "")
