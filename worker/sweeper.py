"""The sweeper: a thread in every worker process that moves what time moves. Any number of them may run."""

from __future__ import annotations

import os
import random
import threading
import time

from cmqueue.errors import OutboxRefused, OutboxUnavailable
from cmqueue.job import KEY_AT, Job, UnknownFormat
from cmqueue.lane import Lane
from cmqueue.partition import Partition
from cmqueue.sweep import Lost, SweepRules
from config.settings import WorkerSettings
from worker import failpoint
from worker.drain import Drain
from worker.journal import Journal, log
from worker.liveness import Liveness

TICK = 1.0
#: After Redis was away, those who hold batches settle them first. Each asks again within a second of its last
#: call's end, and that call may have begun just before: CMQUEUE_REDIS_TIMEOUT.
PATIENCE = 5.0
BEYOND_TIMEOUT = 2.0
SCAN_EVERY = 5
FORGET_EVERY = 60
MOST_PASSES = 100
#: Beyond the read timeout, for what a drain does after its answer.
SPARE_SECONDS = 3.0
LAST_SECONDS = 5.0
#: sysexits' EX_SOFTWARE.
STUCK_STATUS = 70


class Sweeper:
    """Sweeps every partition each second, with a little chance so that processes do not march in step."""

    def __init__(self, drain: Drain, settings: WorkerSettings) -> None:
        self._drain = drain
        self._settings = settings
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cmqueue-sweeper", daemon=True)
        self._patience = max(PATIENCE, settings.redis_timeout + BEYOND_TIMEOUT)
        self._reclaim_from = 0.0
        self._scanned: dict[tuple[str, Lane], int] = {}
        self._helpers: dict[tuple[str, Lane], list[threading.Thread]] = {}
        self._neglected: set[tuple[str, Lane]] = set()
        self._unknown: set[str] = set()
        self._liveness = Liveness(settings.lease_seconds)
        self._rules = SweepRules(
            reconcile=settings.reconcile_seconds,
            resend_after=settings.resend_after(),
            max_resends=settings.max_resends,
            dead_retention=float(settings.dead_retention_seconds),
        )

    def start(self) -> None:
        """Begin to sweep; with patience, since Redis may be just back from an outage not seen here."""
        self._reclaim_from = time.monotonic() + self._patience
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it, and for drains that it started: they end between batches."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5)
        end = time.monotonic() + self._settings.read_timeout + SPARE_SECONDS
        for helper in [helper for helpers in self._helpers.values() for helper in helpers]:
            helper.join(max(0.0, end - time.monotonic()))

    def _run(self) -> None:
        tick = 0
        away = False
        while not self._stop.wait(0 if tick == 0 else TICK * random.uniform(0.9, 1.1)):
            tick += 1
            try:
                self._tick(tick)
                if away:
                    log.info("redis.recovered")
                    away = False
                self._give_up_if_stuck()
            except OutboxUnavailable as error:
                self._reclaim_from = time.monotonic() + self._patience
                self._liveness.interrupted()
                if not away:
                    log.error("redis.unreachable", problem=error.problem)
                    away = True
            except Exception:  # noqa: BLE001 - see below
                # A sweeper that died would be a worker that heals nothing, for ever.
                log.exception("sweep.failed")

    def _tick(self, tick: int) -> None:
        """Sweep every partition; what is wrong in one does not keep the others from healing."""
        self._neglected.clear()
        for partition, account in self._drain.partitions():
            journal = Journal(partition.code, account, self._drain.outbox.registry.key)
            try:
                self.sweep(partition, journal, tick, served=self._served(partition, account))
            except OutboxRefused as error:
                log.error("sweep.failed", account=account, partition=partition.code, problem=error.problem)
            except OutboxUnavailable:
                raise
            except Exception:  # noqa: BLE001 - as in `_run`
                log.exception("sweep.failed", account=account, partition=partition.code)

    def _served(self, partition: Partition, account: str) -> bool:
        """Whether this worker can send for the account; one that it has no token for is told of once."""
        if account in self._settings.tokens:
            return True
        if account not in self._unknown:
            self._unknown.add(account)
            log.error("account.unknown", account=account or None, partition=partition.code)
        return False

    def sweep(self, partition: Partition, journal: Journal, tick: int, *, served: bool = True) -> None:
        """One tick for one partition; where it is not `served` time moves on, and nobody is woken."""
        failpoint.at("sweep_start")
        lost = self._lost(partition, journal)
        failpoint.at("sweep_lost")
        for _ in range(MOST_PASSES):
            swept = partition.sweep(self._rules, self._drain.lanes if served else [], lost=lost)
            failpoint.at("sweep_moved")
            lost = []  # only the first pass knows these as they are
            journal.swept(swept.told)
            for lane in swept.wake:
                self._drain.outbox.waker.wake(lane, partition.code)
            for lane in swept.stale:
                self._neglected.add((partition.code, lane))
                self._help(lane, partition.code)
            if not swept.more:
                break
        if tick % SCAN_EVERY == 0:
            for lane in self._drain.lanes:
                begin = self._scanned.get((partition.code, lane), 0)
                self._scanned[partition.code, lane], expired = partition.expire(lane, begin)
                journal.expired(expired)
        if tick % FORGET_EVERY == 0:
            partition.drop(self._settings.retention_seconds)
        failpoint.at("sweep_end")

    def _lost(self, partition: Partition, journal: Journal) -> list[Lost]:
        """The batches to reclaim, those in doubt logged first; none while their holders may settle them."""
        if time.monotonic() < self._reclaim_from:
            return []
        lost = partition.lost()
        for batch in lost:
            if batch.posting:
                journal.lease_lost(batch.id, [_unpacked(job) for job in batch.jobs])
        return lost

    def _give_up_if_stuck(self) -> None:
        """End the process, for its supervisor to start anew, when it stands still without a reason."""
        free, heard = self._drain.slots.free, self._drain.claimed_at
        if not self._liveness.stuck(time.monotonic(), neglected=self._neglected, free=free, claimed_at=heard):
            return
        log.critical(
            "worker.stuck", seconds=self._liveness.patience, lanes=sorted(lane for _, lane in self._neglected)
        )
        self._drain.stopping.set()  # what is in flight may still be written down
        time.sleep(min(self._settings.read_timeout, LAST_SECONDS))
        os._exit(STUCK_STATUS)  # a stuck thread would keep any gentler exit waiting

    def _help(self, lane: Lane, partition: str) -> None:
        """Drain a stale lane here: in one thread, which starts one more where its first batch is full.

        Beyond the first there are no more than free slots; the first may find the urgent thread's.
        """
        if not any(helper.is_alive() for helper in self._helpers.get((partition, lane), [])):
            self._helpers[partition, lane] = []
            self._start_helper(lane, partition)

    def _start_helper(self, lane: Lane, partition: str) -> None:
        def one_more(_: Partition, busy: Lane) -> None:
            if self._drain.slots.free and not self._stop.is_set():
                self._start_helper(busy, partition)

        helper = threading.Thread(
            target=self._drain.without_broker,
            args=(lane, partition, one_more),
            name="cmqueue-helper",
            daemon=True,
        )
        self._helpers.setdefault((partition, lane), []).append(helper)
        helper.start()


def _unpacked(packed: bytes) -> Job:
    """The job; of one in a newer version's format only what every version finds in its place: who it is."""
    try:
        return Job.unpack(packed)
    except (UnknownFormat, KeyError):
        key, random = packed[KEY_AT].decode("ascii", "replace"), packed[KEY_AT.stop :][:10]
        return Job("", 0, 0, 0, 0, 0, key[:4], key[4:], random.decode("ascii", "replace"), "", b"")
