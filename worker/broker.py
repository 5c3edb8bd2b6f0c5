"""What Celery and kombu are told, so that a broker that comes and goes does not end a worker, or keep it.

A wake-up carries no message, so nothing hangs on one that is lost: the sweeper finds the lane.
"""

from __future__ import annotations

from typing import Any

from celery.worker.consumer.gossip import Gossip
from celery.worker.consumer.mingle import Mingle
from kombu.transport.redis import Channel
from redis.exceptions import ConnectionError as RedisConnectionError

_params: Any = Channel._connparams  # noqa: SLF001 - kombu has no other place that knows of a closed channel


def _params_while_open(channel: Any, *args: Any, **options: Any) -> Any:
    """How to connect; raises ConnectionError for a channel that is closed, where kombu has an AttributeError.

    Celery expects the one and goes on, and ends at the other.
    """
    if channel.connection is None:
        raise RedisConnectionError("the channel is closed")
    return _params(channel, *args, **options)


def endure() -> None:
    """Tell them, for this process."""
    # A wake-up that is acknowledged after its connection died: through a channel that is closed by then.
    Channel._connparams = _params_while_open  # type: ignore[method-assign,assignment]  # noqa: SLF001
    # When the broker's connection dies, kombu puts back what was not acknowledged, through the same.
    Channel.do_restore = False
    # A starting Celery asks its peers for their clocks and revoked tasks, of which wake-ups have none. Should
    # the broker go away in that second it connects for ever, deaf to signals. Gossip tells the same later.
    Mingle.compatible_transports = frozenset()
    Gossip.compatible_transports = frozenset()
