"""The tree that a tracker speaks about: a plain folder, or a revision of a git repository.

Here lives every look at files that claims point to. Nothing here follows a path out of the tree,
waits on a pipe, or reads more than `FILE_BYTES_MAX`.
"""

from __future__ import annotations

import fnmatch
import functools
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, Protocol

from audit.repo import Repository

FILE_BYTES_MAX = 64 * 1024 * 1024
"""Largest file that is read; a larger one could not be checked."""

Kind = Literal["file", "folder"]
_SYMLINK = "120000"


class Tree(Protocol):
    """What checkers may ask. Paths are relative to the root, with `/` between segments."""

    empty_is_unknown: bool
    """Whether an empty file may merely stand for one with contents (a laid-out listing)."""

    def kind(self, path: str) -> Kind | None:
        """Return what lies at a path, or None where nothing does."""
        ...

    def read(self, path: str) -> bytes | None:
        """Return the bytes of a file, or None where they cannot be had."""
        ...

    def below(self, folder: str) -> tuple[str, ...]:
        """Return the sorted paths of all files below a folder."""
        ...


def clean(path: str) -> str | None:
    """Return a path with `.` and empty segments taken out, or None where it leaves the tree."""
    segments = [segment for segment in path.split("/") if segment not in ("", ".")]
    outside = path.startswith(("/", "~")) or "\\" in path or "\0" in path or ".." in segments
    drive = re.match(r"[A-Za-z]:($|/)", path)
    return None if outside or drive else "/".join(segments)


class Folder:
    """The files of a folder as they lie on the disk now."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._real = os.path.realpath(root)
        self.empty_is_unknown = not (root / ".git").exists()

    def _inside(self, path: str) -> str | None:
        real = os.path.realpath(os.path.join(self._real, path))
        inside = real == self._real or real.startswith(self._real.rstrip("/") + "/")
        return real if inside else None

    def kind(self, path: str) -> Kind | None:
        """Return what lies at a path; links that leave the folder lead nowhere."""
        try:
            real = self._inside(path)
            mode = os.stat(real).st_mode if real else 0
        except (OSError, ValueError):
            return None
        if stat.S_ISDIR(mode):
            return "folder"
        return "file" if stat.S_ISREG(mode) else None

    def read(self, path: str) -> bytes | None:
        """Return the bytes of a plain file of at most `FILE_BYTES_MAX`."""
        if self.kind(path) != "file":
            return None
        try:
            place = Path(self._real, path)
            return place.read_bytes() if place.stat().st_size <= FILE_BYTES_MAX else None
        except OSError:
            return None

    def below(self, folder: str) -> tuple[str, ...]:
        """Return the files below a folder; links to folders are not entered."""
        top = self._inside(folder)
        if top is None:
            return ()
        found = []
        for here, folders, files in os.walk(top):
            folders[:] = [name for name in folders if name != ".git"]
            prefix = os.path.relpath(here, self._real).replace(os.sep, "/")
            found += [name if prefix == "." else f"{prefix}/{name}" for name in files]
        return tuple(sorted(found))


class Revision:
    """The files of a git repository as they stand at a revision."""

    empty_is_unknown = False

    def __init__(self, repository: Repository, rev: str) -> None:
        self._repository = repository
        self._entries = repository.tree(rev)
        self._paths = sorted(self._entries)
        self._folders = {parent for path in self._paths for parent in _parents(path)}

    def kind(self, path: str) -> Kind | None:
        """Return what the revision has at a path; a submodule counts as a folder."""
        if path in self._folders or path == "":
            return "folder"
        entry = self._entries.get(path)
        if entry is None:
            return None
        return "folder" if entry.mode == "160000" else "file"

    def read(self, path: str) -> bytes | None:
        """Return the blob at a path; links are not followed."""
        entry = self._entries.get(path)
        if entry is None or entry.mode in ("160000", _SYMLINK):
            return None
        data = self._repository.read(entry.blob)
        return data if len(data) <= FILE_BYTES_MAX else None

    def below(self, folder: str) -> tuple[str, ...]:
        """Return the files below a folder."""
        prefix = f"{folder}/" if folder else ""
        return tuple(path for path in self._paths if path.startswith(prefix))


def _parents(path: str) -> Iterable[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def matches(tree: Tree, pattern: str) -> bool:
    """Return whether any file of the tree matches a glob (`*` stays in a segment, `**` does not).

    Only the part of the tree below the pattern's fixed beginning is looked at.
    """
    fixed = re.split(r"[*?\[]", pattern, maxsplit=1)[0].rpartition("/")[0]
    wanted = _glob(pattern.rstrip("/"))
    return any(wanted.fullmatch(path) for path in tree.below(fixed))


@functools.cache
def _glob(pattern: str) -> re.Pattern[str]:
    pieces = []
    for part in re.split(r"(\*\*/?|\*|\?)", pattern):
        special = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(part)
        pieces.append(special or fnmatch.translate(part)[4:-3] if part else "")
    return re.compile("".join(pieces) + "(?:/.*)?", re.DOTALL)
