"""Redis, the broker or the network away: restarted, killed, cut off, frozen, partitioned, slow."""

from __future__ import annotations

import time

from chaos.scenario import Scenario
from chaos.stage import EVERY_SECOND, Stage, frozen, killed

FREEZE_SECONDS = 8.0
PARTITION_SECONDS = 30.0
SLOW_SECONDS = 0.05


def restart(stage: Stage) -> None:
    stage.server.stop()
    stage.pause(0, 3)
    stage.server.start()
    stage.resumed()
    stage.pause(1, 2)


def kill(stage: Stage) -> None:
    killed(stage.server)
    stage.pause(0, 3)
    stage.server.start()
    stage.resumed()
    stage.pause(1, 2)


def cut_clients(stage: Stage) -> None:
    """CLIENT KILL of everybody, ten times in some seconds."""
    client = stage.outbox.scripts.client
    for _ in range(10):
        stage.within(2, lambda: client.client_kill_filter(_type="normal", skipme=True) is not None)
        stage.pause(0.1, 0.6)
    stage.resumed()


def freeze(stage: Stage) -> None:
    with frozen(stage.server.pid):
        time.sleep(FREEZE_SECONDS)
    stage.resumed()
    stage.pause(1, 2)


def partition(stage: Stage) -> None:
    """The workers are apart from Redis, the web apps are not: the backlog grows."""
    stage.proxy.hang()
    time.sleep(PARTITION_SECONDS)
    stage.proxy.heal()
    stage.resumed()
    stage.pause(1, 2)


def cut(stage: Stage) -> None:
    """Every connection reset, new ones refused, for some seconds."""
    stage.proxy.cut()
    stage.pause(2, 10)
    stage.proxy.heal()
    stage.resumed()
    stage.pause(1, 2)


def slow(stage: Stage) -> None:
    stage.proxy.delay(SLOW_SECONDS)
    stage.pause(5, 8)
    stage.resumed()
    stage.proxy.delay(0)


def partition_one(stage: Stage) -> None:
    """One worker apart from Redis beyond its lease, its peer not: that one takes over, late answers count."""
    peer = stage.fleet.start(CMQUEUE_REDIS_URL=stage.server.url, CMQUEUE_BROKER_URL=stage.server.url)
    stage.fleet.await_up(peer)
    stage.busy()
    stage.proxy.hang()
    stage.watch()
    stage.pause(12, 20)
    stage.proxy.heal()
    stage.await_watches()
    stage.resumed()
    stage.pause(2, 3)
    stage.kill(peer)


def kill_broker(stage: Stage) -> None:
    """Wake-ups are lost and can't be sent: messages flow all the same, and when it is back too."""
    killed(stage.broker)
    stage.resumed()
    stage.pause(4, 6)
    stage.resumed()
    stage.broker.start()
    stage.pause(1, 2)
    stage.resumed()


OUTAGES = [
    Scenario(name="redis-restarted", happen=restart, rounds=3, certain=True, options=EVERY_SECOND),
    Scenario(name="redis-killed", happen=kill, rounds=3, certain=True),
    Scenario(name="redis-clients-cut", happen=cut_clients, rounds=2, certain=True),
    Scenario(name="redis-frozen-8s", happen=freeze, rounds=2, certain=True),
    Scenario(name="network-partition-30s", happen=partition, certain=True, proxied=True),
    Scenario(name="network-cut", happen=cut, rounds=2, certain=True, proxied=True),
    Scenario(name="network-50ms", happen=slow, certain=True, proxied=True),
    Scenario(name="one-worker-apart", happen=partition_one, workers=1, limit=11.0, proxied=True),
    Scenario(name="broker-killed", happen=kill_broker, certain=True, own_broker=True),
]
