"""`arco-audit sign`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from audit.cli import options, screen, signing
from audit.cli.failure import NOT_READY, READY
from evidence import codec, words

if TYPE_CHECKING:
    from audit.trust.approving import Earlier, Review

CHANGES_MAX = 12
"""Changes since an earlier run that are shown; `arco-audit diff` has all of them."""


@click.command("sign")
@options.run
@options.repo
@options.json
@signing.role
@signing.key
@signing.trust
@signing.yes
@click.option("--gate", "gates", type=int, multiple=True, help="Approve only this gate (repeat).")
@click.option("--note", default="", metavar="TEXT", help="What you want to say with it.")
@click.option("--expires", default="", metavar="TIME", help="When it stops counting, RFC 3339.")
def command(
    run: str,
    repo: Path,
    as_json: bool,
    role: str,
    person: str,
    key: Path | None,
    passphrase_file: Path | None,
    trust: Path | None,
    sign_off: Path | None,
    yes: bool,
    gates: tuple[int, ...],
    note: str,
    expires: str,
) -> int:
    """Look at the gates of your role, what changed since you approved last, and approve them.

    The bundle is verified first. The approval is bound to the decision, to the pages, and to each
    gate as it stands; what changes later makes it suspect for the gates that it touched, and no
    others. Needs the extra `trust`. Exit codes: 0 approved, 1 you did not agree, 3 the bundle does
    not verify.

    \b
    Examples:
      arco-audit sign --role SRE --key ~/.config/arco-audit/ada.pem
      arco-audit sign 1.0/head --role Security --key ada.pem --gate 2 --gate 3 --yes
    """
    from audit.trust import approving, keys

    at = signing.desk(run, repo, trust, sign_off)
    who, name = signing.signer(at, key, passphrase_file, role, person)
    until = signing.instant(expires, "expires") if expires else None
    seen = approving.review(at.book, at.report(), role, name, gates)
    record = approving.approval(at.book, seen, at.utc, note, until)
    before = approving.earlier(at.book, at.roster, name, role, keys.check_any)
    if not as_json:
        _show(at.book.run, seen, before)
    if not signing.ask(f"Sign as {name}, {role}?", yes=yes, as_json=as_json):
        screen.say("nothing was signed")
        return NOT_READY
    done = signing.put(at, record, [who])
    told = {"person": name, "role": role, "gates": [gate.id for gate in seen.gates]}
    signing.conclude(at, done, as_json, **told, pages=codec.to_value(seen.pages))
    return READY


def _show(run: Path, seen: Review, before: Earlier | None) -> None:
    screen.say(f"run: {run}")
    screen.say(f"you: {seen.person} as {seen.role}, at {seen.as_of}")
    screen.say(f"decision: {seen.decision}")
    rows = [
        [str(gate.id), gate.name, gate.status, "changed" if gate.changed else "", str(gate.closed)]
        for gate in seen.gates
    ]
    screen.say()
    for line in screen.table(("gate", "area", "status", "since you", "closed"), rows):
        screen.say(line)
    _show_open(seen)
    if seen.waiting:
        screen.say()
        artifacts = [
            [item.signal, item.artifact, item.name, str(item.bytes), item.sha256, item.person]
            for item in seen.waiting
        ]
        heading = ("signal", "artifact", "file", "bytes", "sha256", "brought by")
        for line in screen.table(heading, artifacts):
            screen.say(line)
    _show_changes(seen, before)
    screen.say()
    pages = [[page.sha256, page.path] for page in seen.pages]
    for line in screen.table(("sha256", "page"), pages):
        screen.say(line)
    screen.say()
    screen.say(f"verdict: {screen.coloured(seen.verdict)}  as of {seen.as_of}")


def _show_open(seen: Review) -> None:
    open_ = [(gate, item) for gate in seen.gates for item in gate.open_signals]
    if not open_:
        return
    rows = [[str(gate.id), item.id, item.status, item.reason] for gate, item in open_]
    screen.say()
    for line in screen.table(("gate", "open signal", "status", "why"), rows):
        screen.say(line)
    for item in seen.waivers:
        by = f"{item.signal} is red and waived by {item.person} as {item.role}"
        screen.say(f"{by} until {item.until_utc}: {item.reason}")


def _show_changes(seen: Review, before: Earlier | None) -> None:
    from audit.trust import diff_pages

    screen.say()
    added = words.count(len(seen.added), "line")
    if seen.since:
        screen.say(f"since your approval {seen.since[:16]}: {added}")
    elif seen.added:
        screen.say(f"you have not approved this run; brought so far: {added}")
    for line in seen.added:
        screen.say(f"  {line}")
    if before is None:
        return
    screen.say(f"you approved {before.label} at {before.signed_utc}; since then:")
    if before.diff is None:
        screen.say(f"  it cannot be compared: {before.problem}")
        return
    for change in before.diff.changes[:CHANGES_MAX]:
        place = f"{change.noun} {change.place}".rstrip()
        screen.say(f"  {change.kind}: {place}: {diff_pages.moved(change)}")
    if len(before.diff.changes) > CHANGES_MAX:
        screen.say(f"  and {len(before.diff.changes) - CHANGES_MAX} more: arco-audit diff")
    for line in diff_pages.conclusion(before.diff):
        screen.say(f"  {line}")
