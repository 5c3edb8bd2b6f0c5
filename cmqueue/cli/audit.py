"""`cmqueue audit`."""

from __future__ import annotations

import click

from cmqueue.audit import Audit
from cmqueue.cli.opening import opened
from cmqueue.cli.page import write_json, write_wrapped
from cmqueue.cli.verb import Verb, as_json
from cmqueue.state import State

_LABEL = 20  #: columns before the numbers
_NUMBER = 15  #: columns of a number; the states have one such column, the sums the next


@click.command(cls=Verb)
@click.option("--quick", is_flag=True, help="Compare the counts only; do not read every row.")
@as_json
def audit(as_json: bool, quick: bool) -> int:
    """Show that every message enqueued is waiting or finished, by three independent counts.

    Every row is read, and everything that waits is held against its row, in small steps that keep nobody
    waiting: some seconds per million.

    The exit code is 1 when the books don't balance. Counts go back to the first message, also for those
    whose rows were dropped at the end of their retention.
    """
    with opened() as outbox:
        books = outbox.audit(recount=not quick)
    if as_json:
        write_json(books.as_json())
    else:
        _write(books)
    return 0 if books.balanced else 1


def _write(books: Audit) -> None:
    for name, counts in (("waiting", books.waiting), ("finished", books.finished)):
        _sum(name, counts.total())
        for state in State:
            if counts[state]:
                click.echo(f"{'  ' + state:<{_LABEL}}{counts[state]:>{_NUMBER},}")
    click.echo(" " * (_LABEL + _NUMBER) + "-" * _NUMBER)
    _sum("waiting + finished", books.waiting.total() + books.finished.total())
    _sum("enqueued", books.enqueued)
    click.echo("\nThe books balance." if books.balanced else "\nTHE BOOKS DO NOT BALANCE.")
    for problem in books.problems:
        write_wrapped(problem, indent="    ", first="  - ")


def _sum(name: str, count: int) -> None:
    click.echo(f"{name:<{_LABEL}}{count:>{2 * _NUMBER},}")
