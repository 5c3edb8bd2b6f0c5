"""The log of deliveries: which event says what. No line holds a number, a text or a token.

Lines are written before the script that makes a message resendable or final: each at least once, and exactly
once without a crash. The history in Redis is authoritative.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import structlog

from cmqueue.claim import Batch, Held
from cmqueue.identity import masked
from cmqueue.job import Job, keys
from cmqueue.lane import Lane
from cmqueue.settlement import Settlement
from cmqueue.state import State
from cmqueue.suppression import WHY_OF_LETTER
from cmqueue.sweep import Told
from worker.answer import Answer, NoAnswer, Response

log = structlog.get_logger("cmqueue.worker")

#: Container loggers cut lines at 16 KB; 400 ids take 12.
IDS_PER_LINE = 400

_EVENT = {
    State.REJECTED: "message.rejected",
    State.DEAD: "message.dead",
    State.SCHEDULED: "message.retry_scheduled",
    State.AMBIGUOUS: "message.ambiguous",
    State.QUEUED: "message.given_back",
    State.EXPIRED: "message.expired",
    State.SUPPRESSED: "message.suppressed",
}
_LEVEL = {
    # A message given back whole is a fact about its batch; ten thousand lines would say it no better.
    State.QUEUED: "debug",
    # Who may get a message twice must find it in the log, also where that keeps warnings alone.
    State.AMBIGUOUS: "warning",
}
_SWEPT = {
    "resent": "message.resent",
    "unknown": "message.unknown",
    "expired": "message.expired",
    "dead": "message.dead",
    "reclaimed": "batch.reclaimed",
    "split": "batch.split",
}


class Journal:
    """The events of one partition."""

    def __init__(self, partition: str, account: str, key: bytes) -> None:
        self.partition = partition
        self._key = key
        self._log = log.bind(account=account, partition=partition)

    def claimed(self, batch: Batch) -> None:
        self._log.debug(
            "batch.claimed", batch=batch.id, lane=batch.lane.value, size=len(batch.jobs), probe=batch.probe
        )

    def held(self, held: Held) -> None:
        self._log.info("claim.held", why=held.why, wait=held.wait)

    def posted(self, batch: Batch, answer: Answer, *, size: int, sent: int, tries: int) -> None:
        """One line per attempt. `size` is of messages, `sent` of bytes."""
        line = self._log.bind(
            batch=batch.id,
            lane=batch.lane.value,
            size=size,
            sent=sent,
            tries=tries,
            seconds=round(answer.seconds, 4),
        )
        match answer:
            case Response(status=200):
                line.info("batch.posted", status=200)
            case Response(status=status):
                line.warning("attempt.failed", status=status, retry_after=answer.retry_after)
            case NoAnswer(kind=kind):
                line.warning("attempt.failed", status=None, kind=kind.value, error=answer.detail)

    def unposted(self, batch: Batch, why: str) -> None:
        self._log.warning("batch.unposted", batch=batch.id, lane=batch.lane.value, why=why)

    def waiting(self, problem: str) -> None:
        """Redis does not take what was learnt of a batch, which is offered until it does."""
        self._log.warning("redis.awaited", problem=problem)

    def mismatched(self, batch: Batch, *, missing: int, extra: int) -> None:
        """Rows of an answer that do not fit what was sent: an alarm."""
        self._log.error("answer.mismatched", batch=batch.id, missing=missing, extra=extra)

    def settled(self, batch: Batch, settlements: Sequence[Settlement]) -> None:
        """What became of each message: the accepted in summary, every other in a line of its own."""
        accepted: list[bytes] = []
        others: list[tuple[bytes, Settlement]] = []
        done = State.ACCEPTED  # to look up a member of an enumeration takes longer than the rest of the loop
        for job, kept in zip(batch.jobs, settlements, strict=True):
            if kept.state is done:
                accepted.append(job)
            else:
                others.append((job, kept))
        ids = keys(accepted, self.partition)
        for at in range(0, len(ids), IDS_PER_LINE):
            page = ids[at : at + IDS_PER_LINE]
            self._log.info("batch.accepted", batch=batch.id, lane=batch.lane.value, count=len(page), ids=page)
        for job, kept in others:
            self._message(batch.id, Job.unpack(job), kept)

    def _message(self, batch: str, job: Job, kept: Settlement) -> None:
        level = getattr(self._log, _LEVEL.get(kept.state, "info"))
        level(
            _EVENT[kept.state],
            id=self._id(job),
            reference=self.partition + job.bucket + job.random,
            number=masked(self._key, job.number),
            batch=batch,
            lane=job.lane,
            reason=kept.reason.text,
            code=kept.code,
            attempt=job.attempts + kept.counts,
            wait=kept.delay_ms / 1000 if kept.delay_ms else None,
        )

    def missing_rows(self, batch: Batch, count: int) -> None:
        """Redis has no row for messages that it handed out: it lost acknowledged writes."""
        self._log.critical("outbox.rows_missing", batch=batch.id, count=count)

    def rolled_back(self, known: int, remembered: int) -> None:
        """Redis came back older than this process knew it, and holds what is sent at most once."""
        self._log.critical(
            "outbox.rolled_back", **{"from": known, "to": remembered}, do="cmqueue resume --rolled-back"
        )

    def settled_late(self, batch: Batch, changed: Sequence[str]) -> None:
        self._log.warning(
            "batch.settled_late",
            batch=batch.id,
            count=len(changed),
            ids=[self.partition + key for key in changed[:IDS_PER_LINE]],
        )

    def expired(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._log.info("message.expired", id=self.partition + key)

    def suppressed(self, found: Iterable[tuple[str, str]]) -> None:
        """Messages that the mark took out, by key and why: their numbers are on the suppression list."""
        for key, why in found:
            self._log.info("message.suppressed", id=self.partition + key, reason=WHY_OF_LETTER[why].value)

    def lease_lost(self, batch: str, jobs: Sequence[Job]) -> None:
        """A batch was being posted when its worker vanished: whether CM has it, nobody knows."""
        self._log.error("batch.lost", batch=batch, size=len(jobs))
        for job in jobs:
            self._log.warning(
                "message.ambiguous",
                id=self._id(job),
                reference=self.partition + job.bucket + job.random,
                number=masked(self._key, job.number),
                batch=batch,
                lane=job.lane,
                reason="worker_lost",
            )

    def swept(self, told: Iterable[Told]) -> None:
        for word, key, detail in told:
            if word == "ambiguous":
                continue  # said before the sweep, by `lease_lost`
            if key:
                self._log.info(_SWEPT[word], id=self.partition + key, reason=detail or None)
            else:
                self._log.warning(_SWEPT[word], batch=detail)

    def account_stopped(self, code: int, meaning: str) -> None:
        self._log.error("account.stopped", code=code, meaning=meaning)

    def halved(self, batch: Batch, halves: Sequence[Batch], code: int) -> None:
        """CM refused the whole request of a batch: the search for whom it means goes on in its halves."""
        self._log.warning(
            "batch.halved",
            batch=batch.id,
            lane=batch.lane.value,
            code=code,
            halves=[half.id for half in halves],
            sizes=[len(half.jobs) for half in halves],
        )

    def lane_stopped(self, lane: Lane, code: int, *, culprits: int, batches: int) -> None:
        """`culprits` of one batch, or of `batches` in a row, are more than can be the messages' fault."""
        self._log.error(
            "lane.stopped",
            lane=lane.value,
            code=code,
            why="CM refuses whole requests because of too many messages",
            culprits=culprits,
            batches=batches,
        )

    def _id(self, job: Job) -> str:
        return f"{self.partition}{job.bucket}{job.tail}"
