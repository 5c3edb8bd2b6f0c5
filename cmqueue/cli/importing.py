"""`cmqueue import`."""

from __future__ import annotations

import io
import sys
from contextlib import ExitStack
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from cmqueue.cli.opening import opened
from cmqueue.cli.page import counted, write_fields, write_json
from cmqueue.cli.verb import Verb, account, as_json, expires_in, guarantee, lane
from cmqueue.errors import InvalidMessage, OutboxUnavailable
from cmqueue.lane import Lane

if TYPE_CHECKING:
    from cmqueue.campaign.pace import Pace
    from cmqueue.campaign.preflight import Preflight
    from cmqueue.campaign.run import Run
    from cmqueue.outbox import Outbox

INTERRUPTED = 130
_EXTRA = ("phonenumbers", "pystache", "rich")
_OPTION_OF_FIELD = {"sender": "--from", "text": "--text", "reference_column": "--reference-column"}


def _rate(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    if value is None:
        return None
    if not (value.isascii() and value.isdecimal() and 0 < int(value) <= 10**6):
        raise click.BadParameter("must be messages a second, a whole number from 1 to 1,000,000")
    return float(value)


@click.command("import", cls=Verb)
@click.option(
    "--to", "number_column", metavar="COLUMN", help="The column of numbers; else number, to, phone, msisdn."
)
@click.option("--from", "sender", metavar="SENDER", help="Whom it comes from.")
@click.option("--text", "text", metavar="TEXT", help="What is sent; {first_name} is that column of each row.")
@click.option("--text-file", metavar="FILE", help="The same, from a file.")
@click.option("--content", "content_file", metavar="FILE", help="A whole content as JSON, rich content too.")
@lane(Lane.BULK)
@click.option("--campaign", metavar="NAME", help="What the import is known by, here and in each message.")
@expires_in("Never send it later than S seconds after it is due.")
@click.option("--send-at", metavar="ISO", help="Not before this time, such as 2026-12-24T18:00:00+01:00.")
@guarantee
@click.option("--reference-column", metavar="COLUMN", help="The column of your own handle for each message.")
@click.option("--bad", metavar="FILE", help="Where bad rows go; else NAME.bad.csv beside FILE.")
@click.option("--rate", callback=_rate, metavar="N", help="Messages a second, to tell the finish by.")
@click.option("--dry-run", is_flag=True, help="Look the file over, and enqueue nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@account
@as_json
@click.argument("file")
def import_(as_json: bool, **given: Any) -> int:
    """Queue a message for each row of FILE: CSV with a header, or JSONL, in UTF-8. - is standard input.

    First the whole file is looked over: bad rows, repeated numbers, parts, countries, and when it will be
    done. Where there is a terminal you are asked then; with --dry-run that was all.

    A number gets one message. An import that was interrupted goes on when it is run again, and doubles
    nobody. It is known by its --campaign, else by what it says: to say the same again, name another
    campaign.

    The exit code is 0 when every row was good, 1 when some were not, 130 when it was interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # characters are told of that a terminal may not have
    try:
        for package in _EXTRA:
            import_module(package)
    except ImportError:
        raise click.ClickException(
            "import needs packages that are not installed: pip install 'cmqueue[campaign]'"
        ) from None
    from cmqueue.campaign.source import UnknownColumn  # noqa: PLC0415 - after what it needs

    told: dict[str, Any] = {}
    try:
        with ExitStack() as stack:
            code = _import(stack, stack.enter_context(opened()), told, as_json=as_json, **given)
    except InvalidMessage as error:
        raise _as_typed(error) from None
    except UnknownColumn as error:
        raise click.UsageError(str(error)) from None
    except KeyboardInterrupt:
        click.echo("cmqueue: interrupted: nothing was enqueued", err=True)
        return INTERRUPTED
    except OSError as error:
        raise click.ClickException(f"a file cannot be read or written: {error.strerror}") from None
    finally:
        if as_json and told:
            write_json(told)
    return code


def _import(
    stack: ExitStack,
    outbox: Outbox,
    told: dict[str, Any],
    *,
    as_json: bool,
    file: str,
    number_column: str | None,
    bad: str | None,
    rate: float | None,
    dry_run: bool,
    yes: bool,
    **given: Any,
) -> int:
    """Look over, ask, enqueue. What there is to tell as JSON comes into `told`."""
    from cmqueue.campaign.preflight import finish, look_over  # noqa: PLC0415 - after what it needs
    from cmqueue.campaign.run import Run  # noqa: PLC0415 - the same
    from cmqueue.campaign.source import Unreadable  # noqa: PLC0415 - the same
    from cmqueue.cli.import_input import STANDARD_INPUT, bad_file, mailing_of, source_of  # noqa: PLC0415 - the same
    from cmqueue.cli.import_page import as_object, write_preflight  # noqa: PLC0415 - the same
    from cmqueue.cli.progress import Stop, progress  # noqa: PLC0415 - the same

    mailing = mailing_of(**given)
    way_out = _pace(outbox, mailing.account, rate, dry_run=dry_run)
    source = source_of(stack, file, number_column)
    column = source.number_column(number_column)
    kept = stack.enter_context(bad_file(bad, file, source))
    common: dict[str, Any] = {"column": column, "bad": kept}

    with progress("looking over", 1) as bar:
        region = outbox.settings.default_region
        found = look_over(source, mailing, region=region, advanced=bar, **common)
    end = finish(found, mailing, way_out)
    told |= {"dry_run": dry_run, "preflight": as_object(found, end, source, column, kept), "result": None}
    if not as_json:
        write_preflight(found, end, source, column, kept, mailing)
    if dry_run:
        return int(found.bad > 0)
    if not found.good:
        raise click.ClickException("no row is good: nothing was enqueued")
    if not yes and not _agreed(found, standard_input=file == STANDARD_INPUT):
        raise click.ClickException("nothing was enqueued")

    run, problem = Run(), ""
    with Stop() as stop:
        try:
            with progress("enqueueing", found.rows) as bar:
                run.enqueue(outbox, source, mailing, advanced=bar, stopped=stop, **common)
        except OutboxUnavailable as error:
            problem = error.problem
        except Unreadable as error:
            problem = str(error)
        except KeyboardInterrupt:  # the second one: what is under way is not counted
            problem = "interrupted"
    if stop() and run.rows < found.rows:
        problem = "interrupted"
    _tell(run, told, as_json=as_json, ended=problem or "done")
    if problem:
        click.echo(
            f"cmqueue: {problem}, after {run.rows:,} of {found.rows:,} rows; the same command with the same "
            "input goes on, and doubles nobody",
            err=True,
        )
        return INTERRUPTED if problem == "interrupted" else 1
    return int(found.bad > 0 or run.refused > 0)


def _pace(outbox: Outbox, account: str, rate: float | None, *, dry_run: bool) -> Pace:
    """What is known of the way out; a dry run does without Redis where that is away."""
    from cmqueue.campaign.pace import pace  # noqa: PLC0415 - only `import` needs it

    try:
        return pace(outbox, account, given=rate)
    except OutboxUnavailable:
        if not dry_run:
            raise
        return pace(None, account, given=rate)


def _agreed(found: Preflight, *, standard_input: bool) -> bool:
    """Whether whoever sits at the terminal agrees; nobody does, so nobody disagrees, where there is none."""
    question = f"Enqueue {counted(found.messages, 'message')}? [y/N] "
    if not standard_input:
        if sys.stdin is None or not sys.stdin.isatty():  # None is one that is closed
            return True
        click.echo(question, nl=False, err=True)
        answer = sys.stdin.readline()
    else:
        if not sys.stderr.isatty():
            return True
        try:
            terminal = open("/dev/tty", encoding="utf-8")  # noqa: SIM115, PTH123 - standard input is the file
        except OSError:
            return True
        with terminal:
            click.echo(question, nl=False, err=True)
            answer = terminal.readline()
    return answer.strip().lower() in ("y", "yes")


def _tell(run: Run, told: dict[str, Any], *, as_json: bool, ended: str) -> None:
    """Where the import stands."""
    told["result"] = {
        "ended": ended,
        "rows": run.rows,
        "enqueued": run.enqueued,
        "before": run.before,
        "refused": run.refused,
        "reference": run.reference,
    }
    if as_json:
        return
    refused = f"{run.refused:,}: these numbers have another text already" if run.refused else None
    write_fields(
        [
            ("enqueued", f"{run.enqueued:,}"),
            ("had it before", f"{run.before:,}" if run.before else None),
            ("refused", refused),
            ("reference", run.reference),
        ]
    )
    if ended == "done" and run.before and not run.enqueued:
        click.echo("Nothing was new. To say the same again, name another --campaign.")


def _as_typed(error: InvalidMessage) -> InvalidMessage:
    """`error`, naming the option instead of the field."""
    name, dot, inner = error.field.partition(".")
    if name.startswith("-"):
        return error
    option = _OPTION_OF_FIELD.get(name, "--" + name.replace("_", "-"))
    return InvalidMessage(option + dot + inner, error.problem, error.rule)
