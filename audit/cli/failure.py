"""From whatever went wrong to one clear message and an exit code.

No traceback reaches a user: of a fault of ours it goes into a file, whose name is said. With
`--json` the message is one JSON value on stdout.
"""

from __future__ import annotations

import difflib
import errno
import os
import sys
import tempfile
from collections.abc import Sequence

import click

from audit.cli import output
from audit.errors import AuditError, Invalid

READY, NOT_READY, USAGE, UNVERIFIED, WAIVED = 0, 1, 2, 3, 4
INTERNAL = 70
INTERRUPTED = 130
"""The exit codes of every subcommand; `check` has its own meaning of 1: error findings."""

DISK_STEPS = {
    errno.ENOSPC: "make room there, then try again",
    errno.EDQUOT: "make room there, then try again",
    errno.EFBIG: "raise the limit on the size of files, then try again",
    errno.EROFS: "name a place that can be written, then try again",
    errno.EACCES: "give access there, then try again",
    errno.EPERM: "give access there, then try again",
    errno.EIO: "look at the disk, then try again",
}
"""What a disk may refuse, and what helps; the fault is not ours, whether or not a file is named."""
TEXT_CHARS_MAX = 4_000
"""Characters of a message that are shown."""


class Interrupted(AuditError):  # noqa: N818  (what somebody wished, not a fault)
    """Somebody stopped a run: it is recorded as far as it came, and can be resumed."""

    exit_code = INTERRUPTED


def run(command: click.Command) -> int:
    """Run a command and return its exit code; whatever it raises has been told."""
    output.prepare()
    try:
        code = command.main(standalone_mode=False)
        code = code if isinstance(code, int) else READY
    except SystemExit:
        # Only click raises it, when the reader of a help text went away.
        output.lose(sys.stdout, BrokenPipeError(errno.EPIPE, ""))
        return READY
    except BaseException as error:
        code = _answer(error)
    return _lost(code)


def unknown_command(name: str, known: list[str]) -> str:
    """Return the message for a subcommand that does not exist, with the nearest that does."""
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else "see arco-audit --help"
    return f"no such command: {name}; {hint}"


def _lost(code: int) -> int:
    """Never leave green what nobody could read, but for a reader that did not want it."""
    problem = output.lost()
    if problem is None:
        return code
    why = (problem.strerror or str(problem)).lower()
    step = "make room for the output; what a run recorded is told by arco-audit status"
    output.say(f"error: the output could not be written: {why}", error=True)
    output.say(f"  next: {step}", error=True)
    return code or USAGE


def _answer(error: BaseException) -> int:
    match error:
        case click.exceptions.Exit():
            return error.exit_code
        case click.exceptions.Abort() | KeyboardInterrupt():
            step = "a run that had begun goes on with arco-audit resume"
            return _tell([Interrupted("interrupted", next_step=step)])
        case click.UsageError():
            path = error.ctx.command_path if error.ctx else "arco-audit"
            return _tell([Invalid(error.format_message(), next_step=f"{path} --help")])
        case click.ClickException():
            return _tell([Invalid(error.format_message())])
        case Invalid():
            return _tell([error, *error.others])
        case AuditError():
            return _tell([error])
        case OSError() if error.filename or error.errno in DISK_STEPS:
            return _tell([_disk(error)])
        case FileNotFoundError() if not _stands_somewhere():
            step = "go into a folder that exists, then try again"
            return _tell([Invalid("this folder was removed meanwhile", place=".", next_step=step)])
    return _internal(error)


def _stands_somewhere() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    return True


def _disk(error: OSError) -> AuditError:
    where = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
    step = DISK_STEPS.get(error.errno or 0, "name another place")
    return Invalid((error.strerror or str(error)).lower(), place=where, next_step=step)


def _tell(said: Sequence[AuditError]) -> int:
    """Tell problems of one kind; return the exit code of the first."""
    if "--json" in sys.argv:
        import json

        problems = [
            {"problem": item.problem, "place": item.place, "next_step": item.next_step}
            for item in said
        ]
        output.say(json.dumps({"error": problems[0], "errors": problems}, sort_keys=True))
        return said[0].exit_code
    for item in said:
        _line("error: ", str(item))
        if item.next_step:
            output.say(f"  next: {item.next_step}", error=True)
    return said[0].exit_code


def _line(word: str, text: str) -> None:
    cut = text if len(text) <= TEXT_CHARS_MAX else text[:TEXT_CHARS_MAX] + "…"
    output.say(click.style(word, fg="red", bold=True) + cut, error=True)


# --- faults of ours -------------------------------------------------------------------------------


def _internal(error: BaseException) -> int:
    place = _kept(error)
    kind = _redacted(f"{type(error).__name__}: {error}").splitlines()[0][:200]
    step = (
        f"this is a fault of arco-audit; please report it with {place}"
        if place
        else "this is a fault of arco-audit; its traceback could not be written anywhere"
    )
    if "--json" in sys.argv:
        _tell([AuditError(f"internal error: {kind}", place=place, next_step=step)])
    else:
        _line("internal error: ", kind)
        output.say(f"  {step}", error=True)
    return INTERNAL


def _kept(error: BaseException) -> str:
    """Write the traceback into a file; return its path, or nothing where none can be written."""
    import traceback

    text = _redacted("".join(traceback.format_exception(error)))
    try:
        descriptor, name = tempfile.mkstemp(prefix="arco-audit-fault-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as stream:
            stream.write(text)
    except OSError:
        return ""
    return name


def _redacted(text: str) -> str:
    """Return a text without the secrets of this environment: a fault may quote anything."""
    from evidence.redact import Redactor, find_secrets

    return Redactor(find_secrets(dict(os.environ))).text(text)
