"""`cmqueue suppress list`, `cmqueue suppress add` and `cmqueue suppress remove`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

import click

from cmqueue.cli.opening import opened
from cmqueue.cli.page import counted, write_json, write_table
from cmqueue.cli.verb import OneOf, Verb, an_account, as_json, limit, opaque
from cmqueue.errors import InvalidMessage
from cmqueue.outbox import Outbox
from cmqueue.row import iso
from cmqueue.settings import DEFAULT_ACCOUNT
from cmqueue.suppression import Entry, Suppressions, Why

_a_why = OneOf(why.value for why in Why)

sender = click.option(
    "--from", "sender", metavar="SENDER", help="For what this sender sends; else for any sender."
)
numbers_given = click.argument("numbers", nargs=-1, required=True, metavar="NUMBER...")


@click.group(no_args_is_help=False)
def suppress() -> None:
    """Numbers that nothing is sent to.

    Asked just before each request, in all lanes but those of CMQUEUE_SUPPRESSION_EXEMPT. Numbers get there by
    an opt-out word, by CM's report that a number is dead, or by `suppress add`. They are kept as keyed
    hashes, and so are senders: the list can say whether a number is on it, not which numbers are.
    """


@suppress.command("list", cls=Verb)
@an_account("Only the list of one account.")
@opaque
@limit
@as_json
@click.argument("number", required=False)
def list_(account: str | None, opaque: bool, limit: int, as_json: bool, number: str | None) -> int:
    """List the entries, or those of one NUMBER.

    The exit code is 1 where NUMBER has none.
    """
    with opened() as outbox:
        if not _is_known(outbox, account):
            return 1
        listed = Suppressions(outbox)
        if number is None:
            entries = listed.entries(account=account)
        else:
            entries = iter(listed.of(_number(outbox, number, opaque=opaque), account=account))
        shown = list(islice(entries, limit or None))
        more = bool(limit) and next(entries, None) is not None
    if as_json:
        write_json([_as_json(entry) for entry in shown])
    elif shown:
        write_table(
            ("number", "for sender", "why", "since", "account"),
            [
                (one.number[:12], one.sender or "any", one.why.value, iso(one.at), one.account)
                for one in shown
            ],
        )
        if more:
            click.echo(f"\nThere are more than {limit}: --limit 0 lists all.")
    else:
        click.echo("The list is empty." if number is None else "It is not on the list.")
    return 1 if number is not None and not shown else 0


@suppress.command("add", cls=Verb)
@an_account("Only by one account; else by all that there are.")
@sender
@click.option(
    "--why",
    callback=_a_why,
    default=Why.BLOCKED.value,
    show_default=True,
    metavar=_a_why.metavar,
    help="What its messages end with.",
)
@opaque
@as_json
@numbers_given
def add(
    account: str | None, sender: str | None, why: str, opaque: bool, as_json: bool, numbers: tuple[str, ...]
) -> int:
    """Send nothing more to NUMBER.

    A single - reads numbers from standard input, one a line.
    """
    refused: Counter[str] = Counter()
    with opened() as outbox:
        if not _is_known(outbox, account):
            return 1
        good = _readable(outbox, _given(numbers), refused, opaque=opaque)
        made = Suppressions(outbox).add_many(good, account=account, sender=sender, why=Why(why))
    _write(made, "added", refused, as_json=as_json)
    return 1 if refused else 0


@suppress.command("remove", cls=Verb)
@an_account("Only from the list of one account; else from all.")
@sender
@opaque
@as_json
@numbers_given
def remove(
    account: str | None, sender: str | None, opaque: bool, as_json: bool, numbers: tuple[str, ...]
) -> int:
    """Take NUMBER off the list again, whatever brought it there.

    Only the entry for that sender, or without --from the one for any. The exit code is 1 where one of the
    numbers had none.
    """
    refused: Counter[str] = Counter()
    removed = missing = elsewhere = 0
    with opened() as outbox:
        if not _is_known(outbox, account):
            return 1
        listed = Suppressions(outbox)
        for number in _readable(outbox, _given(numbers), refused, opaque=opaque):
            if listed.remove(number, account=account, sender=sender):
                removed += 1
            else:
                missing += 1
                elsewhere += bool(listed.of(number, account=account))
    _write(removed, "removed", refused, as_json=as_json, missing=missing)
    if elsewhere and not as_json:
        other = "for any sender: leave --from out" if sender else "for a sender: name it with --from"
        click.echo(f"cmqueue: {counted(elsewhere, 'number')} of these may be on the list {other}", err=True)
    return 1 if refused or missing else 0


def _is_known(outbox: Outbox, account: str | None) -> bool:
    """Whether there is such an account: one that is mistyped must not come about by that."""
    known = {name for name, _ in outbox.registry.known().values()} | {DEFAULT_ACCOUNT}
    if account is None or account in known:
        return True
    click.echo(f"cmqueue: nothing was ever queued for an account {account}", err=True)
    return False


def _given(numbers: tuple[str, ...]) -> Iterable[str]:
    if numbers == ("-",):
        return (line for line in sys.stdin if line.strip())
    return numbers


def _readable(
    outbox: Outbox, numbers: Iterable[str], refused: Counter[str], *, opaque: bool
) -> Iterator[str]:
    """The numbers in CM's form; of the others only what is wrong is counted."""
    for number in numbers:
        try:
            yield _number(outbox, number.strip(), opaque=opaque)
        except InvalidMessage as error:
            refused[error.problem] += 1


def _number(outbox: Outbox, number: str, *, opaque: bool) -> str:
    from cmqueue.message import parse_recipient  # noqa: PLC0415 - pydantic: slow to load, and `--help` needs none

    return parse_recipient(number, opaque=opaque, default_region=outbox.settings.default_region)


def _write(done: int, verb: str, refused: Counter[str], *, as_json: bool, missing: int | None = None) -> None:
    if as_json:
        found = {verb: done, "refused": refused.total()}
        write_json(found if missing is None else found | {"missing": missing})
        return
    click.echo(f"{done:,} {'entry' if done == 1 else 'entries'} {verb}.")
    if missing:
        click.echo(f"{counted(missing, 'number')} had no such entry.")
    for problem, count in refused.most_common():
        click.echo(f"cmqueue: {counted(count, 'number')} refused: {problem}", err=True)


def _as_json(entry: Entry) -> dict[str, object]:
    return {
        "number": entry.number,
        "sender": entry.sender,
        "why": entry.why.value,
        "since": iso(entry.at),
        "account": entry.account,
    }
