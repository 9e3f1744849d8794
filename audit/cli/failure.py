"""From whatever went wrong to one clear message and an exit code.

No traceback reaches a user: of a fault of ours it goes into a file, whose name is said.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import os
import sys
import tempfile
from pathlib import Path

import click

from audit.errors import AuditError, Invalid

READY, NOT_READY, USAGE, UNVERIFIED = 0, 1, 2, 3
INTERNAL = 70
INTERRUPTED = 130
"""The exit codes of every subcommand; `check` has its own meaning of 1: error findings."""

DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)
"""What a disk may refuse; the message names the path, and the fault is not ours."""


def run(command: click.Command) -> int:
    """Run a command and return its exit code; whatever it raises has been told on stderr."""
    try:
        code = command.main(standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else READY
    except click.exceptions.Abort:
        return _interrupted()
    except KeyboardInterrupt:
        return _interrupted()
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return USAGE
    except AuditError as error:
        return _refused(error)
    except BrokenPipeError:
        # The reader of our output went away (`| head`): nothing is wrong, and nobody listens.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READY
    except OSError as error:
        return _disk(error) if error.errno in DISK_ERRORS else _internal(error)
    except BaseException as error:
        return _internal(error)


def unknown_command(name: str, known: list[str]) -> str:
    """Return the message for a subcommand that does not exist, with the nearest that does."""
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else "see arco-audit --help"
    return f"no such command: {name}; {hint}"


def _refused(error: AuditError) -> int:
    said = [error, *(error.others if isinstance(error, Invalid) else ())]
    if "--json" in sys.argv:
        import json

        problems = [
            {"problem": item.problem, "place": item.place, "next_step": item.next_step}
            for item in said
        ]
        click.echo(json.dumps({"error": problems[0], "errors": problems}, sort_keys=True))
        return error.exit_code
    for item in said:
        click.echo(click.style("error: ", fg="red", bold=True) + str(item), err=True)
        if item.next_step:
            click.echo(f"  next: {item.next_step}", err=True)
    return error.exit_code


def _disk(error: OSError) -> int:
    where = f" path=`{error.filename}`" if error.filename else ""
    reason = (error.strerror or str(error)).lower()
    click.echo(click.style("error: ", fg="red", bold=True) + reason + where, err=True)
    click.echo("  next: make room or give access there, then arco-audit resume", err=True)
    return USAGE


def _interrupted() -> int:
    click.echo("interrupted", err=True)
    return INTERRUPTED


def _internal(error: BaseException) -> int:
    import traceback

    text = "".join(traceback.format_exception(error))
    place = ""
    with contextlib.suppress(OSError):
        descriptor, name = tempfile.mkstemp(prefix="arco-audit-fault-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as stream:
            stream.write(text)
        place = name
    kind = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    click.echo(click.style("internal error: ", fg="red", bold=True) + kind, err=True)
    click.echo(f"  this is a fault of arco-audit; please report it with {Path(place)}", err=True)
    return INTERNAL
