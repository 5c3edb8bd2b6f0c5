"""`cmqueue send`."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from cmqueue.channel import numbers_are_opaque
from cmqueue.cli.opening import opened
from cmqueue.cli.page import write_json
from cmqueue.cli.verb import Verb, account, as_json, expires_in, guarantee, lane
from cmqueue.errors import InvalidMessage
from cmqueue.lane import Lane
from cmqueue.message import Content, Options, parse_recipient
from cmqueue.outbox import Outbox
from cmqueue.receipt import Receipt

MOST_INPUT = 1 << 20  #: bytes read of standard input; a content may have a quarter of it

_OPTION_OF_FIELD = {"sender": "--from", "to": "--to", "text": "TEXT", "channels": "--channel"}


@click.command(cls=Verb)
@click.option("--from", "sender", required=True, metavar="SENDER", help="Whom it comes from.")
@click.option(
    "--to",
    "recipients",
    required=True,
    multiple=True,
    metavar="NUMBER",
    help="A phone number with + or 00; with CMQUEUE_DEFAULT_REGION a national one too. May be repeated.",
)
@lane(Lane.NORMAL)
@expires_in("Never send it later than S seconds after it is due.")
@click.option("--send-at", metavar="ISO", help="Not before this time, such as 2026-12-24T18:00:00+01:00.")
@click.option("--idempotency-key", metavar="KEY", help="A repeat with the same key queues nothing twice.")
@guarantee
@click.option("--campaign", metavar="NAME", help="A name that it belongs to.")
@click.option("--client-reference", metavar="REF", help="Your own handle for it.")
@click.option("--metadata", metavar="JSON", help="A JSON object of your own, kept with it.")
@click.option(
    "--channel",
    "channels",
    multiple=True,
    metavar="NAME",
    help="SMS, WhatsApp, RCS, Viber, … May be repeated; any that the account has when left out.",
)
@account
@as_json
@click.argument("text")
def send(as_json: bool, text: str, metadata: str | None, **given: Any) -> None:
    """Queue TEXT for each NUMBER, and print the id of each message, a line per --to.

    TEXT of - is read from standard input. Where one of the numbers or anything else is wrong, nothing is
    queued. An id is what `cmqueue status` and `cmqueue cancel` take.

    With one --to, the idempotency key is that message's, as in the library's `enqueue`. Several --to are
    one broadcast, and the key is the broadcast's: a repeat reaches only the numbers that the first call did
    not. The two kinds of key don't know each other. The same number twice is one message.
    """
    with opened() as outbox:
        try:
            receipts = _queue(outbox, text=_text(text), metadata=_object(metadata), **given)
        except InvalidMessage as error:
            raise _as_typed(error) from None
    if as_json:
        write_json([receipt._asdict() for receipt in receipts])
    else:
        for receipt in receipts:
            click.echo(receipt.id)


def _queue(
    outbox: Outbox,
    *,
    sender: str,
    text: str,
    channels: tuple[str, ...],
    recipients: tuple[str, ...],
    lane: str,
    account: str,
    **options: Any,
) -> list[Receipt]:
    """Queue all, after every part was checked. Raises what the outbox raises."""
    content = Content(sender=sender, text=text, channels=channels)
    checked = Options(**options)
    numbers = []
    for position, recipient in enumerate(recipients, start=1):
        try:
            numbers.append(
                parse_recipient(
                    recipient,
                    opaque=numbers_are_opaque(content.channels),
                    default_region=outbox.settings.default_region,
                )
            )
        except InvalidMessage as error:
            which = f"--to ({position} of {len(recipients)})" if len(recipients) > 1 else "--to"
            raise InvalidMessage(which, error.problem, error.rule) from None
    chosen = {name: getattr(checked, name) for name in options}
    if len(numbers) > 1:
        return list(outbox.broadcast(content, numbers, lane=lane, account=account, **chosen))
    message = {"sender": sender, "text": text, "channels": channels, "to": numbers[0]}
    return [outbox.enqueue(message, lane=lane, account=account, **chosen)]


def _text(given: str) -> str:
    """TEXT, read from standard input where it is -; the newline at its end is the shell's."""
    if given != "-":
        return given
    read = sys.stdin.buffer.read(MOST_INPUT + 1)
    if len(read) > MOST_INPUT:
        raise InvalidMessage("text", "is too long for standard input", f"at most {MOST_INPUT} bytes")
    try:
        text = read.decode()
    except UnicodeDecodeError:
        raise InvalidMessage("text", "is not UTF-8", "standard input is text in UTF-8") from None
    return text.removesuffix("\n").removesuffix("\r")


def _object(given: str | None) -> Any:
    if given is None:
        return None
    try:
        return json.loads(given)
    except (ValueError, RecursionError):
        raise InvalidMessage("metadata", "is not JSON", 'a JSON object, such as {"order": 17}') from None


def _as_typed(error: InvalidMessage) -> InvalidMessage:
    """`error`, naming the option instead of the field."""
    name, dot, inner = error.field.partition(".")
    option = _OPTION_OF_FIELD.get(name.partition("[")[0], "--" + name.replace("_", "-"))
    return InvalidMessage(
        error.field if name.startswith("--") else option + dot + inner, error.problem, error.rule
    )
