"""All subcommands by name, each with its short help, and the help of the program itself.

A subcommand is loaded when it is called, so that help costs one import of click.
"""

from __future__ import annotations

import importlib

import click

from audit import __version__
from audit.cli import failure, output

SECTIONS = {
    "First steps": {
        "init": "write a starter audit.toml for this repository",
        "plan": "show what a run would do, and run nothing",
        "run": "run the command matrix, judge the evidence, seal it",
        "resume": "continue a run that was interrupted or killed",
        "status": "show the gates and the open signals of a run",
        "report": "show where the report page of a run is, or open it",
        "doctor": "say what this machine and this repository lack for an audit",
    },
    "Evidence": {
        "verify": "check that a bundle is whole, complete and rightly judged",
        "decide": "derive the decision of a run again, at any instant",
        "forecast": "show when the verdict or a status will flip, and why then",
        "unblock": "show the fewest things to mend for GO, or what a green run hangs on",
        "diff": "compare two runs: what vanished, newly fails or became weaker",
        "carry": "show which evidence of an earlier run still holds",
        "replay": "run some cells of a sealed run again, chosen by a nonce",
        "selftest": "change a sealed run in memory, and see whether each change is noticed",
        "render": "write the documents of a run, or check the committed ones",
        "publish": "copy the documents of a run to where they are committed",
    },
    "Trust and sign-off": {
        "keygen": "make a key that signs, and its entry in the trust file",
        "attest": "sign what a sealed run says, for others to check",
        "sign": "look at the gates of your role, and approve them",
        "serve": "show a run on a page of this machine, to look and to sign",
        "attach": "bring a file that a signal waits for",
        "waive": "permit one failure to pass for a time, or lint the waivers",
        "withdraw": "take an entry of the sign-off back",
        "withhold": "take chunks of a log, or a file, out of a sealed bundle",
    },
    "History and exchange": {
        "history": "ask about many runs at once: trends, flaky cells, time to green",
        "export": "write a run as JUnit, SARIF, CTRF, OSCAL or CycloneDX",
        "ingest": "read evidence that others made, or convert it for a cell",
        "pack": "check a release tag, and make its evidence pack",
    },
    "Audits of others": {
        "check": "find what a gate tracker claims and its evidence does not carry",
        "import": "turn a gate tracker into an audit.toml and its claims",
    },
}
"""The subcommands by what one wants, each with its short help, in the order of use."""
COMMANDS = {name: text for section in SECTIONS.values() for name, text in section.items()}
"""Every subcommand with its short help."""


class _Lazy(click.Group):
    """A group that imports `audit.cli.<name>_command` only when that command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"audit.cli.{cmd_name}_command")
        command: click.Command = module.command
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # Here and not in click, whose versions disagree on the stream and on the exit code.
        if not args:
            output.say(ctx.get_help(), lines=True)
            ctx.exit(failure.USAGE)
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, COMMANDS))
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), text) for name, text in commands.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            raise click.UsageError(failure.unknown_command(args[0], list(COMMANDS)), ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=_Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="First steps: arco-audit init, then arco-audit run. Exit codes: 0 ready, 1 a gate is not"
    " satisfied, 2 usage or configuration, 3 a bundle does not verify, 4 ready only thanks to"
    " waivers (with --strict-waivers), 70 our fault, 130 interrupted.",
)
@click.version_option(__version__, prog_name="arco-audit")
def group() -> None:
    """Release readiness that can be proved.

    Runs a release's command matrix, seals what it saw, derives the status of every signal and gate
    from it, and shows the verdict.

    \b
    Examples:
      arco-audit init                     write audit.toml for this repository
      arco-audit run                      audit it
      arco-audit verify RUN               check the evidence of a run
    """
