"""The evidence pack of a tag: one archive of everything that was judged, the same bytes anywhere.

Order, names, modes, owners and times come from the tag's commit and from nothing of this machine;
how the release was checked is not in it. What lies on the disk is streamed, block by block.
Source of the format: POSIX.1-2001 pax archives, as Python's tarfile writes them.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import itertools
import os
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, cast

from audit import runs
from audit.errors import Conflict, Corrupt, Invalid, Unavailable
from audit.release import changelog
from audit.release.material import Release
from audit.runner.files import sync_folder
from evidence import archive, codec, layout, trusted, verify
from evidence.codec import Malformed
from evidence.folder import Folder, in_threads, withheld

MANIFEST = "pack.json"
"""The last entry of a pack: the digest of every other one."""
CHANGELOG, NOTES, TAG = "changelog.md", "release-notes.md", "tag-object"
"""Texts of a pack; the tag's object as git hashes it, without git's header."""
BLOCK_BYTES = 1 << 20
"""Bytes that are read at a time."""
GZIP_LEVEL = 6
FILE_MODE = 0o644

Told = Callable[[int], object]
"""Is told how many bytes more were packed."""


@dataclass(frozen=True, slots=True)
class Packed:
    """One file of a pack: its path below the pack's folder, its size and its SHA-256 in hex."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class PackedTag:
    """The tag of a pack: its name, the id of its object, the commit that it leads to."""

    name: str
    object: str
    commit: str


@dataclass(frozen=True, slots=True)
class PackedRun:
    """The run of a pack: audit id, label and both roots, by which it was announced."""

    audit: str
    label: str
    plan_root: str
    final_root: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a pack holds; nothing of when, where and how it was made."""

    format_version: int
    tag: PackedTag
    run: PackedRun
    files: tuple[Packed, ...]


@dataclass(frozen=True, slots=True)
class Content:
    """What will be packed: the pack's folder, its files by path, the instant that dates them.

    `files` hold bytes, or the path of a file that is streamed.
    """

    top: str
    files: dict[str, bytes | Path]
    mtime_s: int
    tag: PackedTag
    run: PackedRun

    def sizes(self) -> int:
        """Return the bytes of all files together."""
        return sum(
            item.stat().st_size if isinstance(item, Path) else len(item)
            for item in self.files.values()
        )


def file_name(tag: str) -> str:
    """Return how the pack of a tag is called.

    >>> file_name("v1.2.0")
    'v1.2.0.evidence.tar'
    """
    return f"{tag}.evidence.tar"


def audit_folder(records: runs.Records) -> Path | None:
    """Return the folder of the run's audit, when the run lies where a run is written."""
    label = Path(records.plan.label).parts
    folder = records.folder.resolve()
    if folder.parts[-len(label) - 1 :] != (records.plan.audit.id, *label):
        return None
    return folder.parents[len(label) - 1]


def content(release: Release, records: runs.Records) -> Content:
    """Return what goes into the pack of a release: only of its own commit, clean and verified.

    Raises:
        Invalid: the run is of another commit, was dirty, or a file of it is no plain one.
        Corrupt: the bundle does not verify.
    """
    _refuse(release, records)
    report = verified(records.folder)
    files: dict[str, bytes | Path] = dict(_below(layout.PACKED, records.folder))
    beside = trusted.layer_of(records.folder.resolve().as_posix(), records.plan)
    if beside and Path(beside).is_dir():
        files |= _below(layout.SIGN_OFF, Path(beside))
    files |= _texts(release)
    plan = records.plan
    return Content(
        release.tag.ref,
        dict(sorted(files.items(), key=lambda item: os.fsencode(item[0]))),
        release.committed_s,
        PackedTag(release.tag.ref, release.tag.object, release.commit),
        PackedRun(plan.audit.id, plan.label, report.plan_root, report.final_root),
    )


def verified(folder: Path) -> verify.Report:
    """Return how a run verifies. Raises `Corrupt` when it does not."""
    report = verify.verify(Folder(str(folder)), each=in_threads, withheld=withheld(str(folder)))
    if not report.ok:
        raise Corrupt(
            "the run does not verify, so it is not packed",
            place=str(folder),
            next_step=f"arco-audit verify {folder}",
        )
    return report


