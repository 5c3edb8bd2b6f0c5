"""The whole sandbox in one process: routes between CM's API and its own, and lives until told to end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import uvloop

from sandbox.control import Control
from sandbox.courier import Courier
from sandbox.door import Door
from sandbox.exchange import Exchange
from sandbox.faults import Fault, Faults
from sandbox.gateway import Gateway
from sandbox.inbox import Inbox
from sandbox.ledger import Ledger
from sandbox.limiter import Limiter
from sandbox.phone import Phone
from sandbox.reporter import Reporter
from sandbox.transactions import PATH as TRANSACTIONS_PATH
from sandbox.transactions import Transactions
from sandbox.webhooks import Webhooks
from sandbox.wire import Answer, Connection, Request

GATEWAY_PATH = "/v1.0/message"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the flags of `python -m sandbox` say. `rate` is in messages per second."""

    host: str = "127.0.0.1"
    port: int = 8020
    seed: int = 0
    count_only: bool = False
    pairs: bool = True
    arrivals: bool = False
    keep: int = 20_000
    tokens: frozenset[str] = frozenset()
    faults: list[Fault] = field(default_factory=list)
    latency: Callable[[Random], float] | None = None
    rate: float | None = None
    with_parent: bool = False
    webhooks: Mapping[str, Any] = field(default_factory=dict)  #: from `read_webhooks`


class Sandbox:
    """Every part, wired together. Must be made inside a running loop."""

    def __init__(self, options: Options) -> None:
        # A generator each: how many latencies were drawn must not change which requests a fault strikes.
        chances = [Random(options.seed + place) for place in range(4)]
        fault_chance, latency_chance, course_chance, phone_chance = chances
        latency = options.latency
        self._open_connections: set[Connection] = set()
        self.door = Door(options.host, options.port, self._connection)
        faults = Faults(time.monotonic, fault_chance)
        ledger = Ledger(with_pairs=options.pairs, with_arrivals=options.arrivals)
        inbox = Inbox(0 if options.count_only else options.keep)
        webhooks = Webhooks()
        webhooks.update(options.webhooks)
        courier = Courier(webhooks)
        gateway = Gateway(tokens=options.tokens, count_only=options.count_only)
        self._transactions = Transactions(
            gateway=gateway, faults=faults, inbox=inbox, webhooks=webhooks, now=time.time
        )
        self._exchange = Exchange(
            gateway=gateway,
            faults=faults,
            ledger=ledger,
            inbox=inbox,
            limiter=None if options.rate is None else Limiter(options.rate, time.monotonic),
            reporter=Reporter(webhooks, courier, course_chance),
            delay=(lambda: 0.0) if latency is None else (lambda: latency(latency_chance)),
            now=time.time,
        )
        self._control = Control(
            faults=faults,
            ledger=ledger,
            inbox=inbox,
            webhooks=webhooks,
            courier=courier,
            phone=Phone(inbox, webhooks, courier, phone_chance, time.time),
            refuse=self._refuse,
        )
        self._faults_at_start = options.faults

    async def open(self) -> None:
        await self.door.open()
        self._control.order(self._faults_at_start)

    def close(self) -> None:
        self.door.shut()
        for connection in list(self._open_connections):
            connection.retire()

    def answer(self, request: Request) -> Answer:
        """The answer to any request."""
        if request.path == GATEWAY_PATH:
            if request.method == "POST":
                return self._exchange.answer(request)
            return Answer(status=405, headers=(("Allow", "POST"),))
        if request.path.rstrip("/") == TRANSACTIONS_PATH:
            return self._transactions.answer(request)
        if request.path == "/":
            return Answer(status=303, headers=(("Location", "/sandbox/inbox"),))
        return self._control.answer(request)

    def _connection(self) -> Connection:
        return Connection(self.answer, self._open_connections)

    def _refuse(self, seconds: float) -> None:
        self.door.shut_until(asyncio.get_running_loop().time() + seconds)
        for connection in list(self._open_connections):
            connection.retire()


async def _live(options: Options) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    if options.with_parent:
        loop.add_reader(sys.stdin.fileno(), _end_with_input, ended)
    sandbox = Sandbox(options)
    await sandbox.open()
    print(f"sandbox listening on {sandbox.door.url}", flush=True)  # noqa: T201 (its one line of output)
    await ended.wait()
    sandbox.close()


def _end_with_input(ended: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        ended.set()


def serve(options: Options) -> None:
    """Run until SIGTERM or SIGINT."""
    uvloop.run(_live(options))
