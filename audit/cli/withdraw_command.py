"""`arco-audit withdraw`."""

from __future__ import annotations

from pathlib import Path

import click

from audit.cli import options, signing
from audit.cli.failure import READY


@click.command("withdraw")
@click.argument("entry")
@options.run
@options.repo
@options.json
@signing.role
@signing.key
@signing.trust
@click.option("--reason", default="", metavar="TEXT", help="Why it is taken back.")
def command(
    entry: str,
    run: str,
    repo: Path,
    as_json: bool,
    role: str,
    person: str,
    key: Path | None,
    passphrase_file: Path | None,
    trust: Path | None,
    sign_off: Path | None,
    reason: str,
) -> int:
    """Take an entry of the sign-off back: an approval, an artifact, a waiver.

    ENTRY is its line or the beginning of its digest, as `arco-audit status` shows them. Who made it
    may, and whoever holds its role. Nothing is deleted: the log says both. Exit codes: 0 taken
    back, 3 the bundle does not verify.

    \b
    Examples:
      arco-audit withdraw 3 --role SRE --key ada.pem --reason "the wrong file"
      arco-audit withdraw 5e88489a --role Manager --key bob.pem --reason "mended"
    """
    from audit.trust import waiving

    at = signing.desk(run, repo, trust, sign_off)
    who, name = signing.signer(at, key, passphrase_file, role, person)
    taken = waiving.entry_of(at.book, entry)
    record = waiving.withdrawal(at.book, taken, person=name, role=role, reason=reason, utc=at.utc)
    done = signing.put(at, record, [who])
    signing.conclude(at, done, as_json, entry=taken.digest)
    return READY
