"""An attempt: one claimed batch through encode, mark, POST and settle, around what the worker decides."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar, cast

from tenacity import (
    Future,
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    retry_if_result,
    stop_after_attempt,
    stop_after_delay,
    stop_any,
    stop_when_event_set,
    wait_random_exponential,
)

from cmqueue.claim import Batch
from cmqueue.errors import OutboxUnavailable
from cmqueue.gate import Endpoint, GateRules
from cmqueue.job import NAME_AT, Job, digests, keys
from cmqueue.lane import Lane
from cmqueue.partition import Partition
from cmqueue.settlement import Poison, Settlement
from cmqueue.state import Reason, State
from config.settings import WorkerSettings
from worker import failpoint
from worker.answer import Answer, NoAnswer, NoAnswerKind
from worker.gateway import Gateway
from worker.grouping import Composed, compose
from worker.journal import Journal
from worker.outcome import Accepted, Outcome
from worker.poison import Hunt, Step, after_refusal, note
from worker.policy import RetryRules, Standing, decide, settlement
from worker.reading import Reading, read
from worker.screen import Screen
from worker.staging import not_allowed

SHORT_TRIES = 3
SHORT_SECONDS = 4.0
CONTENTS_CACHED = 256

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NotPosted:
    """No request was made: the batch was lost, or Redis or time ran out."""

    why: str


@dataclass(slots=True)
class Prepared:
    """A batch ready for the wire. `fates` are of the members that stay out of the request."""

    batch: Batch
    composed: Composed
    fates: dict[int, Settlement]


class Attempt:
    """Delivers batches of one partition for one account."""

    def __init__(
        self,
        partition: Partition,
        token: str,
        gateway: Gateway,
        settings: WorkerSettings,
        journal: Journal,
        screen: Screen,
        stopping: threading.Event,
        chance: random.Random,
    ) -> None:
        self._chance = chance
        self.partition = partition
        self._token = token
        self._gateway = gateway
        self._settings = settings
        self.journal = journal
        self._stopping = stopping
        self._screen = screen
        self._contents: dict[bytes, bytes] = {}
        self._resend_after = settings.resend_after()
        self._retry = RetryRules(
            schedule=settings.retry_schedule,
            max_attempts=settings.max_attempts,
            overload_floor=settings.overload_floor,
            reconcile_seconds=settings.reconcile_seconds,
            max_resends=settings.max_resends,
        )
        self._gate = GateRules(
            probe_first=settings.probe_seconds, dead_retention=float(settings.dead_retention_seconds)
        )

    def deliver(self, batch: Batch) -> None:
        """Post one batch and write down what became of every message in it.

        Refused as a whole, it is halved until those at fault stand alone; see `worker.poison`.
        """
        failpoint.at("after_claim")
        self.journal.claimed(batch)
        hunt = Hunt([batch])
        for part in hunt:
            self._deliver(part, hunt)
            if self._stopping.is_set():
                hunt.over = "told to stop"
        for part in hunt.parts:  # the last first: each goes back before the one given back before it
            self._give_back(part, hunt.over)

    def _deliver(self, batch: Batch, hunt: Hunt[Batch]) -> None:
        prepared = self._prepare(batch)
        failpoint.at("after_encode")
        if not prepared.composed.pairs:
            everything = [prepared.fates.get(at, _GIVEN_BACK) for at in range(len(prepared.batch.jobs))]
            self._settle(prepared, everything, Endpoint("unposted", "nothing to send"))
            return
        result, prepared, tries = self._post(prepared)
        if isinstance(result, NotPosted):
            self._give_back(batch, result.why)
            return
        failpoint.at("after_answer")
        composed = prepared.composed
        self.journal.posted(batch, result, size=len(composed.pairs), sent=len(composed.body), tries=tries)
        reading = read(result, composed.pairs)
        self._alarm(prepared.batch, reading)
        if reading.refused_whole is not None:
            self._refused(prepared, reading, reading.refused_whole, hunt)
            return
        endpoint = _endpoint(reading, result)
        if endpoint.did != "answered":
            hunt.over = f"the endpoint was {endpoint.did}"
        poison = Poison.CLEAN if hunt.clean else Poison.UNSAID
        self._settle(prepared, self._settlements(prepared, reading), endpoint, poison=poison)

    def _refused(self, prepared: Prepared, reading: Reading, code: int, hunt: Hunt[Batch]) -> None:
        """CM took nothing of the request, and blames it: look for the message at fault, or bury it."""
        batch, order = prepared.batch, prepared.composed.order
        endpoint = Endpoint("answered", f"{code}")
        streak = 0
        if len(order) == 1 and not hunt.culprits:
            streak = self._patiently(lambda: self.partition.poisoned(batch.lane))
        step = after_refusal(len(order), culprits=hunt.culprits, streak=streak)
        if step is Step.SPLIT:
            if self._stopping.is_set():
                self._settle(prepared, self._settlements(prepared, reading), endpoint)
            else:
                self._halve(batch, code, hunt)
            return
        job = Job.unpack(batch.jobs[order[0]])
        prepared.fates[order[0]] = Settlement(State.DEAD, Reason.POISON, code)
        hunt.culprits += 1
        if step is Step.STOP:
            hunt.over = "the lane was stopped"
            self.journal.lane_stopped(batch.lane, code, culprits=hunt.culprits, batches=streak + 1)
        self._settle(
            prepared,
            [prepared.fates.get(at, _GIVEN_BACK) for at in range(len(batch.jobs))],
            endpoint,
            stop_lane=step is Step.STOP,
            poison=Poison.FOUND if hunt.culprits == 1 else Poison.UNSAID,
            note=note(reading.said, job.number),
        )

    def _halve(self, batch: Batch, code: int, hunt: Hunt[Batch]) -> None:
        """Both halves go on under this worker's lease, and the parts that wait with them."""
        into, waiting = (f"{batch.id}a", f"{batch.id}b"), [part.id for part in hunt.parts]
        lease = self._settings.lease_seconds
        halves = self._patiently(lambda: self.partition.split(batch, into, lease=lease, renew=waiting))
        failpoint.at("after_split")
        if halves is None:
            self.journal.unposted(batch, "lost")
            return
        self.journal.halved(batch, halves, code)
        hunt.halved(*halves)

    def _prepare(self, batch: Batch) -> Prepared:
        jobs = batch.jobs
        only_to, doubt = self._settings.only_to, self._settings.reconcile_seconds
        fates = {} if only_to is None else not_allowed(jobs, only_to, doubt)
        going = [at for at in range(len(jobs)) if at not in fates]
        composed = compose(
            [jobs[at] for at in going],
            self._shared(jobs),
            self.partition.code,
            self._settings.batch_bytes,
            self._token if self._settings.body_token else None,
        )
        if fates:  # back to positions in the batch
            composed = replace(
                composed,
                order=[going[at] for at in composed.order],
                left=[going[at] for at in composed.left],
                lost=[going[at] for at in composed.lost],
            )
        fates |= dict.fromkeys(composed.lost, _CONTENT_LOST)
        return Prepared(batch, composed, fates)

    def _shared(self, jobs: list[bytes]) -> dict[bytes, bytes]:
        """The shared contents that `jobs` need. Contents never change, so each is fetched once."""
        needed = digests(jobs)
        # Read once, and never changed where it is: other threads do the same at this moment.
        known = self._contents
        absent = needed - known.keys()
        if absent:
            if len(known) + len(absent) > CONTENTS_CACHED:
                known, absent = {}, needed
            self._contents = known = known | self.partition.contents(list(absent))
        return known

    def _post(self, prepared: Prepared) -> tuple[Answer | NotPosted, Prepared, int]:
        """Mark and POST, again within seconds while provably nothing was sent (tenacity's short clock)."""
        tries = 0

        def once() -> Answer | NotPosted:
            nonlocal prepared, tries
            if self._stopping.is_set():
                return NotPosted("told to stop")
            began = time.monotonic()
            failpoint.at("before_mark")
            marked = self._mark(prepared)
            failpoint.at("after_mark")
            if isinstance(marked, NotPosted):
                return marked
            prepared = marked
            if self._stopping.is_set():
                return NotPosted("told to stop")
            tries += 1
            return self._gateway.post(
                prepared.composed.body,
                None if self._settings.body_token else self._token,
                start_by=began + self._settings.lease_seconds / 2,
            )

        retrying = Retrying(
            retry=retry_if_result(_certainly_unsent),
            stop=stop_any(
                stop_after_attempt(SHORT_TRIES),
                stop_after_delay(SHORT_SECONDS),
                stop_when_event_set(self._stopping),
            ),
            wait=wait_random_exponential(multiplier=0.1, max=1.0),
            sleep=self._sleep,
            retry_error_callback=_last_result,
        )
        return retrying(once), prepared, tries

    def _mark(self, prepared: Prepared) -> Prepared | NotPosted:
        """The batch as it stands marked; without members that were cancelled, expired, or did not fit."""
        jobs, left = prepared.batch.jobs, prepared.composed.left
        try:
            marked = self._screen.mark(
                self.partition,
                prepared.batch,
                self._shared(jobs),
                lease=self._settings.lease_seconds,
                give_back=keys([jobs[at] for at in left]),
            )
            self.journal.expired(marked.expired)
            self.journal.suppressed(marked.suppressed)
            if marked.left is None:
                return NotPosted("lost")
            if marked.left == len(jobs) and not left:
                return prepared
            if marked.left == 0:
                return NotPosted("nothing to send")
            again = prepared.batch._replace(jobs=self.partition.members(prepared.batch.id))
            prepared = self._prepare(again)
        except OutboxUnavailable:
            return NotPosted("Redis was away at the mark")
        if not prepared.composed.pairs or prepared.composed.left:
            return NotPosted("nothing to send")
        return prepared

    def _settlements(self, prepared: Prepared, reading: Reading) -> list[Settlement]:
        """One settlement per job, in the batch's order."""
        jobs = prepared.batch.jobs
        found: list[Settlement | None] = [prepared.fates.get(at) for at in range(len(jobs))]
        accepted: dict[int, Settlement] = {}
        for at, outcome in zip(prepared.composed.order, reading.outcomes, strict=True):
            if type(outcome) is not Accepted:
                found[at] = self._decided(Job.unpack(jobs[at]), outcome)
                continue
            kept = accepted.get(outcome.parts)
            if kept is None:  # the same for every message; others draw their own wait
                kept = accepted[outcome.parts] = self._decided(Job.unpack(jobs[at]), outcome)
            found[at] = kept
        return [kept or _GIVEN_BACK for kept in found]

    def _decided(self, job: Job, outcome: Outcome) -> Settlement:
        standing = Standing(
            attempts=job.attempts,
            resends=job.resends,
            at_least_once=job.at_least_once,
            resend_after=self._resend_after[Lane(job.lane)],
        )
        return settlement(decide(outcome, standing, self._retry, self._chance.random()))

    def _alarm(self, batch: Batch, reading: Reading) -> None:
        if reading.missing or reading.extra:
            self.journal.mismatched(batch, missing=reading.missing, extra=reading.extra)
        if reading.account_fault is not None:
            self.journal.account_stopped(reading.account_fault.code, reading.account_fault.meaning)

    def _settle(
        self,
        prepared: Prepared,
        settlements: list[Settlement],
        endpoint: Endpoint,
        *,
        stop_lane: bool = False,
        poison: Poison = Poison.UNSAID,
        note: str = "",
    ) -> None:
        """Log, then write. While Redis is away it is asked again: an answer must not be lost to an outage."""
        batch = prepared.batch
        self.journal.settled(batch, settlements)
        failpoint.at("before_settle")
        resends = batch.lane in (self._settings.resend_failed or ())
        missing = self._patiently(
            lambda: self.partition.settle(
                batch.id,
                settlements,
                endpoint,
                self._gate,
                stop_lane=stop_lane,
                poison=poison,
                note=note,
                resends=resends,
            )
        )
        failpoint.at("after_settle")
        if missing:
            self.journal.missing_rows(batch, missing)
        if missing is None and endpoint.did != "unposted":
            proofs = [
                (job[NAME_AT].decode(), kept)
                for job, kept in zip(batch.jobs, settlements, strict=True)
                if kept.state in (State.ACCEPTED, State.REJECTED)
            ]
            if proofs:
                changed = self._patiently(lambda: self.partition.prove(proofs))
                if changed:
                    self.journal.settled_late(batch, changed)

    def _give_back(self, batch: Batch, why: str) -> None:
        """Put back a batch of which nothing was posted, whoever is in it: the mark's reply may be lost."""
        self.journal.unposted(batch, why)
        self._patiently(lambda: self.partition.settle(batch.id, [], Endpoint("unposted", why), self._gate))

    def _sleep(self, seconds: float) -> None:
        self._stopping.wait(seconds)

    def _patiently(self, write: Callable[[], T]) -> T:
        """`write`, again while Redis is away; told to stop, the lease's end makes the batch ambiguous."""

        def told_once(state: RetryCallState) -> None:
            if state.attempt_number == 1:
                error = cast("Future", state.outcome).exception()
                self.journal.waiting(error.problem if isinstance(error, OutboxUnavailable) else "")

        retrying = Retrying(
            before_sleep=told_once,
            retry=retry_if_exception_type(OutboxUnavailable),
            stop=stop_when_event_set(self._stopping),
            wait=wait_random_exponential(multiplier=0.05, max=1.0),
            sleep=self._sleep,
            reraise=True,
        )
        return retrying(write)


_CONTENT_LOST = Settlement(State.DEAD, Reason.CONTENT_LOST, counts=False)
_GIVEN_BACK = Settlement(State.QUEUED, Reason.GIVEN_BACK, counts=False)


def _certainly_unsent(result: Answer | NotPosted) -> bool:
    return isinstance(result, NoAnswer) and result.kind is NoAnswerKind.NOT_CONNECTED


def _last_result(state: RetryCallState) -> Answer | NotPosted:
    """What the last try gave, instead of tenacity's error."""
    return cast("Answer | NotPosted", cast("Future", state.outcome).result())


def _endpoint(reading: Reading, answer: Answer) -> Endpoint:
    """What the request says of the endpoint, for the brake and the account stop."""
    if reading.account_fault is not None:
        return Endpoint("stopped", f"{reading.account_fault.code}")
    if reading.answered:
        return Endpoint("answered")
    return Endpoint(
        "silent", answer.kind.value if isinstance(answer, NoAnswer) else f"status {answer.status}"
    )
