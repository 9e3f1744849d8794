"""Folders below a root on a disk: found without following a link, and durable before they are used.

Each folder is held open, so that its identity cannot come again while we rely on it: what we know
of a folder (that it lies below the root by no link, that its name is on the disk) stays known for
as long as the path still leads to the same one. Objects and their bytes are not in here.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from arco.core.errors import Corrupt, Invalid, Unavailable

HELD_MAX = 64
"""Folders that a store holds open at once."""
_OPENED = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Folder:
    """An open folder, which closes itself when nobody holds it any more.

    `durable` says that this process has synced its name, and those of all folders above it.
    """

    __slots__ = ("descriptor", "durable", "identity")

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.identity = _identity(os.fstat(descriptor))
        self.durable = False

    def __del__(self) -> None:
        os.close(self.descriptor)


class Folders:
    """The folders below a root. Paths have no slash at either end; "" is the root itself.

    Raises `OSError` as the system does, and `Corrupt` where something else than a folder of ours
    stands on the way.
    """

    def __init__(self, root: Path) -> None:
        self.root = os.path.abspath(root)
        self._top = Folder(os.open(self.root, _OPENED))
        self._top.durable = True
        self._held: dict[str, Folder] = {}

    def find(self, path: str) -> Folder | None:
        """Return a folder, or None when there is none. Raises `Unavailable` without a root."""
        if not path:
            self._check_root()
            return self._top
        held = self._held.pop(path, None)
        if held is None or not self._leads_to(path, held):
            held = self._walk(path)
        if held is not None:
            self._hold(path, held)
        return held

    def make(self, path: str) -> Folder:
        """Return a folder that is durable, made if need be.

        One sync for each folder on the path that this process has not used for writing yet, even
        when another made it: that one may not have come to its own sync. Raises
        `FileNotFoundError` when others take it away meanwhile.
        """
        folder = self.find(path)
        if folder is not None and folder.durable:
            return folder
        above, name = split(path)
        parent = self.make(above)
        if folder is None:
            with suppress(FileExistsError):
                os.mkdir(name, dir_fd=parent.descriptor)
            folder = self.find(path)
        if folder is None:
            raise FileNotFoundError(path)
        os.fsync(parent.descriptor)
        folder.durable = True
        return folder

    def prune(self, path: str) -> None:
        """Take a folder away if it is empty, and those above it likewise. No sync.

        Whoever creates in one of them at this moment is told by the system and makes it again.
        """
        with suppress(OSError):  # such as one that is not empty
            while path:
                above, name = split(path)
                parent = self.find(above)
                if parent is None:
                    return
                os.rmdir(name, dir_fd=parent.descriptor)
                self._held.pop(path, None)
                path = above

    def _hold(self, path: str, folder: Folder) -> None:
        self._held[path] = folder
        for longest_unused in list(self._held)[:-HELD_MAX]:
            self._held.pop(longest_unused, None)

    def _leads_to(self, path: str, folder: Folder) -> bool:
        try:
            return _identity(os.stat(f"{self.root}/{path}")) == folder.identity
        except OSError:  # the walk from the root says why
            return False

    def _check_root(self) -> None:
        try:
            same = _identity(os.stat(self.root)) == self._top.identity
        except FileNotFoundError:
            same = False
        if not same:
            raise Unavailable(
                f"the folder of the store is gone, or another one is there: root=`{self.root}`",
                next_step="put the disk or the folder back, then open the store again",
            )

    def _walk(self, path: str) -> Folder | None:
        above, name = split(path)
        parent = self.find(above)
        return None if parent is None else open_child(parent, name, path)


def split(path: str) -> tuple[str, str]:
    """Return the folder above a path, and the last name of it."""
    above, _, name = path.rpartition("/")
    return above, name


def open_child(parent: Folder, name: str, path: str) -> Folder | None:
    """Open a folder in a folder, following no link; None when there is none of this name.

    Raises `Invalid` where an object has the name, `Corrupt` where a link or a device has it.
    """
    try:
        return Folder(os.open(name, _OPENED | os.O_NOFOLLOW, dir_fd=parent.descriptor))
    except FileNotFoundError:
        return None
    except OSError:
        check_kind(parent, name, path, stat.S_IFDIR)
        raise


def check_kind(folder: Folder, name: str, path: str, wanted: int) -> bool:
    """Say whether a name in a folder is taken, by what is wanted: `S_IFREG` or `S_IFDIR`.

    Raises `Invalid` and `Corrupt` as `check_mode` does.
    """
    try:
        found = os.lstat(name, dir_fd=folder.descriptor)
    except FileNotFoundError:
        return False
    check_mode(found.st_mode, path, wanted)
    return True


def check_mode(mode: int, path: str, wanted: int) -> None:
    """Refuse what is not of the wanted kind.

    Raises `Invalid` for a folder in the place of an object or the reverse, which only this kind of
    store cannot hold; `Corrupt` for links, pipes and devices, which no store of ours makes.
    """
    kind = stat.S_IFMT(mode)
    if kind == wanted:
        return
    if kind in (stat.S_IFREG, stat.S_IFDIR):
        raise Invalid(
            f"a name cannot be of an object and of a folder at once: path=`{path}`",
            next_step="choose another name; on a disk one of the two has to go",
        )
    raise Corrupt(
        f"neither an object nor a folder of this store: path=`{path}` mode=`{mode:o}`",
        next_step="take the link, pipe or device out of the store; it follows none",
    )


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino
