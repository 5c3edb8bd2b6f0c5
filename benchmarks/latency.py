"""How long from the call of `enqueue` to the endpoint, milliseconds; alone, and behind a bulk that drains."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from benchmarks.figures import Figures
from benchmarks.messages import MOST, SENDER, distinct, number, text
from benchmarks.scale import Scale
from benchmarks.stage import START_PATIENCE, Stage, staged, wait_until

RATES = (50, 1_000)  #: messages a second
URGENT_BEHIND = 50  #: the same, of urgent ones while a bulk drains
LATENCIES = (0, 50)
WARM = 3.0  #: seconds


@dataclass(slots=True)
class Stream:
    """Urgent messages, put in at an even pace: (reference, number) -> when `enqueue` was called."""

    stage: Stage
    rate: int
    sent: dict[tuple[str, str], float] = field(default_factory=dict)

    def run(self, over: Callable[[], bool]) -> None:
        """Until it is `over`."""
        began, at = time.perf_counter(), 0
        while not over():
            ahead = began + at / self.rate - time.perf_counter()
            if ahead > 0:
                time.sleep(ahead)
            to = number(MOST // 2 + at)
            called = time.time()
            receipt = self.stage.outbox.enqueue({"sender": SENDER, "to": to, "text": text(at)}, lane="urgent")
            self.sent[receipt.reference, to] = called
            at += 1

    def percentiles(self, name: str) -> Figures:
        """Median, 99th percentile and maximum, milliseconds; once all have arrived."""
        arrivals = self.stage.sandbox.arrivals()
        took = sorted((arrivals[pair] - called) * 1000 for pair, called in self.sent.items())
        return {
            f"{name}.p50": statistics.median(took),
            f"{name}.p99": took[min(len(took) - 1, int(len(took) * 0.99))],
            f"{name}.most": took[-1],
        }


def latency(scale: Scale) -> Iterator[Figures]:
    """Urgent messages at each rate with nothing else to do, then behind a bulk."""
    for rate in RATES:
        yield _idle(rate, scale.seconds)
    for slow in LATENCIES:
        yield _behind(scale.bulk, slow)


def _idle(rate: int, seconds: float) -> Figures:
    """Urgent ones that nothing is in the way of."""
    with staged(arrivals=True) as stage:
        worker = stage.worker()
        warm, stream = Stream(stage, rate), Stream(stage, rate)
        _run_for(WARM, warm)  # a starting worker drains by its sweeper until Celery is connected
        wait_until(lambda: stage.posted() == len(warm.sent), [worker])
        _run_for(seconds, stream)
        wait_until(lambda: stage.posted() == len(warm.sent) + len(stream.sent), [worker])
        return stream.percentiles(f"latency.idle.{rate}")


def _run_for(seconds: float, stream: Stream) -> None:
    end = time.perf_counter() + seconds
    stream.run(lambda: time.perf_counter() > end)


def _behind(bulk: int, slow: int) -> Figures:
    """Urgent ones from when the bulk begins to go out until it is gone; what the bulk keeps of its rate."""
    name = f"latency.behind.{slow}ms"
    alone, _ = _bulk_rate(bulk, slow, urgent=False)
    beside, figures = _bulk_rate(bulk, slow, urgent=True, name=name)
    return figures | {f"{name}.bulk_kept": beside / alone}


def _bulk_rate(bulk: int, slow: int, *, urgent: bool, name: str = "") -> tuple[float, Figures]:
    """By the arrivals of the bulk's own messages, from the first to the last."""
    with staged(latency_ms=slow, arrivals=True) as stage:
        for _ in stage.outbox.enqueue_many(distinct(bulk), lane="bulk"):
            pass
        gone = threading.Event()
        stream = Stream(stage, URGENT_BEHIND)
        thread = threading.Thread(target=stream.run, args=(gone.is_set,), daemon=True)
        worker = stage.worker()
        wait_until(lambda: stage.posted() > 0, [worker], patience=START_PATIENCE)
        if urgent:
            thread.start()
        wait_until(lambda: stage.posted() >= bulk, [worker])
        gone.set()
        if urgent:
            thread.join()
        wait_until(lambda: stage.posted() == bulk + len(stream.sent), [worker])
        arrived = [at for pair, at in stage.sandbox.arrivals().items() if pair not in stream.sent]
        rate = bulk / (max(arrived) - min(arrived))
        return rate, stream.percentiles(name) if urgent else {}
