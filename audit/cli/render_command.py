"""`arco-audit render`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from audit import publish as publishing
from audit import runs
from audit.cli import options, screen
from audit.cli.failure import NOT_READY, READY
from audit.errors import Corrupt, Invalid
from evidence import archive, codec, layout


@click.command("render")
@options.run
@options.repo
@options.definition
@options.json
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write there.")
@click.option("--check", is_flag=True, help="Compare the published documents instead of writing.")
@click.option("--as-claimed", is_flag=True, help="Print what people claimed, titled as claims.")
def command(
    run: str,
    repo: Path,
    definition: Path | None,
    as_json: bool,
    out: Path | None,
    check: bool,
    as_claimed: bool,
) -> int:
    """Write the documents of a run: gate tracker, signal ledger, summary, findings.

    Without --out they are compared with those inside the run, which never change. With --check the
    published documents are held against what their tracker implies. Exit codes: 0 as it should
    be, 1 something differs.

    \b
    Examples:
      arco-audit render --out build/documents
      arco-audit render --check
      arco-audit render --as-claimed --definition DIR/audit.toml --out DIR2
    """
    if as_claimed:
        return _as_claimed(definition, out, as_json)
    if check:
        if run:
            raise Invalid(
                "--check looks at the published documents, whatever the run",
                place=run,
                next_step="leave RUN out, or --check: arco-audit render RUN compares those inside",
            )
        return _check(options.root_of(repo), definition, as_json)
    from audit import steps

    folder = options.run_folder(repo, definition, run)
    pages = steps.pages_of(steps.tracker_of(runs.load(folder)))
    if out is None:
        return _compared(folder / layout.DOCUMENTS, pages, as_json)
    archive.put_all(out, pages)
    return _told([str(out / name) for name in pages], "written", as_json, READY)


def _as_claimed(definition: Path | None, out: Path | None, as_json: bool) -> int:
    from audit import check as checking

    if definition is None or out is None:
        raise click.UsageError("--as-claimed needs --definition FILE and --out DIR")
    written = checking.render_as_claimed(definition, out)
    return _told([str(path) for path in written], "written", as_json, READY)


def _compared(folder: Path, pages: dict[str, bytes], as_json: bool) -> int:
    """Hold the documents inside a run against what its records imply with this version."""
    differ = [
        str(folder / name)
        for name, data in pages.items()
        if not (folder / name).is_file() or (folder / name).read_bytes() != data
    ]
    if differ:
        return _told(differ, "differs", as_json, NOT_READY)
    return _told([str(folder / name) for name in pages], "as sealed", as_json, READY)


def _check(root: Path, definition: Path | None, as_json: bool) -> int:
    from audit.render import documents, schema

    folders = _published(root, definition)
    problems = []
    for folder in folders:
        tracker = _tracker(folder)
        wrong = [
            f"{layout.TRACKER}: {item.place}: {item.problem}" for item in schema.validate(tracker)
        ]
        wrong = wrong or documents.differences(tracker, publishing.found_documents(folder))
        problems += [f"{folder}/{line}" for line in wrong]
    if problems:
        return _told(problems, "differs", as_json, NOT_READY)
    paths = [str(folder) for folder in folders]
    return _told(paths, "the documents are what the tracker says", as_json, READY, "as_implied")


def _published(root: Path, definition: Path | None) -> list[Path]:
    from audit.definition import load

    path = definition or root / options.DEFINITION
    folders = publishing.published_folders(root, load(path))
    if not folders:
        raise Invalid(
            "nothing was published yet",
            place=str(path),
            next_step="arco-audit publish, then commit",
        )
    return folders


def _tracker(folder: Path) -> Any:
    path = folder / layout.TRACKER
    try:
        return codec.parse(path.read_bytes())
    except codec.Malformed as error:
        raise Corrupt(str(error), place=str(path), next_step="arco-audit publish") from error


def _told(lines: list[str], word: str, as_json: bool, code: int, key: str = "") -> int:
    if as_json:
        screen.as_json({"ok": code == READY, key or word.replace(" ", "_"): lines})
    else:
        for line in lines:
            screen.say(f"{word}: {line}")
    return code
