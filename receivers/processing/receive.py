"""The errand `receive`: takes from the inlet what CM's webhooks brought, and gives it up when all is done."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import assert_never

from cmqueue.errors import OutboxFull, OutboxRefused, OutboxUnavailable
from cmqueue.inlet import TAKE_OVER, Inlet, Taken
from cmqueue.outbox import Outbox
from cmqueue.suppression import Suppressions
from config.errands import ErrandSettings
from receivers.processing import journal
from receivers.processing.accounts import Accounts
from receivers.processing.arrived import Arrived
from receivers.processing.correspondence import Correspondence, Heard
from receivers.processing.inbound import Inbound
from receivers.processing.interaction import Interaction
from receivers.processing.opt_out import Vocabulary
from receivers.processing.reading import read
from receivers.processing.receipts import Receipts
from receivers.processing.resends import Resends
from receivers.processing.status_report import StatusReport
from receivers.processing.unreadable import Unreadable, Why
from receivers.processing.watch import Slow, Watch

MOST = 500  #: entries at once; a report is an entry
BUDGET = 5.0  #: seconds after which another errand may have the thread
#: Who takes from the inlet. All processes are one consumer: what any of them took and did not finish is found
#: by how long it lies, and a name of its own for each would stay in Redis when it is gone.
CONSUMER = "receive"


class Receive:
    """The errand. What it meets that nobody can read, or that Redis refuses, stops nothing else."""

    name = "receive"

    def __init__(
        self, outbox: Outbox, vocabulary: Vocabulary, accounts: Accounts, *, resends: Resends, slow: Slow
    ) -> None:
        suppressions = Suppressions(outbox)
        self._inlet = Inlet(outbox)
        self._receipts = Receipts(
            outbox, accounts, suppressions=suppressions, watch=Watch(outbox, slow), resends=resends
        )
        self._correspondence = Correspondence(
            outbox, accounts, suppressions=suppressions, vocabulary=vocabulary
        )

    def waiting(self) -> bool:
        return self._inlet.ready()

    def run(self, stopping: threading.Event) -> None:
        end = time.monotonic() + BUDGET
        while not stopping.is_set() and time.monotonic() < end:
            taken = self._inlet.take(CONSUMER, MOST)
            if not taken:
                return
            self._handle(taken)

    def _handle(self, taken: Sequence[Taken], *, again: bool = False) -> None:
        """Together where that goes well, else in halves: in the end each is done, set aside or left."""
        try:
            self._work(taken, again=again)
        except (OutboxRefused, OutboxFull) as error:
            if len(taken) == 1:
                journal.left(taken[0].id, error.problem)
                return
        except OutboxUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - one entry that nobody foresaw must not stop the others
            if len(taken) == 1:
                journal.failed(taken[0].id, error)
                self._inlet.unreadable(taken[0], Why.FAILED.value)
                return
        else:
            return
        half = len(taken) // 2
        for part in (taken[:half], taken[half:]):
            self._handle(part, again=True)

    def _work(self, taken: Sequence[Taken], *, again: bool) -> None:
        """All that they say. `again` says that they may have been worked on, and not to the end."""
        reports: list[Arrived[StatusReport]] = []
        letters: list[Arrived[Heard]] = []
        unreadable: list[tuple[Taken, Why]] = []
        now = time.time()
        for one in taken:
            brought = one.brought
            perhaps = again or now - one.seconds > TAKE_OVER / 2
            why: Why | None = None
            for told in read(brought.kind, brought.form, brought.body):
                match told:
                    case StatusReport():
                        reports.append(Arrived(told, one.seconds, brought.account, perhaps))
                    case Inbound() | Interaction():
                        letters.append(Arrived(told, one.seconds, brought.account, perhaps))
                    case Unreadable():
                        why = told.why
                    case unknown:
                        assert_never(unknown)
            if why is not None:
                unreadable.append((one, why))
        if letters:
            self._correspondence.handle(letters)
        if reports:
            self._receipts.handle(reports)
        aside = {one.id for one, _ in unreadable}
        self._inlet.done([one.id for one in taken if one.id not in aside])
        for one, why in unreadable:
            self._inlet.unreadable(one, why.value)


def build(settings: ErrandSettings, outbox: Outbox) -> Receive:
    """The errand, as a worker process runs it."""
    accounts = Accounts(outbox, settings.tokens)

    def slow(account: str, seconds: float) -> None:
        for partition in accounts.partitions(account):
            partition.slow("safeguard", seconds)

    resends = Resends(outbox, settings.resend_failed or (), most=settings.max_resends)
    return Receive(outbox, Vocabulary(settings.opt_out_words), accounts, resends=resends, slow=slow)
