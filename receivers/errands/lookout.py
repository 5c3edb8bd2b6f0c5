"""The lookout: a thread in every process that runs errands. It finds work that no wake-up was heard of."""

from __future__ import annotations

import random
import threading
import time
from functools import partial

from cmqueue import errand_token
from cmqueue.errors import OutboxFull, OutboxRefused, OutboxUnavailable
from cmqueue.outbox import Outbox
from receivers.errand import Errand
from receivers.errands.office import Office
from receivers.log import log

TICK = 1.0
#: Seconds for which an errand has work that nobody began, anywhere, before it is run here without the broker.
STALE = 2.0
#: What an errand gets to end between two units of work when the process ends.
LAST_SECONDS = 10.0


class Lookout:
    """Each second it asks each errand whether there is work, and wakes those that have some."""

    def __init__(self, outbox: Outbox, office: Office) -> None:
        self._outbox = outbox
        self._office = office
        self._thread = threading.Thread(target=self._watch, name="cmqueue-lookout", daemon=True)
        self._helpers: list[threading.Thread] = []
        self._begun: dict[str, int] = {}
        self._neglected_since: dict[str, float] = {}

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Tell everything to stop, and wait for what runs outside Celery's pool."""
        self._office.stopping.set()
        end = time.monotonic() + LAST_SECONDS
        for thread in (self._thread, *self._helpers):
            if thread.is_alive():
                thread.join(max(0.0, end - time.monotonic()))

    def _watch(self) -> None:
        while not self._office.stopping.wait(TICK * random.uniform(0.9, 1.1)):
            try:
                self.look(time.monotonic())
            except OutboxUnavailable:
                self._neglected_since.clear()  # the sweeper tells of it; nobody is to blame meanwhile
            except Exception:  # noqa: BLE001 - a lookout that died would heal nothing, for ever
                log.exception("lookout.failed")

    def look(self, now: float) -> None:
        """One look at all errands at `now`, of the monotonic clock. Raises OutboxUnavailable."""
        names = list(self._office.errands)
        begun = dict(zip(names, errand_token.begun(self._outbox.scripts, names), strict=True))
        self._helpers = [helper for helper in self._helpers if helper.is_alive()]
        for name, errand in self._office.errands.items():
            if not self._office.idle(name) or not self._has_work(errand):
                self._neglected_since.pop(name, None)
                continue
            if self._begun.get(name) != begun[name]:
                self._neglected_since.pop(name, None)  # somebody is at it
            since = self._neglected_since.setdefault(name, now)
            if now - since >= STALE:
                self._neglected_since.pop(name)
                self._help(name)
            else:
                self._outbox.wake_errand(name)
        self._begun = begun

    def _has_work(self, errand: Errand) -> bool:
        """Whether it has; one that can't say keeps no other from its work."""
        try:
            return errand.waiting()
        except (OutboxFull, OutboxRefused) as error:  # Redis is there; another may have it emptied
            log.warning("errand.interrupted", errand=errand.name, problem=error.problem)
        except OutboxUnavailable:
            raise
        except Exception:  # noqa: BLE001 - as said
            log.exception("errand.failed", errand=errand.name)
        self._office.rest(errand.name)
        return False

    def _help(self, name: str) -> None:
        """Run an errand here, in a thread that is none of the pool's."""
        helper = threading.Thread(
            target=partial(self._office.serve, name), name="cmqueue-errand", daemon=True
        )
        self._helpers.append(helper)
        helper.start()
