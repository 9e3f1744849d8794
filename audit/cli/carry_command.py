"""`arco-audit carry`."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from audit import runs
from audit.cli import options, screen, signing
from audit.cli.failure import NOT_READY, READY, Interrupted
from audit.errors import Invalid
from evidence import codec

if TYPE_CHECKING:
    from audit.cli.signing import Desk
    from audit.trust.keys import Signer
    from evidence.carry import Carried, Evidence

SHOWN_MAX = 5
"""Differing paths listed under a command."""


@click.command("carry")
@options.run
@options.repo
@options.definition
@options.json
@click.option("--from", "old", default="", metavar="OLD_RUN", help="The earlier run.")
@click.option("--command", "only", default="", metavar="ID", help="Ask about this command only.")
@click.option(
    "--as-of",
    default="",
    metavar="TIME",
    help="How old the evidence is at this instant (default: the end of RUN).",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    metavar="FILE",
    help="Write the proof of one command as JSON.",
)
@signing.key
@signing.role
@signing.trust
@click.option(
    "--observe",
    default="",
    metavar="CELL",
    help="Run this cell of RUN once under strace, and show what it reads undeclared.",
)
def command(
    run: str,
    repo: Path,
    definition: Path | None,
    as_json: bool,
    old: str,
    only: str,
    as_of: str,
    out: Path | None,
    key: Path | None,
    passphrase_file: Path | None,
    role: str,
    person: str,
    trust: Path | None,
    sign_off: Path | None,
    observe: str,
) -> int:
    """Show which evidence of an earlier run still holds for RUN, and why other does not.

    Asked is what the carry conditions of RUN name; with --from and no such condition, every
    command. RUN is the newest by default, and both runs are verified first. Exit codes: 0 all that
    was asked carries over, 1 something does not, 3 RUN does not verify.

    \b
    Examples:
      arco-audit carry --from release_evidence/1.0/head
      arco-audit carry 1.1/head --from 1.0/head --command tests --out carry-proof.json
      arco-audit carry --key ~/.config/arco-audit/me.pem --role sre
      arco-audit carry --observe tests
    """
    from audit.trust import carry

    folder = options.run_folder(repo, definition, run)
    older = options.run_folder(repo, definition, old) if old else None
    new = carry.read(folder)
    if observe:
        return _observe(new, observe, repo, as_json)
    at = signing.instant(as_of) if as_of else new.facts.as_of
    proofs = _proofs(folder, new, older, only, at)
    if out is not None:
        if len(proofs) != 1:
            raise Invalid(
                f"a file holds one proof, asked were commands=`{len(proofs)}`",
                next_step="name one with --command",
            )
        carry.write(out, proofs[0])
    signed = 0
    if key is not None:
        at_desk = signing.desk(str(folder), repo, trust, sign_off)
        signer, who = signing.signer(at_desk, key, passphrase_file, role, person)
        signed = _sign(at_desk, proofs, signer, who, role)
    if as_json:
        screen.as_json({"signed": signed, "carried": [codec.to_value(proof) for proof in proofs]})
    else:
        _tell(new, proofs, signed if key else None)
    return READY if all(proof.answer == "met" for proof in proofs) else NOT_READY


def _proofs(
    folder: Path, new: Evidence, older: Path | None, only: str, as_of: str
) -> list[Carried]:
    from audit.trust import carry
    from audit.trust.carry import Asked
    from evidence import layout
    from evidence.model import Plan

    known = carry.commands_of(new.plan)
    if only and only not in known:
        raise Invalid(
            f"this run has no such command command=`{only:.80}`",
            next_step=f"name one of {', '.join(known)[:200]}",
        )
    wanted = [item for item in carry.asked(new.plan) if only in ("", item.command)]
    if older is not None:
        label = runs.record(older, layout.PLAN, Plan).label
        fitting = [item for item in wanted if item.run == label]
        chosen = fitting or [Asked(name, label) for name in known if only in ("", name)]
        return carry.prove(new, older, [item.command for item in chosen], as_of)
    if not wanted:
        raise Invalid(
            "no carry condition of this run asks for evidence of an earlier one",
            place=str(folder),
            next_step="name the earlier run with --from",
        )
    found: list[Carried] = []
    for label in dict.fromkeys(item.run for item in wanted):
        items = [item for item in wanted if item.run == label]
        there = carry.earlier(folder, new.plan, label)
        if there:
            found += carry.prove(new, there, [item.command for item in items], as_of)
        else:
            found += [carry.absent(new, item, as_of) for item in items]
    return found


def _observe(new: Evidence, cell: str, repo: Path, as_json: bool) -> int:
    import threading

    from audit import runner
    from audit.cli.running import interruptible
    from audit.repo import Repository
    from audit.trust import observe

    stop = threading.Event()
    with Repository.open(repo) as repository:
        runner.refuse_enclosed(repository.root, os.environ)
        with interruptible(stop):
            seen = observe.observe(new, cell, repository, stop, runner.SystemClock())
    if seen is None:
        raise Interrupted("interrupted, and nothing was seen; the fresh repository is removed")
    if as_json:
        screen.as_json(codec.to_value(seen))
    else:
        for line in observe.lines(seen):
            screen.say(line)
    return NOT_READY if seen.undeclared or seen.looked_for else READY


def _sign(desk: Desk, proofs: list[Carried], signer: Signer, person: str, role: str) -> int:
    """Sign what carries; how many entries were written."""
    from audit.trust import carry

    met = [proof for proof in proofs if proof.answer == "met"]
    for proof in met:
        entry = carry.entry_of(desk.book, proof, person, role, desk.utc)
        desk = replace(desk, book=signing.put(desk, entry, [signer]))
    return len(met)


def _tell(new: Evidence, proofs: list[Carried], signed: int | None) -> None:
    screen.say(f"run: {new.plan.label}  as of {proofs[0].as_of}")
    rows = []
    for proof in proofs:
        rows.append([proof.command, proof.run, proof.answer, proof.reason])
        shown = proof.differing[1:SHOWN_MAX]  # the first stands in the reason
        rows += [["", "", "", f"{item.path} {item.how}"] for item in shown]
        left = proof.differing_count - len(shown) - 1
        if left > 0:
            rows.append(["", "", "", f"{left} more; --json lists them"])
    for line in screen.table(("command", "from", "answer", "why"), rows):
        screen.say(line)
    carried = sum(proof.answer == "met" for proof in proofs)
    screen.say(f"{carried} of {len(proofs)} carry over")
    if signed is not None:
        screen.say(f"signed into the sign-off: {signed}")
