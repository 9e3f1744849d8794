"""A bundle as a folder on a disk: the few lines of the verifier that touch files.

Standard library only, because it travels in every bundle. Reads; never writes.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO, TypeVar

from evidence.codec import Malformed
from evidence.contents import BLOCK_BYTES

T = TypeVar("T")
R = TypeVar("R")

RECORD_BYTES_MAX = 1 << 30
"""Largest file that is read whole (records, tables); logs and artifacts come in blocks."""


BATCH_FILES = 16
"""Files that a thread takes at a time."""


class Folder:
    """The `Source` of a bundle that lies in a folder. Links are listed and never followed."""

    def __init__(self, root: str) -> None:
        self.root = root

    def names(self) -> Iterator[str]:
        """Yield the path of everything below the root that is no folder, with `/` between.

        A folder that cannot be listed is yielded itself, as an oddity.
        """
        pending = [""]
        while pending:
            prefix = pending.pop()
            try:
                with os.scandir(os.path.join(self.root, prefix)) as entries:
                    for entry in entries:
                        name = prefix + entry.name
                        if entry.is_dir(follow_symlinks=False):
                            pending.append(name + "/")
                        else:
                            yield name
            except OSError:
                yield prefix.rstrip("/") or "."

    def read(self, name: str) -> bytes:
        """Return a whole regular file. Raises `Malformed`."""
        with self._open(name) as stream:
            if os.fstat(stream.fileno()).st_size > RECORD_BYTES_MAX:
                raise Malformed(name, f"is larger than {RECORD_BYTES_MAX} bytes")
            return self._next(stream, name, -1)

    def blocks(self, name: str) -> Iterator[bytes]:
        """Yield a regular file in blocks of `BLOCK_BYTES`. Raises `Malformed`."""
        with self._open(name) as stream:
            while block := self._next(stream, name, BLOCK_BYTES):
                yield block

    def _next(self, stream: BinaryIO, name: str, size: int) -> bytes:
        try:
            return stream.read(size)
        except OSError as error:
            raise Malformed(name, f"cannot be read: {error.strerror}") from error

    def _open(self, name: str) -> BinaryIO:
        parts = name.split("/")
        if not {"", ".", ".."}.isdisjoint(parts):
            raise Malformed(name, "is not a path below the bundle")
        path = os.path.join(self.root, *parts)
        try:
            if not stat.S_ISREG(os.lstat(path).st_mode):
                raise Malformed(name, "is not a regular file")
            return open(path, "rb")
        except FileNotFoundError as error:
            raise Malformed(name, "is not there") from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise Malformed(name, f"cannot be read: {reason}") from error


def in_threads(function: Callable[[T], R], items: Iterable[T]) -> Iterable[R]:
    """Like `map`, on all processors: hashing gives the interpreter lock away.

    Files are handed out in batches, because a future costs as much as hashing a small log.
    """
    todo = list(items)
    batches = [todo[at : at + BATCH_FILES] for at in range(0, len(todo), BATCH_FILES)]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        done = pool.map(lambda batch: [function(item) for item in batch], batches)
        return [result for batch in done for result in batch]
