"""`arco-audit init`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from audit.cli import options, screen
from audit.cli.failure import READY
from audit.errors import Conflict, Invalid


@click.command("init")
@options.repo
@options.json
@click.option("--stdout", is_flag=True, help="Print the file instead of writing it.")
def command(repo: Path, as_json: bool, stdout: bool) -> int:
    """Write a starter audit.toml for the repository it stands in.

    Looks for what is there to run (pytest, nox, tox, ruff, mypy, cargo, npm, go, make, CI files;
    nox lists its sessions itself, parametrised ones included) and writes commands, gates and
    comments that run at once. An existing file is never overwritten.

    \b
    Examples:
      arco-audit init
      arco-audit init --stdout
    """
    from audit.runner import nox
    from audit.starter import starter

    root = options.root_of(repo)
    if not (root / ".git").exists():
        raise Invalid(
            "there is no git repository, and an audit is about a commit",
            place=str(root),
            next_step="git init, or stand in the repository that is to be audited",
        )
    date = datetime.now(UTC).date().isoformat()
    text = starter(root, date=date, nox_sessions=nox.sessions(root))
    path = root / options.DEFINITION
    if stdout:
        if as_json:
            screen.as_json({"path": str(path), "text": text})
        else:
            screen.say(text.rstrip("\n"), lines=True)
        return READY
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError as error:
        raise Conflict(
            "there is a definition already",
            place=str(path),
            next_step="edit it, or see what a new one would say: arco-audit init --stdout",
        ) from error
    if as_json:
        screen.as_json({"written": str(path)})
    else:
        screen.say(f"written: {path}")
        screen.say("next: read it; put release_evidence/ into .gitignore, or commit your runs;")
        screen.say("      commit audit.toml, then arco-audit run")
    return READY
