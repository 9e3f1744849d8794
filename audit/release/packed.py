"""An evidence pack as somebody got it: whether it is what its own manifest says.

The manifest is not signed: it shows what was damaged or exchanged, and not who packed it. Whoever
has the repository makes the same bytes and compares. Nothing is unpacked or written here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from audit import runs
from audit.errors import Corrupt
from audit.release import pack
from evidence import codec, contents, layout
from evidence.codec import Malformed
from evidence.folder import Folder
from evidence.model import Plan


def is_pack(top: Path) -> bool:
    """Whether a folder is an unpacked evidence pack."""
    return (top / pack.MANIFEST).is_file() and (top / layout.PACKED).is_dir()


def check(top: Path, roots: tuple[str, str]) -> pack.Manifest:
    """Return the manifest of an unpacked pack; `roots` are those of its bundle, plan root first.

    Costs one read of every file.

    Raises:
        Corrupt: an entry is missing, another or not listed, or the tag or the run is not the one
            that the manifest names.
    """
    source = Folder(str(top))
    try:
        manifest = codec.read(pack.Manifest, source.read(pack.MANIFEST), pack.MANIFEST)
        problem = next(_problems(source, top, manifest, roots), "")
    except Malformed as error:
        raise _refusal(f"{error.place}: {error.problem}") from error
    if problem:
        raise _refusal(problem)
    return manifest


def _refusal(problem: str) -> Corrupt:
    return Corrupt(
        f"this pack is not what it says: {problem}",
        place=pack.MANIFEST,
        next_step="get it again from whoever made it, or pack the tag yourself and compare",
    )


def _problems(
    source: Folder, top: Path, manifest: pack.Manifest, roots: tuple[str, str]
) -> Iterator[str]:
    listed = {file.path: file for file in manifest.files}
    there = set(source.names()) - {pack.MANIFEST}
    yield from (f"{name} is missing" for name in sorted(listed.keys() - there))
    yield from (f"{name} is not listed" for name in sorted(there - listed.keys()))
    for name, file in listed.items():
        if contents.digest(source, name) != file.sha256:
            yield f"{name} is another"
    if _object_id(source.read(pack.TAG), manifest.tag.object) != manifest.tag.object:
        yield f"{pack.TAG} is not the object that was tagged"
    plan, run = runs.record(top / layout.PACKED, layout.PLAN, Plan), manifest.run
    if plan.subject.commit != manifest.tag.commit:
        yield "its run is of another commit than its tag"
    if (run.audit, run.label, run.plan_root, run.final_root) != (
        *(plan.audit.id, plan.label),
        *roots,
    ):
        yield "its run is another"


def _object_id(raw: bytes, like: str) -> str:
    """Return the id that git gives a tag. Source: Git, object format of SHA-1 and SHA-256."""
    kind = hashlib.sha256 if len(like) == 64 else hashlib.sha1
    return kind(b"tag %d\0" % len(raw) + raw, usedforsecurity=False).hexdigest()
