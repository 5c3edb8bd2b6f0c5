"""The whole loop in real processes: the sandbox tells as CM does, the receiver takes, the worker merges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from harness import Run, eventually, finished
from receiver_process import SECRET, Start, outbox_on

from cmqueue import Outbox, State
from cmqueue.inlet import Inlet
from cmqueue.suppression import Suppressions, Why
from demo.valkey import RunningServer
from sandbox.running import SandboxClient, running

MESSAGES = 300
BARRED = "0031600007023"  # the sandbox reports standard error 23 of it
SENDER = "3669"


@pytest.fixture
def queue(private_valkey: RunningServer) -> Iterator[Outbox]:
    with outbox_on(private_valkey) as outbox:
        yield outbox


@pytest.fixture
def sandbox() -> Iterator[SandboxClient]:
    with running(seed=7) as sandbox:
        yield sandbox


@pytest.mark.slow
@pytest.mark.parametrize("form", ["json", "xml", "get"])
def test_the_loop(
    queue: Outbox,
    private_valkey: RunningServer,
    sandbox: SandboxClient,
    start: Start,
    start_worker: Run,
    form: str,
) -> None:
    """Twice, early and out of order, numbers in any form: each message ends as CM says; a STOP is obeyed."""
    receiver = start(private_valkey.url)
    at = f"{receiver.url}/cm/{{}}/{SECRET}?account=default"
    sandbox.webhooks(
        status_url=at.format("status"), inbound_url=at.format("inbound"), event_url=at.format("events"),
        format=form, mix={"delivered": 8, "failed:24": 1, "read": 1}, delay="uniform:1-50", numbers="mixed",
        duplicates=0.3, reordered=0.3, early=0.3, speed=1000,
    )  # fmt: skip
    worker = start_worker(private_valkey.url, sandbox.endpoint)
    numbers = [f"00316000{n:05}" for n in range(10_000, 10_000 + MESSAGES)]

    sale = queue.broadcast({"sender": SENDER, "text": "Sale"}, [*numbers, BARRED])

    ids = [receipt.id for receipt in sale]
    final = {State.DELIVERED, State.FAILED, State.READ}
    eventually(lambda: set(queue.states(ids)) <= final, 60)
    sandbox.wait_until_told()
    eventually(lambda: Inlet(queue).waiting() == 0)
    told = Counter(queue.states(ids))
    assert told[State.DELIVERED] > told[State.READ] > 0
    assert [Why.UNREACHABLE] == [entry.why for entry in Suppressions(queue).of(BARRED)]

    sandbox.inbound(from_=numbers[0], to=SENDER, text="Stop", context=sale.reference)
    eventually(lambda: Suppressions(queue).of(numbers[0]))
    next_sale = queue.broadcast({"sender": SENDER, "text": "More"}, numbers[:2])
    stopped, other = [receipt.id for receipt in next_sale]
    assert State.SUPPRESSED is eventually(lambda: finished(queue, stopped))
    eventually(lambda: finished(queue, other) in final)
    assert (True, []) == ((audit := queue.audit(recount=True)).balanced, audit.problems)
    assert [] == [number for number in (numbers[0][4:], "Sale", SECRET) if number in worker.lines()]
