"""Status reports, merged into their messages, and what follows from a failure.

A step is taken for the first final failure that a message is told of, and again only where that report may
not have been worked on to its end. So each step must bear a repeat: the list knows a number once, the watch
counts a recipient once, and a message is sent anew once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import assert_never

from cmqueue.outbox import Outbox
from cmqueue.report import FACTS, Merged, Report, merge
from cmqueue.standard_error import NextStep, StandardError, standard_error
from cmqueue.state import State
from cmqueue.suppression import Suppressions, Why
from cmqueue.unmatched import Stray, Unmatched
from receivers.processing import journal
from receivers.processing.accounts import Accounts
from receivers.processing.arrived import Arrived
from receivers.processing.resends import Resends
from receivers.processing.status_report import StatusReport
from receivers.processing.watch import Watch


class Receipts:
    """Merges status reports. Raises OutboxUnavailable, after which all may be merged again."""

    def __init__(
        self,
        outbox: Outbox,
        accounts: Accounts,
        *,
        suppressions: Suppressions,
        watch: Watch,
        resends: Resends,
    ) -> None:
        self._outbox = outbox
        self._accounts = accounts
        self._suppressions = suppressions
        self._watch = watch
        self._resends = resends
        self._unmatched = Unmatched(outbox)

    def handle(self, arrived: Sequence[Arrived[StatusReport]]) -> None:
        """Merge them in their order: one call of the merging script for each 500 of a partition."""
        reports = [Report(*one.told[:4]) for one in arrived]
        ids = defaultdict[State, list[str]](list)
        conflicted: list[str] = []
        never_sent: list[str] = []
        strays: list[Stray] = []
        arrivals: list[Merged] = []  # of what had failed
        failures: list[tuple[Arrived[StatusReport], Report, Merged]] = []
        merged = merge(self._outbox, reports, resending=self._resends.lanes)
        for one, report, found in zip(arrived, reports, merged, strict=True):
            if found is None:
                strays.append(Stray(report, one.at))
                continue
            ids[found.fact].append(found.id)
            if found.conflict:
                conflicted.append(found.id)
            if found.never_sent:
                never_sent.append(found.id)
            first = found.before is not State.FAILED or found.resendable
            if found.after is State.FAILED and (first or one.again):
                failures.append((one, report, found))
            elif found.after is not State.FAILED and found.before is State.FAILED:
                arrivals.append(found)
            elif one.again and found.before is found.after and self._resends.lanes:
                arrivals.append(found._replace(before=State.FAILED))  # perhaps; it was merged before
        journal.merged(ids)
        journal.conflicted(conflicted)
        journal.never_sent(never_sent)
        unknown = Counter(stray.report.code for stray in strays if stray.report.code not in FACTS)
        journal.unknown_status(unknown)
        journal.unmatched(len(strays) - unknown.total())
        self._unmatched.add(strays)
        self._follow(failures)
        for found in arrivals:
            self._resends.revoke(found)

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
                    self._resends.again(found, error.kind)
                case NextStep.SUPPRESS:
                    self._suppressions.add(report.number, account=account, why=Why.UNREACHABLE)
                case NextStep.SAFEGUARD:
                    blocked[account, error].append(report.number)
                case unknown:
                    assert_never(unknown)
        for (account, error), numbers in blocked.items():
            self._watch.reported(account, error, numbers)
