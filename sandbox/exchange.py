"""One POST to the gateway, from its bytes to its answer, ordered faults included."""

from __future__ import annotations

import asyncio
import html
from collections.abc import Callable, Sequence
from dataclasses import replace

from sandbox.faults import Fault, Faults
from sandbox.gateway import CODES, Gateway, Row, Verdict, envelope, reject, row_of
from sandbox.inbox import Inbox
from sandbox.ledger import Ledger
from sandbox.limiter import Limiter
from sandbox.reporter import Reporter, Told
from sandbox.request import MALFORMED, Unreadable
from sandbox.wire import Answer, Manner, Request, phrase

NOBODY = "0031600000000"  #: the recipient of an extra row
_NOTHING_TOLD = Told([], [])
HTML = "text/html; charset=utf-8"


class Exchange:
    """Answers POSTs. `delay` draws the seconds an answer takes; `now` is seconds since 1970."""

    def __init__(
        self,
        *,
        gateway: Gateway,
        faults: Faults,
        ledger: Ledger,
        inbox: Inbox,
        limiter: Limiter | None,
        reporter: Reporter,
        delay: Callable[[], float],
        now: Callable[[], float],
    ) -> None:
        self._gateway = gateway
        self._faults = faults
        self._ledger = ledger
        self._inbox = inbox
        self._limiter = limiter
        self._reporter = reporter
        self._delay = delay
        self._now = now

    def answer(self, request: Request) -> Answer:
        """The answer to one POST, after everything taken has been counted."""
        self._ledger.requests += 1
        verdict = self._judge(request)
        if self._limiter is not None and (wait := self._limiter.wait_for(len(verdict.rows))):
            self._ledger.refused += 1
            return page(429, headers=(("Retry-After", str(wait)),))
        fault = self._faults.strike(lambda: [row["to"] for row in verdict.rows if row["to"]])
        if fault is None:
            early = self._take(verdict)
            answer = _told(verdict, self._delay())
        else:
            self._ledger.faulted += 1
            early = self._take_struck(verdict, fault)
            answer = self._struck(verdict, fault)
        return replace(answer, after=tuple(early)) if early else answer

    def _judge(self, request: Request) -> Verdict:
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            return Verdict(
                [], [], refusal=Unreadable(MALFORMED, "Content-Type: application/json is expected")
            )
        return self._gateway.judge(request.headers.get("x-cm-producttoken"), request.body)

    def _take(self, verdict: Verdict) -> Sequence[asyncio.Future[None]]:
        """Count and keep what the verdict accepts; what has to be done before it may be answered."""
        if not verdict.rows:
            self._ledger.refused += 1
            return ()
        accepted, now = verdict.accepted, self._now()
        self._ledger.take(accepted, recipients=len(verdict.rows), at=now)
        told = _NOTHING_TOLD if self._reporter.idle else self._reporter.tell(accepted, now)
        if not verdict.messages:
            return told.early
        request = self._ledger.requests
        timelines = iter(told.timelines)
        for row, message in zip(verdict.rows, verdict.messages, strict=True):
            if row["messageErrorCode"] == 0:
                self._inbox.add(
                    message,
                    row["to"],
                    row["parts"],
                    request=request,
                    received_at=now,
                    timeline=next(timelines, ()),
                )
        return told.early

    def _take_struck(self, verdict: Verdict, fault: Fault) -> Sequence[asyncio.Future[None]]:
        """The same for a request that `fault` strikes."""
        if fault.kind in ("mixed", "reject_all"):
            _reject(verdict, fault)
        if fault.taken:
            return self._take(verdict)
        self._ledger.refused += 1
        return ()

    def _struck(self, verdict: Verdict, fault: Fault) -> Answer:
        """The answer of a request that `fault` strikes."""
        delay = self._delay()
        without_rows = told_regardless(fault, delay)
        if without_rows is not None:
            return without_rows
        return spoilt(_told(verdict, delay, _distorted(verdict.rows, fault)), fault)


def _told(verdict: Verdict, delay: float, shown: list[Row] | None = None) -> Answer:
    """The verdict as an answer; `shown` are rows to tell instead of the true ones."""
    if verdict.status is not None:
        return page(verdict.status, delay=delay)
    status, body = verdict.answer(shown)
    return Answer(status=status, body=body, delay=delay)


def spoilt(answer: Answer, fault: Fault) -> Answer:
    """An answer whose way over the wire `fault` spoils, if it does."""
    late = fault.ms / 1000
    match fault.kind:
        case "slow":
            return replace(answer, delay=answer.delay + late)
        case "drip":
            return replace(answer, manner=Manner.DRIPPED, pause=late)
        case "partial_answer":
            return replace(answer, manner=Manner.HALF)
    return answer


def told_regardless(fault: Fault, delay: float) -> Answer | None:
    """The answer of a kind that does not care what would have been said."""
    match fault.kind:
        case "status":
            headers = () if fault.retry_after is None else (("Retry-After", fault.retry_after),)
            if fault.body == "html":
                return page(fault.status, headers=headers, delay=delay)
            code = fault.error_code or 500
            body = envelope(code, CODES.get(code, "Unknown error").format(number=""))
            return Answer(status=fault.status, body=body, headers=headers, delay=delay)
        case "not_json":
            return page(200, delay=delay)
        case "drop_before" | "drop_after":
            return Answer(manner=Manner.RESET, delay=delay)
        case "hang":
            return Answer(manner=Manner.NEVER)
    return None


def page(status: int, *, headers: tuple[tuple[str, str], ...] = (), delay: float = 0.0) -> Answer:
    """An HTML page such as a proxy in front of the gateway sends."""
    title = html.escape(f"{status} {phrase(status)}")
    body = f"<!doctype html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
    return Answer(status=status, body=body.encode(), content_type=HTML, headers=headers, delay=delay)


def _reject(verdict: Verdict, fault: Fault) -> None:
    for row in verdict.accepted:
        if not fault.matches(row["to"]):
            continue
        fault.seen += 1
        if fault.kind == "reject_all" or fault.seen % fault.nth == 0:
            reject(row, fault.code)


def _distorted(rows: list[Row], fault: Fault) -> list[Row]:
    """The rows as `fault` has them told; counted are the true ones."""
    match fault.kind:
        case "missing_row":
            return rows[:-1]
        case "extra_row" if rows:
            return [*rows, row_of(NOBODY, "NOBODY", 0, None, 1)]
        case "wrong_reference":
            return [row | {"reference": f"X{row['reference'] or ''}"[:32]} for row in rows]
    return rows
