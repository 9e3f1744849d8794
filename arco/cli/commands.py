"""The subcommands of `arco`, each loaded when it is called."""

from __future__ import annotations

import difflib
import importlib
from importlib.metadata import version

import click

from arco.cli import failure

COMMANDS = {
    "init": "make a workspace, or complete one",
    "verify": "check a workspace: chains, artifacts, locks, floors, hints",
    "iam": "write the cloud policies that each role needs",
    "sim": "run the protocol in a simulated world, and look for violations",
}
"""Every subcommand with its short help, in the order of use."""


class Group(click.Group):
    """A group that shows its help when nothing is asked, and names the command that was meant."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Show the help where nothing is asked, and exit as for a wrong word.

        Here and not in click, whose versions disagree on the stream and on the exit code.
        """
        if not args:
            click.echo(ctx.get_help())
            ctx.exit(failure.USAGE)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that a word names. Raises `UsageError` with the nearest there is."""
        if args and not args[0].startswith("-") and args[0] not in self.list_commands(ctx):
            near = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
            hint = f"did you mean {near[0]}?" if near else f"see {ctx.command_path} --help"
            raise click.UsageError(f"no such command: {args[0]}; {hint}", ctx)
        return super().resolve_command(ctx, args)


class _Lazy(Group):
    """A group that imports `arco.cli.<name>_command` only when that command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"arco.cli.{cmd_name}_command")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _show_version(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        click.echo(f"arco, version {version('arco-readiness')}")
        ctx.exit()


@click.group(
    cls=_Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 something is wrong (findings, violations), 2 usage or"
    " configuration, 3 corrupt, 4 somebody else was first or is the writer, 5 the store did not"
    " answer (outcome unknown), 70 our fault, 130 interrupted.",
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_show_version,
    help="Show the version and exit.",
)
def group() -> None:
    """A lakehouse catalog in plain files, on a disk or an object store, without a database.

    \b
    Examples:
      arco init                           make a workspace in .arco/
      arco init --url s3://lake/arco      the same in a bucket
      arco verify                         check it
    """
