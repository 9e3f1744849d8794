"""Small disks of a test's own, made full or read-only."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

Mount = Callable[[Path, str], None]
"""Mounts a tmpfs on a folder, or mounts it again with other options."""


def fill(path: Path, room_kib: int) -> Path:
    """Fill a disk but for so many KiB."""
    filler = path / "filler"
    state = os.statvfs(path)
    size = state.f_bavail * state.f_frsize - room_kib * 1024
    with filler.open("wb") as stream:
        stream.write(bytes(max(0, size)))
    return filler
