"""Looking into a partition, and moving what time moves: deadlines lie in Redis, a test rewrites them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from cmqueue import Outbox
from cmqueue.claim import Batch, Claim
from cmqueue.gate import Endpoint, GateRules
from cmqueue.job import Job
from cmqueue.lane import Lane
from cmqueue.partition import Partition
from cmqueue.row import Row
from cmqueue.settlement import Settlement
from cmqueue.state import Reason, State
from cmqueue.sweep import SweepRules, Swept

LONG_AGO = 1
LANES = tuple(Lane)

ACCEPTED = Settlement(State.ACCEPTED, Reason.ACCEPTED, parts=1)
REJECTED = Settlement(State.REJECTED, Reason.REJECTED, code=303)
DEAD = Settlement(State.DEAD, Reason.ATTEMPTS_EXHAUSTED)
RETRIED = Settlement(State.SCHEDULED, Reason.RETRY_REJECTED, code=304, delay_ms=60_000)
DOUBTED = Settlement(State.AMBIGUOUS, Reason.READ_TIMEOUT, delay_ms=60_000)
GIVEN_BACK = Settlement(State.QUEUED, Reason.GIVEN_BACK, counts=False)

ANSWERED, SILENT = Endpoint("answered"), Endpoint("silent", "read_timeout")
STOPPED, UNPOSTED = Endpoint("stopped", "101"), Endpoint("unposted", "nothing to send")

# Makes jobs expire: ARGV are their ids, none means all. Bytes 6 to 9 of a job are its end.
_AGE = """
local prefix, wanted = KEYS[1], {}
for _, id in ipairs(ARGV) do wanted[id] = true end
local function aged(job)
  if #ARGV > 0 and not wanted[string.sub(job, 14, 37)] then return job end
  return string.sub(job, 1, 5) .. '\\0\\0\\0\\1' .. string.sub(job, 10)
