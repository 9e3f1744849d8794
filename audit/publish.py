"""The documents of a run, copied to where they are committed: `docs/audits/<audit-id>/`.

What is copied comes out of the sealed run as it is, so that what people read in the repository is
what was judged. Nothing is rendered here.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from audit.errors import Corrupt, Invalid
from evidence import archive, layout, verify
from evidence.folder import Folder, in_threads, withheld
from evidence.model import Plan

if TYPE_CHECKING:
    from audit.definition import Definition


def target(root: Path, plan: Plan) -> Path:
    """Return where the documents of a run are published: below the last declared output root."""
    return root / plan.rules.outputs[-1] / plan.audit.id


def published_folders(root: Path, definition: Definition) -> list[Path]:
    """Return every folder below the published root that holds a gate tracker."""
    base = root / definition.audit.outputs[-1]
    return sorted(path.parent for path in base.glob(f"*/{layout.TRACKER}"))


def publish(root: Path, folder: Path, plan: Plan) -> list[Path]:
    """Copy the documents of a sealed run; return what was written, in order.

    Findings of gates that are gone are removed. Raises `Corrupt` when the run does not verify.
    """
    report = verify.verify(Folder(str(folder)), each=in_threads, withheld=withheld(str(folder)))
    if not report.ok:
        raise Corrupt(
            "the run does not verify, so it is not published",
            place=str(folder),
            next_step=f"arco-audit verify {folder}",
        )
    into = target(root, plan)
    if into.resolve().is_relative_to(folder.resolve()):
        raise Invalid("the published documents would lie inside the run", place=str(into))
    source = folder / layout.DOCUMENTS
    names = sorted(str(path.relative_to(source)) for path in source.rglob("*") if path.is_file())
    shutil.rmtree(into / layout.FINDINGS, ignore_errors=True)
    for name in names:
        archive.put(into, name, (source / name).read_bytes())
    return [into / name for name in names]


def found_documents(folder: Path) -> dict[str, bytes]:
    """Return the published Markdown documents of a folder, by path."""
    names = (layout.SUMMARY, layout.LEDGER)
    paths = [folder / name for name in names] + sorted((folder / layout.FINDINGS).glob("*.md"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths if path.is_file()}


def to_commit(root: Path, folder: Path, plan: Plan, definition: Definition) -> list[str]:
    """Return what the definition wants committed, relative to the repository.

    The published documents always; of the run itself what `[evidence] commit` names and is there.
    """
    inside = [folder / name for name in definition.evidence.commit]
    wanted = [target(root, plan), *(path for path in inside if path.exists())]
    return [os.path.relpath(path, root) for path in wanted]


def folder_bytes(folder: Path) -> int:
    """Return the size of a run's files in bytes, for its budget."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())
