"""`arco-audit diff`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from audit import runs
from audit.cli import options, screen
from audit.cli.failure import NOT_READY, READY
from audit.errors import AuditError, Invalid
from audit.trust.changes import Diff
from evidence import archive, layout
from evidence.model import Decision, Plan

COLOURS = {"vanished": "red", "newly failing": "red", "weakened": "yellow", "altered": "yellow"}


@click.command("diff")
@click.argument("old", default="", metavar="[OLD]")
@click.argument("new", default="", metavar="[NEW]")
@options.repo
@options.definition
@options.json
@options.form
@click.option("--across", is_flag=True, help="Compare runs of two different audits.")
def command(
    old: str,
    new: str,
    repo: Path,
    definition: Path | None,
    as_json: bool,
    form: str,
    across: bool,
) -> int:
    """Compare two runs: what vanished, newly fails, or became weaker although it is green.

    OLD and NEW are folders of runs or labels; by default NEW is the newest finished run, and OLD
    the one before it of the same audit. Both are verified first. Exit codes: 0 nothing got worse, 1
    something vanished, newly fails, is weaker or may be, 3 a bundle does not verify.

    \b
    Examples:
      arco-audit diff
      arco-audit diff main/2026-11-01 --format markdown
      arco-audit diff --format html > build/diff.html
      arco-audit diff OLD_FOLDER NEW_FOLDER --json
    """
    from audit.trust import bundle, diff_pages
    from audit.trust.diff import diff

    newer = options.run_folder(repo, definition, new) if new else _newest(repo, definition)
    older = options.run_folder(repo, definition, old) if old else previous(newer)
    one, other = bundle.read(older), bundle.read(newer)
    if one.plan.audit.id != other.plan.audit.id and not across:
        raise Invalid(
            f"these runs are of two audits old=`{one.plan.audit.id}` new=`{other.plan.audit.id}`",
            next_step="--across compares them all the same",
        )
    found = diff(one, other)
    if as_json or form == "json":
        folders = {"old_folder": str(older), "new_folder": str(newer)}
        screen.as_json({**diff_pages.value(found), **folders})
    elif form == "markdown":
        screen.say(diff_pages.as_markdown(found).rstrip("\n"), lines=True)
    elif form == "html":
        screen.as_page(diff_pages.as_html(found))
    else:
        screen.say(f"old: {older}")
        screen.say(f"new: {newer}")
        _tell(found)
    return NOT_READY if found.regressed else READY


def _newest(repo: Path, definition: Path | None) -> Path:
    """Return the newest run that is finished; a newer one that is not is named."""
    folder = options.run_folder(repo, definition, "")
    if archive.is_sealed(folder):
        return folder
    screen.say(f"note: {folder} is not finished, and left out", error=True)
    return previous(folder)


def previous(folder: Path) -> Path:
    """Return the finished run of the same audit that was opened last before this one.

    Raises:
        Invalid: there is none.
    """
    plan = runs.record(folder, layout.PLAN, Plan)
    root = runs.audit_folder(folder, plan)
    others = [
        other
        for other in runs.finished_beside(folder, root)
        if runs.find([other, folder], "") == folder
    ]
    if root.name != plan.audit.id or not others:
        raise Invalid(
            f"no earlier finished run of this audit lies beside it audit=`{plan.audit.id}`",
            place=str(folder),
            next_step="name two runs: arco-audit diff OLD NEW",
        )
    return runs.find(others, "")


def closed_before(
    folder: Path, decision: Decision, decided: Callable[[Path], Decision] | None = None
) -> tuple[str, list[str]] | None:
    """Return the label of the run before this one of the same audit, and the signals closed since;
    None where there is no such run.

    `decided` returns the decision of that run where it is not the sealed one.
    """
    from audit.trust.diff import closed_since

    try:
        older = previous(folder)
        label = runs.record(older, layout.PLAN, Plan).label
        told = decided(older) if decided else runs.record(older, layout.DECISION, Decision)
    except (AuditError, OSError):  # nice to know, and never in the way of the rest
        return None
    return label, list(closed_since(told, decision))


def closed_line(before: tuple[str, list[str]]) -> str:
    """Return in one line what `closed_before` found."""
    return f"signals closed since {before[0]}: {', '.join(before[1]) or 'none'}"


def _tell(found: Diff) -> None:
    from audit.trust import diff_pages

    for kind, changes, left in diff_pages.groups(found):
        screen.say()
        screen.say(click.style(kind, fg=COLOURS.get(kind), bold=True))
        rows = []
        for change in changes:
            rows.append([change.noun, change.place, diff_pages.moved(change)])
            rows += [["", "", f"likely because: {why}"] for why in change.because]
        for line in screen.table(("what", "place", "change"), rows):
            screen.say(line)
        if left:
            screen.say(f"{left} more; --json has all")
    screen.say()
    screen.say(f"verdict: {' → '.join(map(screen.coloured, found.verdicts))}")
    for line in diff_pages.conclusion(found):
        screen.say(line)
