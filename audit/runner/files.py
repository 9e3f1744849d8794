"""What every writer of the runner shares: syncing, and the error of a disk that says no."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from audit import errors

sync: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)
"""Puts the bytes of an open file on the disk, and as much about it as is needed to find them."""

T = TypeVar("T")

NEXT_STEP = "free space or give write permission, then take the run up with `resume`"
AGAIN = "free space or give write permission, then do it again"
"""The next step where no run was interrupted."""


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def on_error(close: Callable[[T], object], opened: T) -> Iterator[None]:
    """Close what was opened when the block fails; otherwise its owner will."""
    try:
        yield
    except BaseException:
        close(opened)
        raise


def unwritable(path: Path, error: OSError, *, next_step: str = NEXT_STEP) -> errors.Unavailable:
    """Return the error for a file that could not be written: full disk, read-only, no leave."""
    why = (error.strerror or str(error)).lower()
    return errors.Unavailable(f"cannot be written: {why}", place=str(path), next_step=next_step)
