"""The errand `reconcile`: CM's Transactions API is asked about what is in doubt; a yes settles it."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict

from cmqueue.inlet import GROUP, Brought, Form, Inlet, Kind
from cmqueue.outbox import Outbox
from cmqueue.partition import ROOT, Partition
from cmqueue.report import FACTS, Report, merge, spellings
from cmqueue.state import Reason, State
from config.errands import ErrandSettings
from receivers.log import log
from receivers.reconcile.answer import Told
from receivers.reconcile.client import Client, NoPage
from receivers.reconcile.doubts import Doubts
from receivers.reconcile.pace import Pace
from receivers.reconcile.schedule import HORIZON, Doubt, due, urgency

BUDGET = 1.0  #: seconds of one run: what ends first comes first, also where it began a moment ago
LOOK_SECONDS = 1.0  #: from one look to the next of all processes, while anything is in doubt
IDLE_SECONDS = 20.0  #: where messages are unknown, and none is in doubt
LONGEST_WAIT = 1.0  #: for a permit, in a thread of the pool
ACCEPTED = 0  #: a status report's code
MOST_PAGES = 20  #: of one reference: 20,000 recipients of a broadcast
_LOOKED, _IDLE = f"{ROOT}reconcile:looked", f"{ROOT}reconcile:idle"


def build(settings: ErrandSettings, outbox: Outbox) -> Reconcile | None:
    """The errand, where there is an address to ask."""
    return Reconcile(settings, outbox) if settings.transactions_url else None


class Reconcile:
    """Asks about each reference once for all its messages, at the moments of `schedule`."""

    name = "reconcile"

    def __init__(self, settings: ErrandSettings, outbox: Outbox) -> None:
        self._settings = settings
        self._outbox = outbox
        self._client = Client(settings.transactions_url or "")
        self._doubts: dict[str, Doubts] = {}
        self._paces: dict[str, Pace] = {}
        self._asked: dict[tuple[str, float], float] = {}  #: reference and moment -> until when to remember

    def waiting(self) -> bool:
        client = self._outbox.scripts.client
        looked, idle = self._outbox.scripts.guarded(lambda: client.mget(_LOOKED, _IDLE))
        if looked is not None:
            return False
        counts = [self._doubts_of(partition).count() for _, _, partition in self._partitions()]
        return any(doubt or (kept and idle is None) for doubt, kept in counts)

    def run(self, stopping: threading.Event) -> None:
        self._remember(_LOOKED, LOOK_SECONDS)
        end = time.monotonic() + BUDGET
        doubt = False
        for account, token, partition in self._partitions():
            doubts = self._doubts_of(partition)
            found = doubts.read()
            doubt = doubt or any(each.ends is not None for each in found)
            self._reconcile(account, token, found, doubts.now(), stopping, end)
        if not doubt:
            self._remember(_IDLE, IDLE_SECONDS)

    def _remember(self, name: str, seconds: float) -> None:
        """For every process: not all of them must look."""
        client = self._outbox.scripts.client
        self._outbox.scripts.guarded(lambda: client.set(name, b"1", px=round(seconds * 1000)))

    def _partitions(self) -> list[tuple[str, str, Partition]]:
        """Account, token and partition of those that this process has a token for."""
        tokens = self._settings.tokens
        known = self._outbox.registry.known()
        return [
            (account, tokens[account], partition)
            for account, partition in known.values()
            if account in tokens
        ]

    def _doubts_of(self, partition: Partition) -> Doubts:
        retention = float(self._settings.dead_retention_seconds)
        made = Doubts(self._outbox.scripts, partition, retention)
        return self._doubts.setdefault(partition.code, made)

    def _reconcile(
        self,
        account: str,
        token: str,
        found: list[Doubt],
        now: float,
        stopping: threading.Event,
        end: float,
    ) -> None:
        """Ask about what is due among `found`, as far as the time goes."""
        self._asked = {asked: until for asked, until in self._asked.items() if until > now}
        members, moments = defaultdict[str, list[Doubt]](list), defaultdict[str, set[float]](set)
        for doubt in found:
            members[doubt.reference].append(doubt)
            moment = due(doubt, now)
            if moment is not None and (doubt.reference, moment) not in self._asked:
                moments[doubt.reference].add(moment)
        pace = self._paces.setdefault(
            account, Pace(self._outbox, account, self._settings.transactions_per_second)
        )
        asking = _Asking(self._client, pace, account, token, stopping)
        for reference in sorted(moments, key=lambda reference: min(map(urgency, members[reference]))):
            if stopping.is_set() or time.monotonic() > end:
                return
            these, asked_for = members[reference], sorted(moments[reference])
            if self._first_to_ask(pace, reference, these, asked_for, now):
                told, whole = asking.ask(reference, these, now)
                self._merge(reference, these, told)
                if not whole:
                    self._forget(pace, reference, asked_for)
                    return

    def _first_to_ask(
        self, pace: Pace, reference: str, members: list[Doubt], moments: list[float], now: float
    ) -> bool:
        """Whether nobody asked for one of these moments; from now on somebody has."""
        ends = max(each.began + HORIZON if each.ends is None else each.ends for each in members)
        first = False
        for moment in moments:
            self._asked[reference, moment] = max(ends, now) + HORIZON
            first = pace.first_to_ask(reference, moment, ends - now) or first
        return first

    def _forget(self, pace: Pace, reference: str, moments: list[float]) -> None:
        for moment in moments:
            self._asked.pop((reference, moment), None)
        pace.unasked(reference, moments)

    def _merge(self, reference: str, members: list[Doubt], told: list[Told]) -> None:
        """Merge what was told of those in doubt; a message that CM shows twice is in the higher state.

        One that failed was taken all the same. Its failure goes the way of all status reports, through the
        inlet: what follows from it, for the number, the account or a resend, is decided there.
        """
        numbers = {each.number for each in members}
        meant = [(number, row) for row in told for number in spellings(row.number) if number in numbers]
        failures = [status_report(reference, row) for _, row in meant if FACTS[row.code] is State.FAILED]
        if failures:
            Inlet(self._outbox).put(failures)
            self._outbox.wake_errand(GROUP)
        reports = [
            Report(reference, number, ACCEPTED if FACTS[row.code] is State.FAILED else row.code)
            for number, row in meant
        ]
        for merged in merge(self._outbox, reports, reason=Reason.TRANSACTION):
            if merged is not None and merged.after is not merged.before:
                log.info(
                    "message.reconciled",
                    id=merged.id,
                    reference=reference,
                    before=merged.before.value,
                    state=merged.after.value,
                )


def status_report(reference: str, told: Told) -> Brought:
    """A row as CM would have reported it ("Incoming status report")."""
    status = {
        "code": str(told.code),
        "errorCode": str(told.error or ""),
        "errorDescription": told.description,
    }
    report = {"to": told.number, "reference": reference, "status": status}
    body = json.dumps({"messages": {"msg": report}}).encode()
    return Brought(kind=Kind.STATUS, form=Form.JSON, account="", body=body)


class _Asking:
    """All pages about one reference, by an account's permits."""

    def __init__(
        self, client: Client, pace: Pace, account: str, token: str, stopping: threading.Event
    ) -> None:
        self._client, self._pace, self._account, self._token = client, pace, account, token
        self._stopping = stopping

    def ask(self, reference: str, members: list[Doubt], now: float) -> tuple[list[Told], bool]:
        """What CM tells, and whether that is all of it; else somebody must ask again."""
        began = time.monotonic()
        told: list[Told] = []
        since = min(each.sent for each in members)
        number, pages = 1, 1
        while number <= min(pages, MOST_PAGES):
            if not self._permitted():
                return told, False
            page = self._client.ask(self._token, reference, since, now, number)
            if isinstance(page, NoPage):
                wait = self._pace.failed(page.retry_after)
                log.warning(
                    "transactions.failed",
                    account=self._account,
                    reference=reference,
                    why=page.why,
                    wait_seconds=wait,
                )
                return told, False
            if page.number != number:
                break  # it does not know pages by the name that we ask by
            told += page.told
            number, pages = number + 1, page.of
        self._pace.answered()
        log.info(
            "transactions.asked",
            account=self._account,
            reference=reference,
            messages=len(members),
            found=len(told),
            pages=number - 1,
            pages_left=max(pages - number + 1, 0),
            seconds=round(time.monotonic() - began, 3),
        )
        return told, True

    def _permitted(self) -> bool:
        """Take a permit; False where the account is to be left alone for longer, or the process stops."""
        while not self._stopping.is_set():
            wait = self._pace.wait()
            if wait == 0.0:
                return True
            if wait > LONGEST_WAIT:
                return False
            self._stopping.wait(wait)
        return False
