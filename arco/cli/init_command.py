"""`arco init`."""

from __future__ import annotations

import json

import click

from arco.adapters.system import SystemChance, SystemClock
from arco.cli import options
from arco.core.keys import Workspace
from arco.publish.initialise import ROOT_KEY, initialise


@click.command("init")
@options.place
@options.as_json
def command(url: str, tenant: str, workspace: str, as_json: bool) -> int:
    """Make a workspace: its root, and for each domain an empty version, a floor, a hint, a lock.

    Nothing that exists is written over, so that running it again completes what is missing. The
    store is tried first: one that lets a second writer overwrite what exists is refused.

    \b
    Examples:
      arco init
      arco init --url s3://lake/arco --tenant acme --workspace prod
    """
    place = options.Place(url, Workspace(tenant, workspace))
    stores = place.storage(make=True).initialiser()
    done = options.wait(initialise(stores, place.workspace, SystemClock(), SystemChance()))
    root = done.opened.root
    names = [key.path for key in done.created]
    if as_json:
        said = {
            "url": url,
            "tenant": tenant,
            "workspace": workspace,
            "domains": list(root.domains),
            "root_digest": done.opened.digest,
            "created": names,
        }
        click.echo(json.dumps(said, sort_keys=True))
        return 0
    what = "made" if ROOT_KEY in done.created else "completed"
    words = f"{what}, {len(names)} objects created" if names else "is complete already"
    click.echo(f"workspace {tenant}/{workspace} in {url} {words}")
    click.echo(f"domains: {', '.join(root.domains)}")
    if not url.startswith("memory:"):  # of which nothing is left to verify
        click.echo("next: arco verify")
    return 0
