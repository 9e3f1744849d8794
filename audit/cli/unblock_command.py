"""`arco-audit unblock`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from audit.cli import options, screen, signing
from audit.cli.failure import NOT_READY, READY, WAIVED
from audit.cli.status_command import not_weighed
from audit.errors import Corrupt

if TYPE_CHECKING:
    from audit.trust.fragile import Fragility
    from audit.trust.unblock import Unblock


@click.command("unblock")
@options.run
@options.repo
@options.definition
@options.json
@options.form
@signing.trust
@signing.strict
@click.option(
    "--as-of",
    default="",
    metavar="TIME",
    help="Look at it as of this instant, RFC 3339 with a zone (default: the end of the run; where"
    " people signed and a trust file is there, now).",
)
def command(
    run: str,
    repo: Path,
    definition: Path | None,
    as_json: bool,
    form: str,
    trust: Path | None,
    sign_off: Path | None,
    strict_waivers: bool,
    as_of: str,
) -> int:
    """Show the smallest set of things to mend for GO, and the gate that comes cheapest.

    Of a run that is GO it shows what each gate hangs on, the most fragile gate first. Where people
    signed and a trust file says whom to trust, what they brought counts, and what they waived is
    not to be mended. The bundle is verified first. Exit codes: 0 ready, 1 a gate is not satisfied,
    3 it does not verify, 4 with --strict-waivers: ready, thanks to waivers; then what they let pass
    is to be mended, too.

    \b
    Examples:
      arco-audit unblock
      arco-audit unblock main/2026-11-01 --format markdown
      arco-audit unblock --format html > build/unblock.html
      arco-audit unblock --as-of 2027-01-01T00:00:00Z --json
      arco-audit unblock --trust audit-trust.toml --strict-waivers
    """
    from audit.trust import bundle, unblock_pages
    from audit.trust.fragile import fragile
    from audit.trust.mending import World
    from audit.trust.unblock import unblock

    folder = options.run_folder(repo, definition, run)
    records = bundle.verified(folder)
    signed = signing.brought(records, repo, trust, sign_off, as_of)
    report = signed.report if signed else None
    if report:
        world = World(records.plan, records.facts, report.weighed.brought, report.as_of)
    else:
        at = signing.instant(as_of) if as_of else ""
        world = World(records.plan, records.facts, as_of=at)
    waived = signing.waived_lines(report) if report else []
    try:
        found = unblock(world, strict_waivers=strict_waivers)
        gates = fragile(world) if found.verdict == "GO" else ()
    except ValueError as error:
        step = f"arco-audit verify {folder}"
        raise Corrupt(f"cannot be judged: {error}", place=str(folder), next_step=step) from error
    if as_json or form == "json":
        screen.as_json({**unblock_pages.value(found, gates), "run": str(folder)})
    elif form == "markdown":
        text = unblock_pages.as_markdown(found, gates, waived)
        screen.say(text.rstrip("\n"), lines=True)
    elif form == "html":
        screen.as_page(unblock_pages.as_html(found, gates, waived, run=records.plan.label))
    else:
        screen.say(f"run: {folder}")
        _tell(found, gates, waived)
        if signed and not report:
            screen.say(not_weighed(signed))
    if found.verdict == "GO-WITH-WAIVERS" and strict_waivers:
        return WAIVED
    return NOT_READY if found.verdict == "NO-GO" else READY


def _tell(found: Unblock, gates: Sequence[Fragility], waived: Sequence[str]) -> None:
    from audit.trust import unblock_pages as pages

    for line in waived:
        screen.say(line)
    if waived:
        screen.say()
    if found.verdict == "GO":
        lines = screen.table(pages.FRAGILE_HEAD, pages.fragile_rows(gates))
        lines += ["", *pages.why_fragile(gates), ""]
    elif not found.fixes and not found.beyond:
        lines = []
    else:
        fixes = [
            row
            for fix in found.fixes
            for row in (
                [fix.name, pages.blocked(fix), ", ".join(fix.owners), fix.reason],
                ["", "", "", f"next: {fix.next_step}"],
            )
        ]
        lines = screen.table(("mend", "blocks", "owner", "why, and what is next"), fixes)
        work = [
            [str(gate.id), gate.status, str(len(gate.fixes)), ", ".join(gate.fixes)]
            for gate in found.gates
        ]
        lines.append("")
        if work:
            lines += [*screen.table(("gate", "status", "fixes", "which"), work), ""]
        if tree := ["  " * depth + line for depth, line in pages.tree(found)]:
            lines += [*tree, ""]
    for line in [*lines, pages.summary(found)]:
        screen.say(line)
