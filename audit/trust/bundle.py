"""A sealed run as a value: its records and the tracked files of its subject, after verification.

Here a bundle is read, once, and refused when it does not verify. Nothing is compared or decided.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from audit import runs
from audit.errors import Corrupt
from evidence import layout, subject, verify
from evidence.codec import Malformed
from evidence.folder import Folder, in_threads, withheld
from evidence.model import Decision, Facts, Plan, Run


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a sealed run says. `files` maps the tracked paths of the subject to `mode blob`, the
    output folders left out; None where they are not known."""

    name: str
    plan: Plan
    run: Run
    facts: Facts
    decision: Decision
    files: Mapping[str, str] | None = None


def read(folder: Path) -> Bundle:
    """Return a run that was finished and verifies.

    Raises:
        Invalid: the run was not finished.
        Corrupt: it does not verify; names the first finding.
    """
    records = verified(folder)
    return Bundle(
        records.plan.label,
        records.plan,
        records.run,
        records.facts,
        records.decision,
        _files(folder, records.plan),
    )


def verified(folder: Path) -> runs.Records:
    """Return the records of a run that was finished and verifies. Raises as `read` does."""
    records = runs.load(folder)
    report = verify.verify(Folder(str(folder)), each=in_threads, withheld=withheld(str(folder)))
    if report.ok:
        return records
    found = [item for step in report.steps for item in step.findings]
    first = f"{found[0].place}: {found[0].problem}" if found else "a step could not be checked"
    raise Corrupt(
        f"this bundle does not verify: {first}",
        place=str(folder),
        next_step=f"arco-audit verify {folder}",
    )


def _files(folder: Path, plan: Plan) -> Mapping[str, str] | None:
    name = f"{layout.OBJECTS}/{subject.OBJECTS_FILE}"
    algorithm = "sha256" if len(plan.subject.commit) == 64 else "sha1"
    try:
        objects = subject.split_objects(Folder(str(folder)).read(name), name, algorithm)
        _, listed = subject.files_of(objects, plan.subject.commit)
    except Malformed:
        return None
    roots = tuple(f"{root.rstrip('/')}/" for root in plan.rules.outputs)
    named = {file.path.decode("utf-8", "surrogateescape"): file for file in listed}
    return {
        path: f"{file.mode.decode('ascii', 'replace')} {file.blob}"
        for path, file in named.items()
        if not path.startswith(roots)
    }
