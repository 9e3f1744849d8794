"""`arco-audit doctor`."""

from __future__ import annotations

from pathlib import Path

import click

from audit.cli import options, screen
from audit.cli.failure import READY, USAGE


@click.command("doctor")
@options.repo
@options.definition
@options.json
def command(repo: Path, definition: Path | None, as_json: bool) -> int:
    """Say what this machine and this repository lack for an audit, and what to do about it.

    Exit codes: 0 nothing is in the way, 2 a run would refuse or could not run everything.

    \b
    Examples:
      arco-audit doctor
      arco-audit doctor --json
    """
    from audit import doctor, steps

    found = doctor.examine(steps.Wish(repo, definition))
    if as_json:
        screen.as_json(
            {
                "findings": [
                    {
                        "name": item.name,
                        "word": item.word,
                        "said": item.said,
                        "next_step": item.next_step,
                    }
                    for item in found
                ]
            }
        )
    else:
        rows = [[item.name, item.word, item.said] for item in found]
        for line in screen.table(("what", "how", "seen"), rows):
            screen.say(line)
        for item in found:
            if item.next_step:
                screen.say(f"next: {item.next_step}  ({item.name})")
    return USAGE if any(item.word == "error" for item in found) else READY
