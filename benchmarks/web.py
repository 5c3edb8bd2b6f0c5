"""What enqueueing costs inside a request: milliseconds around the call, in a view of each framework.

A worker runs, so the lane is empty and each message wakes it: the dearest way there is.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator
from http.client import HTTPConnection

from benchmarks.figures import Figures
from benchmarks.program import started
from benchmarks.scale import Scale
from benchmarks.stage import START_PATIENCE, Stage, staged, wait_until
from benchmarks.website import FRAMEWORKS

RATE = 100  #: requests a second: the machine is idle
WARM = 50  #: requests before those that count


def web(scale: Scale) -> Iterator[Figures]:
    """One framework after the other."""
    with staged() as stage:
        worker = stage.worker()
        receipt = stage.outbox.enqueue({"sender": "Acme", "to": "+31600000001", "text": "hi"})
        wait_until(
            lambda: stage.outbox.states([receipt.id]) == ["accepted"], [worker], patience=START_PATIENCE
        )
        for framework in FRAMEWORKS:
            took = sorted(_asked(stage, framework, scale.web))
            name = f"web.{framework}"
            yield {
                f"{name}.p50": statistics.median(took),
                f"{name}.p99": took[min(len(took) - 1, int(len(took) * 0.99))],
            }


def _asked(stage: Stage, framework: str, requests: int) -> list[float]:
    """What each request said of itself, milliseconds."""
    log = stage.logs / f"{framework}.log"
    variables = {"CMQUEUE_REDIS_URL": stage.server.url}
    with started(["benchmarks.website", framework], variables, log) as program:
        wait_until(lambda: log.read_text().endswith("\n"), [program], patience=START_PATIENCE)
        port = int(log.read_text())
        for _ in range(WARM):
            _ask(port)
        began, told = time.perf_counter(), []
        for at in range(requests):
            time.sleep(max(0.0, began + at / RATE - time.perf_counter()))
            told.append(_ask(port))
    return told


def _ask(port: int) -> float:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/")
        return float(json.load(connection.getresponse())["ms"])
    finally:
        connection.close()
