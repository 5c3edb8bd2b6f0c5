"""CM's Transactions API: what became of each message, for those who ask ("Transactions API").

    GET /v1.2/transactions/?reference= &startdate= &enddate= &pagesize= &page= &channel=
    X-CM-PRODUCTTOKEN: as at the gateway

Dates are `yyyy-MM-ddTHH:mm:ss`, with `Z` or an offset, else Dutch; both ends are inside. It knows what the
inbox keeps, the newest first. CM leaves undocumented, and it is read so here: `page` is the name of the page
asked for, a parameter that cannot be read is HTTP 400 and a wrong token 401, nothing found is HTTP 200.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Any
from urllib.parse import parse_qsl

import orjson

from sandbox.channel import folded
from sandbox.course import ACCEPTED, DELIVERED, FAILED, READ, REJECTED, Step
from sandbox.exchange import spoilt, told_regardless
from sandbox.faults import Fault, Faults
from sandbox.gateway import Gateway
from sandbox.inbox import Entry, Inbox
from sandbox.report import DUTCH
from sandbox.request import Unreadable
from sandbox.standard_error import STANDARD_ERRORS
from sandbox.webhooks import Webhooks
from sandbox.wire import Answer, Request

PATH = "/v1.2/transactions"

STATUSES = {
    ACCEPTED: (37, "Accepted"),
    REJECTED: (40, "Rejected"),
    DELIVERED: (20, "Delivered"),
    FAILED: (21, "Failed"),
    READ: (20, "Delivered"),
}  #: the scale of this API, which is not that of the status reports
NOTHING = "There are no transactions available with these parameters"
_PAGE_SIZE, _LARGEST_PAGE = 1000, 10_000
_COUNTRIES = {
    "0031": ("NL", "Netherlands", "20404", "NL - Sandbox"),
    "0044": ("GB", "United Kingdom", "23410", "GB - Sandbox"),
}
_ELSEWHERE = ("", "", "", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is asked for; moments are seconds since 1970."""

    reference: str | None
    channel: str | None
    start: float | None
    end: float | None
    page: int
    page_size: int

    def fits(self, entry: Entry) -> bool:
        channels = folded(entry.message.channels) or {"sms"}
        return (
            (self.reference is None or entry.message.reference == self.reference)
            and (self.channel is None or self.channel in channels)
            and (self.start is None or entry.received_at >= self.start)
            and (self.end is None or entry.received_at < self.end + 1)  # its whole second
        )


class Transactions:
    """Answers searches. Its delay of visibility is a setting; without one there is no such API."""

    def __init__(
        self,
        *,
        gateway: Gateway,
        faults: Faults,
        inbox: Inbox,
        webhooks: Webhooks,
        now: Callable[[], float],
    ) -> None:
        self._gateway = gateway
        self._faults = faults
        self._inbox = inbox
        self._webhooks = webhooks
        self._now = now

    def answer(self, request: Request) -> Answer:
        if self._webhooks.transactions is None:
            return _problem(404, "the Transactions API is off: start with --transactions SECONDS")
        if request.method != "GET":
            return Answer(status=405, headers=(("Allow", "GET"),))
        fault = self._faults.strike(list, at="transactions")
        if fault is None:
            return self._found(request, None)
        regardless = told_regardless(fault, 0.0)
        return spoilt(self._found(request, fault), fault) if regardless is None else regardless

    def _found(self, request: Request, fault: Fault | None) -> Answer:
        try:
            self._gateway.authenticate(request.headers.get("x-cm-producttoken"))
            search = _read(dict(parse_qsl(request.query)))
        except Unreadable as refusal:
            return _problem(401, refusal.details)
        except ValueError as problem:
            return _problem(400, str(problem))
        found = [] if fault is not None and fault.kind == "empty" else self._search(search)
        return Answer(body=orjson.dumps(self._page(search, found)))

    def _search(self, search: Search) -> list[Entry]:
        visible = self._now() - (self._webhooks.transactions or 0.0)
        return [
            entry
            for entry in self._inbox.newest_first()
            if entry.received_at <= visible and search.fits(entry)
        ]

    def _page(self, search: Search, found: list[Entry]) -> dict[str, Any]:
        first = (search.page - 1) * search.page_size
        now = self._now()
        return {
            "status": 1,
            "message": "Ok" if found else NOTHING,
            "pagination": {
                "currentPage": search.page,
                "totalPages": ceil(len(found) / search.page_size),
                "pageSize": search.page_size,
            },
            "summary": {
                "startDate": None if search.start is None else _moment(search.start),
                "endDate": None if search.end is None else _moment(search.end),
                "direction": "out",
                "totalTransactions": len(found),
            },
            "result": [_row(entry, now) for entry in found[first : first + search.page_size]],
        }


def _row(entry: Entry, now: float) -> dict[str, Any]:
    message = entry.message
    step, at = Step(ACCEPTED), entry.received_at
    for moment, next_step in entry.timeline:
        if moment <= now:
            step, at = next_step, moment
    status, description = STATUSES[step.code]
    country, country_name, network, operator = _COUNTRIES.get(entry.number[:4], _ELSEWHERE)
    return {
        "sender": message.sender,
        "recipient": entry.number,
        "message": message.text,
        "reference": message.reference,
        "customgrouping": message.groupings[0],
        "direction": "out",
        "standarderror": step.error,
        "errordescription": "" if step.error is None else STANDARD_ERRORS[step.error],
        "status": status,
        "statusdescription": description,
        "created": _moment(entry.received_at),
        "deliverytime": int(at - entry.received_at) if step.code in (DELIVERED, READ) else None,
        "countryiso": country,
        "countryname": country_name,
        "mccmnc": network,
        "operatorname": operator,
    }


def _read(query: dict[str, str]) -> Search:
    """Raises ValueError naming the parameter."""
    return Search(
        reference=query.get("reference"),
        channel=query["channel"].lower().replace(" ", "") if "channel" in query else None,
        start=_date("startdate", query),
        end=_date("enddate", query),
        page=_whole("page", query, 1, 2**31),
        page_size=_whole("pagesize", query, _PAGE_SIZE, _LARGEST_PAGE),
    )


def _date(name: str, query: dict[str, str]) -> float | None:
    if name not in query:
        return None
    try:
        moment = datetime.fromisoformat(query[name].replace(" ", "+"))  # a + that was not encoded
        return (moment if moment.tzinfo else moment.replace(tzinfo=DUTCH)).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(f"{name}: yyyy-MM-ddTHH:mm:ss is expected") from None


def _whole(name: str, query: dict[str, str], default: int, most: int) -> int:
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 10) or not 1 <= int(text) <= most:
        raise ValueError(f"{name}: a whole number from 1 to {most}")
    return int(text)


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, DUTCH).isoformat(timespec="seconds")


def _problem(status: int, message: str) -> Answer:
    return Answer(status=status, body=orjson.dumps({"status": 0, "message": message, "result": []}))
