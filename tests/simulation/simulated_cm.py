"""A CM in memory: takes requests as its weather allows, answers or not, and knows what it took.

What it answers is never a lie: a message whose row says Accepted was taken, one that was refused by its row
or with its whole request was not. Everything else leaves it open, and then it is drawn.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
from virtual_time import Event, World

from worker import failpoint
from worker.answer import Answer, NoAnswer, NoAnswerKind, Response

if TYPE_CHECKING:
    from laws import Laws

Pair = tuple[str, str]

#: What may happen to one request, by weather.
WEATHER = {
    "calm": ("taken",),
    "mixed": (
        "taken", "taken", "rows", "rows", "overload", "retry_after", "server_error", "read_timeout", "lost",
        "unreachable", "garbled", "odd", "slow", "late",
    ),
    "down": ("unreachable",),
    "silent": ("read_timeout", "lost", "late", "server_error"),
    "busy": ("overload", "retry_after", "taken"),
    "stopped": ("stopped",),
    "refusing": ("refused_whole", "taken", "taken"),
    "rowwise": ("rows",),
}  # fmt: skip


def _response(status: int, body: dict[str, Any] | bytes, retry_after: float | None = None) -> Response:
    return Response(status, retry_after, body if isinstance(body, bytes) else orjson.dumps(body), 0.0)


def _envelope(*codes: int, status: int = 400) -> tuple[Response, ...]:
    return tuple(_response(status, {"errorCode": code, "messages": []}) for code in codes)


_WITH_ROWS = ("taken", "slow", "late", "rows")
#: Answers that prove that nothing was taken.
_REFUSALS = {
    "overload": (_response(429, {}),),
    "retry_after": tuple(_response(status, {}, wait) for status in (429, 503) for wait in (0.0, 3.0, 12.0)),
    "stopped": (
        *_envelope(101, 102, 103),
        *(_response(status, b"<html>no</html>") for status in (401, 403, 404, 308)),
    ),
    "refused_whole": (*_envelope(202, 203), _response(413, b"")),
}
#: Answers that prove nothing, or none.
_DOUBTFUL: dict[str, tuple[Answer | None, ...]] = {
    "server_error": (
        *_envelope(500, 999),
        *(_response(status, b"<html>oops</html>") for status in (500, 502, 503, 504, 520)),
    ),
    "garbled": (
        NoAnswer(NoAnswerKind.GARBLED, "DecodeError", 0.0),
        NoAnswer(NoAnswerKind.TOO_LARGE, "", 0.0),
        _response(200, b"not JSON"),
    ),
    "odd": (*_envelope(0, 301, 777), *_envelope(0, status=200), _response(204, b""), _response(302, b"")),
    "read_timeout": (None,),
    "lost": (None,),
}


@dataclass(slots=True)
class Request:
    """One request on its way, as the wire has it."""

    members: list[tuple[str, str, int]]  #: reference, number, validity in seconds since 1970
    kind: str
    answer: Answer | None = None
    answered: Any = None  #: Event
    untaken: frozenset[Pair] = frozenset()  #: proved by the answer
    posting: Any = field(default=None, repr=False)


class CM:
    """The endpoint, shared by all workers."""

    def __init__(self, world: World, laws: Laws, taken: Callable[[Pair], None]) -> None:
        self._world, self._laws, self._tell = world, laws, taken
        self._chance = world.chance("cm")
        self.weather = "calm"
        self.never: set[str] = set()  #: numbers refused for good, each by its row
        self.culprits: set[str] = set()  #: numbers for which a whole request is refused
        self.taken: Counter[Pair] = Counter()

    def receive(self, body: bytes) -> Request:
        """A request's first byte was written: from here on nobody can call it back."""
        members = [
            (msg["reference"], to["number"], _seconds(msg["validity"]))
            for msg in json.loads(body)["messages"]["msg"]
            for to in msg["to"]
        ]
        kind = self._chance.choice(WEATHER[self.weather])
        if kind == "unreachable":
            kind = "taken"  # it was reachable after all
        if any(number in self.culprits for _, number, _ in members):
            kind = "refused_whole"
        request = Request(members, kind, answered=Event(self._world))
        request.posting = self._laws.written(members, kind)
        delay = self._chance.choice((0.001, 0.05, 0.4, 1.5))
        if kind == "slow":
            delay = 2.9
        if kind == "late":
            delay = self._chance.uniform(3.0, 20.0)
        if kind != "lost" or self._chance.random() < 0.5:  # else it breaks off before CM has it
            self._world.later(delay, lambda: self._process(request))
        if kind == "lost":
            lost = NoAnswer(NoAnswerKind.CONNECTION_LOST, "ConnectionResetError", 0.0)
            self._world.later(self._chance.uniform(0.0, 2.5), lambda: self._answer(request, lost))
        return request

    def _process(self, request: Request) -> None:
        answer = self._decide(request)
        if answer is not None:
            self._answer(request, answer)

    def _answer(self, request: Request, answer: Answer) -> None:
        if request.answer is None:
            request.answer = answer
            request.answered.set()

    def _decide(self, request: Request) -> Answer | None:
        """Take what this kind takes; the answer, None where there is none (any more)."""
        pairs = [(reference, number) for reference, number, _ in request.members]
        if request.kind in _WITH_ROWS:
            return self._by_rows(request, pairs)
        if request.kind in _REFUSALS:
            request.untaken = frozenset(pairs)
            return self._chance.choice(_REFUSALS[request.kind])
        self._take_some(pairs)
        return self._chance.choice(_DOUBTFUL[request.kind])

    def _by_rows(self, request: Request, pairs: list[Pair]) -> Response:
        """An answer with rows. Only "rows" has others than Accepted, or lacks some."""
        chance = self._chance
        rows, untaken = [], set()
        for reference, number in pairs:
            draw = chance.random() if request.kind == "rows" else 1.0
            word, code, take = "Accepted", 0, True
            if number in self.never or draw < 0.08:
                word, code, take = "Rejected", chance.choice((301, 303, 304)), False
            elif draw < 0.25:
                word, code, take = "Rejected", chance.choice((500, 999)), False
            elif draw < 0.35:
                word, code, take = *chance.choice((("Accepted", 304), ("Rejected", 0), ("Maybe", 0))), None
            if take is None:
                take = chance.random() < 0.5
            elif not take:
                untaken.add((reference, number))
            if take:
                self._take((reference, number))
            if 0.35 <= draw < 0.42:
                continue  # taken, and nothing said of it
            rows.append(
                {
                    "to": number,
                    "status": word,
                    "reference": reference,
                    "parts": 1,
                    "messageDetails": None,
                    "messageErrorCode": code,
                }
            )
        request.untaken = frozenset(untaken)
        return _response(200 if len(untaken) < len(pairs) else 400, {"errorCode": 0, "messages": rows})

    def _take_some(self, pairs: list[Pair]) -> None:
        part = self._chance.choice((0.0, 0.5, 1.0))
        for pair in pairs:
            if self._chance.random() < part:
                self._take(pair)

    def _take(self, pair: Pair) -> None:
        self.taken[pair] += 1
        self._tell(pair)


