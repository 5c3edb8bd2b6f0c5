"""`make demo`: 10,000 messages through everything, with an endpoint that misbehaves, and then the books.

Exits 0 only when every message that we call accepted is in the sandbox exactly once, and everything in the
sandbox is accepted or unknown with us. `--stay` keeps it all running and prints the addresses.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console
from rich.live import Live

from cmqueue import Outbox
from cmqueue.settings import LibrarySettings
from demo import valkey
from demo.messages import TOTAL, Enqueued, enqueue_late, enqueue_most
from demo.programs import TOKEN, Program, environment, start
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


def main() -> int:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--stay", action="store_true", help="keep everything running and print the addresses")
    arguments = parser.parse_args()
    console = Console(highlight=False)
    began = time.monotonic()
    try:
        with _everything() as (outbox, sandbox, intake, logs, start_worker):
            console.print("Embedded Valkey, sandbox and intake are up; enqueueing before the worker starts.")
            enqueued = enqueue_most(outbox, intake)
            sandbox.faults(*FAULTS)
            worker = start_worker()
            enqueue_late(outbox, enqueued)
            seconds = _watch(console, outbox, worker, enqueued)
            result = reckon(outbox, sandbox)
            console.print(table(result, enqueued, seconds))
            for problem in result.problems:
                console.print(f"[bold red]{problem}")
            if result.problems:
                console.print((logs / "worker.log").read_text()[-4000:], markup=False)
            elif arguments.stay:
                _stay(console, outbox, sandbox, intake)
    except KeyboardInterrupt:
        console.print("Interrupted; everything that was started has ended.")
        return 130
    console.print(f"Every process has ended. {time.monotonic() - began:.1f} s in all.")
    return 1 if result.problems else 0


@contextmanager
def _everything() -> Iterator[tuple[Outbox, SandboxClient, Program, Path, _Starter]]:
    """Redis, sandbox and intake running, and a function that starts the worker; all ended at the end."""
    with ExitStack() as stack:
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cmqueue-demo-")))
        server = stack.enter_context(valkey.running())
        sandbox = stack.enter_context(running(token=[TOKEN], seed=1, keep=TOTAL))
        variables = environment(server.url, sandbox.endpoint)
        intake = stack.enter_context(start("intake", variables, logs))
        outbox = stack.enter_context(Outbox(LibrarySettings.from_env(variables)))
        yield outbox, sandbox, intake, logs, _Starter(stack, variables, logs)


class _Starter:
    """Starts the worker when it is called."""

    def __init__(self, stack: ExitStack, variables: dict[str, str], logs: Path) -> None:
        self._stack, self._variables, self._logs = stack, variables, logs

    def __call__(self) -> Program:
        return self._stack.enter_context(start("worker", self._variables, self._logs))


def _watch(console: Console, outbox: Outbox, worker: Program, enqueued: Enqueued) -> float:
    """Show the progress until nothing waits; the seconds it took."""
    began = time.monotonic()
    with Live(console=console, refresh_per_second=8, transient=True) as live:
        while True:
            audit = outbox.audit()
            seconds = time.monotonic() - began
            live.update(progress(audit, enqueued, seconds))
            if audit.waiting.total() == 0:
                return seconds
            if worker.process.poll() is not None or seconds > FINISH_SECONDS:
                return seconds  # the reckoning says what is missing
            time.sleep(0.1)


def _stay(console: Console, outbox: Outbox, sandbox: SandboxClient, intake: Program) -> None:
    console.print(
        f"\nStill running; Ctrl-C ends it.\n"
        f"  sandbox's inbox   {sandbox.url}/sandbox/inbox\n"
        f"  intake            {intake.url}/v1.0/message   (X-CM-PRODUCTTOKEN: {TOKEN})\n"
        f"  command line      CMQUEUE_REDIS_URL={outbox.settings.redis_url} .venv/bin/cmqueue audit\n"
    )
    while True:
        time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
