"""Large numbers: each arrives exactly once, requests are full, and an outage costs what it may."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest
from harness import Run, WorkerProcess, all_finished, eventually

from cmqueue import Content, Outbox, Receipt, State
from demo.valkey import RunningServer
from sandbox.running import SandboxClient

pytestmark = pytest.mark.slow

HALF = 100_000


@pytest.fixture
def foreign_endpoint() -> Iterator[str]:
    """The URL of an endpoint in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("endpoint.py")), "0"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdin is not None
    yield f"http://127.0.0.1:{process.stdout.readline().strip()}/"
    process.stdin.close()
    process.stdout.close()
    process.wait(10)


@pytest.mark.timeout(240)
def test_two_hundred_thousand_arrive_once_each(
    outbox: Outbox,
    valkey: RunningServer,
    foreign_endpoint: str,
    start_worker: Callable[..., WorkerProcess],
) -> None:
    """Half distinct, half a broadcast, drained by two processes: once each, and requests of 950 or more."""
    distinct = outbox.enqueue_many(
        ({"sender": "Acme", "to": f"00316{n:08}", "text": f"Order {n}"} for n in range(HALF)), lane="normal"
    )
    assert HALF == sum(isinstance(result, Receipt) for result in distinct)
    assert HALF == outbox.broadcast(
        Content(sender="Acme", text="Sale"), (f"00316{n:08}" for n in range(HALF)), lane="bulk"
    ).enqueued  # fmt: skip
    for _ in range(2):
        start_worker(valkey.url, foreign_endpoint, CMQUEUE_LOG_LEVEL="warning")

    eventually(lambda: all_finished(outbox), 200, every=0.2)
    with build_opener(ProxyHandler({})).open(foreign_endpoint) as response:
        told = json.load(response)
    assert (2 * HALF, 2 * HALF, 0) == (told["messages"], told["unique"], told["twice"])
    assert told["messages"] / told["requests"] >= 950
    assert told["largest"] <= 1000
    audit = outbox.audit()
    assert (True, 2 * HALF) == (audit.balanced, audit.finished[State.ACCEPTED])


@pytest.mark.timeout(240)
def test_an_outage_of_twenty_seconds_costs_a_few_batches(
    outbox: Outbox, sandbox: SandboxClient, run: Run
) -> None:
    """Only 502 pages for 20 s with 50,000 queued: unknown are at most slots x batch + 3 batches + probes."""
    outbox.broadcast(Content(sender="Acme", text="Sale"), (f"00316001{n:05}" for n in range(50_000)))
    sandbox.faults({"kind": "status", "status": 502, "seconds": 20})
    worker = run(CMQUEUE_LOG_LEVEL="warning")

    eventually(lambda: all_finished(outbox), 200, every=0.2)
    ended = outbox.audit().finished
    slots = 6
    probes = worker.lines().count('"size": 10,')
    assert probes <= 10  # after 1, 2, 4, 8 ... s
    assert ended[State.UNKNOWN] <= slots * 1000 + 3 * 1000 + probes * 10
    assert 50_000 == ended[State.UNKNOWN] + ended[State.ACCEPTED]
    assert (ended[State.ACCEPTED], 0) == (sandbox.counts()["unique"], sandbox.counts()["duplicates"])
    assert outbox.audit().balanced
