"""`cmqueue resume`."""

from __future__ import annotations

import click

from cmqueue.cli.opening import opened
from cmqueue.cli.verb import Verb, a_lane, account
from cmqueue.hold import resume as resumed
from cmqueue.lane import Lane


@click.command(cls=Verb)
@account
@click.argument("lane", callback=a_lane)
def resume(lane: str, account: str) -> int:
    """Let LANE (urgent, normal or bulk) go on.

    A worker stops a lane when CM refuses whole requests of it, so that one mistake does not use up every
    message: they stay queued. Find the cause first; `cmqueue doctor` lists what is stopped. An account that
    CM has refused needs no resume: it is tried again by itself.
    """
    with opened() as outbox:
        held = resumed(outbox, Lane(lane), account)
    if held is None:
        click.echo(f"cmqueue: nothing was ever queued for an account {account}", err=True)
        return 1
    click.echo(f"{lane} goes on" if held else f"{lane} was not held")
    return 0
