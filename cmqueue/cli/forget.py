"""`cmqueue forget`."""

from __future__ import annotations

from dataclasses import asdict

import click

from cmqueue.cli.opening import opened
from cmqueue.cli.page import counted, write_fields, write_json
from cmqueue.cli.verb import Verb, as_json, opaque
from cmqueue.forget import forget as forgotten


@click.command(cls=Verb)
@opaque
@as_json
@click.argument("number")
def forget(opaque: bool, as_json: bool, number: str) -> int:
    """Forget NUMBER: all that is kept of it goes.

    Messages to it that were certainly not sent are cancelled; those in doubt end unknown; what could have
    been sent again can't be any more; what it wrote and the app has not read is gone. What is left are rows,
    which hold no number, and its keyed hash on the suppression list, if it is there; `cmqueue suppress
    remove` takes it off. The exit code is 1 while a worker has messages to it in hand: forget it once more.
    """
    from cmqueue.message import parse_recipient  # noqa: PLC0415 - pydantic is slow to load

    with opened() as outbox:
        region = outbox.settings.default_region
        found = forgotten(outbox, parse_recipient(number, opaque=opaque, default_region=region))
    if as_json:
        write_json(asdict(found))
    else:
        write_fields(
            [
                ("cancelled", f"{counted(found.cancelled, 'message')}, certainly not sent"),
                ("unknown", f"{counted(found.unknown, 'message')} that CM may have"),
                ("dropped", f"{counted(found.dropped, 'ended message')} that could have been sent again"),
                ("erased", f"{counted(found.letters, 'event')} or reports that held it"),
                ("in hand", counted(found.in_hand, "message") if found.in_hand else None),
            ]
        )
    return 1 if found.in_hand else 0
