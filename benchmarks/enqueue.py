"""Putting messages in: one, in a loop, many, a broadcast; beside `.delay()` in a loop. Messages a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from benchmarks.figures import Figures
from benchmarks.messages import SENDER, distinct, number, numbers, text
from benchmarks.naive import IGNORED, SEND, application
from benchmarks.scale import Scale
from benchmarks.stage import Stage, staged
from cmqueue import Content, Message
from cmqueue.lane import Lane


def enqueue(scale: Scale) -> Figures:
    """Every way in, on one stage. Nothing drains meanwhile, on either side."""
    with staged() as stage:
        found = _celery(stage, scale.single)
        stage.client.flushall()
        found["enqueue.single"] = _looped(scale.single, lambda at: _one(stage, at))
        found["enqueue.single.waking"] = _waking(stage, scale.single)
        stage.client.flushall()
        stage.outbox.registry.agree()
        count = scale.many
        found["enqueue.many"] = _rate(count, stage.outbox.enqueue_many(distinct(count)))
        stage.client.flushall()
        stage.outbox.registry.agree()
        made = [Message(**item) for item in distinct(count)]
        found["enqueue.many.checked"] = _rate(count, stage.outbox.enqueue_many(made))
        stage.client.flushall()
        stage.outbox.registry.agree()
        began = time.perf_counter()
        stage.outbox.broadcast(Content(sender=SENDER, text=text(0)), numbers(scale.broadcast))
        found["enqueue.broadcast"] = scale.broadcast / (time.perf_counter() - began)
    return found


def _celery(stage: Stage, count: int) -> Figures:
    """`.delay()`, with each task's result kept as the careful worker does, and with results ignored."""
    tasks = application(stage.server.url).tasks

    def delay(task: str) -> float:
        return _looped(count, lambda at: tasks[task].delay(sender=SENDER, to=number(at), text=text(at)))

    return {"enqueue.delay": delay(SEND), "enqueue.delay.ignored": delay(IGNORED)}


def _one(stage: Stage, at: int) -> None:
    stage.outbox.enqueue({"sender": SENDER, "to": number(at), "text": text(at)})


def _waking(stage: Stage, count: int) -> float:
    """Each call finds the wake-up token free, and publishes; setting it free is not counted."""
    code = stage.outbox.registry.partition_for("default", b"").code
    token = f"cmq:{{{code}}}:wake:{Lane.NORMAL.letter}"
    took = 0.0
    for at in range(count):
        stage.client.delete(token)
        began = time.perf_counter()
        _one(stage, at)
        took += time.perf_counter() - began
    return count / took


def _looped(count: int, call: Callable[[int], object]) -> float:
    call(0)  # the first one connects
    began = time.perf_counter()
    for at in range(count):
        call(at)
    return count / (time.perf_counter() - began)


def _rate(count: int, results: Iterable[object]) -> float:
    began = time.perf_counter()
    for _ in results:
        pass
    return count / (time.perf_counter() - began)
