"""`arco-audit serve`."""

from __future__ import annotations

import contextlib
import html
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from audit import extras
from audit.cli import options, screen, signing
from audit.cli.failure import INTERRUPTED, READY
from audit.errors import Invalid

if TYPE_CHECKING:
    from audit.board.office import Office


@click.command("serve")
@options.run
@options.repo
@options.json
@signing.role
@signing.key
@signing.trust
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    metavar="PORT",
    help="Listen on this port of 127.0.0.1 (default: one that is free).",
)
@click.option(
    "--open/--no-open",
    "open_it",
    default=None,
    help="Open the board in the browser (default: on a terminal).",
)
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
    port: int,
    open_it: bool | None,
) -> int:
    """Show a run on a page of this machine, where an approver looks and signs.

    The page is served on 127.0.0.1 alone, to the one browser that opens the printed address; it
    works once. With --role and --key this process signs: the key never reaches the browser. Without
    --key the board only reads. The bundle is verified first. Ctrl-C ends it with exit code 130; 3
    means that the bundle does not verify. Needs the extras `board` and `trust`.

    \b
    Examples:
      arco-audit serve
      arco-audit serve --role SRE --key ~/.config/arco-audit/ada.pem
      arco-audit serve 1.0/head --role Security --no-open --port 8040
    """
    with extras.needed("board", "trust"):
        from audit.board import serving
    office = _office(run, repo, trust, sign_off, role, person, key, passphrase_file)
    link = _Link()
    board = serving.Board(office, port, link.remove)
    _tell(board.address, office, as_json)
    try:
        if _wants(open_it, as_json):
            link.open(board.address)
        board.serve()
    except KeyboardInterrupt:
        if not as_json:
            screen.say("the board is closed")
        return INTERRUPTED
    finally:
        link.remove()
    return READY


def _office(
    run: str,
    repo: Path,
    trust: Path | None,
    sign_off: Path | None,
    role: str,
    person: str,
    key: Path | None,
    passphrase_file: Path | None,
) -> Office:
    """The run on the board, verified, and who looks at it.

    A board that only reads works without a trust file, and says that nothing signed counts.
    """
    from audit.board.office import Office

    file = trust or options.root_of(repo) / signing.TRUST
    if key is None:
        known = file if trust or file.is_file() else None
        office = Office(
            options.run_folder(repo, None, run), sign_off, known, signing.now, role, person
        )
        office.look(verify=True)
        return office
    at = signing.desk(run, repo, trust, sign_off)
    who, name = signing.signer(at, key, passphrase_file, role, person)
    office = Office(at.book.run, sign_off, file, signing.now, role, name, who)
    if not office.look().review.gates:
        raise Invalid("this role has no gate to approve", next_step="name another --role")
    return office


def _tell(address: str, office: Office, as_json: bool) -> None:
    """Say where the board is, once; what is printed here opens it for whoever reads it first."""
    if as_json:
        reads = office.signer is None
        screen.as_json({"address": address, "run": str(office.run), "reads_only": reads})
    else:
        who = "nobody signs" if office.signer is None else f"{office.person} as {office.role}"
        screen.say(f"run: {office.run}  ({who})")
        screen.say(f"board: {address}")
        screen.say("the address works once, in one browser; Ctrl-C ends the board")
    sys.stdout.flush()


def _wants(open_it: bool | None, as_json: bool) -> bool:
    if open_it is None:
        return not as_json and sys.stdout.isatty()
    return open_it


class _Link:
    """A file that only its owner can read and that leads a browser to the address.

    The words of a browser's command line are seen by everybody on the machine; this path tells
    nothing.
    """

    def __init__(self) -> None:
        self._path: Path | None = None

    def open(self, address: str) -> None:
        """Start the browser, or say that there is none."""
        import webbrowser

        handle, name = tempfile.mkstemp(prefix="arco-audit-board-", suffix=".html")
        self._path = Path(name)
        target = html.escape(address, quote=True)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(
                "<!doctype html><meta charset=utf-8><title>Review board</title>"
                f'<meta http-equiv="refresh" content="0; url={target}">'
            )
        if not webbrowser.open(self._path.as_uri()):
            screen.say("no browser could be started; open the address by hand")

    def remove(self) -> None:
        """Take the file away again."""
        path, self._path = self._path, None
        if path is not None:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
