"""`python -m benchmarks.load PORT TOKEN KIND`: requests to a program; one line of JSON tells of them.

To the intake with a client's token, or, of the kind `receipt`, to the receiver with its secret.

A process of its own, and the least client there is: an asyncio protocol on kept-alive connections, requests
made beforehand, of an answer the status and the length. So what is measured is the program.

As many requests as get answered, one after the other on each connection; or with --rate as many a second, at
random moments, whether or not the earlier ones are answered. Then a request's time counts from the moment it
was due, so one that had to wait for a connection is not told as fast.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import cycle

from benchmarks.messages import SENDER, number, text

PATIENCE = 20.0  #: seconds for the last answers
FULL = 1000  #: messages of a request that is as full as CM allows
MADE = 12  #: full requests made beforehand; they take turns

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length: "


def one_message(host: str, token: str) -> Iterator[bytes]:
    """Requests of one message each, for ever: other number, other text, each with a reference of its own."""
    at = 0
    while True:
        yield _request(host, token, [_msg(text(at), [number(at)], f"r{at}")])
        at += 1


def distinct_messages(host: str, token: str) -> Iterator[bytes]:
    """Requests of a thousand messages of different texts."""
    made = [
        _request(host, token, [_msg(text(at), [number(at)]) for at in range(begin, begin + FULL)])
        for begin in range(0, FULL * MADE, FULL)
    ]
    return cycle(made)


def one_content(host: str, token: str) -> Iterator[bytes]:
    """Requests of one message to a thousand recipients."""
    made = [
        _request(host, token, [_msg(text(begin), [number(at) for at in range(begin, begin + FULL)])])
        for begin in range(0, FULL * MADE, FULL)
    ]
    return cycle(made)


def receipt(host: str, secret: str) -> Iterator[bytes]:
    """Status reports as CM sends them ("Incoming status report"), for ever, each of another message."""
    path = f"/cm/status/{secret}"
    at = 0
    while True:
        status = {"code": "2", "errorCode": "", "errorDescription": "Delivered"}
        report = {
            "received": "2026-01-31T13:24:03",
            "to": number(at),
            "reference": f"AAAAAA{at:020}",
            "status": status,
            "operator": "20404",
        }
        yield _post(host, path, "", {"messages": {"msg": report}})
        at += 1


KINDS: dict[str, Callable[[str, str], Iterator[bytes]]] = {
    "one": one_message,
    "distinct": distinct_messages,
    "shared": one_content,
    "receipt": receipt,
}


def _msg(content: str, numbers: list[str], reference: str | None = None) -> dict[str, object]:
    made: dict[str, object] = {
        "from": SENDER,
        "to": [{"number": number} for number in numbers],
        "body": {"type": "auto", "content": content},
    }
    return made if reference is None else made | {"reference": reference}


def _request(host: str, token: str, messages: list[dict[str, object]]) -> bytes:
    return _post(host, "/v1.0/message", f"X-CM-PRODUCTTOKEN: {token}\r\n", {"messages": {"msg": messages}})


def _post(host: str, path: str, header: str, document: dict[str, object]) -> bytes:
    body = json.dumps(document, separators=(",", ":")).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\n{header}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@dataclass(slots=True)
class Told:
    """What came of the requests: answers by status, and how long each took, seconds."""

    statuses: dict[str, int] = field(default_factory=dict)
    took: list[float] = field(default_factory=list)

    def add(self, status: str, took: float) -> None:
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.took.append(took)


class Connection(asyncio.Protocol):
    """One connection, one request at a time; `free` is called with it and its answer's status."""

    def __init__(self, free: Callable[[Connection, str], None]) -> None:
        self._free = free
        self._came = b""
        self._transport: asyncio.Transport | None = None
        self.due = 0.0  #: when the request was due that is in the works

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - narrows the type, cannot fail
        self._transport = transport

    def connection_lost(self, _: Exception | None) -> None:
        self._transport = None

    def send(self, request: bytes, due: float) -> None:
        if self._transport is None:
            raise RuntimeError("the program closed a connection")
        self.due = due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._came = came = self._came + data
        head = came.find(_HEAD_END)
        if head < 0:
            return
        begin = came.lower().index(_LENGTH, 0, head) + len(_LENGTH)
        length = int(came[begin : came.index(b"\r", begin)])
        if len(came) < head + len(_HEAD_END) + length:
            return
        self._came = b""
        self._free(self, came[9:12].decode())


async def as_many_as_get_answered(
    port: int, requests: Iterator[bytes], connections: int, seconds: float
) -> tuple[Told, float]:
    """What was told from the first request on, and in how many seconds."""
    told, done = Told(), asyncio.Event()
    began = time.perf_counter()
    working = connections

    def free(connection: Connection, status: str) -> None:
        nonlocal working
        now = time.perf_counter()
        told.add(status, now - connection.due)
        if now - began < seconds:
            connection.send(next(requests), now)
        else:
            working -= 1
            if not working:
                done.set()

    opened = [await _connect(port, free) for _ in range(connections)]
    began = time.perf_counter()
    for connection in opened:
        connection.send(next(requests), began)
    async with asyncio.timeout(seconds + PATIENCE):
        await done.wait()
    return told, time.perf_counter() - began


async def at_a_rate(
    port: int, requests: Iterator[bytes], connections: int, seconds: float, rate: float
) -> tuple[Told, float]:
    """The same of requests at random moments, `rate` a second."""
    told, done = Told(), asyncio.Event()
    chance = random.Random(rate)
    idle: deque[Connection] = deque()
    waiting: deque[float] = deque()
    owed = 0

    def free(connection: Connection, status: str) -> None:
        nonlocal owed
        told.add(status, time.perf_counter() - connection.due)
        owed -= 1
        if waiting:
            connection.send(next(requests), waiting.popleft())
        else:
            idle.append(connection)
        if not owed and over:
            done.set()

    over = False
    idle.extend([await _connect(port, free) for _ in range(connections)])
    began = due = time.perf_counter()
    while (due := due + chance.expovariate(rate)) < began + seconds:
        if (ahead := due - time.perf_counter()) > 0:
            await asyncio.sleep(ahead)
        owed += 1
        if idle:
            idle.popleft().send(next(requests), due)
        else:
            waiting.append(due)
    over = True
    if owed:
        async with asyncio.timeout(PATIENCE):
            await done.wait()
    return told, time.perf_counter() - began


async def _connect(port: int, free: Callable[[Connection, str], None]) -> Connection:
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: Connection(free), "127.0.0.1", port)
    return connection


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("token")
    parser.add_argument("kind", choices=list(KINDS))
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rate", type=float, help="requests a second; without it, as many as get answered")
    given = parser.parse_args()
    requests = KINDS[given.kind](f"127.0.0.1:{given.port}", given.token)
    common = (given.port, requests, given.connections, given.seconds)
    run = as_many_as_get_answered(*common) if given.rate is None else at_a_rate(*common, given.rate)
    told, seconds = asyncio.run(run)
    told.took.sort()
    found = {
        "statuses": told.statuses,
        "requests": len(told.took),
        "seconds": seconds,
        "p50": _percentile(told.took, 0.5) * 1000,
        "p99": _percentile(told.took, 0.99) * 1000,
        "most": told.took[-1] * 1000,
    }
    print(json.dumps(found))
    return 0


def _percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


if __name__ == "__main__":
    sys.exit(main())
