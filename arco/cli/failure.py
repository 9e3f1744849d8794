"""From whatever went wrong to one clear message, its next step, and an exit code.

No traceback reaches a user: of a fault of ours it goes into a file, whose name is said.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import tempfile
import traceback
from typing import TextIO

import click

from arco.core.errors import ArcoError, Conflict, Corrupt, Denied, Fenced, Invalid, Unavailable

DONE, FOUND, USAGE = 0, 1, 2
INTERNAL, INTERRUPTED = 70, 130
CODES: dict[type[ArcoError], int] = {
    Invalid: USAGE,
    Denied: USAGE,
    Corrupt: 3,
    Conflict: 4,
    Fenced: 4,
    Unavailable: 5,
}
"""What each kind of error exits with."""
TEXT_CHARS_MAX = 4_000
"""Characters of a message that are shown."""


def run(command: click.Command) -> int:
    """Run a command and return its exit code; whatever it raises has been told."""
    _open_streams()
    try:
        code = command.main(standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else DONE
    except BaseException as error:
        return _answer(error)


def _open_streams() -> None:
    """Open what is closed of the standard streams, before a file of a store gets its number."""
    for number, name in ((0, "stdin"), (1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8"))  # noqa: SIM115


def _answer(error: BaseException) -> int:
    match error:
        case click.exceptions.Exit():
            return error.exit_code
        case click.exceptions.Abort() | KeyboardInterrupt():
            return _tell("interrupted", "", INTERRUPTED)
        case click.UsageError():
            path = error.ctx.command_path if error.ctx else "arco"
            return _tell(_on_one_line(error), f"{path} --help", USAGE)
        case click.ClickException():
            return _tell(_on_one_line(error), "", USAGE)
        case ArcoError():
            return _tell(error.problem, error.next_step, CODES[type(error)])
        case BrokenPipeError() | SystemExit():
            # Whoever read has left, and nobody waits for the rest; click exits by itself then.
            _drop(sys.stdout)
            return DONE
        case OSError():
            return _os_error(error)
        case MemoryError():
            return _tell("not enough memory", "look for an object that is far too large", USAGE)
    return _internal(error)


def _os_error(error: OSError) -> int:
    where = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
    text = (error.strerror or str(error)).lower()
    step = "make room there, then try again" if error.errno == errno.ENOSPC else "look at the place"
    if error.errno is None:
        return _internal(error)
    if not where:  # the output itself
        _drop(sys.stdout)
    return _tell(f"{text}: place=`{where or 'output'}`", step, USAGE)


def _drop(stream: TextIO) -> None:
    """Send a stream that cannot be written to nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _internal(error: BaseException) -> int:
    step = "this is a fault of arco; its traceback could not be written anywhere"
    try:
        descriptor, name = tempfile.mkstemp(prefix="arco-fault-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as stream:
            stream.write("".join(traceback.format_exception(error)))
        step = f"this is a fault of arco; please report it with {name}"
    except OSError:
        _say("the fault could not be kept in a file", sys.stderr)
    return _tell(f"internal error: {type(error).__name__}: {error}", step, INTERNAL)


def shown(text: str) -> str:
    """Return text for a terminal: not long, and without what a terminal would obey."""
    cut = _cut(text)
    if cut.isprintable():
        return cut
    spelled = cut.encode("ascii", "backslashreplace").decode()
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in spelled)


def _on_one_line(error: click.ClickException) -> str:
    return " ".join(error.format_message().split())


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_CHARS_MAX else text[:TEXT_CHARS_MAX] + "…"


def _tell(problem: str, next_step: str, code: int) -> int:
    """Tell one problem, as one JSON value on stdout where JSON was asked for."""
    cut = _cut(problem)
    if "--json" in sys.argv:
        said = {"error": {"problem": cut, "next_step": next_step}, "exit_code": code}
        _say(json.dumps(said, sort_keys=True), sys.stdout)
        return code
    _say(click.style("error: ", fg="red", bold=True) + shown(cut), sys.stderr)
    if next_step:
        _say(f"  next: {next_step}", sys.stderr)
    return code


def _say(line: str, stream: TextIO) -> None:
    """Print a line; where it cannot be printed, the exit code alone has to say it."""
    try:
        click.echo(line, stream)
    except OSError:
        _drop(stream)