end
for _, name in ipairs(redis.call('KEYS', prefix .. '*')) do
  local kind = string.match(string.sub(name, #prefix + 1), '^%a+')
  if kind == 'lane' or kind == 'ready' or kind == 'aside' or kind == 'batch' then
    for at, job in ipairs(redis.call('LRANGE', name, 0, -1)) do
      redis.call('LSET', name, at - 1, aged(job))
    end
  elseif kind == 'jobs' then
    for _, id in ipairs(redis.call('HKEYS', name)) do
      redis.call('HSET', name, id, aged(redis.call('HGET', name, id)))
    end
  end
end
"""


class Inside:
    """One partition, from the inside."""

    def __init__(self, outbox: Outbox, partition: Partition) -> None:
        self.outbox = outbox
        self.partition = partition
        self.client = outbox.scripts.client
        self._age = self.client.register_script(_AGE)
        self._batches = 0
        self._moments = 0

    def at(self, name: str) -> str:
        return self.partition.prefix + name

    # --- calls with everything but the point of a test filled in ----------------------------------------

    def claim(self, *lanes: Lane, **options: Any) -> Claim:
        return self.claim_telling(*lanes, **options)[0]

    def claim_telling(self, *lanes: Lane, **options: Any) -> tuple[Claim, list[str]]:
        self._batches += 1
        return self.partition.claim(f"b{self._batches}", lanes or LANES, **{"lease": 60} | options)

    def batch(self, *lanes: Lane, **options: Any) -> Batch:
        claim = self.claim(*lanes, **options)
        assert isinstance(claim, Batch), claim
        return claim

    def mark(self, batch: Batch, *give_back: str) -> int | None:
        return self.partition.mark(batch.id, lease=60, earliest_expiry=0, give_back=give_back)[0]

    def settle(
        self, batch: Batch, fate: Settlement, endpoint: Endpoint = ANSWERED, **options: Any
    ) -> int | None:
        """The same fate for each message that the batch holds now."""
        size = len(self.partition.members(batch.id))
        return self.partition.settle(batch.id, [fate] * size, endpoint, GateRules(), **options)

    def deliver(
        self,
        *lanes: Lane,
        fate: Settlement = ACCEPTED,
        endpoint: Endpoint = ANSWERED,
        stop_lane: bool = False,
        **options: Any,
    ) -> Batch:
        """Claim, mark and settle one batch."""
        batch = self.batch(*lanes, **options)
        self.mark(batch)
        self.settle(batch, fate, endpoint, stop_lane=stop_lane)
        return batch

    def sweep(self, **rules: Any) -> Swept:
        """One pass, with everything reclaimed whose lease has ended."""
        return self.partition.sweep(SweepRules(**rules), LANES, lost=self.partition.lost())

    # --- letting time pass -----------------------------------------------------------------------------

    def _past(self, zset: str, members: Iterable[str] | None = None) -> None:
        chosen = self.client.zrange(self.at(zset), 0, -1) if members is None else list(members)
        if chosen:
            self._moments += 1  # a lease that was renewed ends at another time than before
            self.client.zadd(self.at(zset), dict.fromkeys(chosen, LONG_AGO + self._moments), xx=True, lt=True)

    def end_leases(self, *ids: str) -> None:
        """The leases of these batches, or of all, have ended."""
        self._past("leases", ids or None)

    def end_doubt(self, *keys: str) -> None:
        self._past("doubt", keys or None)

    def arrive(self, *keys: str) -> None:
        """What is scheduled is due."""
        self._past("due", keys or None)

    def end_keeping(self, *keys: str) -> None:
        self._past("kept", keys or None)

    def open_gate(self) -> None:
        """The gate's wait is over: the next claim is a probe."""
        if self.client.exists(self.at("gate")):
            self.client.hset(self.at("gate"), "until", LONG_AGO)

    def expire(self, *keys: str) -> None:
        """These messages, or all, are past their end."""
        self._age(keys=[self.partition.prefix], args=list(keys))

    def age_buckets(self) -> None:
        """The last finish of every bucket lies long ago."""
        for bucket in self.client.zrange(self.at("buckets"), 0, -1):
            self.client.zadd(self.at("buckets"), {bucket: LONG_AGO})
            self.client.hset(self.at("tally:") + bucket.decode(), "last", LONG_AGO)

    def end_keys(self) -> None:
        """The idempotency keys have ended; no row is kept for a broadcast's any more."""
        for name in self.client.keys(self.at("idem:*")):
            self.client.delete(name)
        for tally in self.client.keys(self.at("tally:*")):
            if self.client.hexists(tally, "until"):
                self.client.hset(tally, "until", LONG_AGO)

    # --- looking ---------------------------------------------------------------------------------------

    def state(self, key: str) -> State | None:
        status = self.outbox.status(self.partition.code + key)
        return None if status is None else status.state

    def now_ms(self) -> int:
        """Redis's own clock."""
        seconds, micros = self.client.time()
        return int(seconds) * 1000 + int(micros) // 1000

    def doubt_ends(self) -> dict[str, int]:
        """When doubt ends, in milliseconds, by key."""
        doubt = self.client.zrange(self.at("doubt"), 0, -1, withscores=True)
        return {key.decode(): int(end) for key, end in doubt}

    def gate(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.client.hgetall(self.at("gate")).items()}

    def rows(self) -> dict[str, Row]:
        """Every row, by key."""
        found = {}
        for bucket in self.client.zrange(self.at("buckets"), 0, -1):
            for tail, row in self.client.hgetall(self.at("rows:") + bucket.decode()).items():
                found[(bucket + tail).decode()] = Row.unpack(row)
        return found

    def places(self) -> Iterator[tuple[str, Job]]:
        """Each place that holds a job, with that job: `lane:n`, `batch:b1`, `due`, …"""
        client = self.client
        for name in sorted(client.keys(self.at("*"))):
            short = name.decode(errors="replace").removeprefix(self.partition.prefix)
            if short.partition(":")[0] in ("lane", "ready", "aside", "batch"):
                for job in client.lrange(name, 0, -1):
                    yield short, Job.unpack(job)
        jobs = client.hgetall(self.at("jobs"))
        for zset in ("due", "doubt", "kept"):
            for key in client.zrange(self.at(zset), 0, -1):
                yield zset, Job.unpack(jobs.pop(key))
        assert not jobs, "jobs that no set of times knows"
        sent = client.hgetall(self.at("sent"))
        for key in client.zrange(self.at("sent_until"), 0, -1):
            yield "sent", Job.unpack(sent.pop(key))
        assert not sent, "sent jobs that no set of times knows"

    def waiting(self, lane: Lane) -> list[str]:
        """The keys in the lane's two lists, those that come back first."""
        return [
            job.bucket + job.tail
            for short, job in sorted(self.places(), key=lambda place: place[0], reverse=True)
            if short in (f"lane:{lane.letter}", f"ready:{lane.letter}")
        ]

    def content_refs(self) -> dict[bytes, int]:
        return {name: int(count) for name, count in self.client.hgetall(self.at("content_refs")).items()}

    def check(self) -> None:
        """Every law that holds between the structures at every instant."""
        audit = self.outbox.audit()
        assert audit.balanced, audit.problems
        assert all(count >= 0 for count in audit.waiting.values()), audit.as_json()
        rows = self.rows()
        held: dict[str, str] = {}
        shared: Counter[bytes] = Counter()
        for place, job in self.places():
            key = job.bucket + job.tail
            assert key not in held, f"{key} is in {held[key]} and in {place}"
            held[key] = place
            if job.shared:
                shared[job.content] += 1
        buried = {key.decode() for key in self.client.smembers(self.at("withdrawn"))}
        for key, row in rows.items():
            place = held.get(key, "").partition(":")[0]
            where = {
                State.QUEUED: ("lane", "ready", "aside", "batch"),
                State.SCHEDULED: ("due",),
                State.AMBIGUOUS: ("doubt",),
                State.DEAD: ("kept", ""),
                State.UNKNOWN: ("kept", ""),
                State.ACCEPTED: ("sent", ""),
                State.FAILED: ("sent", ""),
            }.get(row.state, ("",))
            assert place in where or key in buried, f"{key} is {row.state} and in {place!r}"
        for key in buried:
            lists = ("lane", "ready", "aside", "batch")
            assert held.get(key, "").startswith(lists), f"a tombstone for nothing: {key}"
            assert key not in rows or rows[key].state.finished, f"{key} is buried alive"
        assert shared == Counter(self.content_refs())
        assert set(shared) == set(self.client.hkeys(self.at("contents")))

    def dump(self, *without: str) -> dict[str, Any]:
        """Everything in the partition, by key; `wake`, `pulse`, `without` and lifetimes left out."""
        read = {
            b"string": self.client.get,
            b"hash": self.client.hgetall,
            b"list": lambda name: self.client.lrange(name, 0, -1),
            b"set": self.client.smembers,
            b"zset": lambda name: self.client.zrange(name, 0, -1, withscores=True),
        }
        found = {}
        for name in self.client.keys(self.at("*")):
            short = name.decode(errors="replace").removeprefix(self.partition.prefix)
            if short.partition(":")[0] not in ("wake", "pulse", *without):
                found[short] = read[self.client.type(name)](name)
        return found


def keys_of(batch: Batch) -> list[str]:
    return [job.bucket + job.tail for job in map(Job.unpack, batch.jobs)]


def key_of(id: str) -> str:
    """A message's id without its partition."""
    return id[2:]


#: How a message was redriven that may have arrived.
REDRIVEN = ("redriven dead", "redriven unknown", "redriven twice")


def redriven(inside: Inside, how: str) -> str:
    """A message that is queued again, though an earlier attempt may have arrived; its key."""
    guarantee = "at_most_once" if how == "redriven unknown" else "at_least_once"
    message = {"sender": "Acme", "to": "+31600000001", "text": "hi"}
    key = key_of(inside.outbox.enqueue(message, guarantee=guarantee).id)
    inside.deliver(fate=DOUBTED)
    inside.end_doubt()
    inside.sweep()
    if how == "redriven unknown":
        inside.partition.redrive("U", [key], 60)
        return key
    for _ in range(2 if how == "redriven twice" else 1):
        inside.deliver(fate=DEAD)
        inside.partition.redrive("X", [key], 60)
    return key
