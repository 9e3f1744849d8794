"""`arco iam`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from arco.cli import options
from arco.core.iam import documents
from arco.core.iam.environment import Cloud, Environment
from arco.core.keys import Workspace


@click.command("iam")
@click.option(
    "--cloud", required=True, type=click.Choice([cloud.value for cloud in Cloud]), help="For which."
)
@click.option("--env", "name", required=True, metavar="NAME", help="Name of the environment.")
@click.option("--bucket", help="Bucket, or container on Azure.  [default: arco-NAME]")
@click.option("--folder", default="", help="What stands behind the bucket in the store's address.")
@click.option(
    "--account",
    help="Project on GCS [default: arco-NAME]; storage account's resource identifier on Azure.",
)
@click.option(
    "--tenant", default="default", envvar="ARCO_TENANT", show_default=True, help="Tenant."
)
@click.option(
    "--workspace", default="main", envvar="ARCO_WORKSPACE", show_default=True, help="Workspace."
)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Write files into this folder."
)
@options.as_json
def command(
    cloud: str,
    name: str,
    bucket: str | None,
    folder: str,
    account: str | None,
    tenant: str,
    workspace: str,
    out: Path | None,
    as_json: bool,
) -> int:
    """Write what each role may do, as policies of a cloud: from the same grants as the code's.

    Every rule is anchored to the prefix of one workspace. Without --out everything is printed.

    \b
    Examples:
      arco iam --cloud aws --env prod --bucket lake --tenant acme --workspace prod --out iam/
      arco iam --cloud gcs --env prod --bucket lake --account my-project --json
    """
    named = f"arco-{name}"
    if account is None:
        account = named if cloud == Cloud.GCS else ""
    environment = Environment(name, Workspace(tenant, workspace), bucket or named, account, folder)
    files = documents(Cloud(cloud), environment)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for file, text in files.items():
            (out / file).write_text(text, encoding="utf-8")
    if as_json:
        click.echo(json.dumps({"files": files if out is None else sorted(files)}, sort_keys=True))
    elif out is not None:
        click.echo(f"{len(files)} files written: folder=`{out}`")
    else:
        for file, text in files.items():
            click.echo(click.style(f"# {file}", bold=True))
            click.echo(text)
    return 0
