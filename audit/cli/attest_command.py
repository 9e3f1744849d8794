"""`arco-audit attest`."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from audit.cli import options, passphrase, screen, signing
from audit.cli.failure import READY, UNVERIFIED
from audit.errors import Invalid

if TYPE_CHECKING:
    from audit.trust.book import Book
    from audit.trust.intoto import SealedRun
    from evidence.roster import Key, Roster

LAYOUT_DAYS = 365
"""How long a layout holds after the end of its run, where nothing else is said."""


@click.command("attest")
@options.run
@options.repo
@options.json
@click.option(
    "--key",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    metavar="FILE",
    help="The private key that signs, as arco-audit keygen writes it.",
)
@passphrase.option
@click.option("--signer", default="", metavar="URI", help="Sign by what securesystemslib finds.")
@click.option("--keyid", default="", metavar="ID", help="With --signer: its key in the trust file.")
@click.option(
    "--trust",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    metavar="FILE",
    help="The trust file (default: audit-trust.toml at the root of the repository).",
)
@click.option("--check", is_flag=True, help="Sign nothing; check what lies there.")
@click.option(
    "--layout",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    metavar="DIR",
    help="Also write a layout and its links for in-toto-verify.",
)
@click.option("--layout-expires", default="", metavar="TIME", help="RFC 3339 (default: in a year).")
@click.option(
    "--sign-off",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    metavar="DIR",
    help="The sign-off folder, where it does not lie beside the run.",
)
def command(
    run: str,
    repo: Path,
    as_json: bool,
    key: Path | None,
    passphrase_file: Path | None,
    signer: str,
    keyid: str,
    trust: Path | None,
    check: bool,
    layout: Path | None,
    layout_expires: str,
    sign_off: Path | None,
) -> int:
    """Sign what a sealed run says: in-toto attestations, and its checkpoint as a signed note.

    The bundle is verified first. What is signed lies in the sign-off folder; the run stays as it
    is. The same key again changes nothing, another key adds its signatures. With --signer
    (file2:, gnupg:, hsm:, awskms:, gcpkms:, azurekms:, hv:, sigstore:) one statement over the
    checkpoint is signed. Needs the extra `trust`, or `hsm`, `sigstore` for those. Exit codes: 0
    attested, 3 the bundle or its attestations do not hold.

    \b
    Examples:
      arco-audit attest --key ~/.config/arco-audit/ci.pem
      arco-audit attest head/1 --key ci.pem --layout build/in-toto
      arco-audit attest --signer hsm: --keyid 1f0c… --passphrase-file pin
      arco-audit attest --signer sigstore: --keyid 8a2e…
      arco-audit attest --check
    """
    from audit.trust import attested

    if sum((key is not None, bool(signer), check)) != 1:
        raise Invalid(
            "one of --key, --signer and --check says what to do", next_step="arco-audit attest -h"
        )
    if layout and not key:
        raise Invalid("a layout is signed by a key in a file", next_step="give --key")
    opened, sealed = attested.verified(options.run_folder(repo, None, run), sign_off)
    where = trust or options.root_of(repo) / _trust_file()
    if check:
        return _check(opened, sealed, where, as_json)
    if key is None:
        done = _by_signer(opened, sealed, signer, _key_of(where, keyid), passphrase_file)
    else:
        done = _by_file(opened, sealed, key, passphrase_file, layout, layout_expires)
    _tell(done, as_json)
    if key is not None and where.is_file():
        _warn(opened, sealed, where)
    return READY


def _warn(opened: Book, sealed: SealedRun, trust: Path) -> None:
    """Say already now why `verify --trust` would not count a signature."""
    from evidence import trusted

    _, refused = trusted.note_signers(opened.layer, opened.sealed, _roster(trust))
    for why in refused:
        screen.say(f"warning: by {trust.name} this does not count: {why}", error=True)
    if refused:
        screen.say(f"  {_mend(opened)}", error=True)


def _mend(opened: Book) -> str:
    """What to do about a run that is not attested, or by somebody who does not count."""
    from evidence import layout

    lines, note = (opened.folder / name for name in (layout.ATTESTATIONS, layout.CHECKPOINT))
    if not lines.exists():
        return f"next: arco-audit attest {opened.run} --key FILE"
    return f"next: to leave it out, remove {note} and {lines}, then attest with the others again"


def _trust_file() -> str:
    from audit.trust import book

    return book.TRUST


def _by_file(
    opened: Book,
    sealed: SealedRun,
    key: Path,
    passphrase_file: Path | None,
    layout: Path | None,
    expires: str,
) -> list[str]:
    from audit.trust import attested

    signer = passphrase.signer_of(key, passphrase_file)
    until = (
        signing.instant(expires, "layout-expires") if expires else _in_a_year(sealed.run.end_utc)
    )
    files = [*attested.attest_run(opened, sealed, signer).files]
    if layout is not None:
        files += attested.export_layout(sealed, signer, layout, until)
    return [str(path) for path in files]


def _by_signer(
    opened: Book, sealed: SealedRun, uri: str, key: Key, secret_file: Path | None
) -> list[str]:
    from audit.trust import attested, elsewhere

    signer = elsewhere.signer_at(uri, key, passphrase.secret_from(secret_file))
    done = attested.attest_checkpoint(opened, sealed, signer, key)
    return [str(path) for path in done.files]


def _in_a_year(utc: str) -> str:
    end = datetime.fromisoformat(utc) + timedelta(days=LAYOUT_DAYS)
    return end.strftime("%Y-%m-%dT%H:%M:%SZ")


def _key_of(trust: Path, keyid: str) -> Key:
    """The one key of the trust file whose id begins so. Raises `Invalid`."""
    found = [key for key in _roster(trust).key if keyid and key.id.startswith(keyid)]
    if len(found) != 1:
        problem = "several keys of" if found else "no key of"
        raise Invalid(
            f"{problem} the trust file begins so keyid=`{keyid:.80}`",
            place=str(trust),
            next_step="name the key that the signer signs with by --keyid",
        )
    return found[0]


def _roster(trust: Path) -> Roster:
    from audit.trust import book

    return book.roster_of(trust)


def _check(opened: Book, sealed: SealedRun, trust: Path, as_json: bool) -> int:
    from audit.trust import attested

    findings = attested.check_run(opened, sealed, _roster(trust))
    if as_json:
        told = [{"place": item.place, "problem": item.problem} for item in findings]
        screen.as_json({"ok": not findings, "folder": str(opened.folder), "findings": told})
    else:
        for item in findings:
            screen.say(f"{item.place}: {item.problem}")
        if findings:
            screen.say(_mend(opened))
        word = "NOT VERIFIED" if findings else "VERIFIED"
        screen.say(screen.coloured(word))
    return UNVERIFIED if findings else READY


def _tell(files: list[str], as_json: bool) -> None:
    if as_json:
        screen.as_json({"attested": files})
        return
    for path in files:
        screen.say(f"attested: {path}")
