"""A partition: the part of the outbox that one account's messages live in, as calls of the scripts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from cmqueue.claim import Batch, Claim, Empty, Held, Linger
from cmqueue.connection import Scripts
from cmqueue.errors import OutboxUnavailable
from cmqueue.gate import Endpoint, GateRules
from cmqueue.lane import LANE_OF_LETTER, Lane
from cmqueue.mark import Marked
from cmqueue.settlement import Poison, Settlement, records
from cmqueue.standing import Standing
from cmqueue.state import STATE_OF_LETTER, State
from cmqueue.survey import Survey
from cmqueue.sweep import Lost, SweepRules, Swept, Told
from cmqueue.watermark import Watermark

ROOT = "cmq:"
REGISTRY = ROOT + "partitions"
WAKE_MS = 5000
MOST_FACTS = 500  #: that one call of `report` takes
UNSCREENED, EXEMPT = b"", b"-"  #: in the place of screens: none were made; the list is not asked


_PLACES = ("lanes", "ready", "due", "doubt", "kept", "claimed", "posting", "withdrawn", "jobs")


class Partition:
    """The calls on one partition. `code` is the two characters that its references begin with."""

    def __init__(self, scripts: Scripts, code: str) -> None:
        self.code = code
        self.prefix = f"{ROOT}{{{code}}}:"
        self._scripts = scripts
        self.watermark: Watermark | None = None  #: a worker's, by which it sees that Redis went back in time

    def _run(self, name: str, *args: Any) -> Any:
        return self._scripts.run(name, self.prefix, list(args))

    def _run_watched(self, name: str, *args: Any) -> Any:
        """Run a script that compares what this process knows of the sequence with what Redis remembers."""
        mark = self.watermark
        if mark is None:
            return self._run(name, *args, "", 0)
        known = mark.highest
        reply = self._run(name, *args, mark.process, known)
        sequence, remembered = reply.pop()
        mark.told(sequence, known=known, remembered=None if remembered < 0 else remembered)
        return reply

    def enqueue(self, args: list[Any]) -> list[Any]:
        """Run the enqueue script on arguments made by `cmqueue.chunk`."""
        reply: list[Any] = self._run("enqueue", *args)
        return reply

    def begin_enqueue(self, args: list[Any]) -> Callable[[], list[Any]]:
        """Send what `enqueue` sends; its reply comes of calling the result, which must be done, and once."""
        return self._scripts.begin("enqueue", self.prefix, args)

    def first_call(
        self, reference: str, life: int, names: Sequence[tuple[str, bytes]]
    ) -> tuple[str, int, bool]:
        """Remember for `life` seconds which reference a broadcast's idempotency key stands for.

        `names` are, for each secret key, HMACs of that key and of the payload. Returns the first call's
        reference, the place of the secret key that it was remembered by, and whether the payload is the same.
        """
        first, at, same = self._run("broadcast", reference, life, *chain.from_iterable(names))
        return first.decode(), int(at), bool(same)

    def claim(
        self,
        id: str,
        lanes: Sequence[Lane],
        *,
        lease: float,
        limit: int = 1000,
        byte_cap: int = 1 << 20,
        max_ambiguous: int = 10_000,
        linger: Sequence[Lane] = (),
        probe_size: int = 10,
    ) -> tuple[Claim, list[str]]:
        """Claim a batch as `id` from the first of `lanes` that has any; with the keys that expired."""
        order = _letters(lanes)
        reply = self._run_watched(
            "claim", id, _ms(lease), limit, byte_cap, order, max_ambiguous, _letters(linger), probe_size
        )
        expired = [key.decode() for key in reply[1]]
        match reply[0]:
            case b"batch":
                lane = LANE_OF_LETTER[reply[2].decode()]
                return Batch(id, lane, reply[3] == b"1", reply[4]), expired
            case b"linger":
                return Linger(LANE_OF_LETTER[reply[2].decode()]), expired
            case b"held":
                return Held(reply[2].decode(), int(reply[3]) / 1000), expired
            case _:
                return Empty(), expired

    def mark(
        self,
        id: str,
        *,
        lease: float,
        earliest_expiry: int,
        give_back: Sequence[str] = (),
        screens: bytes = UNSCREENED,
    ) -> Marked:
        """Mark the batch as about to be posted, without the keys `give_back` and who is suppressed.

        `screens` is what `cmqueue.suppression.screens` made of all that the batch holds, or EXEMPT.
        """
        reply = self._run_watched("mark", id, _ms(lease), earliest_expiry, screens, *give_back)
        if reply[0] != b"marked":
            return Marked(None, unscreened=reply[0] == b"screen")
        told = [part.decode() for part in reply[3]]
        suppressed = list(zip(told[::2], told[1::2], strict=True))
        return Marked(int(reply[1]), [key.decode() for key in reply[2]], suppressed)

    def members(self, id: str) -> list[bytes]:
        """The packed jobs that the batch holds now."""
        client = self._scripts.client
        jobs: list[bytes] = self._scripts.guarded(lambda: client.lrange(f"{self.prefix}batch:{id}", 0, -1))
        return jobs

    def contents(self, digests: Sequence[bytes]) -> dict[bytes, bytes]:
        """The shared contents of `digests`, as far as they exist."""
        client = self._scripts.client
        found = self._scripts.guarded(lambda: client.hmget(self.prefix + "contents", list(digests)))
        return {
            digest: content for digest, content in zip(digests, found, strict=True) if content is not None
        }

    def settle(
        self,
        id: str,
        settlements: Sequence[Settlement],
        endpoint: Endpoint,
        rules: GateRules,
        *,
        stop_lane: bool = False,
        poison: Poison = Poison.UNSAID,
        note: str = "",
        resends: bool = False,
    ) -> int | None:
        """Write down the batch's end; how many rows were missing, or None where the batch was gone.

        One settlement per message that the batch holds, in its order; none where it was `unposted`: all that
        it holds goes back to its lane. `note` is kept with those that are dead as poison. `resends`: what is
        accepted is kept whole, to be sent anew if CM reports a passing failure.
        """
        reply = self._run_watched(
            "settle",
            id,
            records(settlements),
            endpoint.did,
            endpoint.why,
            rules.brake_after,
            _ms(rules.brake_first),
            _ms(rules.brake_last),
            _ms(rules.probe_first),
            _ms(rules.probe_last),
            _ms(rules.dead_retention),
            "1" if stop_lane else "0",
            poison.value,
            json.dumps(note, ensure_ascii=False) if note else "",
            "1" if resends else "0",
        )
        return None if reply[0] == b"gone" else int(reply[1])

    def split(
        self, batch: Batch, into: tuple[str, str], *, lease: float, renew: Sequence[str] = ()
    ) -> tuple[Batch, Batch] | None:
        """Halve a batch of which nothing was taken; None where it was reclaimed. `batch` is as Redis has it.

        Both halves are leased to the caller, who also keeps the batches `renew`.
        """
        reply = self._run("split", batch.id, *into, _ms(lease), *renew)
        if reply[0] == b"lost":
            return None
        half = int(reply[1])
        first, second = (batch._replace(id=id, probe=False) for id in into)
        return first._replace(jobs=batch.jobs[:half]), second._replace(jobs=batch.jobs[half:])

    def poisoned(self, lane: Lane) -> int:
        """How many successive batches of the lane had poison in them."""
        client = self._scripts.client
        return int(self._scripts.guarded(lambda: client.hget(self.prefix + "poison", lane.letter)) or 0)

    def prove(self, proofs: Sequence[tuple[str, Settlement]]) -> list[str]:
        """Merge what a late answer proves about messages outside any lease; the keys that changed.

        Each goes by its key, with the random end of its reference behind it where that is known.
        """
        args: list[Any] = []
        for key, settlement in proofs:
            args += (key, settlement.pack())
        return [key.decode() for key in self._run("prove", *args)]

    def report(
        self, facts: Sequence[tuple[Sequence[str], str, Settlement]], resending: Iterable[Lane] = ()
    ) -> list[tuple[str, State, State, bool] | None]:
        """Merge what status reports tell: of each the keys that its message may have, the random end of its
        reference (10 characters), and the fact, which counts where a failure may pass.

        Returns the key, the state before, the state after, and whether it has failed and can be sent anew;
        None where there is no such message.
        """
        args: list[Any] = [_letters(list(resending))]
        for keys, random, fact in facts:
            args += ("".join(keys) + random, fact.pack())
        return [
            (told[:24], STATE_OF_LETTER[told[24]], STATE_OF_LETTER[told[25]], told[26] == "+")
            if told
            else None
            for told in (reply.decode() for reply in self._run("report", *args))
        ]

    def sweep(self, rules: SweepRules, lanes: Sequence[Lane], *, lost: Sequence[Lost] = ()) -> Swept:
        """One pass over what time moves; of the batches, only those `lost` that are as they were read."""
        resend = [_ms(rules.resend_after.get(lane, rules.reconcile)) for lane in Lane]
        reply = self._run_watched(
            "sweep",
            rules.most,
            _ms(rules.reconcile),
            *resend,
            rules.max_resends,
            _ms(rules.dead_retention),
            _letters(lanes),
            _ms(rules.stale_after),
            WAKE_MS,
            *chain.from_iterable((batch.id, batch.ended_ms) for batch in lost),
        )
        told = [part.decode() for part in reply[3]]
        return Swept(
            _lanes(reply[0]),
            _lanes(reply[1]),
            bool(reply[2]),
            [Told(*told[at : at + 3]) for at in range(0, len(told), 3)],
        )

    def lost(self) -> list[Lost]:
        """Batches whose lease has ended, to be told of before a sweep frees their messages."""
        return [
            Lost(batch.decode(), int(end), phase == b"posting", jobs)
            for batch, end, phase, jobs in self._run("lost")
        ]

    def neglected(self, lanes: Sequence[Lane], patience: float) -> list[Lane]:
        """Lanes with a backlog that nothing holds and no process has claimed from for `patience` seconds."""
        client = self._scripts.client
        pipe = client.pipeline(transaction=False)
        pipe.time()
        pipe.hget(self.prefix + "gate", "until")
        pipe.hmget(self.prefix + "pulse", [lane.letter for lane in lanes])
        pipe.hmget(self.prefix + "pauses", [lane.letter for lane in lanes])
        for lane in lanes:
            pipe.llen(f"{self.prefix}lane:{lane.letter}")
            pipe.llen(f"{self.prefix}ready:{lane.letter}")
        (seconds, _), until, pulses, pauses, *lengths = self._scripts.guarded(pipe.execute)
        now_ms = seconds * 1000
        if until is not None and int(until) > now_ms:
            return []
        backlogs = [fresh + back for fresh, back in zip(lengths[::2], lengths[1::2], strict=True)]
        return [
            lane
            for lane, pulse, pause, backlog in zip(lanes, pulses, pauses, backlogs, strict=True)
            if backlog and pause is None and now_ms - int(pulse or 0) > patience * 1000
        ]

    def expire(self, lane: Lane, begin: int, count: int = 1000) -> tuple[int, list[str]]:
        """Look through part of a lane for expired messages; where to go on (0: the start) and their keys."""
        reply = self._run("expire", lane.letter, begin, count)
        return int(reply[0]), [key.decode() for key in reply[1]]

    def drop(self, retention: float) -> int:
        """Forget time buckets that ended long ago; how many rows went."""
        return int(self._run("drop", int(retention)))

    def cancel(self, keys: Sequence[str]) -> str:
        """One letter per key: c cancelled, t too late, n not found."""
        letters: bytes = self._run("cancel", *keys)
        return letters.decode()

    def status(self, key: str) -> Standing | None:
        """Where the message `key` stands, or None where there is none."""
        reply = self._run("status", key)
        if not reply:
            return None
        row, where, at, paused, gate, until, rolled_back = reply
        return Standing(
            row,
            where.decode(),
            int(float(at or 0)),
            paused.decode(),
            gate.decode(),
            int(float(until or 0)),
            int(rolled_back or 0),
        )

    def states(self, keys: Sequence[str]) -> str:
        """One letter per key: its state, or - where there is no such message. At most 1000 keys."""
        letters: bytes = self._run("states", *keys)
        return letters.decode()

    def redrive(self, letter: str, keys: Sequence[str], expires_in: int) -> list[str]:
        """Queue dead (X) or unknown (U) messages again; the keys that were."""
        return [key.decode() for key in self._run("redrive", expires_in, letter, *keys)]

    def rows(self) -> Iterator[tuple[str, bytes]]:
        """Every row there is, with its key, in small steps; one that moves comes in either state."""
        client, guarded = self._scripts.client, self._scripts.guarded
        for bucket in guarded(lambda: client.zrange(self.prefix + "buckets", 0, -1)):
            cursor, seen = 0, set()
            while True:
                rows = f"{self.prefix}rows:{bucket.decode()}"
                cursor, page = guarded(lambda at=cursor, rows=rows: client.hscan(rows, at, count=1000))
                for tail, row in page.items():
                    if tail not in seen:  # HSCAN may name a field twice
                        seen.add(tail)
                        yield (bucket + tail).decode(), row
                if cursor == 0:
                    break

    def kept(self, begin: int, count: int) -> list[tuple[str, bytes | None]]:
        """A page of the dead and unknown: key and row."""
        client, scripts = self._scripts.client, self._scripts
        keys = [
            key.decode()
            for key in scripts.guarded(lambda: client.zrange(self.prefix + "kept", begin, begin + count - 1))
        ]
        if not keys:
            return []
        pipe = client.pipeline(transaction=False)
        for key in keys:
            pipe.hget(f"{self.prefix}rows:{key[:4]}", key[4:])
        return list(zip(keys, scripts.guarded(pipe.execute), strict=True))

    def take_wake(self, lane: Lane) -> bool:
        """Take the lane's wake-up token; True for the one who must publish.

        False too when Redis does not take it, for whoever asks may hold a batch: the sweepers wake the lane.
        """
        client = self._scripts.client
        try:
            return bool(
                self._scripts.guarded(
                    lambda: client.set(f"{self.prefix}wake:{lane.letter}", b"1", nx=True, px=WAKE_MS)
                )
            )
        except OutboxUnavailable:
            return False

    def drop_wake(self, lane: Lane) -> None:
        """Let the next enqueue wake the lane again."""
        client = self._scripts.client
        self._scripts.guarded(lambda: client.delete(f"{self.prefix}wake:{lane.letter}"))

    def resume(self, lane: Lane) -> bool:
        """Take the hold off a lane; whether there was one."""
        client = self._scripts.client
        return bool(self._scripts.guarded(lambda: client.hdel(self.prefix + "pauses", lane.letter)))

    def resume_rolled_back(self) -> bool:
        """Take off the hold that a rollback has put on; whether there was one.

        What it had set aside goes back to the front of its lane with the next sweep.
        """
        client = self._scripts.client
        return bool(self._scripts.guarded(lambda: client.delete(self.prefix + "rolled_back")))

    def slow(self, why: str, seconds: float) -> bool:
        """Let nothing be claimed for so long, and then a probe; False where that is the case already."""
        return bool(self._run("slow", why, _ms(seconds)))

    def survey(self) -> Survey:
        """The books and the structures at one instant."""
        counts, tallies, places = self._run("survey")
        return Survey(
            _pairs(counts), _pairs(tallies), dict(zip(_PLACES, (int(place) for place in places), strict=True))
        )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _letters(lanes: Sequence[Lane]) -> str:
    return "".join([lane.letter for lane in lanes])


def _lanes(letters: bytes) -> list[Lane]:
    return [LANE_OF_LETTER[letter] for letter in letters.decode()]


def _pairs(flat: list[bytes]) -> dict[str, int]:
    return {name.decode(): int(value) for name, value in zip(flat[::2], flat[1::2], strict=True)}
