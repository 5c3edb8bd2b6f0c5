"""Putting messages in: one, in a loop, many, a broadcast; beside `.delay()` in a loop. Messages a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from benchmarks.figures import Figures
from benchmarks.messages import SENDER, distinct, number, numbers, text
from benchmarks.naive import IGNORED, SEND, application
from benchmarks.scale import Scale
from benchmarks.stage import Stage, staged
from cmqueue import Content, Message
from cmqueue.lane import Lane


def enqueue(scale: Scale) -> Iterator[Figures]:
    """Every way in, on one stage. Nothing drains meanwhile, on either side."""
    with staged() as stage:
        yield _celery(stage, scale.single)
        _emptied(stage)
        yield {"enqueue.single": _looped(scale.single, lambda at: _one(stage, at))}
        yield {"enqueue.single.waking": _waking(stage, scale.single)}
        _emptied(stage)
        count = scale.many
        yield {"enqueue.many": _rate(count, stage.outbox.enqueue_many(distinct(count)))}
        _emptied(stage)
        made = [Message(**item) for item in distinct(count)]
        yield {"enqueue.many.checked": _rate(count, stage.outbox.enqueue_many(made))}
        _emptied(stage)
        began = time.perf_counter()
        stage.outbox.broadcast(Content(sender=SENDER, text=text(0)), numbers(scale.broadcast))
        yield {"enqueue.broadcast": scale.broadcast / (time.perf_counter() - began)}


def _emptied(stage: Stage) -> None:
    """Nothing in Redis but our keys."""
    stage.client.flushall()
    stage.outbox.registry.agree()


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
