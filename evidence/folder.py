"""A bundle as a folder on a disk: the few lines of the verifier that touch files.

Standard library only, because it travels in every bundle. Reads; never writes.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO, TypeVar

from evidence import chain, layout
from evidence.codec import Malformed
from evidence.contents import BLOCK_BYTES

T = TypeVar("T")
R = TypeVar("R")

RECORD_BYTES_MAX = 1 << 30
"""Largest file that is read whole (records, tables); logs and artifacts come in blocks."""


FORK_ITEMS_MIN = 512
"""Items from which processes are faster than threads."""
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
        handle, size = self._open(name)
        try:
            if size > RECORD_BYTES_MAX:
                raise Malformed(name, f"is larger than {RECORD_BYTES_MAX} bytes")
            return _next(handle, name, size)
        finally:
            os.close(handle)

    def blocks(self, name: str) -> Iterator[bytes]:
        """Yield a regular file in blocks of `BLOCK_BYTES`. Raises `Malformed`."""
        handle, left = self._open(name)
        try:
            while left > 0:
                block = _next(handle, name, min(left, BLOCK_BYTES))
                yield block
                left = left - len(block) if block else 0
        finally:
            os.close(handle)

    def _open(self, name: str) -> tuple[int, int]:
        """A descriptor, which the caller closes, and the size of its file.

        Opened without following a link and without waiting for a pipe's other end, so that one
        look at what was opened tells whether it is a regular file.
        """
        if not layout.is_below(name):
            raise Malformed(name, "is not a path below the bundle")
        path = f"{self.root}/{name}"
        try:
            handle = os.open(path, _FLAGS)
        except (OSError, ValueError) as error:
            raise Malformed(name, _why_not(path, error)) from error
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            os.close(handle)
            raise Malformed(name, "is not a regular file")
        return handle, found.st_size


def sign_off_of(root: str) -> Folder | None:
    """Return the sign-off of the run whose bundle lies in a folder, where one lies beside it."""
    try:
        point = chain.checkpoint_of(Folder(root).read(layout.CHECKPOINT))
    except Malformed:
        return None
    from evidence import trusted  # most readers of a folder need nothing of it

    where = trusted.layer_named(os.path.realpath(root), point.audit, point.label)
    return Folder(where) if where and os.path.isdir(where) else None


def withheld(root: str) -> tuple[str, ...]:
    """Return the files that the sign-off beside a bundle says were taken out of it."""
    layer = sign_off_of(root)
    if layer is None:
        return ()
    from evidence import trusted

    return trusted.withheld_files(layer)


_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY


def _why_not(path: str, error: OSError | ValueError) -> str:
    """Why a file could not be opened."""
    with contextlib.suppress(OSError, ValueError):
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return "is not a regular file"
    if isinstance(error, FileNotFoundError):
        return "is not there"
    return f"cannot be read: {getattr(error, 'strerror', None) or error}"


def _next(handle: int, name: str, size: int) -> bytes:
    """The next `size` bytes, fewer at the end of the file; raw reads, as files are many."""
    try:
        data = os.read(handle, size)
        while len(data) < size and (more := os.read(handle, size - len(data))):
            data += more
    except OSError as error:
        raise Malformed(name, f"cannot be read: {error.strerror}") from error
    return data


def in_workers(function: Callable[[T], R], items: Iterable[T]) -> Iterable[R]:
    """Like `in_threads`, and begun at once while the caller goes on with something else.

    Many items are shared among forks of this process: threads would wait for the interpreter lock
    at each of several calls per file as long as the caller computes. `function` and the items need
    not be sendable, results must be. For single-threaded programs.
    """
    todo = list(items)
    if len(todo) < FORK_ITEMS_MIN:
        return in_threads(function, todo)
    count = os.cpu_count() or 1
    pipes = [_forked(function, todo[first::count]) for first in range(count)]
    return _collected(function, todo, pipes)


def _forked(function: Callable[[T], R], share: Sequence[T]) -> tuple[int, BinaryIO]:
    """A process that answers for its share (0 if none could be had), and where it answers."""
    source, sink = os.pipe()
    try:
        child = os.fork()
    except OSError:
        os.close(sink)
        return 0, open(source, "rb")
    if child:
        os.close(sink)
        return child, open(source, "rb")
    try:
        os.close(source)
        with open(sink, "wb") as stream:
            pickle.dump([function(item) for item in share], stream)
    finally:
        os._exit(0)


def _collected(
    function: Callable[[T], R], todo: Sequence[T], pipes: Sequence[tuple[int, BinaryIO]]
) -> Iterator[R]:
    """The answers in the order of the items; the share of a process that died is done here."""
    answers: list[Sequence[R]] = []
    for first, (child, stream) in enumerate(pipes):
        with stream:
            said = stream.read()
        if child:
            os.waitpid(child, 0)
        try:
            answers.append(pickle.loads(said))
        except (EOFError, pickle.UnpicklingError):
            answers.append([function(item) for item in todo[first :: len(pipes)]])
    for number in range(len(todo)):
        yield answers[number % len(pipes)][number // len(pipes)]


def in_threads(function: Callable[[T], R], items: Iterable[T]) -> Iterable[R]:
    """Like `map`, on all processors: hashing gives the interpreter lock away.

    Files are handed out in batches, because a future costs as much as hashing a small log.
    """
    todo = list(items)
    batches = [todo[at : at + BATCH_FILES] for at in range(0, len(todo), BATCH_FILES)]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        done = pool.map(lambda batch: [function(item) for item in batch], batches)
        return [result for batch in done for result in batch]
