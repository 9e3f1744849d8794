"""Options that several commands share, and what they open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from arco.adapters.opening import FORMS, open_backend
from arco.core.keys import Workspace
from arco.scoped import ScopedStorage

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
DEFAULT_URL = ".arco"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a workspace is: the address of its store, and its names."""

    url: str
    workspace: Workspace

    def storage(self, *, make: bool = False) -> ScopedStorage:
        """Return the storage at the place; `make` makes the folder of a local one."""
        return ScopedStorage(open_backend(self.url, make=make), self.workspace)


def place(command: F) -> F:
    """Add `--url`, `--tenant` and `--workspace`."""
    for option in (
        click.option(
            "--workspace",
            default="main",
            envvar="ARCO_WORKSPACE",
            show_default=True,
            show_envvar=True,
            help="Workspace of the tenant.",
        ),
        click.option(
            "--tenant",
            default="default",
            envvar="ARCO_TENANT",
            show_default=True,
            show_envvar=True,
            help="Tenant: lower-case letters, digits, - and _.",
        ),
        click.option(
            "--url",
            default=DEFAULT_URL,
            envvar="ARCO_URL",
            show_default=True,
            show_envvar=True,
            help=f"Where the store is: {FORMS}.",
        ),
    ):
        command = option(command)
    return command


def as_json(command: F) -> F:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")(command)


def wait(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end; a Ctrl-C cancels it."""
    return asyncio.run(work)
