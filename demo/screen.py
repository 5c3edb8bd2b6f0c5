"""What the demo shows: progress while it runs, and a table at its end."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cmqueue import State
from cmqueue.audit import Audit
from cmqueue.state import Reason
from demo.messages import TOTAL, Enqueued
from demo.reckoning import Reckoning

_MEANS = {
    State.DELIVERED: "CM reports that it arrived",
    State.READ: "CM reports that somebody looked at it",
    State.FAILED: "CM reports that it could not be delivered",
    State.ACCEPTED: "CM took it; of 70 % the sandbox reports nothing, so that this is short",
    State.SUPPRESSED: "its number had replied STOP",
    State.REJECTED: "CM refused the recipient",
    State.UNKNOWN: "its answer was lost: at most once means it is not sent again",
    State.EXPIRED: "its time was over before it could be sent",
    State.CANCELLED: "taken back in time",
}


def progress(audit: Audit, enqueued: Enqueued, seconds: float, untold: int) -> RenderableType:
    """A bar, and where the messages are; `untold` reports are still to come."""
    finished = audit.finished.total()
    waiting = ", ".join(f"{count} {state}" for state, count in sorted(audit.waiting.items()) if count)
    line = Text(f"{finished:>6,} of {enqueued.messages:,} finished in {seconds:4.1f} s   {waiting}")
    if untold:
        line.append(f"   {untold:,} reports to come")
    return Group(ProgressBar(TOTAL, finished, width=72), line)


def table(
    result: Reckoning, enqueued: Enqueued, seconds: float, told: dict[str, int], heard: dict[str, int]
) -> RenderableType:
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
        f"In doubt, since an answer was lost: {result.doubted:,}.",
        f"Settled by status reports: {result.settled[Reason.RECEIPT]:,}.",
        f"Settled by asking CM's Transactions API: {result.settled[Reason.TRANSACTION]:,}.",
        f"Status reports: {told['acknowledged']:,} taken, of {told['sent']:,} sent.",
        "A handler was told: " + ", ".join(f"{count:,} {type}" for type, count in heard.items()) + ".",
        f"{enqueued.messages / seconds:,.0f} messages/s, faults and waits included ({seconds:.1f} s).",
    ]
    return Group(outcomes, Text("\n".join(lines)))