def _refuse(release: Release, records: runs.Records) -> None:
    subject = records.plan.subject
    if subject.commit != release.commit:
        raise Invalid(
            f"the run is of another commit commit=`{subject.commit}` tag=`{release.commit}`",
            place=str(records.folder),
            next_step=f"git switch --detach {release.tag.ref}, then arco-audit run; or name "
            "another run with --run",
        )
    if subject.dirty:
        shown = ", ".join(subject.dirty[:3])
        raise Invalid(
            f"the run is of a dirty tree files=`{len(subject.dirty)}` such as `{shown}`",
            place=str(records.folder),
            next_step="commit or remove what is changed, then arco-audit run",
        )


def _below(prefix: str, folder: Path) -> Iterator[tuple[str, Path]]:
    for name in Folder(str(folder)).names():
        if name == layout.LOCK or name.endswith(archive.PARTIAL_SUFFIX):
            continue
        path = folder / name
        if path.is_symlink() or not path.is_file():
            raise Invalid(
                "is no plain file, so it cannot be packed",
                place=str(path),
                next_step="put the file itself there in place of a link",
            )
        yield f"{prefix}/{name}", path


def _texts(release: Release) -> dict[str, bytes | Path]:
    log = changelog.section_text(release.texts.get(release.wanted.changelog, ""), release.version)
    return {
        CHANGELOG: log.encode(),
        NOTES: release.texts.get(release.notes_path, "").encode(),
        TAG: release.tag.raw,
        **release.bills,
    }


# --- writing --------------------------------------------------------------------------------------


def write(stream: BinaryIO, content: Content, told: Told) -> Manifest:
    """Write a pack as an uncompressed archive; the manifest comes last, so one pass is enough.

    Raises:
        Unavailable: a file changed while it was packed.
    """
    packed: list[Packed] = []
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, item in content.files.items():
            packed.append(_add(tar, content, name, item, told))
        manifest = Manifest(1, content.tag, content.run, tuple(packed))
        _add(tar, content, MANIFEST, codec.write(manifest), told)
    return manifest


def _add(
    tar: tarfile.TarFile, content: Content, name: str, item: bytes | Path, told: Told
) -> Packed:
    with contextlib.closing(
        io.BytesIO(item) if isinstance(item, bytes) else item.open("rb")
    ) as raw:
        size = len(item) if isinstance(item, bytes) else os.fstat(raw.fileno()).st_size
        info = tarfile.TarInfo(f"{content.top}/{name}")
        info.size, info.mode, info.mtime = size, FILE_MODE, content.mtime_s
        hashing = _Hashing(raw, told)
        try:
            tar.addfile(info, cast(IO[bytes], hashing))
        except OSError as error:
            if error.errno is not None:
                raise
            raise Unavailable(
                "a file became shorter while it was packed", place=str(item), next_step="try again"
            ) from error
    return Packed(name, size, hashing.digest.hexdigest())


class _Hashing:
    """A stream that hashes what is read through it."""

    def __init__(self, raw: IO[bytes], told: Told) -> None:
        self._raw = raw
        self._told = told
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        data = self._raw.read(size)
        self.digest.update(data)
        self._told(len(data))
        return data


@dataclass(frozen=True, slots=True)
class Outcome:
    """A pack as it lies on the disk: where, its digest without compression, whether it is new."""

    path: Path
    sha256: str
    bytes: int
    new: bool
    files: int


