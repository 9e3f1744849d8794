"""Files of a run that the board hands out: a copy of what was checked, and nothing else.

Whoever can write to a folder could put another file there for the moment of a look, and the sealed
one back for the signature. So what is sent is not read a second time.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from typing import BinaryIO, cast

from audit.errors import Unavailable
from audit.runner.files import on_error
from evidence import contents, layout
from evidence.codec import Malformed
from evidence.contents import Source
from evidence.model import Run


def sealed(source: Source, run: Run, path: str) -> Iterator[bytes]:
    """Return a log or a kept file of a run in blocks, as it was sealed.

    Raises:
        Malformed: it is not what was sealed. Unavailable: there is no room for the copy.
    """
    log = next((item.log for item in run.attempts if item.log and item.log.path == path), None)
    if log is None:
        kept = (item for attempt in run.attempts for item in attempt.artifacts)
        return _of_digest(source, path, next(item.sha256 for item in kept if item.path == path))
    copy = _Copying(source)
    with on_error(_Copying.close, copy):
        if problem := contents.look_at(copy, log).problem:
            raise Malformed(path, problem)
        return copy.handed()


def attached(source: Source, sha256: str) -> Iterator[bytes]:
    """Return a file that somebody brought in blocks, as its digest says. Raises as `sealed`."""
    return _of_digest(source, f"{layout.ATTACHED}/{sha256}", sha256)


def _of_digest(source: Source, path: str, sha256: str) -> Iterator[bytes]:
    copy = _Copying(source)
    with on_error(_Copying.close, copy):
        found = contents.digest(copy, path)
        if found != sha256:
            raise Malformed(path, found if " " in found else "was changed")
        return copy.handed()


class _Copying:
    """A source that keeps what was read of one file."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._copy = cast(BinaryIO, tempfile.TemporaryFile(prefix="arco-audit-"))  # noqa: SIM115

    def close(self) -> None:
        self._copy.close()

    def names(self) -> Iterable[str]:
        return self._source.names()

    def read(self, name: str) -> bytes:
        return self._source.read(name)

    def blocks(self, name: str) -> Iterator[bytes]:
        for block in self._source.blocks(name):
            try:
                self._copy.write(block)
            except OSError as error:
                why = (error.strerror or str(error)).lower()
                raise Unavailable(
                    f"cannot be copied: {why}", place=name, next_step="make room for it"
                ) from error
            yield block

    def handed(self) -> Iterator[bytes]:
        """Yield what was read, and forget it."""
        with self._copy:
            self._copy.seek(0)
            while block := self._copy.read(contents.BLOCK_BYTES):
                yield block
