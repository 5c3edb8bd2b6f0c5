"""The table that everything comes down to."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from chaos.scenario import Outcome

TABLE_WIDTH = 122
_DOUBTS = (
    "doubted",
    "settled",
    "receipt",
    "transaction",
    "late_answer",
    "resent",
    "needless",
    "unknown",
)


def doubts(outcomes: Sequence[Outcome]) -> Table | None:
    """What became of messages in doubt, where anything told of them; None where nothing did."""
    found = Table(title="messages in doubt", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("scenario", "guarantee"):
        found.add_column(heading, no_wrap=True)
    for heading in (
        "in doubt",
        "settled",
        "by report",
        "by API",
        "by late\nanswer",
        "sent again",
        "of these\nneedlessly",
        "left\nunknown",
    ):
        found.add_column(heading, justify="right", no_wrap=True)
    for outcome in outcomes:
        for guarantee, counts in outcome.books.doubts.items():
            if counts["receipt"] + counts["transaction"]:
                found.add_row(outcome.scenario, guarantee, *(f"{counts[name]:,}" for name in _DOUBTS))
    return found if found.row_count else None


def table(outcomes: Sequence[Outcome], title: str) -> Table:
    """A row for each scenario; the slowest recovery beside what is allowed."""
    found = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    found.add_column("scenario", no_wrap=True)
    for heading in (
        "rounds",
        "messages",
        "lost",
        "sent twice,\nat most once",
        "sent twice,\nat least once",
        "of these, not\nrecorded first",
        "unknown",
        "recovery,\nseconds",
    ):
        found.add_column(heading, justify="right", no_wrap=True)
    found.add_column("kept", no_wrap=True)
    for outcome in outcomes:
        books = outcome.books
        recovery = "-" if outcome.recovery is None else f"{outcome.recovery:.1f}"
        found.add_row(
            outcome.scenario,
            str(outcome.rounds),
            f"{books.messages:,}",
            str(books.lost),
            str(books.duplicates_at_most_once),
            str(books.duplicates_at_least_once),
            str(books.unrecorded),
            str(books.unknown),
            recovery if outcome.limit is None else f"{recovery} of {outcome.limit:g}",
            "yes" if outcome.kept else "NO",
        )
    found.add_section()
    books_of = [outcome.books for outcome in outcomes]
    found.add_row(
        "in all",
        str(sum(outcome.rounds for outcome in outcomes)),
        f"{sum(books.messages for books in books_of):,}",
        str(sum(books.lost for books in books_of)),
        str(sum(books.duplicates_at_most_once for books in books_of)),
        str(sum(books.duplicates_at_least_once for books in books_of)),
        str(sum(books.unrecorded for books in books_of)),
        str(sum(books.unknown for books in books_of)),
        "",
        "yes" if all(outcome.kept for outcome in outcomes) else "NO",
    )
    return found
