"""A store in a folder of a disk: durable, for many processes, whole after `kill -9` at any moment.

An object is a file below the root. Its bytes are staged and synced in a folder of our own, outside
the namespace, then linked (create) or renamed (update, replace) to their name in one step, and the
folder is synced before the operation answers: whoever reads finds all bytes or none. Updates,
replaces and deletes of one object exclude each other by a lock that ends with its process.

A version is the SHA-256 of the bytes. It comes again when the bytes do (A-B-A), so records that are
swapped carry a nonce. Names hold no link: none is ever followed below the root.

Decision: the operations block inside their coroutines. Context: a sync is the point of a write and
takes a fraction of a millisecond to some milliseconds; handing it to a thread costs a switch each
way, and reorders nothing, because a caller awaits it before its next step. Consequence: one event
loop does one disk operation at a time; a server that wants more runs more processes, which this
store is made for. No operation awaits, so one loop never waits for a lock that it holds itself.

The root is on a local disk: network file systems keep locks and syncs in ways of their own.
After a power cut a write that had not answered may be undone, although somebody saw it.
Cost of each operation: syncs, as said there, and once per process for each folder that it writes to
(our own included) one more.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

from arco.adapters.folders import Folder, Folders, check_kind, check_mode, open_child, split
from arco.adapters.ranges import check_range
from arco.capabilities import (
    Changed,
    Created,
    Exists,
    Named,
    ObjectMeta,
    Stored,
    StoreVersion,
    Updated,
)
from arco.core.errors import ArcoError, Corrupt, Denied, Invalid, Unavailable

OWN = ".local"
"""The folder below the root that holds what is staged, and the locks. No object is named so.

