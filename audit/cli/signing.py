"""What the commands of the sign-off share: keys and trust, the opened run, asking, the last words.

Here is the only clock of a signature: when somebody signs is now, and every decision takes that
instant as a value. What may be signed and what it amounts to is decided in `audit.trust`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from audit import runs
from audit.cli import options, passphrase, screen
from audit.errors import AuditError, Invalid
from evidence import layout, trusted
from evidence.instant import utc_of
from evidence.model import Decision

if TYPE_CHECKING:
    from audit.trust.book import Book
    from audit.trust.keys import Signer
    from evidence import verify, weigh
    from evidence.roster import Roster
    from evidence.signoff import Record

F = TypeVar("F", bound=Callable[..., Any])

TRUST = "audit-trust.toml"
"""The trust file at the root of a repository; `book.TRUST` names the same one."""


def key(function: F) -> F:
    """Add `--key FILE` and `--passphrase-file FILE`."""
    add = click.option(
        "--key",
        type=click.Path(path_type=Path, dir_okay=False),
        default=None,
        metavar="FILE",
        help="The private key that signs, as arco-audit keygen writes it.",
    )
    return add(passphrase.option(function))


def trust(function: F) -> F:
    """Add `--trust FILE` and `--sign-off DIR`."""
    file = click.option(
        "--trust",
        type=click.Path(path_type=Path, dir_okay=False),
        default=None,
        metavar="FILE",
        help=f"Whom to trust (default: {TRUST} at the root of the repository).",
    )
    folder = click.option(
        "--sign-off",
        type=click.Path(path_type=Path, file_okay=False),
        default=None,
        metavar="DIR",
        help="The sign-off folder, where it does not lie beside the run.",
    )
    return file(folder(function))


def as_of(function: F) -> F:
    """Add `--as-of TIME`."""
    return click.option(
        "--as-of",
        default="",
        metavar="TIME",
        help="Look at it as of this instant, RFC 3339 with a zone.",
    )(function)


def strict(function: F) -> F:
    """Add `--strict-waivers`."""
    return click.option(
        "--strict-waivers", is_flag=True, help="Exit 4 when it is ready only thanks to waivers."
    )(function)


def yes(function: F) -> F:
    """Add `--yes`."""
    return click.option("--yes", is_flag=True, help="Do it without asking.")(function)


def role(function: F) -> F:
    """Add `--role ROLE` and `--person NAME`."""
    acting = click.option(
        "--role", default="", metavar="ROLE", help="The role that you act in, as the plan names it."
    )
    person = click.option(
        "--person", default="", metavar="NAME", help="Who you are, as the trust file names you."
    )
    return acting(person(function))


def now() -> str:
    """Return the time of a signature: RFC 3339 UTC in whole seconds."""
    from audit import runner

    return runner.SystemClock().utc()


def instant(text: str, option: str = "as_of") -> str:
    """Return an instant as RFC 3339 UTC with `Z`. Raises `Invalid` without a zone."""
    try:
        time = datetime.fromisoformat(text).astimezone(UTC) if _has_zone(text) else None
    except (ValueError, OverflowError):
        time = None
    if time is None:
        raise Invalid(
            f"is no instant with a time zone {option}=`{text[:80]}`",
            next_step="write it like 2027-01-01T00:00:00Z",
        )
    since = time - datetime(1970, 1, 1, tzinfo=UTC)
    return utc_of(since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000)


def _has_zone(text: str) -> bool:
    return datetime.fromisoformat(text).tzinfo is not None


# --- at the desk ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Desk:
    """A verified run with its sign-off, the people who may sign, and the instant of signing."""

    book: Book
    found: verify.Report
    roster: Roster
    utc: str

    def report(self) -> trusted.Report:
        """Return what the sign-off amounts to now."""
        from audit.trust import book, keys

        return book.weighed(self.book, self.roster, self.utc, keys.check_any)

    def case(self) -> weigh.Case:
        """Return what a new entry is weighed against."""
        from audit.trust import book, keys

        return book.case_at(self.book, self.roster, self.utc, keys.check_any)


def desk(run: str, repo: Path, trust: Path | None, sign_off: Path | None) -> Desk:
    """Return the desk of a run that verifies, and of a trust file that can be read.

    Raises:
        Corrupt: the run does not verify. Invalid: no such run, or no trust file.
    """
    from audit.trust import book

    keys = book.roster_of(trust or options.root_of(repo) / TRUST)
    opened, found = book.verified(options.run_folder(repo, None, run), sign_off)
    return Desk(opened, found, keys, now())


def signer(
    at: Desk, key: Path | None, passphrase_file: Path | None, role: str, person: str
) -> tuple[Signer, str]:
    """Return the signer in a key file and the person behind it, who may act in the role.

    Raises:
        Invalid: no key or role is given, or the trust file does not let this key speak so.
    """
    from audit.trust import book

    if key is None:
        raise Invalid("nothing is signed without a key", next_step="give one by --key FILE")
    if not role:
        raise Invalid("nobody says in which role", next_step="say it by --role ROLE")
    found = passphrase.signer_of(key, passphrase_file)
    return found, book.speaker(at.roster, found.keyid, role, at.utc, person).person


def ask(question: str, *, yes: bool, as_json: bool) -> bool:
    """Return whether somebody agrees. Raises `Invalid` where nobody is there to ask."""
    if yes:
        return True
    if as_json or not sys.stdin.isatty():
        raise Invalid(
            "somebody has to agree, and nobody is there to ask", next_step="agree by --yes"
        )
    agreed: bool = click.confirm(question, err=True)
    return agreed


def put(at: Desk, record: Record, signers: Sequence[Signer], *accepted: weigh.Standing) -> Book:
    """Sign an entry, append it where it will stand as it should, and note the new decision."""
    from audit.trust import book, keys

    done = book.sign(at.book, record, signers, at.case(), ("counts", *accepted))
    book.note_decision(done, book.weighed(done, at.roster, at.utc, keys.check_any))
    return done


def conclude(at: Desk, done: Book, as_json: bool, **more: Any) -> None:
    """Tell what was written and the verdict with it."""
    from dataclasses import replace

    report = replace(at, book=done).report()
    entry = done.log.entries[-1]
    if as_json:
        screen.as_json(
            {
                "log": str(done.folder / layout.SIGN_OFF_LOG),
                "line": entry.number + 1,
                "digest": entry.digest,
                "verdict": report.verdict,
                "as_of": report.as_of,
                **more,
            }
        )
        return
    screen.say(f"written: line {entry.number + 1} of {done.folder / layout.SIGN_OFF_LOG}")
    screen.say(f"  {trusted.title(entry)}")
    screen.say(f"verdict: {screen.coloured(report.verdict)}  as of {report.as_of}")


# --- what people brought --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Brought:
    """What people brought for a run. `report` is None where nobody says whom to trust."""

    folder: Path
    report: trusted.Report | None


def brought(
    records: runs.Records, repo: Path, trust: Path | None, sign_off: Path | None, as_of: str
) -> Brought | None:
    """Return what people brought for a run, weighed with a trust file; None where nothing lies.

    Raises:
        Invalid: the trust file that was named cannot be read. Corrupt: the log cannot.
    """
    found = sign_off or trusted.layer_of(records.folder.resolve().as_posix(), records.plan)
    if not found:
        return None
    folder = Path(found)
    there = (folder / layout.SIGN_OFF_LOG).is_file()
    path = trust or options.root_of(repo) / TRUST
    if not there and trust is None and sign_off is None:
        return None
    if trust is None and not path.is_file():
        return Brought(folder, None)
    from audit.trust import book, keys

    opened = book.open_book(records.folder, folder)
    at = instant(as_of) if as_of else now()
    return Brought(folder, book.weighed(opened, book.roster_of(path), at, keys.check_any))


def decider(repo: Path, trust: Path | None, as_of: str) -> Callable[[Path], Decision]:
    """Return what gives the decision of a run, with its sign-off where one lies beside it."""

    def decided(folder: Path) -> Decision:
        records = runs.load(folder)
        try:
            found = brought(records, repo, trust, None, as_of)
        except AuditError:  # nobody signed that run, or its log is broken: then nothing counts
            return records.decision
        return found.report.decision if found and found.report else records.decision

    return decided


def entry_lines(report: trusted.Report) -> list[str]:
    """Return the entries of a sign-off with how each stands, as a table, and its warnings."""
    rows = [
        [
            str(weight.entry.number + 1),
            weight.entry.digest[:16],
            weight.standing,
            trusted.title(weight.entry) + (f": {weight.reason}" if weight.reason else ""),
        ]
        for weight in report.weighed.weights
    ]
    lines = ["", *screen.table(("line", "entry", "standing", "what, and why"), rows)]
    lines += [f"  {finding.place}: {finding.problem}" for finding in report.steps[1].findings]
    return lines + [f"warning: {warning}" for warning in report.warnings]


def waived_lines(report: trusted.Report) -> list[str]:
    """Return the waivers in force, each as one line."""
    return [
        f"{item.signal} is red and waived by {item.person} as {item.role}"
        f" until {item.until_utc}: {item.reason}"
        for item in report.weighed.brought.waived
    ]


def value(report: trusted.Report) -> dict[str, Any]:
    """Return what people brought as a JSON value, without the decision."""
    told = trusted.value(report)
    del told["decision"], told["steps"]
    return {"weighed": True, **told}
