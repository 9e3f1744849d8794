"""`arco-audit forecast`."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from audit import runs
from audit.cli import options, screen, signing
from audit.cli.failure import READY
from audit.errors import Invalid
from evidence import codec, trusted
from evidence.instant import milliseconds

if TYPE_CHECKING:
    from audit.trust.forecast import Decide, Flip
    from evidence import weigh
    from evidence.roster import Key


@click.command("forecast")
@options.run
@options.repo
@options.definition
@options.json
@signing.trust
@click.option("--from", "begins", default="", metavar="TIME", help="Look from then (default: now).")
@click.option("--until", default="", metavar="TIME", help="Look no further (default: to the end).")
def command(
    run: str,
    repo: Path,
    definition: Path | None,
    as_json: bool,
    trust: Path | None,
    sign_off: Path | None,
    begins: str,
    until: str,
) -> int:
    """Show every instant at which the verdict or a status will flip, and why then.

    Evidence grows too old, waivers begin and end, approvals and artifacts expire. Keys flip
    nothing: the roster counts as of each signing. Also shows the clock of the run, and what of it
    does not fit. Exit code: 0.

    \b
    Examples:
      arco-audit forecast
      arco-audit forecast --until 2027-03-01T00:00:00Z --json
    """
    from audit.trust import forecast, timing

    records = runs.load(options.run_folder(repo, definition, run))
    at = signing.instant(begins, "from") if begins else signing.now()
    end_ms = milliseconds(signing.instant(until, "until")) if until else forecast.LATEST_MS
    if end_ms < milliseconds(at):
        raise Invalid(f"is before the beginning until=`{until}`", next_step="name a later --until")
    decide, candidates = _decide(records, repo, trust, sign_off, at)
    state = decide(at)
    flips = forecast.forecast(decide, candidates, milliseconds(at), end_ms)
    clock = timing.clock_of(records.plan, records.run)
    if as_json:
        told = {"flips": codec.to_value(flips), "clock": codec.to_value(clock)}
        screen.as_json({"run": str(records.folder), "as_of": at, "verdict": state.verdict, **told})
        return READY
    screen.say(f"run: {records.folder}")
    for line in timing.lines(clock):
        screen.say(line)
    screen.say(f"verdict: {screen.coloured(state.verdict)}  as of {at}")
    screen.say()
    _tell(flips)
    return READY


def _decide(
    records: runs.Records, repo: Path, trust: Path | None, sign_off: Path | None, at: str
) -> tuple[Decide, tuple[int, ...]]:
    """How the run is decided at an instant, and the instants at which that can change."""
    from audit.trust import forecast

    found = signing.brought(records, repo, trust, sign_off, at)
    if found is None or found.report is None:
        if found:
            screen.say(f"a sign-off lies at {found.folder} and is not weighed", error=True)
        decide = forecast.without_people(records.plan, records.facts)
        return decide, forecast.instants(records.plan, records.facts)
    from audit.trust import book, keys

    opened = book.open_book(records.folder, found.folder)
    roster = book.roster_of(trust or options.root_of(repo) / signing.TRUST)

    @functools.cache
    def check(key: Key, message: bytes, signature: bytes) -> bool | None:
        return keys.check_any(key, message, signature)

    first = book.case_at(opened, roster, at, check)
    attached = functools.cache(first.attached)

    @functools.lru_cache(maxsize=2)
    def case_at(utc: str) -> weigh.Case:
        case = book.case_at(opened, roster, utc, check)
        return replace(case, fingerprint=first.fingerprint, attached=attached, leaves=first.leaves)

    proofs = tuple(trusted.proofs(opened.layer, opened.log))
    instants = forecast.instants(records.plan, records.facts, opened.log, proofs)
    return forecast.with_people(opened.log, case_at), instants


def _tell(flips: tuple[Flip, ...]) -> None:
    if not flips:
        screen.say("nothing will flip")
        return
    rows = [[flip.at_utc, _what(flip), flip.before, flip.after, flip.why] for flip in flips]
    for line in screen.table(("at", "what", "from", "to", "why"), rows):
        screen.say(line)


def _what(flip: Flip) -> str:
    """What flips, in few letters: an entry by its line, the rest of it is told in why."""
    return flip.name if flip.noun == "entry" else f"{flip.noun} {flip.name}".rstrip()
