"""The command line `cmqueue`. Exit codes: 0 done, 1 refused or not found, 2 wrong usage.

Results go to standard output, errors to standard error, in one line each. No error repeats an argument that
might be a number or a text: error output ends in logs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module, metadata
from keyword import iskeyword
from typing import NamedTuple

import click

from cmqueue.cli.verb import without_values
from cmqueue.errors import CmqueueError, OutboxUnavailable


class Entry(NamedTuple):
    """A verb as `cmqueue --help` lists it. Its module is imported only when it is called."""

    section: str
    module: str
    summary: str


VERBS = {
    "send": Entry("Put in", "send", "Queue a message, to one number or several."),
    "import": Entry("Put in", "importing", "Queue a message for each row of a file."),
    "status": Entry("Ask", "status", "Where a message stands, and its history."),
    "explain": Entry("Ask", "status", "Why a message is where it is, and what moves it next."),
    "audit": Entry("Ask", "audit", "The books: enqueued = waiting + finished."),
    "cancel": Entry("Act", "status", "Take messages back that were not sent yet."),
    "resume": Entry("Act", "resume", "Let a lane go on that a worker has stopped."),
    "dead": Entry("Act", "dead", "Messages that were given up: list them, send them again."),
    "unknown": Entry("Act", "unknown", "Messages that CM may have: list them, send them again."),
    "calls": Entry("Act", "calls", "Handlers and callbacks: what they failed to take, and again."),
    "suppress": Entry("Act", "suppress", "Numbers that nothing is sent to: list, add, remove."),
    "forget": Entry("Act", "forget", "Forget a number: all that is kept of it goes."),
    "doctor": Entry("Check", "doctor", "What is wrong with this installation, and what to do."),
}

_NAME = max(map(len, VERBS))

OUTLINE = """\
Queue messages for CM.com, and see what became of each.

Messages wait in Redis until a worker delivers them. The settings come from
environment variables: CMQUEUE_REDIS_URL says where that Redis is.
`cmqueue doctor` checks them.
"""


class Commands(click.Group):
    """The verbs, in sections, each loaded when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in VERBS:
            return None
        name = cmd_name + "_" * iskeyword(cmd_name)
        found: click.Command = getattr(import_module(f"cmqueue.cli.{VERBS[cmd_name].module}"), name)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in VERBS and not args[0].startswith("-"):
            ctx.fail(f"there is no such command; the commands are {', '.join(VERBS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        for section in dict.fromkeys(entry.section for entry in VERBS.values()):
            with formatter.section(section):
                formatter.write_dl(
                    [
                        (name.ljust(_NAME), entry.summary)
                        for name, entry in VERBS.items()
                        if entry.section == section
                    ]
                )

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        formatter.write("\nExit codes: 0 done, 1 refused or not found, 2 wrong usage.\n")
        formatter.write("`cmqueue COMMAND --help` tells more of each.\n")


def _version(ctx: click.Context, _option: click.Parameter, asked: bool) -> None:
    if asked:
        click.echo(f"cmqueue {version()}")
        ctx.exit()


def version() -> str:
    """The installed version."""
    try:
        return metadata.version("cmqueue")
    except metadata.PackageNotFoundError:
        return "(version unknown: not installed)"


commands = Commands(
    "cmqueue",
    help="\b\n" + OUTLINE,
    context_settings={"help_option_names": ["-h", "--help"]},
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_version,
            help="Print the version.",
        )
    ],
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command of `arguments` (the process's when None); the exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        code = commands.main(given or ["--help"], prog_name="cmqueue", standalone_mode=False) or 0
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "cmqueue"
        click.echo(f"{path}: {without_values(error)} (see `{path} --help`)", err=True)
        return 2
    except click.Abort:
        return 130
    except click.ClickException as error:
        click.echo(f"cmqueue: {error.format_message()}", err=True)
        return 1
    except OutboxUnavailable as error:
        click.echo(f"cmqueue: {_unavailable(error, given)}", err=True)
        return 1
    except CmqueueError as error:
        click.echo(f"cmqueue: {error}", err=True)
        return 1
    return code if given else 2


def _unavailable(error: OutboxUnavailable, given: list[str]) -> str:
    """The error in the words of the verb: only two of them enqueue."""
    if given and given[0] in ("send", "import"):
        return str(error)
    return error.problem + ("; it may be done in part: do it again" if error.maybe_enqueued else "")


__all__ = ["Commands", "commands", "main"]
