"""Output on its way to the disk: redacted, limited, hashed while it is written.

Here lives the writer of logs and their salted leaves, and the hashing of a log that a crash cut
short. Nothing here starts, reads from or ends a process.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

from audit.runner.files import sync, unwritable
from evidence import chain, layout
from evidence.chain import CHUNK_BYTES, SALT_BYTES
from evidence.model import Log
from evidence.redact import Redactor

TAIL_BYTES = 4096
"""Redacted bytes kept in memory for the last line on screen and in reasons."""
LINE_CHARS_MAX = 300
"""Characters of a last line that are shown; the log holds all of it."""
_SALTS_AT_ONCE = 64

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_]?)")
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


class Leaves:
    """The salted leaves of a log, grown with the bytes that are written to it."""

    def __init__(self, save: Callable[[bytes], object]) -> None:
        self.hashes: list[bytes] = []
        self.bytes = 0
        self._save = save
        self._salts = b""
        self._room = 0
        self._hasher = chain.new_sha256()

    def add(self, data: bytes | memoryview) -> None:
        """Hash the next bytes of the log, in chunks of `CHUNK_BYTES`."""
        view = memoryview(data)
        at = 0
        while at < len(view):
            if not self._room:
                self._begin()
            piece = view[at : at + self._room]
            self._hasher.update(piece)
            self._room -= len(piece)
            at += len(piece)
            if not self._room:
                self.hashes.append(self._hasher.digest())
        self.bytes += len(view)

    def finish(self) -> None:
        """Close the last, shorter chunk."""
        if self._room:
            self.hashes.append(self._hasher.digest())
            self._room = 0

    def _begin(self) -> None:
        if not self._salts:
            self._salts = os.urandom(SALT_BYTES * _SALTS_AT_ONCE)
        salt, self._salts = self._salts[:SALT_BYTES], self._salts[SALT_BYTES:]
        self._save(salt)
        # What `chain.chunk_leaf` computes of a whole chunk.
        self._hasher = chain.new_sha256()
        self._hasher.update(b"\0" + salt)
        self._room = CHUNK_BYTES


class Capture:
    """Writes what a child says: redacted, cut at a limit, hashed on the way; never read again.

    Salts go through a buffer and are whole on the disk only after `finish`; a crash before leaves a
    log that `measure_log` salts anew. Whoever made it calls `close`, whatever happened.
    """

    def __init__(self, folder: Path, name: str, redactor: Redactor, bytes_max: int) -> None:
        self.name = name
        self.truncated = False
        self._path = folder / name
        self._salts_path = folder / layout.salts_path(name)
        self._stream = redactor.stream()
        self._room = bytes_max
        self._tail = b""
        self.news = False
        """Whether something was written since `take_line` was called last."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with ExitStack() as opened:
                self._log = opened.enter_context(self._path.open("wb", buffering=0))
                self._salts = opened.enter_context(self._salts_path.open("wb"))
                opened.pop_all()  # both are there; from now on `close` closes them
        except OSError as error:
            raise unwritable(self._path, error) from error
        self._leaves = Leaves(self._salts.write)

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of output; past the limit they are dropped and `truncated` is set.

        Raises:
            Unavailable: the log cannot be written.
        """
        if not self.truncated:
            self._put(self._stream.feed(chunk))

    def finish(self) -> Log:
        """Return the finished log, with log and salts on the disk. Two syncs.

        What the redactor held back at a cut is dropped: it may be half a secret.

        Raises:
            Unavailable: the log cannot be written.
        """
        if not self.truncated:
            self._put(self._stream.flush())
        self._leaves.finish()
        try:
            self._salts.flush()
            sync(self._log.fileno())
            sync(self._salts.fileno())
        except OSError as error:
            raise unwritable(self._path, error) from error
        return _log(self.name, self._leaves, self.truncated)

    def close(self) -> None:
        """Close the files as they are; salts that a full disk does not take are made anew later."""
        for file in (self._log, self._salts):
            with suppress(OSError):
                file.close()

    def take_line(self) -> str:
        """Return the last line for the screen, and take note that it was taken."""
        self.news = False
        return self.last_line()

    def last_line(self) -> str:
        """Return the last line that is not blank, redacted, fit for a terminal and one row."""
        text = self._tail.decode("utf-8", "backslashreplace")
        for line in reversed(re.split(r"[\r\n]+", text)):
            clean = printable(line)
            if clean:
                return clean
        return ""

    def _put(self, data: bytes) -> None:
        if len(data) > self._room:
            data = data[: self._room]
            self.truncated = True
        if not data:
            return
        self._room -= len(data)
        try:
            at = self._log.write(data)
            while at < len(data):
                at += self._log.write(memoryview(data)[at:])
        except OSError as error:
            raise unwritable(self._path, error) from error
        self._leaves.add(data)
        self.news = True
        self._tail = (self._tail + data if len(data) < TAIL_BYTES else data)[-TAIL_BYTES:]


def printable(line: str) -> str:
    """Return a line without terminal escapes, controls and marks that turn or hide text."""
    clean = _UNPRINTABLE.sub("", _ESCAPES.sub("", line).replace("\t", " ")).strip()
    return clean if len(clean) <= LINE_CHARS_MAX else clean[: LINE_CHARS_MAX - 1] + "…"


def measure_log(folder: Path, name: str) -> Log:
    """Return the log that a crash left behind, salted anew; reads it once, two syncs.

    Raises:
        Unavailable: it cannot be read, or its salts cannot be written.
    """
    path = folder / name
    try:
        with (
            path.open("rb") as log,
            (folder / layout.salts_path(name)).open("wb") as salts,
        ):
            leaves = Leaves(salts.write)
            while block := log.read(CHUNK_BYTES):
                leaves.add(block)
            leaves.finish()
            salts.flush()
            sync(salts.fileno())
            sync(log.fileno())
    except OSError as error:
        raise unwritable(path, error) from error
    return _log(name, leaves, False)


def _log(name: str, leaves: Leaves, truncated: bool) -> Log:
    return Log(
        path=name,
        bytes=leaves.bytes,
        root=chain.root(leaves.hashes).hex(),
        leaves=tuple(leaf.hex() for leaf in leaves.hashes),
        truncated=truncated,
    )
