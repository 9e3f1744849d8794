"""`arco-audit verify`."""

from __future__ import annotations

import gc
import os
import tarfile
import tempfile
from pathlib import Path

import click

from audit.cli import options, screen
from audit.cli.failure import READY, UNVERIFIED
from audit.errors import Invalid
from evidence import account, archive, layout
from evidence import verify as verifier
from evidence.folder import Folder, in_workers

UNPACKED_BYTES_MAX = 64 << 30
"""Bytes that a packed bundle may unpack to."""


@click.command("verify")
@options.run
@options.repo
@options.json
@click.option(
    "--expect-root",
    default="",
    metavar="HEX",
    help="A root that you know from elsewhere, such as the log of the CI job that ran the audit.",
)
def command(run: str, repo: Path, as_json: bool, expect_root: str) -> int:
    """Check that a bundle is whole, complete and rightly judged.

    RUN is the folder of a run, a packed bundle (.tar, .tar.gz), or a label below the evidence root;
    by default the newest run. Exit codes: 0 verified, whatever the verdict; 3 not verified.

    \b
    Examples:
      arco-audit verify
      arco-audit verify release_evidence/1.0/head --expect-root 5e88…
    """
    if expect_root and not _is_root(expect_root):
        raise Invalid(
            f"a root has 64 hex digits expect_root=`{expect_root[:80]}`",
            next_step="copy it from the output of the run, or from its checkpoint's plan-root line",
        )
    if os.path.isfile(run):  # pathlib raises where a name is too long
        with tempfile.TemporaryDirectory(prefix="arco-audit-") as folder:
            return _verify(_unpacked(Path(run), Path(folder)), expect_root, as_json)
    return _verify(options.run_folder(repo, None, run), expect_root, as_json)


def _is_root(text: str) -> bool:
    return len(text) == 64 and set(text.lower()) <= set("0123456789abcdef")


def _verify(folder: Path, expect_root: str, as_json: bool) -> int:
    gc.disable()  # records make no cycles, and looking for some costs a fifth of the time
    report = verifier.verify(Folder(str(folder)), expect_root=expect_root, each=in_workers)
    if as_json:
        screen.as_json({**account.value(report), "bundle": str(folder)})
    else:
        screen.say(f"bundle: {folder}")
        for line in account.lines(report):
            screen.say(screen.coloured(line) if line in screen.COLOURS else line)
        if (folder / layout.JOURNAL).exists() and not archive.is_sealed(folder):
            screen.say(f"this run was not finished; next: arco-audit resume {folder}")
    return READY if report.ok else UNVERIFIED


def _unpacked(path: Path, into: Path) -> Path:
    """Unpack a bundle with the `data` filter, which refuses links out, devices and `..`."""
    try:
        with tarfile.open(path) as packed:
            size = 0
            for member in packed:
                size += member.size
                if size > UNPACKED_BYTES_MAX:
                    raise Invalid(
                        f"unpacks to more than bytes=`{UNPACKED_BYTES_MAX}`", place=str(path)
                    )
                packed.extract(member, into, filter="data")
    except Invalid:
        raise
    except Exception as error:  # each unpacker has errors of its own for damaged bytes:
        raise Invalid(
            f"is not a packed bundle: {str(error).lower()}",
            place=str(path),
            next_step="name the folder of a run, or a .tar.gz of one",
        ) from error
    return next(iter(sorted(plan.parent for plan in into.rglob(layout.PLAN))), into)
