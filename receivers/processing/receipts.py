"""Status reports, merged into their messages, and what follows from a failure.

A step is taken for the first final failure that a message is told of, and again only where that report may
not have been worked on to its end. So each step must bear a repeat: the list knows a number once, the watch
counts a recipient once, and a message is resent once.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple, assert_never

from cmqueue.lane import Lane
from cmqueue.outbox import Outbox
from cmqueue.report import FACTS, Merged, Report, merge
from cmqueue.resend import revoke_resend
from cmqueue.standard_error import NextStep, StandardError, standard_error
from cmqueue.state import State
from cmqueue.suppression import Suppressions, Why
from cmqueue.unmatched import Stray, Unmatched
from receivers.processing import journal, resending
from receivers.processing.accounts import Accounts
from receivers.processing.arrived import Arrived
from receivers.processing.status_report import StatusReport
from receivers.processing.watch import Watch


class Resending(NamedTuple):
    """Which lanes' failures are sent anew, and what sends one after so many seconds: its id, or None."""

    lanes: frozenset[Lane]
    send: Callable[[Merged, float], str | None]


class Receipts:
    """Merges status reports. Raises OutboxUnavailable, after which all may be merged again."""

    def __init__(
        self,
        outbox: Outbox,
        accounts: Accounts,
        *,
        suppressions: Suppressions,
        watch: Watch,
        resending: Resending,
    ) -> None:
        self._outbox = outbox
        self._accounts = accounts
        self._suppressions = suppressions
        self._watch = watch
        self._resending = resending
        self._unmatched = Unmatched(outbox)

    def handle(self, arrived: Sequence[Arrived[StatusReport]]) -> None:
        """Merge them in their order: one call of the merging script for each 500 of a partition."""
        reports = [Report(*one.told[:4]) for one in arrived]
        ids = defaultdict[State, list[str]](list)
        conflicted: list[str] = []
        never_sent: list[str] = []
        strays: list[Stray] = []
        failures: list[tuple[Arrived[StatusReport], Report, Merged]] = []
        merged = merge(self._outbox, reports, resending=self._resending.lanes)
        for one, report, found in zip(arrived, reports, merged, strict=True):
            if found is None:
                strays.append(Stray(report, one.at))
                continue
            ids[found.fact].append(found.id)
            if found.conflict:
                conflicted.append(found.id)
                revoke_resend(self._outbox, found)
            if found.never_sent:
                never_sent.append(found.id)
            if found.after is State.FAILED and (one.again or found.before is not State.FAILED):
                failures.append((one, report, found))
        journal.merged(ids)
        journal.conflicted(conflicted)
        journal.never_sent(never_sent)
        unknown = Counter(stray.report.code for stray in strays if stray.report.code not in FACTS)
        journal.unknown_status(unknown)
        journal.unmatched(len(strays) - unknown.total())
        self._unmatched.add(strays)
        if failures:
            self._follow(failures)

    def _follow(self, failures: Sequence[tuple[Arrived[StatusReport], Report, Merged]]) -> None:
        blocked = defaultdict[tuple[str, StandardError], list[str]](list)
        for one, report, found in failures:
            error = standard_error(report.error, one.told.description)
            account = self._accounts.of(found.id)
            if error is None or account is None:
                continue
            match error.next_step:
                case NextStep.NOTHING | NextStep.WAIT:
                    pass
                case NextStep.RESEND:
                    self._again(found, error)
                case NextStep.SUPPRESS:
                    self._suppressions.add(report.number, account=account, why=Why.UNREACHABLE)
                case NextStep.SAFEGUARD:
                    blocked[account, error].append(report.number)
                case unknown:
                    assert_never(unknown)
        for (account, error), numbers in blocked.items():
            self._watch.reported(account, error, numbers)

    def _again(self, found: Merged, error: StandardError) -> None:
        """Resend, but not what Redis has forgotten to be sent: it may have forgotten a resend, too."""
        wait = resending.delay(error.kind, random.random())
        if wait is None or found.never_sent:
            return
        new = self._resending.send(found, wait)
        if new is not None:
            journal.resent(found.id, new, error.code, wait)
