"""`arco-audit withhold`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from audit.cli import options, screen, signing
from audit.cli.failure import NOT_READY, READY
from audit.errors import Invalid
from evidence import account, codec

if TYPE_CHECKING:
    from audit.trust.withholding import Wanted


@click.command("withhold")
@click.argument("run")
@click.argument("path")
@options.repo
@options.json
@signing.role
@signing.key
@signing.trust
@signing.yes
@click.option("--chunk", "chunks", type=int, multiple=True, help="A chunk of the log (repeat).")
@click.option("--match", default="", metavar="TEXT", help="All chunks and files that hold this.")
@click.option("--reason", default="", metavar="TEXT", help="Why; it is shown in its place.")
def command(
    run: str,
    path: str,
    repo: Path,
    as_json: bool,
    role: str,
    person: str,
    key: Path | None,
    passphrase_file: Path | None,
    trust: Path | None,
    sign_off: Path | None,
    yes: bool,
    chunks: tuple[int, ...],
    match: str,
    reason: str,
) -> int:
    """Take chunks of a log, or a whole file, out of a sealed bundle, for good.

    A secret came through: its chunk (64 KiB) is overwritten, its salt as well, and the report page,
    which quotes logs, is removed. The sealed digests stay and are shown, so everything still
    verifies. A signed entry says who and why. After a crash the same command finishes the job.
    What was copied or committed elsewhere is not touched. Exit codes: 0 withheld, 1 you did not
    agree or the text also lies in a record that cannot be withheld, 3 the bundle does not verify.

    \b
    Examples:
      arco-audit withhold 1.0/head command-logs/tests.log --match "$LEAKED" \\
          --role SRE --key ada.pem --reason "a token of the staging cluster"
      arco-audit withhold 1.0/head artifacts/tests/1/dump.bin --role SRE --key ada.pem --reason PII
    """
    from audit.trust import withholding

    finished = _finish(run, repo, trust, sign_off)
    at = signing.desk(run, repo, trust, sign_off)
    who, name = signing.signer(at, key, passphrase_file, role, person)
    if finished and not as_json:
        screen.say(f"finished what was begun: {', '.join(finished)}")
    try:
        wanted = withholding.wanted(at.book, path, chunks, match.encode("utf-8", "surrogateescape"))
        records = list(withholding.entries(at.book, wanted.pieces, name, role, reason, at.utc))
    except Invalid:
        if not finished:
            raise
        return _conclude(at, finished, withholding.Wanted((), ()), as_json)
    if not as_json:
        _show(wanted)
    if wanted.pieces and not signing.ask(
        "Take this out? It cannot be undone.", yes=yes, as_json=as_json
    ):
        screen.say("nothing was withheld")
        return NOT_READY
    for record in records:
        done = signing.put(at, withholding.at_the_end(at.book, record), [who])
        at = replace(at, book=done)
    finished += withholding.finish(at.book, at.report().weighed.weights)
    return _conclude(at, finished, wanted, as_json)


def _finish(run: str, repo: Path, trust: Path | None, sign_off: Path | None) -> list[str]:
    """Finish what a signed entry says is withheld and a crash left there; a bundle in that state
    does not verify."""
    from audit.trust import book, keys, withholding

    opened = book.open_book(options.run_folder(repo, None, run), sign_off)
    if not opened.log.entries:
        return []
    roster = book.roster_of(trust or options.root_of(repo) / signing.TRUST)
    report = book.weighed(opened, roster, signing.now(), keys.check_any)
    return withholding.finish(opened, report.weighed.weights)


def _show(wanted: Wanted) -> None:
    rows = [
        [piece.path, ", ".join(map(str, piece.chunks)) or "the whole file", " ".join(piece.leaves)]
        for piece in wanted.pieces
    ]
    heads = ("file", "chunks", "sealed leaves, which stay")
    for line in screen.table(heads, rows) if rows else ():
        screen.say(line)
    for name in wanted.left:
        screen.say(f"warning: the text also lies in {name}, which cannot be withheld")


def _conclude(at: signing.Desk, finished: list[str], wanted: Wanted, as_json: bool) -> int:
    from audit.trust import book

    opened, found = book.verified(at.book.run, at.book.folder)
    told = {"withheld": finished, "left": list(wanted.left)}
    if as_json:
        notes = codec.to_value(found.withheld)
        screen.as_json({**told, "verified": True, "notes": notes, "run": str(opened.run)})
    else:
        for line in account.lines(found):
            if line.startswith("note: ") or line == "VERIFIED":
                screen.say(screen.coloured(line))
    return NOT_READY if wanted.left else READY
