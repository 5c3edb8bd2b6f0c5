"""What the tests of campaigns share beside fixtures."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO, Any

from harness import Ran

from cmqueue import Content, Outbox
from cmqueue.campaign.badfile import BadFile
from cmqueue.campaign.mailing import Mailing
from cmqueue.campaign.preflight import Preflight, look_over
from cmqueue.campaign.run import Run
from cmqueue.campaign.source import Source, opened
from cmqueue.job import Job
from cmqueue.lane import Lane
from cmqueue.message import Options

TEXT = "Our shop moves on Monday"
HELLO = "Hi {first_name}, our shop moves on Monday"
OPEN: list[IO[bytes]] = []  #: files of sources, which a fixture closes

Command = Callable[..., Ran]


def number(at: int) -> str:
    """A number that belongs to nobody."""
    return f"+31600{at:06}"


def rows(count: int) -> str:
    """A file of so many rows: number and first name."""
    return "number,first_name\n" + "".join(f"{number(at)},Name {at}\n" for at in range(count))


def source(text: str | bytes, folder: Path, column: str | None = None) -> Source:
    """The rows of a file that holds `text`."""
    path = folder / "people.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    file = path.open("rb")
    OPEN.append(file)
    return opened(file, path.name, number_column=column)


def mailing(text: str = TEXT, **options: Any) -> Mailing:
    """A mailing from Acme; `options` are those of messages, and `reference_column`."""
    own = {name: options.pop(name) for name in ("reference_column", "lane") if name in options}
    return Mailing.of(Content(sender="Acme", text=text), Options(**options), templated=True, **own)


def looked_over(
    file: Source, what: Mailing, bad: BadFile | None = None, region: str | None = None
) -> Preflight:
    """The pre-flight of a file with the number in its usual column."""
    column = file.number_column(None)
    kept = BadFile(None, ()) if bad is None else bad
    return look_over(file, what, column=column, region=region, bad=kept)


def enqueued(outbox: Outbox, file: Source, what: Mailing, **options: Any) -> Run:
    """The run that enqueued the file."""
    run = Run()
    run.enqueue(outbox, file, what, column=file.number_column(None), bad=BadFile(None, ()), **options)
    return run


def jobs(outbox: Outbox, lane: Lane = Lane.BULK) -> list[Job]:
    """All that waits in a lane."""
    key = f"cmq:{{AA}}:lane:{lane.letter}"
    return [Job.unpack(job) for job in outbox.scripts.client.lrange(key, 0, -1)]


def reached(outbox: Outbox) -> Counter[str]:
    """How many messages wait for each number, as it goes to CM."""
    return Counter(job.number for job in jobs(outbox))


def once_each(count: int) -> Counter[str]:
    """One message for each of the numbers of `rows(count)`."""
    return Counter("00" + number(at)[1:] for at in range(count))


def as_csv(lines: Iterable[Sequence[str]], delimiter: str) -> str:
    """A file as Python's own writer makes it."""
    written = io.StringIO()
    csv.writer(written, delimiter=delimiter).writerows(lines)
    return written.getvalue()
