"""`cmqueue calls status`, `list`, `redrive`, `resume` and `end`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import click

from cmqueue.cli.opening import opened
from cmqueue.cli.page import counted, write_json, write_table
from cmqueue.cli.verb import Verb, as_json, limit
from cmqueue.events.calls import Calls, DeadCall, Standing, targets
from cmqueue.events.subscribers import subscribed
from cmqueue.events.subscription import Subscription
from cmqueue.outbox import Outbox
from cmqueue.row import iso

PAGE = 500

_TARGET = re.compile(r"(?:callback|handler):[\w.<>-]{1,240}")
_EVENT = re.compile(r"evt_[A-Z2-7]{2}[0-9]{1,20}-[0-9]{1,20}_[0-9]{1,6}")


def _target(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    if value is not None and not _TARGET.fullmatch(value):
        raise click.BadParameter("must be callback:NAME or handler:NAME, as in `cmqueue calls status`")
    return value


only_target = click.option("--of", "target", callback=_target, metavar="TARGET", help="Only those of one.")
a_target: Callable[..., Any] = click.argument("target", callback=_target)


@click.group(no_args_is_help=False)
def calls() -> None:
    """Calls of handlers and callbacks, and those that were given up.

    A target is callback:NAME, an endpoint of CMQUEUE_CALLBACKS, or handler:NAME, a function of the modules in
    CMQUEUE_HANDLERS. What it fails to take is tried again by a schedule, then given up and kept for 7 days.
    """


@calls.command(cls=Verb)
@as_json
def status(as_json: bool) -> None:
    """How each target does, once a call of it had to wait."""
    with opened() as outbox:
        found = [(target, Calls(outbox, target).standing()) for target in targets(outbox)]
    if as_json:
        write_json([{"target": target, **_as_json(standing)} for target, standing in found])
    elif not found:
        click.echo("No call ever waited.")
    else:
        write_table(
            ("target", "is", "waiting", "dead"),
            [(target, _is(one), f"{one.waiting:,}", f"{one.dead:,}") for target, one in found],
        )


def _is(standing: Standing) -> str:
    if standing.off:
        return "disabled"
    return f"paused until {iso(int(standing.until))}" if standing.until else "open"


def _as_json(standing: Standing) -> dict[str, Any]:
    return {
        "disabled": standing.off,
        "paused_until": iso(round(standing.until)) if standing.until else None,
        "failures": standing.failures,
        "waiting": standing.waiting,
        "dead": standing.dead,
    }


@calls.command("list", cls=Verb)
@only_target
@limit
@as_json
def list_(target: str | None, limit: int, as_json: bool) -> None:
    """List the calls that were given up, the longest dead first in each target."""
    with opened() as outbox:
        listed = [
            (name, one)
            for name in ([target] if target else targets(outbox))
            for one in _dead(outbox, name, limit)
        ]
    cut = listed[: limit or None]
    if as_json:
        write_json([_shown(name, one) for name, one in cut])
        return
    if not cut:
        click.echo("No call was given up.")
        return
    for name in dict.fromkeys(name for name, _ in cut):
        click.echo(name)
        for of, one in cut:
            if of == name:
                click.echo(f"  {one.event.id}  {iso(int(one.at))}\n      {one.event.type}: {one.why}")
    if len(listed) > len(cut):
        click.echo(f"\nThere are more than {limit}: --limit 0 lists all.")


def _dead(outbox: Outbox, target: str, limit: int) -> list[DeadCall]:
    """All the dead of a target, or one more than `limit`."""
    found: list[DeadCall] = []
    of = Calls(outbox, target)
    while not limit or len(found) <= limit:
        page = of.dead(len(found), min(PAGE, limit + 1) if limit else PAGE)
        if not page:
            break
        found += page
    return found


def _shown(target: str, one: DeadCall) -> dict[str, Any]:
    return {
        "target": target,
        "event": one.event.id,
        "type": one.event.type,
        "message": one.event.message,
        "why": one.why,
        "attempts": one.failures,
        "died_at": iso(round(one.at)),
        "kept_until": iso(round(one.until)),
    }


@calls.command(cls=Verb)
@click.option("--all", "everything", is_flag=True, help="All that were given up.")
@only_target
@as_json
@click.argument("events", nargs=-1, metavar="[EVENT...]")
def redrive(events: tuple[str, ...], everything: bool, target: str | None, as_json: bool) -> int:
    """Try again what was given up, by the ids of its EVENTs or --all of it, as if it were new.

    The exit code is 0 only when each that was named will be tried.
    """
    if bool(events) == everything:
        raise click.UsageError("name the events by their ids, or give --all")
    if not all(_EVENT.fullmatch(event) for event in events):
        raise click.UsageError("the id of an event begins with evt_, as `cmqueue calls list` shows it")
    done: dict[str, list[str]] = {}
    with opened() as outbox:
        for name in [target] if target else targets(outbox):
            chosen = list(events) or [one.event.id for one in _dead(outbox, name, 0)]
            done[name] = [
                id
                for at in range(0, len(chosen), PAGE)
                for id in Calls(outbox, name).redrive(chosen[at : at + PAGE])
            ]
    total = sum(map(len, done.values()))
    missing = sorted(set(events) - {id for ids in done.values() for id in ids})
    if as_json:
        write_json({"redriven": total, "not_found": missing, "targets": {k: v for k, v in done.items() if v}})
    else:
        for id in missing:
            click.echo(f"{id}  not_found")
        click.echo(f"{counted(total, 'call')} will be tried again.")
    return 1 if missing else 0


@calls.command(cls=Verb)
@a_target
def resume(target: str) -> int:
    """Let a paused or disabled TARGET go on."""
    with opened() as outbox:
        if target not in targets(outbox):
            click.echo("cmqueue: nothing ever waited for this target", err=True)
            return 1
        held = Calls(outbox, target).resume()
    click.echo(f"{target} goes on" if held else f"{target} was not held")
    return 0


@calls.command(cls=Verb)
@a_target
def end(target: str) -> int:
    """Forget TARGET and all that waits for it.

    What was given up and what it has not read goes too. Take it out of the workers' settings first, or they
    begin it anew.
    """
    with opened() as outbox:
        if target not in targets(outbox) and target not in subscribed(outbox.scripts):
            click.echo("cmqueue: there is no such handler or endpoint", err=True)
            return 1
        Subscription(outbox, target).end()
        Calls(outbox, target).forget()
    click.echo(f"{target} is forgotten")
    return 0
