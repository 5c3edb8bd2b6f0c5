"""What the double has in Redis's place: the scripts that a web app's calls run, in Python, over dicts.

Only what Redis decides is here. Messages are checked, named and packed by the library itself, which hands the
store the same arguments as Redis and reads the same replies: see `cmqueue/chunk.py` and `cmqueue/scripts`.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import redis

from cmqueue.connection import Scripts
from cmqueue.errors import OutboxUnavailable
from cmqueue.events.event import Event
from cmqueue.job import Job
from cmqueue.lane import LANE_OF_LETTER, Guarantee
from cmqueue.row import ENTRY, HEAD, Entry, Row, unpack_extras
from cmqueue.state import Reason, State

LATEST = 0xFFFFFFFF  #: the last second that a row can name
MOST_ENTRIES = 40  #: of a history
_CODE = slice(5, 7)  #: of a prefix, `cmq:{AA}:`


@dataclass(slots=True)
class Kept:
    """One message. `place` is where it stands, as `Standing.where` says; `at_ms` until when, if it ends."""

    id: str
    row: Row
    job: Job
    extras: bytes
    content: bytes
    place: str
    at_ms: int = 0

    @property
    def packed(self) -> bytes:
        """The row as Redis would keep it."""
        row = self.row
        return (
            HEAD.pack(
                b"1",
                row.state.letter.encode(),
                row.lane.letter.encode(),
                self.job.flags,
                row.attempts,
                row.resends,
                row.parts,
                len(row.history),
                row.expires_at,
            )
            + b"".join(
                ENTRY.pack(entry.state.letter.encode(), entry.reason.value, entry.code, entry.at)
                for entry in row.history
            )
            + self.extras
        )


class _Named(NamedTuple):
    """What an idempotency key stands for, until `ends`."""

    value: str
    payload: bytes
    ends: float


class Store(Scripts):
    """The messages of all partitions, by id, in the order in which they came. Safe from threads."""

    def __init__(self, client: redis.Redis, timeout: float) -> None:
        super().__init__(client, timeout)
        self.lock = threading.RLock()
        self.ahead = 0.0  #: seconds by which its clock is before the machine's
        self.fault: bool | None = None  #: while Redis is away: whether it hears a call all the same
        self.messages: dict[str, Kept] = {}
        self._named: dict[tuple[str, Any], _Named] = {}
        self.told: list[Event] = []  #: what happened since the first subscriber came
        self.read: dict[str, int] = {}  #: subscriber -> how many of them it has acknowledged

    def forget(self) -> None:
        """As if nothing had been enqueued; the clock stays."""
        with self.lock:
            self.messages.clear()
            self._named.clear()
            self.told.clear()
            self.read = dict.fromkeys(self.read, 0)

    @property
    def now(self) -> float:
        return time.time() + self.ahead

    def run(self, name: str, prefix: str, args: list[Any]) -> Any:
        """The reply of the script `name`, as Redis would give it."""
        scripts = {
            "enqueue": self._enqueue,
            "broadcast": self._broadcast,
            "cancel": self._cancel,
            "status": self._status,
            "states": self._states,
            "survey": self._survey,
        }
        return self.guarded(lambda: scripts[name](prefix[_CODE], args))

    def guarded(self, command: Any, *, spent: float = 0.0) -> Any:  # noqa: ARG002 - nothing takes time here
        """The result of `command`, unless Redis is away, or hears and can't be heard."""
        with self.lock:
            if self.fault is False:
                raise OutboxUnavailable("Redis cannot be reached (told so by the test)", maybe_enqueued=False)
            result = command()
            if self.fault:
                problem = "Redis did not answer in time (told so by the test)"
                raise OutboxUnavailable(problem, maybe_enqueued=True)
            return result

    def begin(self, name: str, prefix: str, args: list[Any]) -> Callable[[], Any]:
        """As `run`, whose work is done when the reply is asked for."""
        return partial(self.run, name, prefix, args)

    # --- the scripts -----------------------------------------------------------------------------------

    def _enqueue(self, code: str, args: list[Any]) -> list[Any]:
        _token, _call, retention, digest, content, fields, *rest = args
        extras, secrets = fields.count("x"), fields.count("k")
        stride = 1 + extras + 2 * secrets
        members = [rest[at : at + stride] for at in range(0, len(rest), stride)]
        before = self.messages.keys() & {_id(code, Job.unpack(member[0])) for member in members}
        now = int(self.now)
        letters, owners = "", []
        for packed, *more in members:
            job = Job.unpack(packed)
            id = _id(code, job)
            later = job.due_at > now
            due_at = job.due_at if later else now
            expires_at = min(due_at + job.expires_at, LATEST)
            letter = "n"
            names = more[extras:]
            if names and names[0]:
                life = due_at - now + job.expires_at + retention
                letter, owner = self._claim_name(code, names, id[2:], job.random, life)
                owners += [owner] if letter != "n" else []
            if letter == "n" and digest and id in self.messages:
                letter = "d"  # the same number again in one broadcast
            if letter == "n" and id not in before:
                self._put(
                    Kept(
                        id,
                        _row(job, expires_at, now, more[0] if extras else b"", later=later),
                        job._replace(expires_at=expires_at, due_at=due_at),
                        more[0] if extras else b"",
                        content if digest else job.content,
                        "due" if later else "list",
                        due_at * 1000 if later else 0,
                    )
                )
            letters += letter
        return [0, letters.encode(), *owners]  # no wake-up token is free here: nobody is woken

    def _put(self, kept: Kept) -> None:
        self.messages[kept.id] = kept

    def _claim_name(
        self, code: str, names: list[bytes], key: str, random: str, life: float
    ) -> tuple[str, bytes]:
        """The verdict on an idempotency key, and its owner. `names`: HMAC and payload by each secret."""
        for name, payload in zip(names[::2], names[1::2], strict=True):
            known = self._known(code, name)
            if known is not None and known.value[:24] != key:
                return "d" if known.payload == payload else "c", known.value.encode()
            if known is not None:
                return "n", b""
        self._named[code, names[0]] = _Named(key + random, names[1], self.now + life)
        return "n", b""

    def _known(self, code: str, name: Any) -> _Named | None:
        known = self._named.get((code, name))
        return known if known is not None and known.ends > self.now else None

    def _broadcast(self, code: str, args: list[Any]) -> list[Any]:
        reference, life, *names = args
        for at, (name, payload) in enumerate(zip(names[::2], names[1::2], strict=True)):
            known = self._known(code, name)
            if known is None:
                continue
            same = known.payload == payload
            if same:
                self._named[code, name] = known._replace(ends=max(known.ends, self.now + life))
            return [known.value.encode(), at, int(same)]
        self._named[code, names[0]] = _Named(reference, names[1], self.now + life)
        return [reference.encode(), 0, 1]

    def _cancel(self, code: str, args: list[Any]) -> bytes:
        return "".join(self._cancel_one(code + key) for key in args).encode()

    def _cancel_one(self, id: str) -> str:
        kept = self.messages.get(id)
        if kept is None:
            return "n"
        if kept.row.state is State.CANCELLED:
            return "c"
        waits = kept.row.state in (State.SCHEDULED, State.QUEUED) and kept.place != "posting"
        if not waits or kept.job.doubted:
            return "t"
        self.move(kept, State.CANCELLED, Reason.CANCELLED)
        return "c"

    def _status(self, code: str, args: list[Any]) -> list[Any]:
        kept = self.messages.get(code + args[0])
        if kept is None:
            return []
        return [kept.packed, kept.place.encode(), str(kept.at_ms or "").encode(), b"", b"", b"", b""]

    def _states(self, code: str, args: list[Any]) -> bytes:
        return "".join(self._letter(code + key) for key in args).encode()

    def _letter(self, id: str) -> str:
        kept = self.messages.get(id)
        if kept is None:
            return "-"
        return kept.place[0] if kept.place in ("claimed", "posting") else kept.row.state.letter

    def _survey(self, code: str, _args: list[Any]) -> list[Any]:
        mine = [kept for kept in self.messages.values() if kept.id.startswith(code)]
        states = Counter(kept.row.state.letter for kept in mine)
        places = Counter(kept.place for kept in mine)
        counts = {"enqueued": len(mine), **states}
        parked = places["due"] + places["doubt"] + places["kept"]
        return [
            _flat(counts),
            _flat(states),
            [
                *(places["list"], 0, places["due"], places["doubt"], places["kept"]),
                *(places["claimed"], places["posting"], 0, parked),
            ],
        ]

    # --- what workers and time do ----------------------------------------------------------------------

    def move(
        self,
        kept: Kept,
        state: State,
        reason: Reason,
        code: int = 0,
        *,
        attempts: int = 0,
        resends: int = 0,
        parts: int = 0,
        place: str = "row",
        at_ms: int = 0,
    ) -> None:
        """Bring a message into a state, and write it into its history."""
        row = kept.row
        history = row.history if len(row.history) < MOST_ENTRIES else (row.history[0], *row.history[2:])
        kept.row = row._replace(
            state=state,
            attempts=min(row.attempts + attempts, 255),
            resends=min(row.resends + resends, 255),
            parts=parts or row.parts,
            history=(*history, Entry(state, reason, code, int(self.now))),
        )
        kept.job = kept.job._replace(
            attempts=min(kept.job.attempts + attempts, 255), resends=min(kept.job.resends + resends, 255)
        )
        kept.place, kept.at_ms = place, at_ms
        if state.finished or state is State.AMBIGUOUS:
            self.tell(
                f"message.{state}",
                message=kept.id,
                reference=kept.id[:6] + kept.job.random,
                before=row.state,
                state=state,
                reason=reason.text,
                code=code,
                lane=row.lane,
                **row.extras,
            )

    def tell(self, type: str, **facts: Any) -> None:
        """Let subscribers hear of something."""
        if self.read:
            id = f"evt_AA{round(self.now * 1000)}-{len(self.told)}_0"
            self.told.append(Event(id=id, type=type, at=int(self.now), **({"account": ""} | facts)))

    def ended(self, place: str) -> Iterator[Kept]:
        """The messages whose time in a place is over."""
        now_ms = self.now * 1000
        return (kept for kept in list(self.messages.values()) if kept.place == place and kept.at_ms <= now_ms)


def _id(code: str, job: Job) -> str:
    return code + job.bucket + job.tail


def _row(job: Job, expires_at: int, now: int, extras: bytes, *, later: bool) -> Row:
    """The row of a new message."""
    state = State.SCHEDULED if later else State.QUEUED
    return Row(
        state,
        LANE_OF_LETTER[job.lane[0]],
        Guarantee.AT_LEAST_ONCE if job.at_least_once else Guarantee.AT_MOST_ONCE,
        0,
        0,
        0,
        expires_at,
        (Entry(state, Reason.SCHEDULED if later else Reason.ENQUEUED, 0, now),),
        unpack_extras(extras),
    )


def _flat(counts: dict[str, int]) -> list[bytes]:
    return [part for name, count in counts.items() for part in (name.encode(), str(count).encode())]
