"""`arco-audit waive`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from audit.cli import options, screen, signing
from audit.cli.failure import NOT_READY, READY
from audit.errors import Invalid
from evidence import codec


@click.command("waive")
@click.argument("signal", default="", metavar="[SIGNAL]")
@options.run
@options.repo
@options.json
@signing.role
@signing.key
@signing.trust
@click.option("--reason", default="", metavar="TEXT", help="Why this failure may pass.")
@click.option("--until", default="", metavar="TIME", help="When it ends; there is none without.")
@click.option("--from", "begins", default="", metavar="TIME", help="When it begins (default: now).")
@click.option("--again", is_flag=True, help="Until when and why: as in the newest earlier run.")
@click.option("--lint", is_flag=True, help="Waive nothing; say which waivers earn their place.")
def command(
    signal: str,
    run: str,
    repo: Path,
    as_json: bool,
    role: str,
    person: str,
    key: Path | None,
    passphrase_file: Path | None,
    trust: Path | None,
    sign_off: Path | None,
    reason: str,
    until: str,
    begins: str,
    again: bool,
    lint: bool,
) -> int:
    """Permit one failure of one signal to pass for a time. It stays red and is said to be waived.

    A waiver is bound to what fails now, to the audited tree and to a half-open window of time: it
    dies when the failure changes. Only roles in the trust file's `waive` may do it. A later run
    needs its own: --again takes end and reason from the waiver in force in the newest earlier run,
    if the failure is the same but for noise. With --lint, `arco-audit waive --lint [RUN]` names
    every waiver that is unused, orphan, shadowed, changed, over-broad or over. Exit codes: 0 waived
    or all earn their place, 1 one does not, 3 the bundle does not verify.

    \b
    Examples:
      arco-audit waive G2-004 --role Manager --key bob.pem --until 2027-01-15T00:00:00Z \\
          --reason "a flaky network in CI, issue 71"
      arco-audit waive G2-004 --again --role Manager --key bob.pem
      arco-audit waive --lint
    """
    if lint:
        return _lint(signing.desk(run or signal, repo, trust, sign_off), as_json)
    from audit.trust import keys, waiving

    if not signal or not (until or again):
        raise Invalid(
            "a waiver names a signal and has an end",
            next_step="arco-audit waive SIGNAL --until TIME …",
        )
    at = signing.desk(run, repo, trust, sign_off)
    who, name = signing.signer(at, key, passphrase_file, role, person)
    case, report = at.case(), at.report()
    if again:
        waived = waiving.before(at.book, case, report, signal, keys.check_any)
        until, reason = until or waived.until_utc, reason or waived.reason
    record = waiving.waiver(
        at.book,
        case,
        report,
        signal=signal,
        person=name,
        role=role,
        window=waiving.Window(
            signing.instant(begins, "from") if begins else at.utc,
            signing.instant(until, "until"),
        ),
        reason=reason,
    )
    done = signing.put(at, record, [who], "not yet")
    told = {"signal": signal, "fingerprint": record.fingerprint, "until": record.until_utc}
    signing.conclude(at, done, as_json, **told)
    _warn(replace(at, book=done))
    return READY


def _warn(at: signing.Desk) -> None:
    """Say already now what `--lint` will say of the waiver that was written."""
    from audit.trust import waiving

    written = waiving.lint(at.report().weighed)[-1]
    if written.standing == "over-broad":
        screen.say(f"warning: {written.reason}", error=True)


def _lint(at: signing.Desk, as_json: bool) -> int:
    from audit.trust import waiving

    found = waiving.lint(at.report().weighed)
    if as_json:
        told = [codec.to_value(item) for item in found]
        screen.as_json({"as_of": at.utc, "waivers": told, "ok": all(item.ok for item in found)})
    else:
        rows = [[str(item.line), item.signal, item.standing, item.reason] for item in found]
        for line in screen.table(("line", "signal", "standing", "why"), rows):
            screen.say(line)
        bad = sum(not item.ok for item in found)
        screen.say(f"waivers: {len(found)}; that do not earn their place: {bad}")
    return READY if all(item.ok for item in found) else NOT_READY
