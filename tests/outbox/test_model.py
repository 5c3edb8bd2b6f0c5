"""The outbox against a model of it: any calls in any order, and after each of them every law holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count, cycle, permutations
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from inside import (
    ACCEPTED,
    ANSWERED,
    DEAD,
    DOUBTED,
    GIVEN_BACK,
    REJECTED,
    RETRIED,
    SILENT,
    STOPPED,
    UNPOSTED,
    Inside,
    key_of,
    keys_of,
)

import cmqueue.outbox
from cmqueue import IdempotencyConflict, Message, Outbox
from cmqueue.claim import Batch, Held
from cmqueue.gate import Endpoint, GateRules
from cmqueue.identity import spelled
from cmqueue.job import Job, digests
from cmqueue.lane import Guarantee, Lane
from cmqueue.settings import LibrarySettings
from cmqueue.settlement import Settlement
from cmqueue.state import Reason, State
from cmqueue.suppression import Suppressions, screens
from cmqueue.sweep import Lost, SweepRules
from demo.valkey import RunningServer

MAX_RESENDS = 2
MOST_ANEW = 2
RANK = {State.ACCEPTED: 1, State.FAILED: 2, State.DELIVERED: 3, State.READ: 4}
SUPPRESSED = Settlement(State.SUPPRESSED, Reason.NOT_ALLOWED, counts=False)
NUMBERS = [f"003160000000{n}" for n in range(5)]
# Small draws: the more of a run's chance goes into choosing rules, the deeper it gets.
LANES = st.sampled_from([lanes for many in (1, 2, 3) for lanes in permutations(Lane, many)])
FATES = st.lists(
    st.sampled_from([DOUBTED, RETRIED, GIVEN_BACK, DEAD, ACCEPTED, REJECTED, SUPPRESSED]),
    min_size=1,
    max_size=4,
)
PROOFS = st.sampled_from([ACCEPTED, REJECTED])
KINDS = st.sampled_from(["any", "held", "doubted"])
TIMES = ("leases", "doubt", "due", "kept", "sent_until")
ANY, FEW = st.integers(0, 99), st.integers(0, 3)
ENDPOINTS = st.sampled_from([ANSWERED, ANSWERED, SILENT, STOPPED, UNPOSTED])


T = TypeVar("T")


def some(of: Iterable[T], at: int, many: int = 1) -> list[T]:
    """Up to `many` of them, from the place `at` on, and round."""
    things = list(of)
    return [things[(at + n) % len(things)] for n in range(min(many, len(things)))]


MOVES: list[st.SearchStrategy[tuple[str, dict[str, Any]]]] = []


def move(weight: int = 1, **arguments: st.SearchStrategy[Any]) -> Callable[[T], T]:
    """A step of the machine, chosen by its weight. (Rules of Hypothesis's own are switched off at random.)"""

    def registered(method: T) -> T:
        name = method.__name__  # type: ignore[attr-defined]
        MOVES.extend(st.tuples(st.just(name), st.fixed_dictionaries(arguments)) for _ in range(weight))
        return method

    return registered


@dataclass
class Expected:
    """What the model knows of one message."""

    lane: Lane
    at_least_once: bool
    state: State
    attempts: int = 0
    resends: int = 0
    redriven_in_doubt: bool = False
    old: bool = False  #: past its end
    kept: bool = False  #: dead or unknown, and can be redriven
    batch: str = ""  #: the batch that holds it, while it is queued
    listed: bool = False  #: on the suppression list when it was to be resent: it never is
    sent: bool = False  #: accepted or failed, and kept whole, to be sent anew
    anew: int = 0  #: how many failed messages it stands in the place of

    @property
    def doubted(self) -> bool:
        """Whether an earlier attempt may have arrived."""
        return self.resends > 0 or self.redriven_in_doubt


class OutboxMachine(RuleBasedStateMachine):
    """Callers, workers and sweepers in one, on a real server."""

    server: RunningServer
    outbox: Outbox
    references: ClassVar[Iterator[int]]

    def __init__(self) -> None:
        super().__init__()
        self.outbox.scripts.client.flushall()
        self.outbox.registry._partitions.clear()
        self.outbox.registry._key = None
        self.inside = Inside(self.outbox, self.outbox.registry.partition("default"))
        self.partition = self.inside.partition
        self.expected: dict[str, Expected] = {}
        self.forgotten: set[str] = set()
        self.named: dict[str, tuple[str, str]] = {}  # idempotency key: number, message
        self.keyed = False  # a broadcast's key is remembered, and its rows with it
        self.batches: dict[str, list[str]] = {}  # batches in a worker's hand, as it knows them
        self.phase: dict[str, State] = {}  # the same batches as Redis should have them; none: reclaimed
        self.lane: dict[str, Lane] = {}  # of every batch that ever was
        self.paused: set[Lane] = set()
        self.rolled_back = False
        self.suppressed: set[str] = set()  # numbers
        self.suppressions = Suppressions(self.outbox)
        self.read: list[Lost] = []  # what a slow sweeper has read of the leases
        self.marked: set[str] = set()  # the batches that were marked since
        self.looks = 0
        type(self).references = count()

    @initialize()
    def begin(self) -> None:
        """Every lane has messages of both guarantees."""
        for lane in Lane:
            for guarantee in Guarantee:
                self.enqueue(lane, NUMBERS[0], guarantee, later=False, name=None)
            self.broadcast(lane, NUMBERS[:2], "a", None)

    # --- the model's moves ---------------------------------------------------------------------------

    def _new(self, key: str, lane: Lane, guarantee: Guarantee | None, *, later: bool) -> None:
        chosen = guarantee or lane.rules.guarantee
        state = State.SCHEDULED if later else State.QUEUED
        assert key not in self.expected
        self.expected[key] = Expected(lane, chosen is Guarantee.AT_LEAST_ONCE, state)

    def _in(self, *states: State) -> list[str]:
        return [key for key, message in self.expected.items() if message.state in states]

    def _such(self, kind: str) -> list[str]:
        """The messages that are held by a batch, or that may have arrived and go again; or any."""
        return [
            key
            for key, message in self.expected.items()
            if kind == "any"
            or (kind == "held" and message.batch)
            or (kind == "doubted" and message.doubted and not message.state.finished)
        ]

    def _end_by_age(self, key: str) -> bool:
        """Whether it expired; what may have arrived goes back into doubt."""
        message = self.expected[key]
        assert message.old
        message.batch = ""
        message.state = State.AMBIGUOUS if message.doubted else State.EXPIRED
        return not message.doubted

    def _expired(self, told: Iterable[str]) -> None:
        """Redis says that these expired: each was queued, past its end, and not in doubt before."""
        for key in told:
            message = self.expected[key]
            assert (State.QUEUED, True, False) == (message.state, message.old, message.doubted)
            self._end_by_age(key)

    def _read_back_doubted(self, keys: Iterable[str]) -> None:
        """The doubted past their end go back into doubt without a word: wherever a script looked at them."""
        for key in keys:
            message = self.expected[key]
            if message.old and message.doubted and self.inside.state(key) is State.AMBIGUOUS:
                self._end_by_age(key)

    # --- callers -------------------------------------------------------------------------------------

    @move(
        lane=st.sampled_from(Lane),
        number=st.sampled_from(NUMBERS),
        guarantee=st.sampled_from([None, *Guarantee]),
        later=st.booleans(),
        name=st.sampled_from([None, None, "one", "two"]),
    )
    def enqueue(
        self, lane: Lane, number: str, guarantee: Guarantee | None, later: bool, name: str | None
    ) -> None:
        message = Message(sender="Acme", to=number, text="hi", idempotency_key=name)
        send_at = datetime.now(UTC) + timedelta(days=1) if later else None
        known = self.named.get(name or "")
        if known and known[0] != number:
            with pytest.raises(IdempotencyConflict) as raised:
                self.outbox.enqueue(message, lane=lane, guarantee=guarantee, send_at=send_at)
            assert known[1] == raised.value.id
            return
        receipt = self.outbox.enqueue(message, lane=lane, guarantee=guarantee, send_at=send_at)
        assert bool(known) == receipt.duplicate
        if known:
            assert known[1] == receipt.id
            return
        if name:
            self.named[name] = (number, receipt.id)
        self._new(key_of(receipt.id), lane, guarantee, later=later)

    @move(
        lane=st.sampled_from(Lane),
        numbers=st.sampled_from([NUMBERS[:1], NUMBERS[:3], [*NUMBERS[1:4], NUMBERS[2]]]),
        text=st.sampled_from(["a", "b"]),
        name=st.sampled_from([None, None, "c", "d"]),
    )
    def broadcast(self, lane: Lane, numbers: list[str], text: str, name: str | None) -> None:
        content = {"sender": "Acme", "text": text if name is None else name}
        known = set(self.expected) | self.forgotten
        told = self.outbox.broadcast(content, numbers, lane=lane, idempotency_key=name)
        fresh = [key_of(receipt.id) for receipt in told if not receipt.duplicate]
        assert len(numbers) == told.enqueued + told.duplicates
        assert len(fresh) == len(set(fresh)) == told.enqueued
        if name is None:
            assert len(set(numbers)) == told.enqueued
        assert not known.intersection(fresh), "taken again, though its key is remembered"
        self.keyed |= name is not None
        for key in fresh:
            self._new(key, lane, None, later=False)

    @move(weight=2, at=ANY, twice=st.booleans(), of=KINDS)
    def cancel(self, at: int, twice: bool, of: str) -> None:
        keys = some(self._such(of), at) * (1 + twice)
        said = self.partition.cancel(keys)
        for key, letter in zip(keys, said, strict=True):
            message = self.expected[key]
            posting = self.phase.get(message.batch) is State.POSTING
            free = message.state in (State.QUEUED, State.SCHEDULED) and not message.doubted and not posting
            assert ("c" if free or message.state is State.CANCELLED else "t") == letter
            if free:
                message.state, message.batch = State.CANCELLED, ""

    # --- workers -------------------------------------------------------------------------------------

    @move(
        lanes=LANES,
        limit=st.integers(1, 6),
        linger=st.lists(st.sampled_from(Lane), max_size=1),
        byte_cap=st.sampled_from([100, 1 << 20]),
        most=st.sampled_from([5, 10_000]),
        through=st.booleans(),
    )
    def claim(
        self, lanes: tuple[Lane, ...], limit: int, linger: list[Lane], byte_cap: int, most: int, through: bool
    ) -> None:
        if through:
            self.inside.open_gate()
        gate = self.inside.gate()
        in_doubt = len(self._in(State.AMBIGUOUS)) + sum(
            len(self.partition.members(open)) for open in self.phase
        )
        claim, expired = self.inside.claim_telling(
            *lanes, limit=limit, linger=linger, byte_cap=byte_cap, max_ambiguous=most
        )
        self._expired(expired)
        self._read_back_doubted(self._in(State.QUEUED))
        self._read_aside()
        if isinstance(claim, Held):
            assert gate.get("closed") or in_doubt >= most
        if not isinstance(claim, Batch):
            return
        keys = keys_of(claim)
        assert len(keys) == len(set(keys)) > 0
        assert claim.lane in lanes
        assert claim.lane not in self.paused
        assert claim.probe == bool(gate.get("closed"))
        assert in_doubt + len(keys) <= most
        for key in keys:
            message = self.expected[key]
            assert (State.QUEUED, claim.lane) == (message.state, message.lane), "handed out again"
            assert not message.old
            assert message.at_least_once or not self.rolled_back, "handed out after a rollback"
            assert message.batch not in self.phase, "handed out twice"
            message.batch = claim.id
        self.batches[claim.id], self.lane[claim.id] = keys, claim.lane
        self.phase[claim.id] = State.CLAIMED

    def _read_aside(self) -> None:
        """What a claim has set aside has left the batch that was reclaimed."""
        for place, job in self.inside.places() if self.rolled_back else ():
            message = self.expected.get(job.bucket + job.tail)
            if place.startswith("aside") and message:
                assert not message.at_least_once
                assert message.batch not in self.phase
                message.batch = ""

    def _held_by(self, batch: str) -> list[str]:
        """The waiting messages of a batch, in its order."""
        return [
            key for key in self.batches[batch] if self.expected.get(key) and self.expected[key].batch == batch
        ]

    @move(at=ANY, many=FEW)
    def mark(self, at: int, many: int) -> None:
        for batch in some(self.batches, at):
            self._mark(batch, many - 2)

    def _mark(self, batch: str, give_back: int) -> None:
        holding = self._held_by(batch) if batch in self.phase else []
        given = holding[len(holding) - give_back :] if give_back > 0 else []
        jobs = self.partition.members(batch)
        left, expired, listed, unscreened = self.partition.mark(
            batch,
            lease=60,
            earliest_expiry=0,
            give_back=given,
            screens=screens(jobs, self._contents(jobs), self.outbox.registry.suppression_key),
        )
        assert not unscreened
        if batch not in self.phase:
            assert left is None
            return
        self._suppressed(jobs, listed)
        for key in given:
            self.expected[key].batch = ""
        old = [key for key in self._held_by(batch) if self.expected[key].old]
        assert sorted(expired) == sorted(key for key in old if not self.expected[key].doubted)
        for key in old:
            self._end_by_age(key)
        if self.rolled_back and self.phase[batch] is State.CLAIMED:
            for key in self._held_by(batch):
                if not self.expected[key].at_least_once:
                    self.expected[key].batch = ""
        self.batches[batch] = self._held_by(batch)
        assert len(self.batches[batch]) == left
        if left:
            self.phase[batch] = State.POSTING
            self.marked.add(batch)
        else:
            del self.batches[batch], self.phase[batch]

    def _contents(self, jobs: list[bytes]) -> dict[bytes, bytes]:
        shared = list(digests(jobs))
        return self.partition.contents(shared) if shared else {}

    def _suppressed(self, jobs: list[bytes], told: list[tuple[str, str]]) -> None:
        """Those of a batch whose numbers are on the list end; what may have arrived is in doubt for good."""
        found = []
        for job in map(Job.unpack, jobs):
            key = job.bucket + job.tail
            message = self.expected.get(key)
            if job.number not in self.suppressed or message is None or message.state is not State.QUEUED:
                continue
            message.batch = ""
            message.state = State.AMBIGUOUS if message.doubted else State.SUPPRESSED
            message.listed = message.doubted
            found += [] if message.doubted else [key]
        assert found == [key for key, _ in told]

    @move(number=st.sampled_from(NUMBERS[:2]), on=st.booleans())
    def suppress(self, number: str, on: bool) -> None:
        if on:
            assert (number not in self.suppressed) == self.suppressions.add(number)
            self.suppressed.add(number)
        else:
            assert (number in self.suppressed) == self.suppressions.remove(number)
            self.suppressed.discard(number)

    @move(at=ANY, fates=FATES, endpoint=ENDPOINTS, pause=st.booleans())
    def settle(self, at: int, fates: list[Settlement], endpoint: Endpoint, pause: bool) -> None:
        for batch in some(self.batches, at):
            self._settle(batch, fates, endpoint, pause=pause)

    @move(lane=st.sampled_from(Lane))
    def resume(self, lane: Lane) -> None:
        assert (lane in self.paused) == self.partition.resume(lane)
        self.paused.discard(lane)

    @move()
    def hold_after_rollback(self) -> None:
        self.inside.client.hset(self.inside.at("rolled_back"), "at", self.inside.now_ms())
        self.rolled_back = True

    @move(weight=2)
    def resume_rolled_back(self) -> None:
        assert self.rolled_back == self.partition.resume_rolled_back()
        self.rolled_back = False

    @move(
        weight=5,
        lanes=LANES,
        many=FEW,
        fates=FATES,
        endpoint=ENDPOINTS,
        until=st.integers(1, 3),
    )
    def deliver(
        self, lanes: tuple[Lane, ...], many: int, fates: list[Settlement], endpoint: Endpoint, until: int
    ) -> None:
        """A batch all its way, or until its worker stops: after the mark, a second mark, or the answer."""
        before = set(self.batches)
        self.claim(lanes, 4, [], 1 << 20, 10_000, through=True)
        for batch in set(self.batches) - before:
            self._mark(batch, many - 2)
            if until == 3 and batch in self.batches:
                self._mark(batch, 0)
            if until >= 2 and batch in self.batches:
                self._settle(batch, fates, endpoint)

    def _settle(
        self, batch: str, given: list[Settlement], endpoint: Endpoint, *, pause: bool = False
    ) -> None:
        posting = self.phase.get(batch) is State.POSTING
        if endpoint is UNPOSTED or not posting:
            missing = self.partition.settle(batch, [], UNPOSTED, GateRules())
            fates = dict.fromkeys(self._held_by(batch), GIVEN_BACK)
        else:
            keys = keys_of(Batch(batch, Lane.BULK, False, self.partition.members(batch)))
            assert self.batches[batch] == keys
            fates = dict(zip(keys, cycle(given), strict=False))
            fated = list(fates.values())
            missing = self.partition.settle(
                batch, fated, endpoint, GateRules(), stop_lane=pause, resends=True
            )
            if pause:
                self.paused.add(self.lane[batch])
        if batch in self.phase:
            assert missing == sum(key in self.forgotten for key in fates)
        del self.batches[batch]
        if self.phase.pop(batch, None) is None:
            # Reclaimed. Where it was not claimed again, its holder may still give it back (or half of it).
            for key in self._held_by_all(batch):
                if self.inside.state(key) is State.QUEUED:
                    self.expected[key].batch = ""
            return
        for key in self._held_by_all(batch):
            message, fate = self.expected[key], fates.get(key, GIVEN_BACK)
            message.state, message.batch, message.kept = fate.state, "", fate is DEAD
            message.attempts += fate.counts
            message.sent = fate.state is State.ACCEPTED

    def _held_by_all(self, batch: str) -> list[str]:
        return [key for key, message in self.expected.items() if message.batch == batch]

    # --- knowledge -----------------------------------------------------------------------------------

    @move(weight=2, at=ANY, twice=st.booleans(), of=KINDS, proof=PROOFS)
    def prove(self, at: int, twice: bool, of: str, proof: Settlement) -> None:
        keys = some(self._such(of), at) * (1 + twice)
        changed = self.partition.prove([(key, proof) for key in keys])
        could = {
            key
            for key in keys
            if not self.expected[key].state.finished or self.expected[key].state is State.UNKNOWN
        }
        assert sorted(could) == sorted(changed)
        for key in could:
            message = self.expected[key]
            message.state, message.batch, message.kept = proof.state, "", False

    @move(weight=2, at=ANY, of=KINDS, fact=st.sampled_from(list(RANK)), passing=st.booleans())
    def report(self, at: int, of: str, fact: State, passing: bool) -> None:
        passing = passing and fact is State.FAILED
        for key in some(self._such(of), at):
            message = self.expected[key]
            told = Settlement(fact, Reason.RECEIPT, counts=passing)
            (moved,) = self.partition.report([([key], "A" * 10, told)], Lane)
            if RANK[fact] > RANK.get(message.state, 0):
                whole = message.state is State.AMBIGUOUS or (message.state is State.UNKNOWN and message.kept)
                message.sent = message.sent or (passing and whole)
                message.state, message.batch, message.kept = fact, "", False
            if fact is not State.ACCEPTED and not (passing and message.state is State.FAILED):
                message.sent = False
            anew = message.state is State.FAILED and message.sent
            assert moved is not None
            assert (key, message.state, anew) == (moved[0], *moved[2:])

    @move(weight=2, at=ANY, wait=st.sampled_from([0, 60_000]))
    def resend(self, at: int, wait: int) -> None:
        for key in some(self._in(State.FAILED), at):
            old, new = self.expected[key], key[:4] + spelled(next(type(self).references), 20)
            ids = [self.partition.code + one for one in (key, new)]
            said = self.outbox.scripts.run(
                "resend", self.partition.prefix, [key, new + "A" * 10, *ids, wait, MOST_ANEW]
            )
            over = old.anew >= MOST_ANEW or old.old
            assert (b"gone" if not old.sent else b"over" if over else b"new") == said
            if said == b"new":
                self.expected[new] = Expected(
                    old.lane,
                    old.at_least_once,
                    State.SCHEDULED if wait else State.QUEUED,
                    anew=old.anew + 1,
                )
            old.sent = False

    @move(at=ANY, many=FEW, letter=st.sampled_from("XU"))
    def redrive(self, at: int, many: int, letter: str) -> None:
        keys = some(self._in(State.DEAD, State.UNKNOWN), at, many + 1)
        state = State.DEAD if letter == "X" else State.UNKNOWN
        could = [key for key in keys if (state, True) == (self.expected[key].state, self.expected[key].kept)]
        assert could == self.partition.redrive(letter, keys, 600)
        for key in could:
            old = self.expected[key]
            in_doubt = old.doubted or old.state is State.UNKNOWN
            self.expected[key] = Expected(
                old.lane, old.at_least_once, State.QUEUED, redriven_in_doubt=in_doubt
            )

    # --- time ----------------------------------------------------------------------------------------

    @move(at=ANY, of=KINDS)
    def grow_old(self, at: int, of: str) -> None:
        keys = some((key for key in self._such(of) if not self.expected[key].state.finished), at, 2)
        for key in keys:
            self.inside.expire(key)
            self.expected[key].old = True

    @move(
        weight=4,
        at=ANY,
        many=st.integers(1, 20),
        zset=st.sampled_from([*TIMES, "all"]),
        slow=st.booleans(),
    )
    def let_time_pass(self, at: int, many: int, zset: str, slow: bool) -> None:
        for name in TIMES:
            if zset in (name, "all"):
                members = sorted(self.inside.client.zrange(self.inside.at(name), 0, -1))
                self.inside._past(name, some(members, at, many))
        if not slow:
            self.look()
        self.sweep()

    @move()
    def look(self) -> None:
        self.read = self.partition.lost()
        self.marked.clear()

    def sweep(self) -> None:
        lost = {one.id: one.posting for one in self.read if one.id in self.phase.keys() - self.marked}
        over = {zset: self._past_keys(zset) for zset in ("doubt", "due", "kept", "sent_until")}
        rules = SweepRules(most=3, max_resends=MAX_RESENDS)
        swept = self.partition.sweep(rules, list(Lane), lost=self.read)
        told = swept.told
        while swept.more:
            swept = self.partition.sweep(rules, list(Lane))
            told += swept.told
        for batch, posting in lost.items():
            assert posting == (self.phase.pop(batch) is State.POSTING)
            self._reclaimed(batch, posting, {one.key for one in told if one.word == "dead"})
        for key in over["doubt"]:
            self._end_doubt(key)
        for key in over["due"]:
            self._release(key)
        for key in over["kept"] + over["sent_until"]:
            if key in self.expected:
                self.expected[key].kept = self.expected[key].sent = False
        for one in told:
            if one.word in ("unknown", "resent", "expired", "dead", "ambiguous"):
                assert self.expected[one.key].state.value in (one.word, "queued"), one

    def _reclaimed(self, batch: str, posting: bool, dead: set[str]) -> None:
        for key in self._held_by_all(batch):
            message = self.expected[key]
            if posting:
                message.state, message.batch = State.AMBIGUOUS, ""
                message.attempts += 1
            elif key in dead:
                message.state, message.batch, message.kept = State.DEAD, "", True

    def _release(self, key: str) -> None:
        message = self.expected[key]
        if not message.old:
            message.state = State.QUEUED
        elif not self._end_by_age(key) and self.inside.state(key) is State.UNKNOWN:
            self._end_doubt(key)  # back in doubt, which a later pass of this very sweep ended

    def _past_keys(self, zset: str) -> list[str]:
        found = self.inside.client.zrangebyscore(self.inside.at(zset), "-inf", self.inside.now_ms())
        return [key.decode() for key in found]

    def _end_doubt(self, key: str) -> None:
        message = self.expected[key]
        assert State.AMBIGUOUS is message.state
        again = message.at_least_once and not message.old and not message.listed
        if again and message.resends < MAX_RESENDS:
            message.state = State.QUEUED
            message.resends += 1
        else:
            message.state, message.kept = State.UNKNOWN, True

    @move(lane=st.sampled_from(Lane), drop=st.booleans(), end_keys=st.booleans())
    def tidy(self, lane: Lane, drop: bool, end_keys: bool) -> None:
        begin = 0
        while True:
            begin, expired = self.partition.expire(lane, begin, 3)
            self._expired(expired)
            if not begin:
                break
        self._read_back_doubted(self._in(State.QUEUED))
        if end_keys:
            self.inside.end_keys()
            self.named.clear()
            self.keyed = False
        if drop:
            self.drop()

    def drop(self) -> None:
        self.inside.age_buckets()
        gone = self.partition.drop(3600)
        if self.keyed or any(not message.state.finished for message in self.expected.values()):
            assert 0 == gone
            return
        assert len(self.expected) == gone
        self.forgotten |= set(self.expected)
        self.expected = {}

    @rule(data=st.data())
    def step(self, data: st.DataObject) -> None:
        name, arguments = data.draw(st.one_of(MOVES), "move")
        getattr(self, name)(**arguments)

    # --- the laws ------------------------------------------------------------------------------------

    @invariant()
    def the_books_balance(self) -> None:
        self.inside.check()

    @invariant()
    def every_message_stands_where_the_model_says(self) -> None:
        rows = self.inside.rows()
        assert set(self.expected) == set(rows)
        for key, message in self.expected.items():
            row = rows[key]
            expected = (message.state, message.attempts, message.resends)
            assert expected == (row.state, row.attempts, row.resends), key
        self.looks += 1
        for key in list(self.expected)[self.looks % 4 :: 4]:  # all of them would be most of a run's time
            message = self.expected[key]
            state = self.phase.get(message.batch, message.state)
            if message.batch and message.batch not in self.phase:
                state = State.CLAIMED  # reclaimed and not yet leased again: it stays in its batch
            assert state is self.inside.state(key)


@pytest.mark.timeout(600)  # a failure takes minutes to shrink, and is worth it
@pytest.mark.parametrize("name", ["valkey", pytest.param("debian_redis", id="redis")])
def test_the_outbox_is_its_model(
    request: pytest.FixtureRequest, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any calls by any callers, workers and sweepers lose, double and miscount nothing."""
    server: RunningServer = request.getfixturevalue(name)
    env = {"CMQUEUE_REDIS_URL": server.url, "CMQUEUE_SECRET_KEY": "no secret at all"}
    with Outbox(LibrarySettings.from_env(env)) as outbox:
        outbox.waker.wake = lambda *_: True  # type: ignore[method-assign]
        machine = type("Machine", (OutboxMachine,), {"outbox": outbox})

        def counted(many: int) -> list[str]:
            """Hypothesis repeats what it found, so the same calls must give the same ids."""
            return [spelled(next(machine.references), 10) for _ in range(many)]  # type: ignore[attr-defined]

        monkeypatch.setattr(cmqueue.outbox, "random_ends", counted)
        monkeypatch.setattr(cmqueue.outbox, "CHUNK", 2)  # so that a broadcast comes in chunks
        run_state_machine_as_test(
            machine, settings=settings(max_examples=50, stateful_step_count=50, deadline=None)
        )
