"""Enqueueing a file that was looked over: a part at a time, so that it can be stopped, and begun again.

Nothing is written down of how far it came. The import has an idempotency key, and so has each message of it:
a repeat finds in Redis whom the runs before have reached.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from cmqueue.campaign.badfile import BadFile
from cmqueue.campaign.mailing import Mailing
from cmqueue.campaign.preflight import numbered
from cmqueue.campaign.source import Malformed, Source
from cmqueue.errors import CmqueueError, IdempotencyConflict, InvalidMessage
from cmqueue.outbox import Outbox
from cmqueue.receipt import Refusal

PART = 20_000  #: rows of one call for the same content to all
TOLD_EVERY = 1_000  #: messages


class AlreadyBegun(CmqueueError):
    """The import's name belongs to something else."""

    def __init__(self) -> None:
        super().__init__(
            "an import of this campaign was begun with another content, text or sender, or other columns; "
            "give another --campaign, or what it was begun with"
        )


@dataclass(slots=True)
class Run:
    """How far it came. It is kept while it goes, so that it tells where an error came between.

    rows        of the file that were passed
    enqueued    messages that are new
    before      good rows whose number had its message already: by a row or a run before
    refused     good rows whose number has another text already
    """

    rows: int = 0
    enqueued: int = 0
    before: int = 0
    refused: int = 0
    reference: str | None = None  #: of a broadcast

    def enqueue(
        self,
        outbox: Outbox,
        source: Source,
        mailing: Mailing,
        *,
        column: str,
        bad: BadFile,
        advanced: Callable[[int], object] = lambda _rows: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Enqueue the good rows of `source`, once each, until `stopped`; `advanced` is told the rows passed.

        Raises AlreadyBegun, OutboxUnavailable, Unreadable.
        """
        try:
            # The key is taken for this content before anything is enqueued under it.
            self._broadcast(outbox, mailing, iter(()))
            rows = self._passing(source, stopped)
            if mailing.individual:
                self._each(outbox, source, mailing, rows, column=column, bad=bad, advanced=advanced)
            else:
                number = numbered(source, column, mailing, outbox.settings.default_region)
                passed = -1
                while self.rows > passed:
                    passed = self.rows
                    part = islice(rows, PART)
                    self._broadcast(outbox, mailing, _good(number, part))
                    advanced(self.rows)
        except IdempotencyConflict:
            raise AlreadyBegun from None

    def _passing(self, source: Source, stopped: Callable[[], bool]) -> Iterator[tuple[int, Any]]:
        """The rows that can be read; the bad ones of them are known, and fall out again."""
        for line, row in source.rows():
            if stopped():
                return
            self.rows += 1
            if type(row) is not Malformed:
                yield line, row

    def _broadcast(self, outbox: Outbox, mailing: Mailing, numbers: Iterator[str]) -> None:
        made = outbox.broadcast(
            mailing.mark,
            numbers,
            lane=mailing.lane,
            account=mailing.account,
            idempotency_key=mailing.key,
            **_shared(mailing),
        )
        self.enqueued += made.enqueued
        self.before += made.duplicates
        self.refused += len(made.refused)
        self.reference = None if mailing.individual else made.reference

    def _each(
        self,
        outbox: Outbox,
        source: Source,
        mailing: Mailing,
        rows: Iterator[tuple[int, Any]],
        *,
        column: str,
        bad: BadFile,
        advanced: Callable[[int], object],
    ) -> None:
        region = outbox.settings.default_region
        letter = mailing.letter(source, numbered(source, column, mailing, region))
        under_way: deque[tuple[int, Any]] = deque()

        def messages() -> Iterator[dict[str, Any]]:
            for line, row in rows:
                try:
                    message = letter(row)
                except InvalidMessage:
                    continue
                under_way.append((line, row))
                yield message

        results = outbox.enqueue_many(
            messages(), lane=mailing.lane, account=mailing.account, **_shared(mailing)
        )
        for count, result in enumerate(results, start=1):
            line, row = under_way.popleft()
            if not isinstance(result, Refusal):
                self.enqueued += not result.duplicate
                self.before += result.duplicate
            else:
                self.refused += 1
                conflict = result.field == "idempotency_key"
                reason = (
                    "the number has another text already" if conflict else f"{result.field} {result.problem}"
                )
                bad.add(line, reason, row)
            if count % TOLD_EVERY == 0:
                advanced(self.rows)
        advanced(self.rows)


def _good(number: Callable[[Any], str], rows: Iterator[tuple[int, Any]]) -> Iterator[str]:
    for _, row in rows:
        try:
            yield number(row)
        except InvalidMessage:
            continue


def _shared(mailing: Mailing) -> dict[str, Any]:
    options = mailing.options
    return {
        name: value
        for name in ("campaign", "send_at", "expires_in", "guarantee")
        if (value := getattr(options, name)) is not None
    }
