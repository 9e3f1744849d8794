"""A real bundle with some files changed in memory, verified without hashing the rest again.

The disk is only read. What the verifier asks of a file that a mutant leaves alone has the same
answer as for the bundle itself, so it is remembered; the check of a file that was touched always
runs. Which files are changed, and why, is decided elsewhere.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from evidence import chain, layout, seal
from evidence.codec import Malformed
from evidence.folder import Folder, in_threads, withheld
from evidence.model import Log

T = TypeVar("T")
R = TypeVar("R")

Changes = Mapping[str, bytes | None]
"""New bytes by path; None takes the file away."""


class Bundle:
    """The bundle itself: its names, the records read once, and what was found of its files.

    `withheld` are the files that the sign-off beside it says were taken out.
    """

    def __init__(self, folder: str) -> None:
        self.disk = Folder(folder)
        self.paths = tuple(sorted(self.disk.names()))
        self.withheld = withheld(folder)
        self._records: dict[str, bytes] = {}
        self._found: dict[tuple[str, Any], Any] = {}
        self._digests: dict[str, str] = {}
        self._sizes: dict[str, int] = {}

    def read(self, name: str) -> bytes:
        """Return a whole file; records are kept in memory. Raises `Malformed`."""
        if name not in self._records:
            data = self.disk.read(name)
            if seal.is_log(name) or name.startswith(f"{layout.ARTIFACTS}/"):
                return data
            self._records[name] = data
        return self._records[name]

    def disk_size(self, name: str) -> int:
        """Return the bytes of a file on the disk; 0 of what is no regular file."""
        if name not in self._sizes:
            try:
                path = os.path.join(self.disk.root, name)
                state = os.lstat(path)
                self._sizes[name] = state.st_size if stat.S_ISREG(state.st_mode) else 0
            except OSError:
                self._sizes[name] = 0
        return self._sizes[name]

    def digests(self) -> dict[str, str]:
        """Return the SHA-256 of every plain sealed file, by path. Reads each once."""
        if not self._digests:
            self._digests = {name: self._digest(name) for name in self.paths if seal.is_plain(name)}
        return dict(self._digests)

    def _digest(self, name: str) -> str:
        hasher = chain.new_sha256()
        for block in self.disk.blocks(name):
            hasher.update(block)
        return hasher.hexdigest()

    def with_changes(self, changes: Changes) -> Mutant:
        """Return this bundle with some files changed."""
        return Mutant(self, changes)

    def recall(
        self, touched: frozenset[str], function: Callable[[T], R], items: Iterable[T]
    ) -> Iterable[R]:
        """Return what `function` says of each item, from memory where no touched file matters."""
        wanted = list(items)
        check = getattr(function, "func", function).__qualname__
        keys = [(check, item) if _known(item) else None for item in wanted]
        lacking = [
            item
            for key, item in zip(keys, wanted, strict=True)
            if key is None or key not in self._found or _touches(item, touched)
        ]
        made = iter(in_threads(function, lacking) if len(lacking) > 1 else map(function, lacking))
        answers: list[R] = []
        for key, item in zip(keys, wanted, strict=True):
            if key is not None and key in self._found and not _touches(item, touched):
                answers.append(self._found[key])
                continue
            answers.append(next(made))
            if key is not None and not _touches(item, touched):
                self._found[key] = answers[-1]
        return answers


def _known(item: object) -> bool:
    """Whether it is known which files an answer about the item rests on."""
    return isinstance(item, str | Log)


def _touches(item: object, touched: frozenset[str]) -> bool:
    if isinstance(item, Log):
        return not touched.isdisjoint((item.path, layout.salts_path(item.path)))
    return item in touched


class Mutant:
    """The `Source` of a bundle with changes; `each` is the mapper that remembers."""

    def __init__(self, bundle: Bundle, changes: Changes) -> None:
        self.bundle = bundle
        self.changes = dict(changes)
        self._touched = frozenset(self.changes)

    def names(self) -> list[str]:
        """Return the paths of all files."""
        kept = [name for name in self.bundle.paths if name not in self.changes]
        return kept + [name for name, data in self.changes.items() if data is not None]

    def read(self, name: str) -> bytes:
        """Return a whole file. Raises `Malformed`."""
        if name not in self.changes:
            return self.bundle.read(name)
        data = self.changes[name]
        if data is None:
            raise Malformed(name, "is not there")
        return data

    def blocks(self, name: str) -> Iterator[bytes]:
        """Yield a file in blocks of whole log chunks. Raises `Malformed`."""
        if name not in self.changes:
            yield from self.bundle.disk.blocks(name)
            return
        data = self.read(name)
        for at in range(0, len(data), chain.CHUNK_BYTES):
            yield data[at : at + chain.CHUNK_BYTES]

    def each(self, function: Callable[[T], R], items: Iterable[T], /) -> Iterable[R]:
        """Like `map`, from memory where the changes do not matter."""
        return self.bundle.recall(self._touched, function, items)