class Gateway:
    """Stands where `worker.gateway.Gateway` stands in one worker process."""

    def __init__(self, world: World, cm: CM, connect_timeout: float, read_timeout: float) -> None:
        self._world, self._cm = world, cm
        self._connect_timeout, self._read_timeout = connect_timeout, read_timeout
        self._chance = world.chance("gateway")

    def post(self, body: bytes, _token: str | None, *, start_by: float) -> Answer:
        world, cm = self._world, self._cm
        if "unreachable" in WEATHER[cm.weather] and self._chance.random() < 1 / len(WEATHER[cm.weather]):
            world.pause(self._chance.choice((0.001, self._connect_timeout)))
            return NoAnswer(NoAnswerKind.NOT_CONNECTED, "ConnectionRefusedError", 0.0)
        world.pause(self._chance.choice((0.0, 0.0, 0.1)))
        if world.monotonic() > start_by:
            return NoAnswer(NoAnswerKind.NOT_CONNECTED, "StartedTooLateError", 0.0)
        request = cm.receive(body)
        failpoint.at("mid_post")
        began = world.now
        request.answered.wait(self._read_timeout)
        answer = request.answer
        if answer is None or world.now - began > self._read_timeout:
            return NoAnswer(NoAnswerKind.READ_TIMEOUT, "TimeoutError", world.now - began)
        request.posting.answered(request.untaken)
        return answer

    def close(self) -> None:
        pass


def _seconds(validity: str) -> int:
    """CM's `validity` as seconds since 1970."""
    return int(datetime.strptime(validity, "%Y-%m-%d %H:%M:%S GMT").replace(tzinfo=UTC).timestamp())
