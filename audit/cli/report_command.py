"""`arco-audit report`."""

from __future__ import annotations

from pathlib import Path

import click

from audit import runs
from audit.cli import options, screen
from audit.cli.failure import READY
from audit.errors import Invalid, Unavailable
from evidence import layout
from evidence.folder import withheld


@click.command("report")
@options.run
@options.repo
@options.definition
@options.json
@click.option("--open", "open_it", is_flag=True, help="Open the page in the browser.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Render the page again with this version, into FILE.",
    metavar="FILE",
)
def command(
    run: str,
    repo: Path,
    definition: Path | None,
    as_json: bool,
    open_it: bool,
    out: Path | None,
) -> int:
    """Show where the report page of a run is; open it, or render it again.

    \b
    Examples:
      arco-audit report --open
      arco-audit report --out build/report.html
    """
    folder = options.run_folder(repo, definition, run)
    records = runs.load(folder)
    page = folder / layout.REPORT
    if out is not None:
        from audit import steps

        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(steps.report_page(records, steps.tracker_of(records)))
        page = out
    elif not page.is_file():
        raise _gone(folder, page)
    if as_json:
        screen.as_json({"report": str(page)})
    else:
        screen.say(f"report: {page}")
    if open_it:
        import webbrowser

        if not webbrowser.open(page.resolve().as_uri()):
            raise Unavailable(
                "no browser could be started", place=str(page), next_step="open the file by hand"
            )
    return READY


def _gone(folder: Path, page: Path) -> Invalid:
    taken = layout.REPORT in withheld(str(folder))
    return Invalid(
        "the page was withheld after the seal" if taken else "the page is gone",
        place=str(page),
        next_step=f"render it again, from what is left: arco-audit report {folder} --out FILE",
    )
