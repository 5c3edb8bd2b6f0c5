"""Taking messages out: ours, the bare loop and the naive worker, on equal stages. Messages per second.

A rate counts from the first look at which the endpoint has taken something to the moment at which everything
is accounted for, so that the start of a worker is not in it: ours has settled every message, the bare loop
has acknowledged every batch, the naive worker is let off with its last POST.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from benchmarks.bare import HELD, fill
from benchmarks.figures import Figures
from benchmarks.messages import SENDER, distinct, numbers, text
from benchmarks.naive import SEND, application
from benchmarks.program import MIB, Program, cpu_of
from benchmarks.scale import Scale
from benchmarks.stage import START_PATIENCE, THREADS, Stage, staged, wait_until
from cmqueue import Content, Message
from config.celery import ERRAND_THREADS

LATENCIES = (0, 50)  #: milliseconds
PROCESSES = (1, 2)
#: Seconds between looks, until the first message came and near the end; between the two, looks only disturb.
FIRST_LOOK, LAST_LOOKS, NEARLY = 0.01, 0.005, 0.85
POOLS = {"threads": ("--pool", "threads", "-c", str(THREADS + ERRAND_THREADS)), "solo": ("--pool", "solo")}


def drain(scale: Scale) -> Iterator[Figures]:
    """Every combination of what waits, the endpoint's latency and the number of processes."""
    for latency in LATENCIES:
        for processes in PROCESSES:
            place = f"{latency}ms.{processes}"
            yield _naive(scale, latency, processes, f"drain.distinct.{place}.naive")
            for kind, count in (("distinct", scale.drain), ("broadcast", scale.drain_broadcast)):
                yield _bare(kind, count, latency, processes, f"drain.{kind}.{place}.bare")
                yield _ours(kind, count, latency, processes, f"drain.{kind}.{place}.ours")


def _ours(kind: str, count: int, latency: int, processes: int, name: str) -> Figures:
    with staged(latency_ms=latency) as stage:
        if kind == "distinct":
            for _ in stage.outbox.enqueue_many(distinct(count), lane="bulk"):
                pass
        else:
            stage.outbox.broadcast(Content(sender=SENDER, text=text(0)), numbers(count))
        found = timed(stage, count, name, [stage.worker] * processes, lambda: stage.finished() == count)
        if not stage.outbox.audit(recount=True).balanced:
            raise RuntimeError("the books do not balance")
        return found


def _bare(kind: str, count: int, latency: int, processes: int, name: str) -> Figures:
    with staged(latency_ms=latency) as stage:
        if kind == "distinct":
            jobs = (b"%b %b" % (item["to"].encode(), Message(**item).wire()) for item in distinct(count))
            fill(stage.client, jobs)
        else:
            content = Content(sender=SENDER, text=text(0)).wire()
            fill(stage.client, (to.encode() for to in numbers(count)), content)

        def acknowledged() -> bool:
            return not any(True for _ in stage.client.scan_iter(f"{HELD}*", 1000))

        return timed(stage, count, name, [stage.bare] * processes, acknowledged, ends=True)


def _naive(scale: Scale, latency: int, processes: int, name: str) -> Figures:
    """The better of two pools. Threads alone where the endpoint is slow: a single one would wait."""
    count = scale.naive_slow if latency else scale.naive
    best: Figures = {}
    for pool in ["threads"] if latency else POOLS:
        with staged(latency_ms=latency) as stage:
            task = application(stage.server.url).tasks[SEND]
            for item in distinct(count * processes):
                task.delay(**item)
            starts = [partial(stage.naive, *POOLS[pool], "-n", f"naive{at}") for at in range(processes)]
            found = timed(stage, count * processes, name, starts, lambda: True)
        if found[name] > best.get(name, 0.0):
            best = found
    return best


def timed(
    stage: Stage,
    count: int,
    name: str,
    starts: Sequence[Callable[[], Program]],
    accounted: Callable[[], bool],
    *,
    ends: bool = False,
) -> Figures:
    """Start the programs and time them; with CPU seconds per 100,000 messages, theirs and Redis's.

    `ends` says that they end by themselves when nothing is left.
    """
    programs = [start() for start in starts]
    watched = [] if ends else programs
    wait_until(lambda: stage.posted() > 0, watched, poll=FIRST_LOOK, patience=START_PATIENCE)
    taken, began = stage.posted(), time.perf_counter()
    before = [program.cpu() for program in watched]
    redis_before = cpu_of(stage.server.pid)
    wait_until(lambda: stage.posted() >= count * NEARLY, watched)
    wait_until(lambda: stage.posted() >= count and accounted(), watched, poll=LAST_LOOKS)
    took = time.perf_counter() - began
    if stage.posted() != count:
        raise RuntimeError(f"{stage.posted()} messages were taken, {count} were put in")
    if taken == count:
        raise RuntimeError(f"{count} messages went too fast to be timed")
    found = {name: (count - taken) / took}
    if not ends:
        per = 100_000 / (count - taken)
        found[f"cpu.{name}"] = (sum(program.cpu() for program in programs) - sum(before)) * per
        found[f"cpu_redis.{name}"] = (cpu_of(stage.server.pid) - redis_before) * per
        found[f"memory_worker.{name}"] = max(program.most_memory for program in programs) / MIB
    return found
