"""`arco verify`."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from arco.cli import failure, options
from arco.core.keys import DomainName, Workspace
from arco.verify import Finding, Severity, Verified, Verifier

PROGRESS_EVERY = 500
"""Versions between two lines of progress."""


@click.command("verify")
@options.place
@click.option(
    "--domain",
    "domains",
    multiple=True,
    type=click.Choice([name.value for name in DomainName]),
    help="Only this domain; may be given more than once.",
)
@options.as_json
def command(url: str, tenant: str, workspace: str, domains: tuple[str, ...], as_json: bool) -> int:
    """Check a workspace, read only: each version follows the one before, and all bytes are there.

    Looks at the root, at every floor, version, artifact and segment, at locks and hints. Exits 1
    when something contradicts what was promised, and says what to do.

    \b
    Examples:
      arco verify
      arco verify --url s3://lake/arco --tenant acme --workspace prod --domain catalog --json
    """
    place = options.Place(url, Workspace(tenant, workspace))
    reader = place.storage().reader()
    with _progress(as_json) as told:
        verifier = Verifier(reader.read, place.workspace, told)
        chosen = [DomainName(name) for name in domains] or None
        verified = options.wait(verifier.verify(chosen))
    if as_json:
        click.echo(json.dumps({**dataclasses.asdict(verified), "whole": verified.whole}))
    else:
        _show(verified)
    return failure.DONE if verified.whole else failure.FOUND


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[str, int], None]]:
    """Yield what tells progress on a terminal, and nothing in a pipe."""
    if quiet or not sys.stderr.isatty():
        yield lambda what, count: None
        return
    from rich.console import Console

    with Console(stderr=True).status("reading the root") as status:

        def told(what: str, count: int) -> None:
            if count % PROGRESS_EVERY == 1:
                status.update(f"{what}: {count:,} versions")

        yield told


def _show(verified: Verified) -> None:
    for finding in verified.findings:
        _show_finding(finding)
    for domain, version in verified.domains.items():
        click.echo(f"{domain:<14} version {version}")
    counts = (
        f"{verified.manifests:,} versions, {verified.artifacts:,} artifacts "
        f"({verified.artifact_bytes:,} bytes), {verified.segments:,} segments"
    )
    errors = sum(finding.severity is Severity.ERROR for finding in verified.findings)
    if verified.whole:
        click.echo(click.style("whole: ", fg="green", bold=True) + counts)
    else:
        click.echo(click.style(f"not whole, {errors} errors: ", fg="red", bold=True) + counts)


def _show_finding(finding: Finding) -> None:
    colour = "red" if finding.severity is Severity.ERROR else "yellow"
    word = click.style(f"{finding.severity}: ", fg=colour, bold=True)
    click.echo(word + failure.shown(f"{finding.code}: {finding.text} key=`{finding.key}`"))
    click.echo(f"  next: {finding.next_step}")
