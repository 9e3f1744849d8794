"""Options that several subcommands share, and where they lead."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from audit import runs
from audit.errors import AuditError, Invalid

F = TypeVar("F", bound=Callable[..., Any])

_ROOT = re.compile(r"[0-9a-fA-F]{64}")
DEFINITION = "audit.toml"
DEFAULT_OUTPUTS = ("release_evidence/",)
"""Where runs lie when no definition can be read to say so."""


def repo(function: F) -> F:
    """Add `--repo DIR`: any folder inside the repository."""
    return click.option(
        "--repo",
        type=click.Path(path_type=Path, file_okay=False, exists=True),
        default=Path(),
        metavar="DIR",
        help="A folder inside the repository (default: this one).",
    )(function)


def definition(function: F) -> F:
    """Add `--definition FILE`."""
    return click.option(
        "--definition",
        type=click.Path(path_type=Path, dir_okay=False),
        default=None,
        metavar="FILE",
        help=f"The definition (default: {DEFINITION} at the root of the repository).",
    )(function)


def json(function: F) -> F:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")(
        function
    )


def form(function: F) -> F:
    """Add `--format`: text for people, JSON for machines, Markdown, or a page for a browser."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(("text", "json", "markdown", "html")),
        default="text",
        show_default=True,
        help="How to print it.",
    )(function)


def run(function: F) -> F:
    """Add the argument RUN."""
    return click.argument("run", default="", metavar="[RUN]")(function)


def root_of(folder: Path) -> Path:
    """Return the root of the repository that holds a folder, or the folder itself.

    Looks for `.git` only, so that reading a bundle needs neither git nor a repository.
    """
    start = folder.resolve()
    for candidate in (start, *start.parents):
        if (candidate / ".git").exists():
            return candidate
    return start


def root(text: str | None) -> str:
    """Return the value of `--expect-root`, empty where it was not given.

    One that is given and empty is refused: it comes from a variable that nobody set.

    Raises:
        Invalid: no run can have that root.
    """
    if text is not None and not _ROOT.fullmatch(text):
        raise Invalid(
            f"a root has 64 hex digits expect_root=`{text[:80]}`",
            next_step="copy it from the output of the run, or from its checkpoint's plan-root line",
        )
    return text or ""


def run_folder(repo: Path, definition: Path | None, name: str) -> Path:
    """Return the folder of the run that RUN names, or of the newest one."""
    if name and os.path.isdir(name):  # pathlib raises where a name is too long
        return Path(name)
    root = root_of(repo)
    return runs.find([root / output for output in outputs(root, definition)], name)


def outputs(root: Path, definition: Path | None) -> tuple[str, ...]:
    """Return the output roots that the definition declares; the default where it cannot be read."""
    path = definition or root / DEFINITION
    if not path.is_file():
        return DEFAULT_OUTPUTS
    from audit.definition import load

    try:
        return tuple(load(path).audit.outputs[:1])
    except AuditError:
        return DEFAULT_OUTPUTS
