"""The drain: take batches out of a partition's lanes and deliver them, until nothing waits."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import assert_never

from cmqueue.claim import Batch, Empty, Held, Linger
from cmqueue.errors import OutboxUnavailable
from cmqueue.gate import Endpoint, GateRules
from cmqueue.lane import Lane
from cmqueue.outbox import Outbox
from cmqueue.partition import Partition
from cmqueue.watermark import Watermark
from config.settings import WorkerSettings
from worker import failpoint
from worker.attempt import Attempt
from worker.gateway import Gateway
from worker.journal import Journal, log
from worker.order import claim_order
from worker.screen import Screen
from worker.slots import Slots

#: Seconds after which a drain makes room for a wake-up that found no thread, by asking for another.
BUDGET = 2.0

#: What is urgent is left to the thread kept for it when that has claimed within these seconds: a message each
#: would cost a bulk its threads, and gathered they go in fewer requests.
RELIEF = 0.25

#: Asks for one more drain of a partition's lane.
CallAnother = Callable[[Partition, Lane], None]


class Drain:
    """Drains the partitions of one worker process. Its calls may come from any thread."""

    def __init__(
        self,
        outbox: Outbox,
        settings: WorkerSettings,
        lanes: Sequence[Lane],
        threads: int,
        *,
        chance: random.Random | None = None,
    ) -> None:
        self.outbox = outbox
        self._chance = chance or random.SystemRandom()
        self.lanes = list(lanes)
        self.stopping = threading.Event()
        self._settings = settings
        self._threads = threads
        self.slots = Slots(max(threads - 1, 1))  #: one thread is kept for what is urgent
        self._urgent_slot = Slots(1)
        self.claimed_at = 0.0  #: when a claim was last answered, whatever it gave; `time.monotonic`
        self._serving: set[int] = set()
        self._helping: set[int] = set()  #: those of the serving threads that are none of the pool's
        self._urgent = [lane for lane in self.lanes if lane.rules.share is None]
        self._others = [lane for lane in self.lanes if lane not in self._urgent]
        self._urgent_claims: dict[str, float] = {}  #: partition -> when the thread kept for it last claimed
        self._attempts: dict[str, Attempt] = {}
        self._process = f"{self._chance.getrandbits(64):016x}"
        self._watermarks: dict[str, Watermark] = {}
        self._lock = threading.Lock()
        self._gateway = Gateway(
            settings.endpoint,
            connect_timeout=settings.connect_timeout,
            read_timeout=settings.read_timeout,
            idle_seconds=settings.idle_seconds,
        )

    @property
    def serving(self) -> int:
        """How many threads may have a batch in hand."""
        return len(self._serving)

    def partitions(self) -> list[tuple[Partition, str]]:
        """Every partition and its account, also one that this worker holds no token for."""
        found = []
        for code, (account, partition) in self.outbox.registry.known().items():
            self._watch(partition, account)
            found.append((partition, account))
            if account not in self._settings.tokens:
                self._attempts.pop(code, None)  # contested by now
        return found

    def _watch(self, partition: Partition, account: str) -> None:
        """Let calls on `partition` see whether Redis went back in time, by what this process was told."""
        mark = self._watermarks.get(partition.code)
        if mark is None:
            journal = Journal(partition.code, account, self.outbox.registry.key)

            def fell(known: int, remembered: int) -> None:
                journal.rolled_back(known, remembered)
                self.outbox.registry.known()  # what Redis lost of it is written back before anything is sent

            mark = self._watermarks.setdefault(partition.code, Watermark(self._process, fell))
        partition.watermark = mark

    def wake(self, lane: Lane, partition: str, call_another: CallAnother | None = None) -> None:
        """Serve a wake-up for `lane` of the partition with the code `partition`, in the calling thread.

        Where there is more than one batch, `call_another` asks for help: by default of the broker.
        """
        another = call_another or self._call_another
        attempt = self._attempt(partition)
        if attempt is None:
            return
        attempt.partition.drop_wake(lane)  # first, so that no wake-up is lost between this and the claim
        self._serving.add(threading.get_ident())
        try:
            self._serve_permitted(attempt, partition, another)
        finally:
            self._serving.discard(threading.get_ident())

    def _serve_permitted(self, attempt: Attempt, partition: str, another: CallAnother) -> None:
        """Serve by whichever permit there is; without one leave it to those who hold them."""
        if self.slots.take(partition):
            self._serve_held(self.slots, partition, self.lanes, another)
        elif self._urgent and self._urgent_slot.take(partition):
            self._serve_held(self._urgent_slot, partition, self._urgent, another)
        elif self._urgent and self._has_room() and not self._kept_up(partition):
            self._serve(attempt, self._urgent, another)

    def _has_room(self) -> bool:
        """Whether the calling thread is one that drains may take; the pool has others, which errands need.

        Its wake-up is not lost: both permits' holders have heard of it.
        """
        return len(self._serving - self._helping) <= self._threads

    def _serve_held(
        self, slots: Slots, partition: str, lanes: Sequence[Lane], call_another: CallAnother
    ) -> None:
        """Serve `partition` by a permit that was taken, then those whose wake-ups found none."""
        with slots.held(partition) as work:
            for code in work:
                attempt = self._attempt(code)
                if attempt is not None:
                    self._serve(attempt, lanes, call_another)

    def _attempt(self, code: str) -> Attempt | None:
        """The attempt of a partition, None where its account has no token here."""
        with self._lock:
            found = self._attempts.get(code)
            if found is None:
                account, partition = self.outbox.registry.known().get(code, ("", None))
                token = self._settings.tokens.get(account)
                if partition is None or token is None:
                    log.error("account.unknown", account=account or None, partition=code)
                    return None
                self._watch(partition, account)
                journal = Journal(code, account, self.outbox.registry.key)
                screen = Screen(self.outbox.registry, self._settings.suppression_exempt or frozenset())
                found = Attempt(
                    *(partition, token, self._gateway, self._settings, journal, screen),
                    *(self.stopping, self._chance),
                )
                self._attempts[code] = found
            return found

    def _serve(self, attempt: Attempt, lanes: Sequence[Lane], call_another: CallAnother) -> None:
        """Claim and deliver until nothing waits, something holds, or the time is over and others wait."""
        partition, journal, settings = attempt.partition, attempt.journal, self._settings
        end = time.monotonic() + BUDGET
        lingering = [lane for lane in lanes if lane.rules.linger]
        linger: Sequence[Lane] = lingering
        alone = True
        while not self.stopping.is_set():
            failpoint.at("before_claim")
            claim, expired = partition.claim(
                f"{self._chance.getrandbits(64):016x}",
                claim_order(self._lanes_now(lanes, partition.code), self._chance.random()),
                lease=settings.lease_seconds,
                limit=settings.batch_size,
                byte_cap=settings.batch_bytes,
                max_ambiguous=settings.max_ambiguous,
                linger=linger,
            )
            self.claimed_at = time.monotonic()
            journal.expired(expired)
            match claim:
                case Batch() if partition.code in self.outbox.registry.contested:
                    journal.unposted(claim, "more than one account holds the partition")
                    partition.settle(claim.id, [], Endpoint("unposted"), GateRules())
                    return
                case Batch():
                    if alone and len(claim.jobs) >= settings.batch_size:
                        call_another(partition, claim.lane)
                    alone = False
                    linger = lingering
                    attempt.deliver(claim)
                    if time.monotonic() > end and self.slots.wanted:
                        call_another(partition, claim.lane)
                        return
                case Linger(lane):
                    linger = ()
                    self.stopping.wait(lane.rules.linger)
                case Held():
                    journal.held(claim)
                    return
                case Empty():
                    return
                case unknown:
                    assert_never(unknown)

    def _lanes_now(self, lanes: Sequence[Lane], partition: str) -> Sequence[Lane]:
        """The lanes to claim from; what is urgent is left to the thread kept for it, while that keeps up."""
        if lanes is self._urgent:
            self._urgent_claims[partition] = time.monotonic()
        elif self._others and self._kept_up(partition):
            return self._others
        return lanes

    def _kept_up(self, partition: str) -> bool:
        """Whether the thread kept for what is urgent was at it a moment ago."""
        return time.monotonic() - self._urgent_claims.get(partition, -math.inf) < RELIEF

    def _call_another(self, partition: Partition, lane: Lane) -> None:
        """Ask for one more drain of `lane`, here or in another process."""
        if partition.take_wake(lane):
            self.outbox.waker.wake(lane, partition.code)

    def without_broker(self, lane: Lane, partition: str, call_another: CallAnother) -> None:
        """Drain a lane that the broker's wake-ups do not reach. Runs in a thread of the sweeper's."""
        self._helping.add(threading.get_ident())
        try:
            self.wake(lane, partition, call_another)
        except OutboxUnavailable as error:
            log.warning("drain.interrupted", lane=lane.value, partition=partition, problem=error.problem)
        except Exception:  # noqa: BLE001 - threading would print the error, which may hold what it choked on
            log.exception("drain.failed", lane=lane.value, partition=partition)
        finally:
            self._helping.discard(threading.get_ident())
