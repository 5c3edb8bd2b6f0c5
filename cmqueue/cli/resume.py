"""`cmqueue resume`."""

from __future__ import annotations

import click

from cmqueue.cli.opening import opened
from cmqueue.cli.verb import Verb, a_lane, account
from cmqueue.hold import resume as resumed
from cmqueue.hold import resume_rolled_back
from cmqueue.lane import Lane


@click.command(cls=Verb)
@account
@click.option("--rolled-back", is_flag=True, help="What is held since Redis went back in time, in all lanes.")
@click.argument("lane", callback=a_lane, required=False)
def resume(lane: str | None, rolled_back: bool, account: str) -> int:
    """Let LANE (urgent, normal or bulk) go on.

    A worker stops a lane when CM refuses whole requests of it, so that one mistake does not use up every
    message: they stay queued. Find the cause first; `cmqueue doctor` lists what is stopped. An account that
    CM has refused needs no resume: it is tried again by itself.

    When Redis came back older than a worker knew it, all that is sent at most once is held, for it may have
    been sent already. Compare with CM's own list, cancel what was sent, then let the rest go with
    --rolled-back.
    """
    if rolled_back == (lane is not None):
        raise click.UsageError("name either a LANE or --rolled-back")
    with opened() as outbox:
        held = resume_rolled_back(outbox, account) if lane is None else resumed(outbox, Lane(lane), account)
    if held is None:
        click.echo(f"cmqueue: nothing was ever queued for an account {account}", err=True)
        return 1
    if lane is None:
        click.echo("what was held goes on" if held else "no rollback holds anything")
    else:
        click.echo(f"{lane} goes on" if held else f"{lane} was not held")
    return 0
