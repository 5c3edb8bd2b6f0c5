"""`python -m chaos.price`: what each way of keeping Redis's writes costs an enqueue, on this machine."""

from __future__ import annotations

import statistics
import time

from cmqueue import Message, Outbox
from cmqueue.settings import LibrarySettings
from demo.valkey import running

SINGLES = 1_000
MANY = 20_000
WAYS = {
    "no append-only file": ("--save", ""),
    "appendfsync everysec": ("--save", "", "--appendonly", "yes", "--appendfsync", "everysec"),
    "appendfsync always": ("--save", "", "--appendonly", "yes", "--appendfsync", "always"),
}


def main() -> None:
    print(f"{'':<22}{'one, median':>14}{'one, p99':>12}{'enqueue_many':>16}")
    for way, options in WAYS.items():
        with (
            running(*options) as server,
            Outbox(LibrarySettings.from_env({"CMQUEUE_REDIS_URL": server.url})) as outbox,
        ):
            message = Message(sender="Acme", to="+31600000001", text="Your code is 4711")
            _seconds(outbox, message)  # the first call registers scripts and makes connections
            took = sorted(_seconds(outbox, message) for _ in range(SINGLES))
            began = time.perf_counter()
            enqueued = sum(1 for _ in outbox.enqueue_many(message for _ in range(MANY)))
            rate = enqueued / (time.perf_counter() - began)
        median, tail = statistics.median(took) * 1000, took[int(len(took) * 0.99)] * 1000
        print(f"{way:<22}{median:>11.2f} ms{tail:>9.2f} ms{rate:>14,.0f}/s")


def _seconds(outbox: Outbox, message: Message) -> float:
    began = time.perf_counter()
    outbox.enqueue(message)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
