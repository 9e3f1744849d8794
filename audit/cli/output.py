"""What is printed, and what happens when it cannot be: a reader that left, a full disk, no stream.

Printing never stops an audit. A reader that went away (`| head`) is forgotten; any other loss is
remembered, so that the exit code can say it. Nothing here decides how results look.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import sys
from typing import Any, TextIO

import click

GONE = (errno.EPIPE, errno.EIO)
"""What writing says when the reader or the terminal went away: nobody listens any more."""

_STYLE = re.compile("(\x1b\\[(?:0|1|3[1-6])m)")
"""What `click.style` makes; every other escape comes from elsewhere."""
_KEPT = "\n\t"

_lost: OSError | None = None
# One per process, like the streams themselves.


def prepare() -> None:
    """Open what is closed of the standard streams, and escape what a stream cannot spell.

    A closed descriptor would be given to the next file that is opened, and be written over.
    """
    global _lost
    _lost = None
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_RDWR), number)
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(text: str = "", *, error: bool = False, lines: bool = False) -> None:
    """Print one line, or some `lines`, without anything in it that could steer a terminal.

    A terminal shows colours, unless `NO_COLOR` is set and not empty. Source: no-color.org.
    """
    colours = False if os.environ.get("NO_COLOR") else None
    try:
        click.echo(plain(text) if lines else one_line(text), err=error, color=colours)
    except OSError as problem:
        lose(sys.stderr if error else sys.stdout, problem)


def plain(text: str, *, kept: str = _KEPT) -> str:
    r"""Return a text with its controls and invisible characters as escapes; our colours stay.

    >>> plain("title\x1b]0;x\x07\u202e")
    'title\\x1b]0;x\\x07\\u202e'
    """
    if text.isprintable():
        return text
    pieces = _STYLE.split(text)
    pieces[::2] = ["".join(map(_shown(kept), piece)) for piece in pieces[::2]]
    return "".join(pieces)


def one_line(text: str) -> str:
    """Return what `plain` does, on one line."""
    return plain(text, kept="")


def _shown(kept: str) -> Any:
    def shown(char: str) -> str:
        if char.isprintable() or char in kept:
            return char
        return char.encode("unicode_escape").decode("ascii")

    return shown


def lose(stream: TextIO, problem: OSError) -> None:
    """Send a stream that cannot be written to nowhere; remember why, unless its reader left."""
    global _lost
    if problem.errno not in GONE:
        _lost = _lost or problem
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    with contextlib.suppress(OSError, ValueError):
        stream.flush()


def lost() -> OSError | None:
    """Flush stdout, and return why some of the output is lost; None when all of it was written."""
    try:
        sys.stdout.flush()
    except OSError as problem:
        lose(sys.stdout, problem)
    return _lost


class Lasting:
    """A text stream for others to write to, which goes on when it cannot be written."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text, or lose it."""
        try:
            self._stream.write(text)
        except OSError as problem:
            lose(self._stream, problem)
        return len(text)

    def flush(self) -> None:
        """Flush what was written, or lose it."""
        try:
            self._stream.flush()
        except OSError as problem:
            lose(self._stream, problem)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
