"""`make demo`: 10,000 messages through everything, with an endpoint that misbehaves, and then the books.

The sandbox reports what became of each message, and one phone replies STOP. Exits 0 only when every message
that we call accepted, or delivered, read or failed since, is in the sandbox exactly once, and everything in
the sandbox is that or unknown with us. `--stay` keeps it all running and prints the addresses.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.live import Live

from cmqueue import Outbox, State
from cmqueue.audit import Audit
from cmqueue.inlet import INLET
from cmqueue.settings import LibrarySettings
from demo import valkey
from demo.handlers import heard
from demo.messages import STOPPING, TOTAL, Enqueued, enqueue_late, enqueue_most, enqueue_offers
from demo.programs import SECRET, TOKEN, Program, environment, start
from demo.reckoning import reckon
from demo.screen import progress, table
from sandbox.running import SandboxClient, running

FINISH_SECONDS = 90
#: What the sandbox does wrong, once each, to the requests that hold numbers of the broadcast.
FAULTS = (
    {"kind": "status", "status": 503, "retry_after": 1, "count": 2, "numbers": ["0031600002*"]},
    {"kind": "drop_after", "count": 1, "numbers": ["0031600002*"]},
    {"kind": "mixed", "nth": 40, "code": 402, "count": 1, "numbers": ["0031600002*"]},
)

#: What the sandbox reports: of most nothing, so that the demo is short; some twice, some out of order, with
#: the number in any spelling.
REPORTS = {
    "mix": {"delivered": 24, "read": 3, "failed:24": 3, "none": 70},
    "accepted": 0.0,
    "delay": "lognormal:200,0.6",
    "duplicates": 0.02,
    "reordered": 0.02,
    "numbers": "mixed",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--stay", action="store_true", help="keep everything running and print the addresses")
    arguments = parser.parse_args()
    console = Console(highlight=False)
    began = time.monotonic()
    try:
        with _everything() as stage:
            console.print(
                "Embedded Valkey, sandbox, intake and receiver are up; enqueueing before the worker starts."
            )
            enqueued = enqueue_most(stage.outbox, stage.intake)
            stage.sandbox.faults(*FAULTS)
            worker = stage.start_worker()
            enqueue_late(stage.outbox, enqueued)
            seconds = _watch(console, stage, worker, enqueued)
            result = reckon(stage.outbox, stage.sandbox)
            told, client = stage.sandbox.courier(), stage.outbox.scripts.client
            console.print(table(result, enqueued, seconds, told, heard(client)))
            for problem in result.problems:
                console.print(f"[bold red]{problem}")
            if result.problems:
                console.print((stage.logs / "worker.log").read_text()[-4000:], markup=False)
            elif arguments.stay:
                _stay(console, stage)
    except KeyboardInterrupt:
        console.print("Interrupted; everything that was started has ended.")
        return 130
    console.print(f"Every process has ended. {time.monotonic() - began:.1f} s in all.")
    return 1 if result.problems else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stage:
    """Redis, sandbox, intake and receiver, running; the worker starts when it is called for."""

    outbox: Outbox
    sandbox: SandboxClient
    intake: Program
    receiver: Program
    logs: Path
    start_worker: Callable[[], Program]


@contextmanager
def _everything() -> Iterator[_Stage]:
    """The stage; all of it is ended at the end."""
    with ExitStack() as stack:
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cmqueue-demo-")))
        server = stack.enter_context(valkey.running())
        sandbox = stack.enter_context(running(token=[TOKEN], seed=1, keep=TOTAL, transactions=1.5))
        variables = environment(server.url, sandbox.endpoint, sandbox.transactions)
        intake = stack.enter_context(start("intake", variables, logs))
        receiver = stack.enter_context(start("receiver", variables, logs))
        sandbox.webhooks(
            status_url=f"{receiver.url}/cm/status/{SECRET}",
            inbound_url=f"{receiver.url}/cm/inbound/{SECRET}",
            **REPORTS,
        )
        outbox = stack.enter_context(Outbox(LibrarySettings.from_env(variables)))
        yield _Stage(
            outbox=outbox,
            sandbox=sandbox,
            intake=intake,
            receiver=receiver,
            logs=logs,
            start_worker=lambda: stack.enter_context(start("worker", variables, logs)),
        )


def _watch(console: Console, stage: _Stage, worker: Program, enqueued: Enqueued) -> float:
    """Show the progress until nothing waits and all is told; the seconds it took. One phone replies STOP."""
    began = time.monotonic()
    replied = False
    with Live(console=console, refresh_per_second=8, transient=True) as live:
        while True:
            audit = stage.outbox.audit()
            untold = stage.sandbox.courier()["waiting"] + stage.outbox.scripts.client.xlen(INLET)
            seconds = time.monotonic() - began
            live.update(progress(audit, enqueued, seconds, untold))
            replied = replied or _reply_stop(stage, enqueued)
            if replied and audit.waiting.total() == 0 and untold == 0 and _all_heard(stage.outbox, audit):
                return seconds
            if worker.process.poll() is not None or seconds > FINISH_SECONDS:
                return seconds  # the reckoning says what is missing
            time.sleep(0.1)


def _reply_stop(stage: _Stage, enqueued: Enqueued) -> bool:
    """Have the phone answer the message that it got, while others wait for it; whether it got one."""
    got = stage.sandbox.messages(number=STOPPING)
    if got:
        enqueue_offers(stage.outbox, enqueued)
        stage.sandbox.inbound(answers=got[0]["id"], text="STOP")
    return bool(got)


def _all_heard(outbox: Outbox, audit: Audit) -> bool:
    """Whether the handler was told of every message that ended as it wants to know."""
    told = heard(outbox.scripts.client)
    return all(
        told[f"message.{state}"] >= audit.finished[state] for state in (State.FAILED, State.SUPPRESSED)
    )


def _stay(console: Console, stage: _Stage) -> None:
    url = stage.sandbox.url
    reply = """'{"from": "0031600003000", "to": "Acme", "text": "STOP"}'"""
    console.print(
        f"\nStill running; Ctrl-C ends it.\n"
        f"  sandbox's inbox   {url}/sandbox/inbox\n"
        f"  a phone replies   curl -d {reply} {url}/sandbox/inbound\n"
        f"  intake            {stage.intake.url}/v1.0/message   (X-CM-PRODUCTTOKEN: {TOKEN})\n"
        f"  receiver          {stage.receiver.url}/cm/status/{SECRET}\n"
        f"  command line      CMQUEUE_REDIS_URL={stage.outbox.settings.redis_url} .venv/bin/cmqueue audit\n"
    )
    while True:
        time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
