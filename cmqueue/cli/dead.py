"""`cmqueue dead list` and `cmqueue dead redrive`."""

from __future__ import annotations

import click

from cmqueue.cli.graves import (
    as_results,
    choose,
    demand_a_choice,
    minute,
    redrive_chosen,
    write_list,
    write_results,
)
from cmqueue.cli.opening import opened
from cmqueue.cli.page import write_json
from cmqueue.cli.verb import Verb, as_json, expires_in, limit, only_lane
from cmqueue.graveyard import Grave
from cmqueue.state import State


@click.group(no_args_is_help=False)
def dead() -> None:
    """Messages that were given up.

    A message is dead when its attempts are used up, or when CM refuses every request that it is part of.
    Its number and content are kept for 7 days (CMQUEUE_DEAD_RETENTION_SECONDS), so that it can be sent
    again.
    """


@dead.command("list", cls=Verb)
@only_lane
@limit
@as_json
def list_(lane: str | None, limit: int, as_json: bool) -> None:
    """List them, the longest dead first."""
    heads = ("id", "died at", "lane", "reason", "code")
    write_list(State.DEAD, lane, limit, as_json=as_json, heads=heads, cells=_cells)


def _cells(one: Grave) -> tuple[str, ...]:
    return one.id, minute(one.ended_at), one.lane, one.reason, str(one.code) if one.code else ""


@dead.command("redrive", cls=Verb)
@click.option("--all", "everything", is_flag=True, help="All that are dead.")
@only_lane
@expires_in("They expire S seconds from now; else when a new message of their lane would.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@as_json
@click.argument("ids", nargs=-1, metavar="[ID...]")
def redrive_(
    ids: tuple[str, ...],
    everything: bool,
    lane: str | None,
    expires_in: float | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Queue dead messages again, by ID or --all of them.

    Prints for each ID: redriven; not_found; other_state, when it is not dead; or forgotten, when its number
    and content are no longer kept. The exit code is 0 only when all were redriven. They keep their ids.
    """
    demand_a_choice(ids, lane, everything=everything)
    with opened() as outbox:
        chosen, results = choose(outbox, State.DEAD, ids, lane, everything=everything)
        if not dry_run:
            redrive_chosen(outbox, chosen, results, expires_in)
    redriven = [one for one in chosen if results[one.id] == "redriven"]
    if as_json:
        write_json({"dry_run": dry_run, "redriven": len(redriven), "results": as_results(results)})
    else:
        write_results(State.DEAD, redriven, results, everything=everything, dry_run=dry_run)
    return 0 if len(redriven) == len(results) else 1
