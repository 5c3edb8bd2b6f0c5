"""kill -9 of the receiver, and of Redis, at any moment: what was answered 200 is in the stream."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import requests
from harness import eventually
from receiver_process import SECRET, ReceiverProcess, Start, outbox_on, taker

from demo.valkey import RunningServer, running

SENDERS = 8
ROUNDS = 6
SECONDS = 0.8  #: of load before each kill, at most


class Load:
    """Senders who send body after body, each its own, and keep those that were answered 200."""

    def __init__(self, receiver: ReceiverProcess, name: str) -> None:
        self._url = f"{receiver.url}/cm/status/{SECRET}"
        self._name = name
        self._over = threading.Event()
        self.answered: list[bytes] = []
        self.statuses: set[int] = set()

    def send(self, sender: int) -> None:
        with requests.Session() as session:
            at = 0
            while not self._over.is_set():
                body = f"{self._name}-{sender}-{at}".encode()
                at += 1
                try:
                    answer = session.post(self._url, data=body, timeout=10)
                except requests.RequestException:
                    if self._over.wait(0.01):
                        return
                    continue
                self.statuses.add(answer.status_code)
                if answer.status_code == 200:
                    assert b"" == answer.content
                    self.answered.append(body)

    @contextmanager
    def sent(self) -> Iterator[None]:
        """Under load until the end, however that comes about."""
        with ThreadPoolExecutor(SENDERS) as senders:
            sending = [senders.submit(self.send, sender) for sender in range(SENDERS)]
            try:
                yield
            finally:
                self._over.set()
        for one in sending:
            one.result()


@pytest.mark.slow
def test_kill_9_of_the_receiver_loses_nothing_that_was_answered_200(
    own_redis: RunningServer, start: Start
) -> None:
    """Under load, at moments that nobody chose; what is there more was never answered."""
    chance = random.Random(8)
    answered: list[bytes] = []
    for number in range(ROUNDS):
        receiver = start(own_redis.url)
        load = Load(receiver, f"round{number}")
        with load.sent():
            eventually(lambda load=load: load.answered)
            time.sleep(chance.uniform(0, SECONDS))
            receiver.process.kill()
            receiver.process.wait(10)
        assert {200} == load.statuses
        answered += load.answered

    with outbox_on(own_redis) as outbox:
        there = [one.body for one in taker(outbox)()]
    assert set() == set(answered) - set(there)
    assert len(there) == len(set(there))
    assert len(there) <= len(answered) + ROUNDS * SENDERS


@pytest.mark.slow
def test_kill_9_of_redis_loses_nothing_that_was_answered_200(start: Start) -> None:
    """With a file that is written before each answer; meanwhile 503, and no 200 for what is not there."""
    options = ("--appendonly", "yes", "--appendfsync", "always", "--save", "")
    with running(*options) as server:
        receiver = start(server.url, CMQUEUE_REDIS_TIMEOUT="0.5")
        load = Load(receiver, "redis")
        with load.sent():
            for _ in range(2):
                before = len(load.answered)
                eventually(lambda before=before: len(load.answered) > before + 50)
                os.kill(server.pid, signal.SIGKILL)
                eventually(lambda: 503 in load.statuses)
                server.stop()
                server.start()
                load.statuses.clear()
            eventually(lambda: 200 in load.statuses)

        with outbox_on(server) as outbox:
            there = [one.body for one in taker(outbox)()]
    assert set() == set(load.answered) - set(there)
