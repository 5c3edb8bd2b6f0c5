"""Enqueueing when the transaction has been committed: nothing goes out of one that is rolled back."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from cmqueue import chunk
from cmqueue.errors import CmqueueError, OutboxUnavailable
from cmqueue.integrations.django.outbox import get_outbox
from cmqueue.lane import lane_named
from cmqueue.log import log
from cmqueue.message import Message, Options, parse_message
from cmqueue.receipt import Receipt
from cmqueue.settings import DEFAULT_ACCOUNT


@dataclass(slots=True)
class OnCommit:
    """A message on its way through a transaction.

    `receipt` comes with the commit: which id a message has is settled when it is enqueued, and a repeat of an
    idempotency key gets the first one's. After a rollback both stay None.
    """

    receipt: Receipt | None = None
    error: CmqueueError | None = None  #: why there is no receipt after the commit


def enqueue_on_commit(
    message: Message | Mapping[str, Any],
    *,
    using: str | None = None,
    robust: bool = False,
    then: Callable[[Receipt], object] | None = None,
    lane: str = "normal",
    account: str = DEFAULT_ACCOUNT,
    **options: Any,
) -> OnCommit:
    """Check `message` now, and enqueue it after the commit; at once where there is no transaction.

    `using` is the database's alias; `then` is called with the receipt; the rest is for `Outbox.enqueue`.
    Raises InvalidMessage, UnknownLane, WrongSetting at once, while the transaction can be rolled back.

    What goes wrong after the commit (OutboxUnavailable, IdempotencyConflict) is logged as `enqueue.failed`.
    It is raised out of the commit, past the callbacks behind it, unless `robust`: then it is in `error`.
    """
    outbox, checked_options = get_outbox(), Options(**options)
    checked = parse_message(message, default_region=outbox.settings.default_region)
    chosen = {name: getattr(checked_options, name) for name in options}
    chunk.terms(lane_named(lane), checked, checked_options, checked.validity, checked.channels, time.time())
    waiting = OnCommit()

    def enqueue() -> None:
        try:
            waiting.receipt = outbox.enqueue(checked, lane=lane, account=account, **chosen)
        except CmqueueError as error:
            waiting.error = error
            log.error(
                "enqueue.failed",
                error=type(error).__name__,
                maybe_enqueued=isinstance(error, OutboxUnavailable) and error.maybe_enqueued,
                lane=lane,
            )
            if not robust:
                raise
        else:
            if then is not None:
                then(waiting.receipt)

    transaction.on_commit(enqueue, using=using, robust=robust)
    return waiting
