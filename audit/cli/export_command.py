"""`arco-audit export`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from audit import runs
from audit.cli import options, screen, signing
from audit.cli.failure import READY
from audit.errors import Conflict, Corrupt, Invalid
from evidence import archive, chain, layout, trusted, verify
from evidence.folder import Folder, in_threads, withheld

if TYPE_CHECKING:
    from audit.exchange import Source
    from audit.trust.book import Book
    from evidence.verify import Withheld

_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)
FORMATS = ("junit", "sarif", "ctrf", "oscal", "cyclonedx")


@click.command("export")
@options.run
@options.repo
@options.definition
@options.json
@click.option("--format", "form", type=click.Choice(FORMATS), required=True, help="What to write.")
@click.option(
    "--out",
    default="",
    metavar="FILE|DIR",
    help="Where to write: a file, or a folder that exists or ends with / (default: stdout).",
)
@click.option("--check", is_flag=True, help="Validate what is written, with an extra's package.")
@click.option(
    "--trust", type=_FILE, help="Export what the sign-off amounts to, by this trust file."
)
@click.option("--sign-off", type=_FOLDER, help="With --trust: the sign-off folder.")
@click.option("--as-of", default="", metavar="TIME", help="With --trust: at this instant (now).")
def command(
    run: str,
    repo: Path,
    definition: Path | None,
    as_json: bool,
    form: str,
    out: str,
    check: bool,
    trust: Path | None,
    sign_off: Path | None,
    as_of: str,
) -> int:
    """Write a run in a format that other tools read, after verifying it.

    The same run gives the same bytes: ids follow from its final root, times are those of the run.
    With --trust approvals and what people brought count, and waivers in force are named, as is the
    verdict with them; what is waived stays red. OSCAL makes two files, so it needs a folder. Exit
    code 0 means written, whatever the verdict.

    \b
    Examples:
      arco-audit export --format junit --out build/audit.xml
      arco-audit export head/candidate-2 --format sarif
      arco-audit export --format oscal --out build/oscal/ --check
    """
    folder = options.run_folder(repo, definition, run)
    if trust is None and (sign_off is not None or as_of):
        raise click.UsageError("--sign-off and --as-of need --trust FILE")
    source = _source(folder, None if trust is None else _SignOff(trust, sign_off, as_of))
    files = _files(source, form)
    checked = _checked(form, files) if check else ""
    written = _put(form, files, out) if out else {}
    if as_json:
        told = [
            {"name": name, "path": written[name]}
            if out
            else {"name": name, "text": data.decode("ascii")}
            for name, data in files.items()
        ]
        screen.as_json({"format": form, "files": told, "checked": checked})
    elif out:
        for path in written.values():
            screen.say(f"written: {path}")
    else:
        screen.say(_only(form, files).decode("ascii").rstrip("\n"), lines=True)
    if checked and not as_json:
        screen.say(checked, error=not out)
    return READY


class _SignOff(NamedTuple):
    """Where the sign-off lies, who is trusted in it, and as of when."""

    trust: Path
    folder: Path | None
    as_of: str


def _files(source: Source, form: str) -> dict[str, bytes]:
    from audit import exchange

    return exchange.EXPORTS[form](source)


def _source(folder: Path, sign_off: _SignOff | None) -> Source:
    """Return a run that verifies, with what its sign-off amounts to where that is asked for."""
    from audit import exchange

    records = runs.load(folder)
    bundle = Folder(str(folder))
    if sign_off is not None:
        from audit.trust import book

        opened = book.open_book(folder, sign_off.folder)
        gone = trusted.withheld_files(opened.layer)
    else:
        opened, gone = None, withheld(str(folder))
    report = verify.verify(bundle, each=in_threads, withheld=gone)
    if not report.ok:
        raise _refused("the run does not verify, so it is not exported", folder)
    point = chain.checkpoint_of(bundle.read(layout.CHECKPOINT))
    source = exchange.Source(
        plan=records.plan,
        run=records.run,
        facts=records.facts,
        decision=records.decision,
        final_root=point.final_root,
    )
    if opened is None or sign_off is None:
        return source
    return _signed_off(source, folder, opened, sign_off, report.withheld)


def _signed_off(
    source: Source, folder: Path, opened: Book, sign_off: _SignOff, gone: Sequence[Withheld]
) -> Source:
    from audit.trust import book, keys

    roster = book.roster_of(sign_off.trust)
    at = signing.instant(sign_off.as_of) if sign_off.as_of else signing.now()
    found = trusted.verify_trust(
        Folder(str(folder)), opened.layer, roster, at, check=keys.check_any, withheld=gone
    )
    wrong = [finding for step in found.steps for finding in step.findings]
    if wrong:
        first = f"{wrong[0].place}: {wrong[0].problem}"
        raise _refused(f"its sign-off does not verify: {first}", folder, sign_off.trust)
    waivers = {item.signal: item for item in found.weighed.brought.waived}
    return replace(source, decision=found.decision, waivers=waivers, signed_off=found.verdict)


def _refused(problem: str, folder: Path, trust: Path | None = None) -> Corrupt:
    step = f"arco-audit verify {folder}" + (f" --trust {trust}" if trust else "")
    return Corrupt(problem, place=str(folder), next_step=step)


def _checked(form: str, files: Mapping[str, bytes]) -> str:
    from audit.exchange import validation

    problems = validation.validate(form, files)
    if problems is None:
        return f"not checked: nothing that we know validates {form}"
    if problems:
        raise AssertionError(f"an export of ours is not valid: {problems[0]}")
    return f"checked: valid {form}"


def _put(form: str, files: Mapping[str, bytes], out: str) -> dict[str, str]:
    """Write files below a folder, or the only one as a file; return where each went."""
    target = Path(out)
    if out.endswith("/") or target.is_dir():
        _refuse_leftover(target, form, files)
        archive.put_all(target, files)
        return {name: str(target / name) for name in files}
    data = _only(form, files)
    archive.put(target.parent, target.name, data)
    return {next(iter(files)): out}


def _refuse_leftover(target: Path, form: str, files: Mapping[str, bytes]) -> None:
    """Refuse a folder with a plan of action that this run would leave standing there as its own."""
    from audit.exchange import oscal

    left = target / oscal.POAM
    if form == "oscal" and oscal.POAM not in files and left.exists():
        raise Conflict(
            "nothing is open in this run, and a plan of action of another one lies there",
            place=str(left),
            next_step="remove it, or name another folder",
        )


def _only(form: str, files: Mapping[str, bytes]) -> bytes:
    if form != "oscal":
        return next(iter(files.values()))
    raise Invalid(
        f"this format makes up to two files, and needs a folder for them format=`{form}`",
        place="--out",
        next_step="name a folder: --out build/oscal/",
    )
