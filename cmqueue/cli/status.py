"""`cmqueue status`, `explain` and `cancel`: of single messages, by id."""

from __future__ import annotations

import json
from typing import Any

import click

from cmqueue.cli.opening import opened
from cmqueue.cli.page import write_fields, write_json, write_table, write_wrapped
from cmqueue.cli.verb import Verb, as_json, shown
from cmqueue.identity import Identity
from cmqueue.outbox import Outbox
from cmqueue.row import iso
from cmqueue.state import State
from cmqueue.status import Status


@click.command(cls=Verb)
@as_json
@click.argument("id")
def status(id: str, as_json: bool) -> int:
    """Where the message ID stands: its state, the reason, and its history."""
    with opened() as outbox:
        found = outbox.status(id)
    if found is None:
        return _not_found(id)
    if as_json:
        write_json(found.as_json())
        return 0
    write_fields(
        [
            ("id", found.id),
            ("state", found.state),
            ("reason", found.reason + (f", CM's code {found.code}" if found.code else "")),
            ("note", found.note),
            ("lane", f"{found.lane}, {found.guarantee}"),
            ("attempts", str(found.attempts)),
            ("resends", str(found.resends) if found.resends else None),
            ("parts", str(found.parts) if found.parts else None),
            ("expires", iso(found.expires_at)),
            ("your reference", found.client_reference),
            ("campaign", found.campaign),
            ("metadata", None if found.metadata is None else json.dumps(found.metadata, ensure_ascii=False)),
        ]
    )
    click.echo()
    write_table(
        ("at", "state", "reason", "CM's code"),
        [
            (iso(entry.at), entry.state, entry.reason.text, str(entry.code) if entry.code else "")
            for entry in found.history
        ],
    )
    return 0


@click.command(cls=Verb)
@as_json
@click.argument("id")
def explain(id: str, as_json: bool) -> int:
    """Why the message ID is where it is, what moves it next, and what you can do."""
    with opened() as outbox:
        found = outbox.status(id)
        commands = [] if found is None else _remedies(found, outbox)
    if found is None:
        return _not_found(id)
    if as_json:
        write_json(
            {"id": found.id, "state": found.state, "explanation": found.explain(), "commands": commands}
        )
        return 0
    write_wrapped(found.explain())
    for command in commands:
        click.echo(f"  -> {command}")
    return 0


def _remedies(status: Status, outbox: Outbox) -> list[str]:
    """Commands that move the message on."""
    if status.state in (State.DEAD, State.UNKNOWN) and status.standing.where == "kept":
        return [f"cmqueue {status.state} redrive {status.id}"]
    if status.state is not State.QUEUED:
        return []
    held = [str(status.lane)] if status.standing.paused else []
    held += ["--rolled-back"] if status.rolled_back else []
    if held:
        identity = Identity.parse(status.id)
        account = outbox.registry.known()[identity.partition][0] if identity else ""
        option = f" --account {account}" if account != "default" else ""
        return [f"cmqueue resume {what}{option}" for what in held]
    return ["cmqueue doctor"] if status.standing.gate else []


@click.command(cls=Verb)
@as_json
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
def cancel(ids: tuple[str, ...], as_json: bool) -> int:
    """Take messages back, if they were certainly not sent.

    Prints for each ID: cancelled; too_late, when it may have been sent or has ended; or not_found. The exit
    code is 0 only when all were cancelled.
    """
    answers: list[dict[str, Any]] = []
    with opened() as outbox:
        for one in ids:
            answers.append({"id": shown(one), "result": outbox.cancel(one)})
            if not as_json:
                click.echo("{id}  {result}".format(**answers[-1]))
    if as_json:
        write_json(answers)
    return 0 if all(answer["result"] == "cancelled" for answer in answers) else 1


def _not_found(id: str) -> int:
    is_one = Identity.parse(id) is not None
    said = f"there is no message {shown(id)}" if is_one else "this is no id: an id has 26 letters and digits"
    click.echo(f"cmqueue: {said}", err=True)
    return 1
