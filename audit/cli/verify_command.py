"""`arco-audit verify`."""

from __future__ import annotations

import gc
import os
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from audit.cli import options, screen, signing
from audit.cli.failure import READY, UNVERIFIED
from audit.errors import Corrupt, Invalid
from evidence import account, archive, layout, trusted
from evidence import verify as verifier
from evidence.codec import Malformed
from evidence.folder import Folder, in_workers, sign_off_of

if TYPE_CHECKING:
    from audit.release import pack

UNPACKED_BYTES_MAX = 64 << 30
"""Bytes that a packed bundle may unpack to."""


@click.command("verify")
@options.run
@options.repo
@options.json
@click.option(
    "--expect-root",
    default=None,
    metavar="HEX",
    help="A root that you know from elsewhere, such as the log of the CI job that ran the audit.",
)
@signing.as_of
@click.option(
    "--trust",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    metavar="FILE",
    help="Also check who signed the run, and weigh its sign-off. The file has to be your own.",
)
@click.option(
    "--sign-off",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    metavar="DIR",
    help="The sign-off folder, where it does not lie beside the run.",
)
@click.option(
    "--expect-log",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    metavar="FILE",
    help="A log.checkpoint that you kept: lines that were taken off the log since are missed.",
)
def command(
    run: str,
    repo: Path,
    as_json: bool,
    expect_root: str | None,
    as_of: str,
    trust: Path | None,
    sign_off: Path | None,
    expect_log: Path | None,
) -> int:
    """Check that a bundle is whole, complete and rightly judged.

    RUN is the folder of a run, a packed bundle (.tar, .tar.gz), or a label below the evidence root;
    by default the newest run. With --trust also who signed it, and what its sign-off amounts to.
    Exit codes: 0 verified, whatever the verdict; 3 not verified.

    \b
    Examples:
      arco-audit verify
      arco-audit verify release_evidence/1.0/head --expect-root 5e88…
      arco-audit verify --trust ~/trust/arco.toml --expect-log ~/trust/log.checkpoint
    """
    root = options.root(expect_root)
    at = signing.instant(as_of) if as_of else ""
    kept = _kept(expect_log, trust) if expect_log else b""
    if os.path.isfile(run):  # pathlib raises where a name is too long
        with tempfile.TemporaryDirectory(prefix="arco-audit-") as place:
            folder = _unpacked(Path(run), Path(place))
            return _verify(folder, root, as_json, trust, sign_off, at, kept, packed=run)
    folder = options.run_folder(repo, None, run)
    return _verify(folder, root, as_json, trust, sign_off, at, kept)


def _kept(path: Path, trust: Path | None) -> bytes:
    """The checkpoint of a sign-off log that somebody kept."""
    if trust is None:
        raise Invalid("the log is looked at with --trust", next_step="name your trust file")
    try:
        return path.read_bytes() or b"-"
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise Invalid(
            f"cannot be read: {why}", place=str(path), next_step="name a log.checkpoint"
        ) from error


def _verify(
    folder: Path,
    expect_root: str,
    as_json: bool,
    trust: Path | None,
    sign_off: Path | None,
    as_of: str,
    kept: bytes,
    packed: str = "",
) -> int:
    """Verify a folder, which is told as what it was unpacked from, where it was."""
    gc.disable()  # records make no cycles, and looking for some costs a fifth of the time
    source = Folder(str(folder))
    layer = Folder(str(sign_off)) if sign_off else sign_off_of(str(folder))
    withheld = trusted.withheld_files(layer) if layer else ()
    report = verifier.verify(source, expect_root=expect_root, each=in_workers, withheld=withheld)
    name = packed or str(folder)
    manifest = _pack(folder.parent, report) if packed and report.ok else None
    if trust and layer is None:
        raise Invalid(
            "nobody has signed this run where its sign-off would lie",
            place=name,
            next_step="name the folder by --sign-off DIR, or leave --trust out",
        )
    weighed = _weighed(source, layer, trust, as_of, report, kept) if trust and layer else None
    if as_json:
        told = {"tag": manifest.tag.name, "files": len(manifest.files)} if manifest else None
        pack = {"pack": told} if told else {}
        screen.as_json({**account.value(report, weighed), "bundle": name, **pack})
    else:
        screen.say(f"bundle: {name}")
        if manifest:
            files = len(manifest.files)
            screen.say(f"pack: {manifest.tag.name}, {files} files as its manifest says")
        for line in account.lines(report, weighed):
            screen.say(screen.coloured(line) if line in screen.COLOURS else line)
        if (folder / layout.JOURNAL).exists() and not archive.is_sealed(folder):
            screen.say(f"this run was not finished; next: arco-audit resume {folder}")
        if layer and not trust:
            where = packed if packed and sign_off is None else layer.root
            screen.say(f"a sign-off lies at {where} and is not weighed; --trust FILE does")
    asked = trust is None or weighed is not None
    return READY if asked and account.holds(report, weighed) else UNVERIFIED


def _pack(top: Path, report: verifier.Report) -> pack.Manifest | None:
    """What the manifest of a pack says, where it is one; `Corrupt` where it is not so."""
    from audit.release import packed

    if not packed.is_pack(top):
        return None
    return packed.check(top, (report.plan_root, report.final_root))


def _weighed(
    source: Folder,
    layer: Folder,
    trust: Path,
    as_of: str,
    report: verifier.Report,
    kept: bytes,
) -> trusted.Report | None:
    """What the steps with a trust file find; None where the records cannot be read anyway."""
    from audit.trust import book, keys

    roster = book.roster_of(trust)
    try:
        return trusted.verify_trust(
            source,
            layer,
            roster,
            as_of or signing.now(),
            check=keys.check_any,
            withheld=report.withheld,
            kept=kept,
        )
    except Malformed as error:
        if report.ok:  # nothing above says why, and VERIFIED would be said
            raise Corrupt(
                f"the sign-off cannot be weighed: {error}",
                place=source.root,
                next_step="look at what lies there",
            ) from error
        return None


def _unpacked(path: Path, into: Path) -> Path:
    """Unpack a bundle, and return the folder of its run.

    Files and folders are all that a bundle has. Links are refused before anything is written: in
    many versions of Python some lead past the `data` filter (CVE-2025-4517).
    """
    try:
        with tarfile.open(path) as packed:
            size = 0
            for member in packed:
                size += member.size
                if size > UNPACKED_BYTES_MAX:
                    raise Invalid(
                        f"unpacks to more than bytes=`{UNPACKED_BYTES_MAX}`", place=str(path)
                    )
                if not (member.isreg() or member.isdir()):
                    raise Invalid(
                        f"holds what is no plain file entry=`{member.name:.80}`",
                        place=str(path),
                        next_step="ask whoever packed it for a pack without links",
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
    return _only_run(path, into)


def _only_run(path: Path, into: Path) -> Path:
    """Return the folder of the run in a package: a good one vouches for no other beside it."""
    runs = sorted(plan.parent for plan in into.rglob(layout.PLAN))
    beside = [run for run in runs if not run.is_relative_to(runs[0])]  # kept files lie below
    if beside:
        raise Invalid(
            f"holds more than one run, such as run=`{beside[0].relative_to(into)}`",
            place=str(path),
            next_step="unpack it, and name the folder of the run that you mean",
        )
    return runs[0] if runs else into