def put(folder: Path, content: Content, told: Told = lambda _: None) -> Outcome:
    """Write the pack of a tag into a folder, whole or not at all.

    The same pack that is there already stays as it is.

    Raises:
        Invalid: the folder lies in a run, which would no longer verify.
        Conflict: another pack of that tag is there; names the first entry that differs.
    """
    _refuse_inside_a_run(folder)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / file_name(content.top)
    partial = target.with_name(f"{target.name}.{os.getpid()}{archive.PARTIAL_SUFFIX}")
    try:
        with partial.open("wb") as stream:
            manifest = write(stream, content, told)
            stream.flush()
            os.fsync(stream.fileno())
        new = _place(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    sync_folder(folder)
    digest, size = _digest(target)
    return Outcome(target, digest, size, new, len(manifest.files) + 1)


def _refuse_inside_a_run(folder: Path) -> None:
    here = folder.resolve()
    for outer in (here, *here.parents):
        if runs.is_run(outer):
            raise Invalid(
                "a pack would lie inside a run, which is sealed",
                place=str(outer),
                next_step="name another folder with --out",
            )


def _place(partial: Path, target: Path) -> bool:
    """Give a pack its name unless one is there; whether it is new. Raises `Conflict`."""
    try:
        os.link(partial, target)  # unlike a rename it never replaces what is there
    except OSError as error:
        if not target.exists() and not isinstance(error, FileExistsError):
            partial.rename(target)  # a file system without hard links
            return True
        if difference := first_difference(target, partial):
            raise Conflict(
                f"another pack of this tag is there, first differing entry=`{difference}`",
                place=str(target),
                next_step="keep the one that was published; move the other away, or name --out",
            ) from None
        return False
    return True


def put_gzip(path: Path) -> Path:
    """Write a pack's `.tar.gz` beside it, without a name or a time in its header.

    One that unpacks to the same bytes stays: compressors differ, what they hold does not.

    Raises:
        Conflict: one with another content is there.
    """
    target = path.with_name(path.name + ".gz")
    partial = target.with_name(f"{target.name}.{os.getpid()}{archive.PARTIAL_SUFFIX}")
    try:
        with partial.open("wb") as raw, path.open("rb") as plain:
            with gzip.GzipFile("", "wb", GZIP_LEVEL, raw, mtime=0) as packed:
                for block in _blocks(plain):
                    packed.write(block)
            raw.flush()
            os.fsync(raw.fileno())
        _place(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    return target


# --- comparing ------------------------------------------------------------------------------------


def first_difference(one: Path, other: Path) -> str:
    """Return the first entry in which two packs differ; empty when their bytes are the same.

    Packs may be compressed; the bytes inside count. What is no archive at all differs as a whole.
    """
    try:
        if _same(one, other):
            return ""
        with tarfile.open(one) as left, tarfile.open(other) as right:
            for a, b in itertools.zip_longest(left, right):
                if a is None or b is None or not _same_entry(left, a, right, b):
                    # What only one of them has comes first in the order of both.
                    names = {entry.name for entry in (a, b) if entry}
                    return min(names, key=lambda name: (name.endswith("/" + MANIFEST), name))
    except (tarfile.TarError, EOFError, OSError, ValueError):
        return one.name
    return "the end of the archive"


def _same(one: Path, other: Path) -> bool:
    with _plain(one) as left, _plain(other) as right:
        pairs = itertools.zip_longest(_blocks(left), _blocks(right))
        return all(a == b for a, b in pairs)


def _plain(path: Path) -> IO[bytes]:
    with path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    return cast(IO[bytes], gzip.open(path)) if packed else path.open("rb")


def _same_entry(
    left: tarfile.TarFile, a: tarfile.TarInfo, right: tarfile.TarFile, b: tarfile.TarInfo
) -> bool:
    if a.get_info() != b.get_info():
        return False
    streams = left.extractfile(a), right.extractfile(b)
    if streams[0] is None or streams[1] is None:
        return True
    pairs = itertools.zip_longest(_blocks(streams[0]), _blocks(streams[1]))
    return all(x == y for x, y in pairs)


def _blocks(stream: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: stream.read(BLOCK_BYTES), b"")


def _digest(path: Path) -> tuple[str, int]:
    hasher, size = hashlib.sha256(), 0
    with path.open("rb") as stream:
        for block in _blocks(stream):
            hasher.update(block)
            size += len(block)
    return hasher.hexdigest(), size


def recorded(folder: Path, tag: str) -> str:
    """Return the id of the tag's object that an earlier pack in a folder holds; empty without one.

    A file that is no pack records nothing; that it is in the way is said when one is written.
    """
    path = folder / file_name(tag)
    try:
        with tarfile.open(path) as tar:
            stream = tar.extractfile(f"{tag}/{MANIFEST}")
            data = stream.read() if stream else b""
        return codec.read(Manifest, data).tag.object
    except (tarfile.TarError, EOFError, OSError, KeyError, Malformed):
        return ""
