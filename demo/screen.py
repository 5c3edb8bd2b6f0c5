"""What the demo shows: progress while it runs, and a table at its end."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cmqueue import State
from cmqueue.audit import Audit
from demo.messages import TOTAL, Enqueued
from demo.reckoning import Reckoning

_MEANS = {
    State.ACCEPTED: "CM took it for a delivery attempt",
    State.REJECTED: "CM refused the recipient",
    State.UNKNOWN: "its answer was lost: at most once means it is not sent again",
    State.EXPIRED: "its time was over before it could be sent",
    State.CANCELLED: "taken back in time",
}


def progress(audit: Audit, enqueued: Enqueued, seconds: float) -> RenderableType:
    """A bar, and where the messages are."""
    finished = audit.finished.total()
    waiting = ", ".join(f"{count} {state}" for state, count in sorted(audit.waiting.items()) if count)
    line = Text(f"{finished:>6,} of {enqueued.messages:,} finished in {seconds:4.1f} s   {waiting}")
    return Group(ProgressBar(TOTAL, finished, width=72), line)


def table(result: Reckoning, enqueued: Enqueued, seconds: float) -> RenderableType:
    """The outcomes, and what it took."""
    outcomes = Table(title="What became of them", title_justify="left", min_width=72)
    outcomes.add_column("outcome")
    outcomes.add_column("messages", justify="right")
    outcomes.add_column("what it means")
    for state, count in result.states.most_common():
        outcomes.add_row(state.value, f"{count:,}", _MEANS.get(state, "an outcome the demo does not expect"))
    outcomes.add_section()
    outcomes.add_row("in all", f"{result.states.total():,}", f"{enqueued.messages:,} were enqueued")
    requests = result.sandbox["requests"]
    carried = result.sandbox["messages"]
    lines = [
        "Enqueued: " + ", ".join(f"{count:,} {way}" for way, count in enqueued.ways.items()) + ".",
        f"Not enqueued: {enqueued.refused} bad numbers, {enqueued.duplicates} duplicates.",
        f"Requests: {requests}, of which {result.sandbox['faulted']} met a fault.",
        f"In the sandbox: {carried:,} messages, {result.sandbox['duplicates']} of them twice.",
        f"{enqueued.messages / seconds:,.0f} messages/s, faults and waits included ({seconds:.1f} s).",
    ]
    return Group(outcomes, Text("\n".join(lines)))
