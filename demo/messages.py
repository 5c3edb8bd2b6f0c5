"""What the demo sends: 10,000 messages of several kinds, all to numbers reserved for fiction."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

from cmqueue import Content, Message, Outbox, Refusal
from demo.programs import TOKEN, Program

TOTAL = 10_000
URGENT = 300
INTAKE = 1_000
SINGLES = 4  # expired, cancelled, scheduled, and the one with a key
STOPPED = 3  # to the phone that replies STOP to the one before them
BROADCAST = 6_000
DISTINCT = TOTAL - URGENT - INTAKE - SINGLES - 1 - STOPPED - BROADCAST
BAD_NUMBERS = 5
STOPPING = "00316000070005"
STOPPED_AFTER = 7.0  #: seconds until they are due: time for the reply to come, and be read
REJECTED_BY_CM = "0031600009303"  # one of the sandbox's magic numbers


@dataclass(slots=True)
class Enqueued:
    """What went in, and what did not."""

    messages: int = 0
    refused: int = 0
    duplicates: int = 0
    ways: dict[str, int] = field(default_factory=dict)

    def add(self, way: str, messages: int) -> None:
        self.ways[way] = self.ways.get(way, 0) + messages
        self.messages += messages


def enqueue_most(outbox: Outbox, intake: Program) -> Enqueued:
    """Everything that waits when the worker starts, an expired message and a cancelled one included."""
    done = Enqueued()
    outbox.enqueue(Message(sender="Acme", to=_number(7, 1), text="Too late"), expires_in=1)
    cancelled = outbox.enqueue(Message(sender="Acme", to=_number(7, 2), text="Never mind"))
    outbox.cancel(cancelled.id)
    outbox.enqueue(
        Message(sender="Acme", to=_number(7, 3), text="Later"),
        send_at=datetime.now(UTC) + timedelta(seconds=3),
    )
    keyed = Message(sender="Acme", to=_number(7, 4), text="Your code is 4711", idempotency_key="login-8131")
    outbox.enqueue(keyed)
    done.duplicates += outbox.enqueue(keyed).duplicate
    done.add("singly", SINGLES)

    for result in outbox.enqueue_many(_distinct()):
        if isinstance(result, Refusal):
            done.refused += 1
        else:
            done.add("with enqueue_many", 1)

    recipients = [_number(2, n) for n in range(BROADCAST)]
    broadcast = outbox.broadcast(
        Content(sender="Acme", text="Sale: everything must go."),
        [*recipients, recipients[0]],
        campaign="sale-11",
    )
    done.add("in a broadcast", broadcast.enqueued)
    done.duplicates += broadcast.duplicates

    done.add("through the HTTP intake", _through_intake(intake))
    welcome = Message(sender="Acme", to=STOPPING, text="Welcome. Reply STOP to hear no more.")
    outbox.enqueue(welcome, lane="urgent")
    done.add("to a phone that replies STOP", 1)
    return done


def enqueue_offers(outbox: Outbox, done: Enqueued) -> None:
    """What waits for the phone when it replies STOP."""
    due = datetime.now(UTC) + timedelta(seconds=STOPPED_AFTER)
    for n in range(STOPPED):
        outbox.enqueue(Message(sender="Acme", to=STOPPING, text=f"Offer {n}"), send_at=due)
        done.add("to a phone that replies STOP", 1)


def enqueue_late(outbox: Outbox, done: Enqueued) -> None:
    """The urgent ones, while the worker is busy with the rest."""
    for n in range(URGENT):
        outbox.enqueue(Message(sender="Acme", to=_number(1, n), text=f"Your code is {n:04}"), lane="urgent")
        done.add("singly and urgent", 1)


def _distinct() -> Iterator[dict[str, Any]]:
    for n in range(DISTINCT - 1):
        yield {
            "sender": "Acme",
            "to": _number(3, n),
            "text": f"Order {n} is on its way.",
            "client_reference": f"order-{n}",
        }
    yield {"sender": "Acme", "to": REJECTED_BY_CM, "text": "CM refuses this recipient."}
    for n in range(BAD_NUMBERS):
        yield {"sender": "Acme", "to": f"call me {n}", "text": "This one never gets in."}


def _through_intake(intake: Program) -> int:
    """One request in CM's own shape, as any client of CM's would send it; how many it took."""
    body = {
        "messages": {
            "msg": [
                {
                    "from": "Acme",
                    "to": [{"number": _number(4, n)}],
                    "body": {"type": "auto", "content": f"Parcel {n} waits for you."},
                    "reference": f"parcel{n}",
                }
                for n in range(INTAKE)
            ]
        }
    }
    request = Request(  # noqa: S310 - our own loopback address
        f"{intake.url}/v1.0/message",
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "X-CM-PRODUCTTOKEN": TOKEN},
    )
    with build_opener(ProxyHandler({})).open(request, timeout=30) as response:
        rows = json.load(response)["messages"]
    return sum(row["status"] == "Accepted" for row in rows)


def _number(kind: int, n: int) -> str:
    """A number of the range 0031 6 0000 xxxx, which nobody has; `kind` is its first free digit."""
    return f"003160000{kind}{n:04}"
