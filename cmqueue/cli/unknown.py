"""`cmqueue unknown list` and `cmqueue unknown redrive`."""

from __future__ import annotations

import sys
from typing import Any

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
from cmqueue.cli.page import counted, write_json, write_table, write_wrapped
from cmqueue.cli.verb import Verb, as_json, expires_in, limit, only_lane
from cmqueue.forecast import ENOUGH, Experience, Line, experience, forecast
from cmqueue.graveyard import Grave
from cmqueue.state import State

_NOT_SAID = "not said"


@click.group(no_args_is_help=False)
def unknown() -> None:
    """Messages that CM may have, or not.

    A message is unknown when no answer came to its request, and nothing settled the doubt in time: no status
    report, no late answer. A later one still corrects it. Its number and content are kept for 7 days
    (CMQUEUE_DEAD_RETENTION_SECONDS), so that it can be sent again, by somebody who accepts that it may
    arrive twice.
    """


@unknown.command("list", cls=Verb)
@only_lane
@limit
@as_json
def list_(lane: str | None, limit: int, as_json: bool) -> None:
    """List them, the longest unknown first."""
    heads = ("id", "unknown since", "lane", "doubt")
    write_list(State.UNKNOWN, lane, limit, as_json=as_json, heads=heads, cells=_cells)


def _cells(one: Grave) -> tuple[str, ...]:
    return one.id, minute(one.ended_at), one.lane, one.doubt.text if one.doubt else _NOT_SAID


@unknown.command("redrive", cls=Verb)
@click.option("--all", "everything", is_flag=True, help="All that are unknown.")
@only_lane
@expires_in("They expire S seconds from now; else when a new message of their lane would.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done, and how many it may double.")
@click.option("--yes", is_flag=True, help="Don't ask. Needed where there is no terminal.")
@as_json
@click.argument("ids", nargs=-1, metavar="[ID...]")
def redrive_(
    ids: tuple[str, ...],
    everything: bool,
    lane: str | None,
    expires_in: float | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Queue unknown messages again, by ID or --all of them.

    CM may have them, and then they arrive twice. So it is said first how many, by what became of earlier
    doubts of the same kind; with few of those, all may. Then it asks, unless --yes is given.

    Prints for each ID: redriven; not_found; other_state, when it is not unknown; or forgotten, when its
    number and content are no longer kept. The exit code is 0 only when all were redriven.
    """
    demand_a_choice(ids, lane, everything=everything)
    with opened() as outbox:
        chosen, results = choose(outbox, State.UNKNOWN, ids, lane, everything=everything)
        seen = experience(outbox) if chosen else None
        lines = forecast(chosen, seen) if seen else []
        if seen and not as_json:
            _write_forecast(lines, seen)
        if chosen and not dry_run:
            if not yes:
                _demand_consent(lines)
            redrive_chosen(outbox, chosen, results, expires_in)
    redriven = [one for one in chosen if results[one.id] == "redriven"]
    if as_json:
        write_json(
            {
                "dry_run": dry_run,
                "redriven": len(redriven),
                "forecast": _as_object(lines, seen),
                "results": as_results(results),
            }
        )
    else:
        write_results(State.UNKNOWN, redriven, results, everything=everything, dry_run=dry_run)
    return 0 if len(redriven) == len(results) else 1


def _demand_consent(lines: list[Line]) -> None:
    """Raises ClickException unless whoever sits at the terminal agrees; nobody does where there is none."""
    if sys.stdin is None or not sys.stdin.isatty():  # None is one that is closed
        raise click.ClickException("it may send messages twice: without a terminal it needs --yes")
    messages, doubled = _sums(lines)
    click.echo(
        f"Redrive {counted(messages, 'message')}, doubling up to {doubled:,}? [y/N] ", nl=False, err=True
    )
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise click.ClickException("nothing was redriven")


def _sums(lines: list[Line]) -> tuple[int, int]:
    return sum(line.messages for line in lines), sum(line.doubled for line in lines)


def _write_forecast(lines: list[Line], seen: Experience) -> None:
    """What earlier doubts came to, and what follows of it."""
    write_table(
        ("doubt", "messages", "settled before", "CM had", "may double"),
        [
            (
                line.doubt.text if line.doubt else _NOT_SAID,
                f"{line.messages:,}",
                f"{line.settled:,}",
                f"{line.taken:,}" if line.settled else "",
                f"{line.doubled:,}" if line.enough else f"all {line.messages:,}",
            )
            for line in lines
        ],
    )
    messages, doubled = _sums(lines)
    said = f"By this {doubled:,} of {counted(messages, 'message')} would arrive twice."
    if not all(line.enough for line in lines):
        said = (
            f"Up to {doubled:,} of {counted(messages, 'message')} may arrive twice: "
            f"fewer than {ENOUGH} settled doubts of a kind tell nothing."
        )
    write_wrapped(f"{said} ({counted(seen.rows, 'row')} looked through.)")


def _as_object(lines: list[Line], seen: Experience | None) -> dict[str, Any]:
    messages, doubled = _sums(lines)
    return {
        "messages": messages,
        "doubled": doubled,
        "rows": seen.rows if seen else 0,
        "doubts": [
            {
                "doubt": line.doubt and line.doubt.text,
                "messages": line.messages,
                "settled": line.settled,
                "taken": line.taken,
                "enough": line.enough,
                "doubled": line.doubled,
            }
            for line in lines
        ],
    }