Whoever removes it while writers run lets two of them hold one lock.
"""
STAGING, LOCKS = f"{OWN}/staging", f"{OWN}/locks"
STAGING_AGE_S = 3_600
"""What is staged for longer belongs to nobody alive; should somebody be, it is told and fails."""
LOCK_COUNT = 256
"""Lock files: objects share them by digest of their path, so that they do not grow in number."""
LOCK_WAIT_S = 10.0
"""How long an update waits for another process, which needs milliseconds unless it is stopped."""
LOCK_PAUSE_S = 0.0005
MOVES_MAX = 16
"""How often a move is tried while others take the emptied folder away."""
PATH_BYTES_MAX = 1_024
"""As long as the large clouds allow."""
DEPTH_MAX = 64
"""Folders in a path."""

_DENIED = frozenset((errno.EACCES, errno.EPERM, errno.EROFS))
_FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
_UNFIT = frozenset((errno.ENAMETOOLONG, errno.EXDEV, errno.EMLINK, errno.EILSEQ))
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_LOCK = os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_STAGE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


class LocalBackend:
    """Objects as files below a root. Any number of processes and threads may hold one.

    Opening takes no sync and removes what dead writers staged. Raises `Invalid` where there is no
    such folder, `Denied` where it may not be read; one that can only be read, can be read.
    """

    def __init__(self, root: Path) -> None:
        with _told(str(root)):
            try:
                self._folders = Folders(root)
            except (FileNotFoundError, NotADirectoryError) as error:
                raise Invalid(
                    f"no such folder: root=`{root}`",
                    next_step="name the folder of a store, or make one with `arco init`",
                ) from error
            self._sweep()

    @classmethod
    def make(cls, root: Path) -> LocalBackend:
        """Open a store in a folder that is made if need be. One sync for each new folder."""
        with _told(str(root)):
            try:
                _make_durable(Path(os.path.abspath(root)))
            except (FileExistsError, NotADirectoryError) as error:
                raise Invalid(
                    f"something else than a folder is in the way: root=`{root}`",
                    next_step="name a folder, or a place where one can be made",
                ) from error
        return cls(root)

    async def get(self, path: str, start: int = 0, end: int | None = None) -> Stored | None:
        """Return the bytes of a range, or None. No sync.

        A range carries an empty version: the digest would cost reading all of the object.
        """
        check_range(start, end, path)
        with _told(path):
            body = self._read(path, start, end)
        if body is None:
            return None
        whole = start == 0 and end is None
        return Stored(body, _version(body) if whole else StoreVersion(""))

    async def head(self, path: str) -> ObjectMeta | None:
        """Return size and version, or None. No sync; reads the object, to digest it."""
        with _told(path):
            body = self._read(path)
        return None if body is None else ObjectMeta(len(body), _version(body))

    async def create(self, path: str, body: bytes) -> Created | Exists:
        """Write what does not exist. Two syncs; one when it exists.

        What exists is synced too before we say so: its creator may have died before it could.
        """
        above, name = _place(path)
        with _told(path):
            if self._settled(above, name, path):
                return Exists()
            with self._staged(body) as staged:
                try:
                    self._move(os.link, staged, path)
                except FileExistsError:
                    self._settled(above, name, path)
                    return Exists()
        return Created(_version(body))

    async def update(self, path: str, body: bytes, expected: StoreVersion) -> Updated | Changed:
        """Write over the expected version. Two syncs; none when another version stands there."""
        with _told(path), self._locked(path):
            found = self._read(path)
            if found is None or _version(found) != expected:
                return Changed()
            with self._staged(body) as staged:
                self._move(os.rename, staged, path)
        return Updated(_version(body))

    async def replace(self, path: str, body: bytes) -> None:
        """Write whatever stands there. Two syncs."""
        with _told(path), self._locked(path) as (above, name):
            folder = self._folders.find(above)
            if folder is not None:
                check_kind(folder, name, path, stat.S_IFREG)
            with self._staged(body) as staged:
                self._move(os.rename, staged, path)

    async def delete(self, path: str) -> None:
        """Delete, and take emptied folders away. One sync; none when there is no such object."""
        with _told(path), self._locked(path) as (above, name):
            folder = self._folders.find(above)
            if folder is None or not check_kind(folder, name, path, stat.S_IFREG):
                return
            os.unlink(name, dir_fd=folder.descriptor)
            _settle(folder, path)
            self._folders.prune(above)

    async def list_page(self, prefix: str, after: str | None, limit: int) -> tuple[Named, ...]:
        """Return up to `limit` names behind `after`. No sync.

        Reads the folders that can hold such a name, each once, and stops at the limit. What is no
        object of ours (a link, a pipe) is named too, so that somebody can look.
        """
        above, _ = split(prefix)
        if above:
            _place(above)
        with _told(prefix):
            folder = self._folders.find(above)
            if folder is None:
                return ()
            names = _walk(folder, f"{above}/" if above else "", prefix, after or "")
            return tuple(islice(names, limit))

    async def sign(self, path: str, expires_s: int) -> str:
        """Refuse: a disk has no addresses that expire."""
        raise Invalid(f"a local store signs no addresses: path=`{path}` expires_s=`{expires_s}`")

    # --- steps, in the order in which a write takes them ----------------------------------------

    def _settled(self, above: str, name: str, path: str) -> bool:
        """Say whether an object exists; if so, its name is on the disk from now on."""
        folder = self._folders.find(above)
        if folder is None or not check_kind(folder, name, path, stat.S_IFREG):
            return False
        _settle(self._folders.make(above), path)
        return True

    @contextmanager
    def _locked(self, path: str) -> Iterator[tuple[str, str]]:
        """Keep other updates, replaces and deletes of an object away, in any process."""
        place = _place(path)
        number = hashlib.sha256(path.encode()).digest()[0] % LOCK_COUNT
        folder = self._folders.make(LOCKS)
        descriptor = os.open(f"{number:02x}", _LOCK, 0o666, dir_fd=folder.descriptor)
        try:
            _lock(descriptor, path)
            yield place
        finally:
            os.close(descriptor)

    @contextmanager
    def _staged(self, body: bytes) -> Iterator[tuple[Folder, str]]:
        """Write bytes under a name that nobody else has, and sync them; gone afterwards."""
        folder = self._folders.make(STAGING)
        name = f"{os.getpid()}-{secrets.token_hex(8)}"
        descriptor = os.open(name, _STAGE, 0o666, dir_fd=folder.descriptor)
        try:
            _fill(descriptor, body)
            yield folder, name
        finally:
            with suppress(OSError):  # renamed already, or left for a later opening to sweep
                os.unlink(name, dir_fd=folder.descriptor)

    def _move(self, move: Callable[..., None], staged: tuple[Folder, str], path: str) -> None:
        """Give staged bytes their name, by link or rename; the folder is synced afterwards."""
        above, name = _place(path)
        source, partial = staged
        for _ in range(MOVES_MAX):
            try:
                folder = self._folders.make(above)
                ends = {"src_dir_fd": source.descriptor, "dst_dir_fd": folder.descriptor}
                move(partial, name, **ends)
            except FileNotFoundError:  # somebody took the folder away when it was empty
                continue
            return _settle(folder, path)
        raise Unavailable(
            f"the folder of an object, or what was staged, went away again and again: path=`{path}`"
        )

    def _read(self, path: str, start: int = 0, end: int | None = None) -> bytes | None:
        above, name = _place(path)
        folder = self._folders.find(above)
        if folder is None:
            return None
        try:
            descriptor = os.open(name, _READ, dir_fd=folder.descriptor)
        except FileNotFoundError:
            return None  # by now it may have been created: absent is what it was
        except OSError:
            if not check_kind(folder, name, path, stat.S_IFREG):
                return None
            raise
        try:
            found = os.fstat(descriptor)
            check_mode(found.st_mode, path, stat.S_IFREG)
            stop = found.st_size if end is None else min(end, found.st_size)
            return _exactly(descriptor, start, stop, path)
        finally:
            os.close(descriptor)

    def _sweep(self) -> None:
        """Remove what was staged long ago, as far as we may."""
        oldest = time.time() - STAGING_AGE_S
        with suppress(PermissionError):  # who only reads has no business there
            folder = self._folders.find(STAGING)
            if folder is None:
                return
            with os.scandir(folder.descriptor) as entries:
                for entry in entries:
                    _remove_older(folder, entry, oldest)


def _version(body: bytes) -> StoreVersion:
    return StoreVersion(hashlib.sha256(body).hexdigest())


def _place(path: str) -> tuple[str, str]:
    """Return the folder and the name of an object. Raises `Invalid` for what no disk can hold."""
    names = path.split("/")
    named = all(name and not name.startswith(".") for name in names)
    if named and len(names) <= DEPTH_MAX and 0 < _length_bytes(path) <= PATH_BYTES_MAX:
        return split(path)
    raise Invalid(
        f"not a path of a local store: path={path[:80]!a}",
        next_step="use names that do not begin with a dot, with single slashes between them",
    )


def _length_bytes(path: str) -> int:
    """Return the length of a path on the disk; 0 when none can have it."""
    try:
        return 0 if "\0" in path else len(path.encode())
    except UnicodeEncodeError:
        return 0


def _make_durable(root: Path) -> None:
    """Make a folder and those above it, each synced into the one that holds it."""
    if root.is_dir():
        return
    _make_durable(root.parent)
    root.mkdir(exist_ok=True)
    descriptor = os.open(root.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_older(folder: Folder, entry: os.DirEntry[str], oldest_s: float) -> None:
    with suppress(OSError):  # gone already, or not ours to remove
        if entry.stat(follow_symlinks=False).st_mtime < oldest_s:
            os.unlink(entry.name, dir_fd=folder.descriptor)


def _lock(descriptor: int, path: str) -> None:
    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"another process holds the lock: path=`{path}` waited_s=`{LOCK_WAIT_S}`",
                    next_step="look for a stopped process that has this store open, and end it",
                ) from error
        time.sleep(LOCK_PAUSE_S)


def _settle(folder: Folder, path: str) -> None:
    """Sync a folder whose names changed. When that fails, nobody knows what a crash leaves."""
    try:
        os.fsync(folder.descriptor)
    except OSError as error:
        raise Unavailable(f"the disk did not confirm: path=`{path}` {_reason(error)}") from error


def _fill(descriptor: int, body: bytes) -> None:
    """Write all bytes, sync them, and close."""
    try:
        rest = memoryview(body)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _exactly(descriptor: int, start: int, end: int, path: str) -> bytes:
    """Read a range. An object never changes in place, so one that is shorter is none of ours."""
    parts: list[bytes] = []
    while start < end:
        part = os.pread(descriptor, end - start, start)
        if not part:
            raise Corrupt(f"shorter than it was: path=`{path}` missing_bytes=`{end - start}`")
        parts.append(part)
        start += len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _walk(folder: Folder, above: str, prefix: str, after: str) -> Iterator[Named]:
    """Yield the names below a folder, sorted as whole paths: folders by their closing slash."""
    for name, entry in sorted(_entries(folder, above)):
        path = above + name
        if not name.endswith("/"):
            if path.startswith(prefix) and path > after:
                with suppress(FileNotFoundError):  # deleted meanwhile
                    yield Named(path, entry.stat(follow_symlinks=False).st_size)
        elif _may_hold(path, prefix, after):
            child = open_child(folder, name[:-1], path)
            if child is not None:
                yield from _walk(child, path, prefix, after)


def _entries(folder: Folder, above: str) -> list[tuple[str, os.DirEntry[str]]]:
    with os.scandir(folder.descriptor) as entries:
        return [
            (entry.name + "/" * entry.is_dir(follow_symlinks=False), entry)
            for entry in entries
            if above or entry.name != OWN
        ]


def _may_hold(folder: str, prefix: str, after: str) -> bool:
    """Say whether names below a folder can have the prefix and lie behind `after`."""
    inside = folder.startswith(prefix) or prefix.startswith(folder)
    return inside and (folder >= after or after.startswith(folder))


@contextmanager
def _told(path: str) -> Iterator[None]:
    """Turn what the system refuses into our errors. Only steps before an effect come here."""
    try:
        yield
    except OSError as error:
        raise _refusal(error, path) from error


def _refusal(error: OSError, path: str) -> ArcoError:
    told = f"path=`{path}` {_reason(error)}"
    if error.errno in _DENIED:
        return Denied(
            f"the disk refused: {told}",
            next_step="check who owns the folder of the store, and how it is mounted",
            hides_absence=False,
        )
    if error.errno in _FULL:
        return Unavailable(
            f"the disk has no room: {told}", next_step="make room, then look and try again"
        )
    if error.errno in _UNFIT:
        return Invalid(
            f"this disk cannot hold it: {told}",
            next_step="keep the store on one disk, with names of at most 255 bytes",
        )
    return Unavailable(f"the disk did not answer: {told}")


def _reason(error: OSError) -> str:
    return f"reason=`{os.strerror(error.errno or 0).lower()}`"
