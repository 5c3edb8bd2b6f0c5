"""What `cmqueue dead` and `cmqueue unknown` have in common: choosing, redriving, and saying what was done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import islice

import click

from cmqueue.cli.opening import opened
from cmqueue.cli.page import counted, write_json, write_table
from cmqueue.cli.verb import shown
from cmqueue.graveyard import Grave, grave, graves, redrive
from cmqueue.lane import Lane
from cmqueue.outbox import Outbox
from cmqueue.state import State

Cells = Callable[[Grave], Sequence[str]]


def write_list(
    state: State, lane: str | None, limit: int, *, as_json: bool, heads: Sequence[str], cells: Cells
) -> None:
    """List what ended in `state`, the longest there first."""
    with opened() as outbox:
        found = graves(outbox, state, lane=Lane(lane) if lane else None)
        listed = list(islice(found, limit or None))
        more = bool(limit) and next(found, None) is not None
    if as_json:
        write_json([one.as_json() for one in listed])
        return
    if not listed:
        click.echo(f"Nothing is {state}.")
        return
    write_table(heads, [cells(one) for one in listed])
    if more:
        click.echo(f"\nThere are more than {limit}: --limit 0 lists all.")


def minute(at: int) -> str:
    """Short, so that a line keeps to 80 columns."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%MZ}"


def demand_a_choice(ids: tuple[str, ...], lane: str | None, *, everything: bool) -> None:
    """Raises UsageError where ids and --all don't say what is meant."""
    if bool(ids) == everything:
        raise click.UsageError("name the messages by ID, or give --all")
    if lane and not everything:
        raise click.UsageError("--lane goes with --all")


def choose(
    outbox: Outbox, state: State, ids: tuple[str, ...], lane: str | None, *, everything: bool
) -> tuple[list[Grave], dict[str, str]]:
    """The graves that are meant, and for each id what a redrive comes to."""
    if everything:
        chosen = list(graves(outbox, state, lane=Lane(lane) if lane else None))
        return chosen, {one.id: "redriven" for one in chosen}
    chosen = []
    results: dict[str, str] = {}
    for given in dict.fromkeys(shown(given) for given in ids):
        found = grave(outbox, given, state)
        if isinstance(found, Grave):
            chosen.append(found)
        results[given] = "redriven" if isinstance(found, Grave) else found.value
    return chosen, results


def redrive_chosen(
    outbox: Outbox, chosen: list[Grave], results: dict[str, str], expires_in: float | None
) -> None:
    """Redrive them; in `results` stands afterwards what became of each."""
    done = {one for portion in redrive(outbox, chosen, expires_in=expires_in) for one in portion}
    results |= {one.id: "other_state" for one in chosen if one.id not in done}


def as_results(results: dict[str, str]) -> list[dict[str, str]]:
    return [{"id": one, "result": result} for one, result in results.items()]


def write_results(
    state: State, redriven: list[Grave], results: dict[str, str], *, everything: bool, dry_run: bool
) -> None:
    """A line for each id that was named, or one for all."""
    if not everything:
        for one, result in results.items():
            click.echo(f"{one}  {'would be ' if dry_run and result == 'redriven' else ''}{result}")
        return
    if not results:
        click.echo(f"Nothing is {state}.")
        return
    lanes = ", ".join(
        f"{count:,} {lane}" for lane, count in sorted(Counter(g.lane for g in redriven).items())
    )
    said = f"{counted(len(redriven), 'message')} {'would be ' if dry_run else ''}redriven"
    click.echo(f"{said}: {lanes}." if redriven else f"{said}.")
    if len(redriven) < len(results):
        click.echo(f"{counted(len(results) - len(redriven), 'other')} moved on meanwhile.")
