"""The sandbox's own API, beside CM's: counts, messages, faults.

GET    /sandbox              what there is here: paths, kinds of fault, magic numbers
GET    /sandbox/counts       sums, see `Ledger.counts`
GET    /sandbox/pairs        text: reference, number, times taken; a line each, tabs between
GET    /sandbox/arrivals     text: reference, number, when it first came (seconds since 1970); with --arrivals
GET    /sandbox/duplicates   pairs taken more than once
GET    /sandbox/messages     ?reference= &number= &limit= &after=: the newest messages in full
GET    /sandbox/inbox        the same for people
GET    /sandbox/faults       the faults ordered, with how often each struck
POST   /sandbox/faults       order one (an object) or several (an array)
DELETE /sandbox/faults       end them all
GET    /sandbox/webhooks     where status reports go, and how: see `sandbox.webhooks`
POST   /sandbox/webhooks     change some of that
POST   /sandbox/inbound      a phone writes back: see `sandbox.phone`; the inbox page sends its form here
POST   /sandbox/event        something is done with a message on a phone
GET    /sandbox/courier      what became of status reports, inbound messages and events: see `sandbox.courier`
POST   /sandbox/reset        forget all counts, messages and faults, and what was still to be told; webhooks
                             are again as the flags had them
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import orjson

from sandbox.courier import Courier
from sandbox.exchange import HTML
from sandbox.faults import KINDS, BadFault, Fault, Faults, read_faults
from sandbox.inbox import Entry, Inbox
from sandbox.ledger import Ledger
from sandbox.numbers import magic_numbers
from sandbox.page import POLICY, render
from sandbox.phone import BadOrder, Phone
from sandbox.transactions import PATH as TRANSACTIONS_PATH
from sandbox.webhooks import BadWebhooks, Webhooks, read_webhooks
from sandbox.wire import Answer, Request

_DEFAULT_LIMIT = 100
_FORM = "application/x-www-form-urlencoded"


class Control:
    """Answers everything below /sandbox. `refuse` shuts the door for so many seconds."""

    def __init__(
        self,
        *,
        faults: Faults,
        ledger: Ledger,
        inbox: Inbox,
        webhooks: Webhooks,
        courier: Courier,
        phone: Phone,
        refuse: Callable[[float], None],
    ) -> None:
        self._faults = faults
        self._ledger = ledger
        self._inbox = inbox
        self._webhooks = webhooks
        self._webhooks_at_start = webhooks.as_json()
        self._courier = courier
        self._phone = phone
        self._refuse = refuse
        self._routes: dict[tuple[str, str], Callable[[Request], Answer]] = {
            ("GET", "/sandbox"): lambda _: _json(self._about()),
            ("GET", "/sandbox/counts"): lambda _: _json(ledger.counts()),
            ("GET", "/sandbox/pairs"): lambda _: Answer(
                body=ledger.dump(), content_type="text/tab-separated-values; charset=utf-8"
            ),
            ("GET", "/sandbox/arrivals"): lambda _: Answer(
                body=ledger.dump_arrivals(), content_type="text/tab-separated-values; charset=utf-8"
            ),
            ("GET", "/sandbox/duplicates"): lambda _: _json(self._duplicates()),
            ("GET", "/sandbox/messages"): self._messages,
            ("GET", "/sandbox/inbox"): self._page,
            ("GET", "/sandbox/faults"): lambda _: _json(faults.as_json()),
            ("POST", "/sandbox/faults"): self._order,
            ("DELETE", "/sandbox/faults"): self._clear,
            ("GET", "/sandbox/webhooks"): lambda _: _json(webhooks.as_json()),
            ("POST", "/sandbox/webhooks"): self._change_webhooks,
            ("POST", "/sandbox/inbound"): self._reply,
            ("POST", "/sandbox/event"): lambda request: _ordered(phone.event, request.body),
            ("GET", "/sandbox/courier"): lambda _: _json(courier.counts()),
            ("POST", "/sandbox/reset"): self._reset,
        }

    def answer(self, request: Request) -> Answer:
        path = request.path.rstrip("/")
        route = self._routes.get((request.method, path))
        if route is not None:
            return route(request)
        known = [method for method, known_path in self._routes if known_path == path]
        if known:
            return _error(405, f"{path} takes {', '.join(known)}")
        return _error(404, "nothing here; GET /sandbox lists what there is")

    def order(self, faults: list[Fault]) -> None:
        """Put `faults` in force."""
        self._faults.add(faults)
        for fault in faults:
            if fault.kind == "refuse" and fault.seconds is not None:
                self._refuse(fault.seconds)

    def _about(self) -> dict[str, Any]:
        return {
            "gateway": "POST /v1.0/message",
            "transactions": f"GET {TRANSACTIONS_PATH}/",
            "paths": [f"{method} {path}" for method, path in self._routes],
            "faults": {
                name: {
                    "says": kind.says,
                    "taken": kind.taken,
                    "taken_may_change": kind.open,
                    "fields": ["count", "seconds", "probability", "numbers", "at", *kind.own],
                }
                for name, kind in KINDS.items()
            },
            "magic_numbers": magic_numbers(),
        }

    def _order(self, request: Request) -> Answer:
        try:
            faults = read_faults(request.body)
        except BadFault as problem:
            return _error(400, str(problem))
        self.order(faults)
        return _json(self._faults.as_json())

    def _clear(self, _: Request) -> Answer:
        self._faults.clear()
        return _json([])

    def _change_webhooks(self, request: Request) -> Answer:
        try:
            self._webhooks.update(read_webhooks(request.body))
        except BadWebhooks as problem:
            return _error(400, str(problem))
        return _json(self._webhooks.as_json())

    def _reply(self, request: Request) -> Answer:
        if not request.headers.get("content-type", "").startswith(_FORM):
            return _ordered(self._phone.reply, request.body)
        filled = dict(parse_qsl(request.body.decode("utf-8", "replace")))
        order: dict[str, Any] = {"text": filled.get("text", "")}
        if media := filled.get("media"):
            order["media"] = {"mediaUri": media}
        try:
            self._phone.reply(order | {"answers": int(filled.get("answers", ""))})
        except ValueError as problem:
            return _error(400, str(problem))
        return Answer(status=303, headers=(("Location", "/sandbox/inbox"),))

    def _reset(self, _: Request) -> Answer:
        self._faults.clear()
        self._webhooks.update(self._webhooks_at_start)
        self._courier.reset()
        self._ledger.reset()
        self._inbox.reset()
        return _json(self._ledger.counts())

    def _duplicates(self) -> list[dict[str, Any]]:
        return [
            {"reference": reference, "number": number, "times": times}
            for (reference, number), times in self._ledger.duplicates()
        ]

    def _messages(self, request: Request) -> Answer:
        query = dict(parse_qsl(request.query))
        try:
            limit = int(query.get("limit", _DEFAULT_LIMIT))
            after = int(query["after"]) if "after" in query else None
        except ValueError:
            return _error(400, "limit and after are whole numbers")
        found = self._inbox.find(
            reference=query.get("reference"), number=query.get("number"), after=after, limit=limit
        )
        return _json([self._entry(entry) for entry in found])

    def _entry(self, entry: Entry) -> dict[str, Any]:
        message = entry.message
        return {
            "id": entry.id,
            "request": entry.request,
            "received_at": datetime.fromtimestamp(entry.received_at, UTC).isoformat(timespec="milliseconds"),
            "from": message.sender,
            "to": entry.number,
            "body": message.text,
            "channels": message.channels,
            "reference": message.reference,
            "parts": entry.parts,
            "times": self._ledger.times(message.reference, entry.number),
            "validity": message.validity,
            "rich_content": message.rich_content,
            "course": [step.code for _, step in entry.timeline],
        }

    def _page(self, request: Request) -> Answer:
        query = dict(parse_qsl(request.query))
        reply = query.get("reply", "")
        body = render(
            self._inbox,
            self._ledger,
            self._faults.as_json(),
            search=query.get("q", "").strip(),
            replies=self._webhooks.inbound_url is not None,
            reply_to=int(reply) if reply.isascii() and reply.isdigit() and len(reply) < 10 else None,
        )
        headers = (("Content-Security-Policy", POLICY),)
        return Answer(body=body.encode(), content_type=HTML, headers=headers)


def _ordered(give: Callable[[object], object], body: bytes) -> Answer:
    try:
        return _json(give(orjson.loads(body)))
    except orjson.JSONDecodeError:
        return _error(400, "this is no JSON")
    except BadOrder as problem:
        return _error(400, str(problem))


def _json(value: object) -> Answer:
    return Answer(body=orjson.dumps(value))


def _error(status: int, text: str) -> Answer:
    return Answer(status=status, body=orjson.dumps({"error": text}))
