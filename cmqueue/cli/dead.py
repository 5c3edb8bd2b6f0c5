"""`cmqueue dead list` and `cmqueue dead redrive`."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from itertools import islice

import click

from cmqueue.cli.opening import opened
from cmqueue.cli.page import counted, write_json, write_table
from cmqueue.cli.verb import Verb, as_json, expires_in, limit, only_lane, shown
from cmqueue.graveyard import Grave, grave, graves, redrive
from cmqueue.lane import Lane
from cmqueue.outbox import Outbox


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
    with opened() as outbox:
        found = graves(outbox, lane=Lane(lane) if lane else None)
        listed = list(islice(found, limit or None))
        more = bool(limit) and next(found, None) is not None
    if as_json:
        write_json([one.as_json() for one in listed])
        return
    if not listed:
        click.echo("Nothing is dead.")
        return
    write_table(
        ("id", "died at", "lane", "reason", "code"),
        [
            (one.id, _minute(one.ended_at), one.lane, one.reason, str(one.code) if one.code else "")
            for one in listed
        ],
    )
    if more:
        click.echo(f"\nThere are more than {limit}: --limit 0 lists all.")


def _minute(at: int) -> str:
    """Short, so that a line keeps to 80 columns."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%MZ}"


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
    if bool(ids) == everything:
        raise click.UsageError("name the messages by ID, or give --all")
    if lane and not everything:
        raise click.UsageError("--lane goes with --all")
    with opened() as outbox:
        if everything:
            chosen: list[Grave] = list(graves(outbox, lane=Lane(lane) if lane else None))
            results = {one.id: "redriven" for one in chosen}
        else:
            chosen, results = _named(outbox, ids)
        if not dry_run:
            done = {one for portion in redrive(outbox, chosen, expires_in=expires_in) for one in portion}
            results |= {one.id: "other_state" for one in chosen if one.id not in done}
    redriven = [one for one in chosen if results[one.id] == "redriven"]
    if as_json:
        write_json(
            {
                "dry_run": dry_run,
                "redriven": len(redriven),
                "results": [{"id": one, "result": result} for one, result in results.items()],
            }
        )
    else:
        _write(redriven, results, everything=everything, dry_run=dry_run)
    return 0 if len(redriven) == len(results) else 1


def _named(outbox: Outbox, ids: tuple[str, ...]) -> tuple[list[Grave], dict[str, str]]:
    """The graves of `ids`, and for each id what a redrive comes to."""
    chosen: list[Grave] = []
    results: dict[str, str] = {}
    for given in dict.fromkeys(shown(given) for given in ids):
        found = grave(outbox, given)
        if isinstance(found, Grave):
            chosen.append(found)
        results[given] = "redriven" if isinstance(found, Grave) else found.value
    return chosen, results


def _write(redriven: list[Grave], results: dict[str, str], *, everything: bool, dry_run: bool) -> None:
    if not everything:
        for one, result in results.items():
            click.echo(f"{one}  {'would be ' if dry_run and result == 'redriven' else ''}{result}")
        return
    if not results:
        click.echo("Nothing is dead.")
        return
    lanes = ", ".join(
        f"{count:,} {lane}" for lane, count in sorted(Counter(g.lane for g in redriven).items())
    )
    said = f"{counted(len(redriven), 'message')} {'would be ' if dry_run else ''}redriven"
    click.echo(f"{said}: {lanes}." if redriven else f"{said}.")
    if len(redriven) < len(results):
        click.echo(f"{counted(len(results) - len(redriven), 'other')} moved on meanwhile.")
