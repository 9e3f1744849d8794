"""`arco-audit export`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from audit import runs
from audit.cli import options, screen
from audit.cli.failure import READY
from audit.errors import Conflict, Corrupt, Invalid
from evidence import archive, chain, layout, verify
from evidence.folder import Folder, in_threads

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
def command(
    run: str,
    repo: Path,
    definition: Path | None,
    as_json: bool,
    form: str,
    out: str,
    check: bool,
) -> int:
    """Write a run in a format that other tools read, after verifying it.

    The same run gives the same bytes: ids follow from its final root, times are those of the run.
    OSCAL makes two files, so it needs a folder. Exit code 0 means written, whatever the verdict.

    \b
    Examples:
      arco-audit export --format junit --out build/audit.xml
      arco-audit export head/candidate-2 --format sarif
      arco-audit export --format oscal --out build/oscal/ --check
    """
    folder = options.run_folder(repo, definition, run)
    files = _exported(folder, form)
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


def _exported(folder: Path, form: str) -> dict[str, bytes]:
    from audit import exchange

    records = runs.load(folder)
    report = verify.verify(Folder(str(folder)), each=in_threads)
    if not report.ok:
        raise Corrupt(
            "the run does not verify, so it is not exported",
            place=str(folder),
            next_step=f"arco-audit verify {folder}",
        )
    point = chain.checkpoint_of(Folder(str(folder)).read(layout.CHECKPOINT))
    source = exchange.Source(
        plan=records.plan,
        run=records.run,
        facts=records.facts,
        decision=records.decision,
        final_root=point.final_root,
    )
    return exchange.EXPORTS[form](source)


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
