"""Failed messages, sent anew as the lanes have it (cmqueue/resend.py), and what is sent anew taken back."""

from __future__ import annotations

import random
from collections.abc import Collection

from cmqueue.lane import Lane
from cmqueue.outbox import Outbox
from cmqueue.report import Merged
from cmqueue.resend import resend_failed, revoke_resend
from cmqueue.standard_error import Kind
from receivers.processing import resending


class Resends:
    """Raises OutboxUnavailable; a message is sent anew once, however often it is asked for."""

    def __init__(self, outbox: Outbox, lanes: Collection[Lane], *, most: int) -> None:
        self.lanes = lanes
        self._outbox = outbox
        self._most = most

    def again(self, failed: Merged, kind: Kind) -> None:
        """Send it anew after a while. Not what Redis has forgotten to be sent: it may have forgotten more."""
        wait = resending.delay(kind, random.random())
        if wait is not None and self.lanes and not failed.never_sent:
            resend_failed(self._outbox, failed, delay=wait, most=self._most)

    def revoke(self, arrived: Merged) -> None:
        """It has arrived after all: what was sent in its place is taken back, if it has not gone yet."""
        revoke_resend(self._outbox, arrived)
