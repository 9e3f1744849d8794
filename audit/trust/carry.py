"""Carrying evidence over: two sealed runs are read, the kernel's rule is asked, its proof is kept.

What decides is `evidence.carry`. Bundles are verified before they are heard and never written to; a
proof goes into a file, or signed into the sign-off of the new run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from audit import runs
from audit.errors import Corrupt, Invalid
from audit.runner.files import AGAIN, unwritable
from audit.trust import bundle
from audit.trust.book import Book
from audit.trust.matching import conditions_of
from evidence import archive, carry, chain, codec, layout, subject
from evidence.carry import Carried, Evidence
from evidence.codec import Malformed
from evidence.folder import Folder
from evidence.model import CarriedOver, Plan
from evidence.signoff import Carry


@dataclass(frozen=True, slots=True)
class Asked:
    """A command whose evidence is to come from the earlier run with the label `run`."""

    command: str
    run: str


def asked(plan: Plan) -> tuple[Asked, ...]:
    """Return what the carry conditions of a plan ask for, each once."""
    found = [
        Asked(condition.command, condition.run)
        for _, condition in conditions_of(plan)
        if isinstance(condition, CarriedOver)
    ]
    return tuple(dict.fromkeys(found))


def commands_of(plan: Plan) -> tuple[str, ...]:
    """Return the commands of a plan, in its order."""
    return tuple(dict.fromkeys(cell.command for cell in plan.cells))


def read(folder: Path) -> Evidence:
    """Return a sealed run as the rule needs it.

    Raises:
        Invalid: the run was not finished.
        Corrupt: it does not verify; names the first finding.
    """
    found = bundle.read(folder)
    source = Folder(str(folder))
    place = f"{layout.OBJECTS}/{subject.OBJECTS_FILE}"
    try:
        files = carry.files_of(found.plan, source.read(place), place)
        point = chain.checkpoint_of(source.read(layout.CHECKPOINT))
    except Malformed as error:
        raise Corrupt(
            str(error), place=str(folder), next_step=f"arco-audit verify {folder}"
        ) from error
    return Evidence(found.plan, found.run, found.facts, point.final_root, files)


def earlier(folder: Path, plan: Plan, label: str) -> Path | None:
    """Return the finished run with a label beside a run, of whatever audit; None without one.

    Raises:
        Invalid: several runs have it.
    """
    root = runs.audit_folder(folder, plan).parent
    others = [
        other
        for other in runs.finished_beside(folder, root)
        if other.parts[-len(Path(label).parts) :] == Path(label).parts
    ]
    if len(others) > 1:
        listed = ", ".join(sorted(map(str, others))[:5])
        raise Invalid(
            f"several runs are called run=`{label}` runs=`{listed}`",
            next_step="name the folder of the earlier run with --from",
        )
    return others[0] if others else None


def prove(new: Evidence, old: Path, commands: Iterable[str], as_of: str) -> list[Carried]:
    """Return what of an earlier run carries over to `new`, command by command.

    An earlier run that does not verify is an answer: broken.

    Raises:
        Invalid: the earlier run was not finished, or is the same run.
    """
    try:
        there = read(old)
    except Corrupt as error:
        name = str(old)
        return [
            carry.refused(new, command, name, "broken", error.problem, as_of)
            for command in commands
        ]
    if (there.run.id, there.final_root) == (new.run.id, new.final_root):
        raise Invalid(
            "a run cannot carry its own evidence", place=str(old), next_step="name an earlier run"
        )
    return [carry.carry(there, new, command, as_of) for command in commands]


def absent(new: Evidence, wanted: Asked, as_of: str) -> Carried:
    """Return the answer where the earlier run that a condition names is not there."""
    reason = f"no finished run is called {wanted.run} here"
    return carry.refused(new, wanted.command, wanted.run, "missing", reason, as_of)


# --- keeping a proof ------------------------------------------------------------------------------


def write(path: Path, proof: Carried) -> None:
    """Write a proof as canonical JSON, whole or not at all. Raises `Unavailable`."""
    try:
        archive.put(path.parent, path.name, codec.write(proof))
    except OSError as error:
        raise unwritable(path, error, next_step=AGAIN) from error


def entry_of(opened: Book, proof: Carried, person: str, role: str, utc: str) -> Carry:
    """Return the entry that names a proof, which is kept in the sign-off folder. One fsync.

    A proof that no entry names is not heard, so this may be done before anybody signs.

    Raises:
        Unavailable: the disk says no.
    """
    data = codec.write(proof)
    digest = chain.sha256(data)
    try:
        archive.put(opened.folder, f"{layout.CARRIED}/{digest}", data)
    except OSError as error:
        raise unwritable(opened.folder / layout.CARRIED / digest, error, next_step=AGAIN) from error
    return Carry(
        at=opened.at(),
        person=person,
        role=role,
        signed_utc=utc,
        command=proof.command,
        run=proof.run,
        final_root=proof.old.final_root,
        proof=digest,
    )
