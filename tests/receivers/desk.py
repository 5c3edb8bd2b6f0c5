"""The errand `receive` on a real server, what CM's webhooks bring it, and what it asks of others."""

from __future__ import annotations

import json
import threading
from typing import Any

from structlog.testing import capture_logs

from cmqueue import Outbox, Receipt, State
from cmqueue.claim import Batch
from cmqueue.events.event import Event, events_of
from cmqueue.gate import Endpoint, GateRules
from cmqueue.inlet import INLET, Brought, Form, Inlet, Kind
from cmqueue.lane import Lane
from cmqueue.partition import Partition
from cmqueue.settlement import Settlement
from cmqueue.state import Reason
from cmqueue.status import Status
from receivers.processing.accounts import Accounts
from receivers.processing.opt_out import Vocabulary, Words
from receivers.processing.receive import Receive
from receivers.processing.resends import Resends

NUMBER = "0031600000001"
OTHER = "0031600000002"


def report(reference: str, number: str, code: int, error: int = 0, text: str = "") -> bytes:
    """A status report as CM writes it."""
    status = {"code": str(code), "errorCode": str(error) if error else "", "errorDescription": text}
    msg = {"received": "2026-03-01T13:24:03", "to": number, "reference": reference, "status": status}
    return json.dumps({"messages": {"msg": msg | {"operator": "20404"}}}).encode()


def inbound(text: str = "Hello", **changed: Any) -> bytes:
    """An inbound message as CM writes it. `number` and `to` stand for their objects."""
    number, to = changed.pop("number", "+31600000001"), changed.pop("to", "3669")
    message = {
        "reference": "2f2d42ac-0000-4000-8000-dc720e400000",
        "messageContext": "",
        "from": {"number": number, "name": ""},
        "to": {"number": to},
        "message": {"text": text, "media": {"mediaUri": "", "contentType": "", "title": ""}, "custom": {}},
        "groupings": ["", "", ""],
        "timeUtc": "2026-03-01T12:00:00",
        "channel": "SMS",
    }
    return json.dumps(message | changed).encode()


class Desk:
    """The errand of one process, in which all lanes resend. `slowed` is what it asked for."""

    def __init__(
        self, outbox: Outbox, words: dict[str, Words] | None = None, *, resends: Resends | None = None
    ) -> None:
        self.outbox = outbox
        self.client = outbox.scripts.client
        self.inlet = Inlet(outbox)
        self.slowed: list[tuple[str, float]] = []
        self.logs: list[Any] = []
        self.errand = Receive(
            outbox,
            Vocabulary(words),
            Accounts(outbox, ["second"]),
            resends=resends or Resends(outbox, tuple(Lane), most=3),
            slow=lambda account, seconds: self.slowed.append((account, seconds)),
        )

    # --- what comes in -----------------------------------------------------------------------------------

    def bring(
        self, *bodies: bytes, kind: Kind = Kind.STATUS, form: Form = Form.JSON, account: str = ""
    ) -> None:
        """Put requests into the inlet."""
        self.inlet.put([Brought(kind=kind, form=form, account=account, body=body) for body in bodies])

    def bring_of_old(self, *requests: tuple[Kind, bytes]) -> None:
        """Put requests into the inlet, which is empty, that came a minute ago."""
        self.client.delete(INLET)  # its stream goes forward only
        at = int(self.client.time()[0]) * 1000 - 60_000
        for n, (kind, body) in enumerate(requests):
            entry: dict[Any, Any] = {"v": "1", "k": kind, "f": Form.JSON, "a": "", "b": body}
            self.client.xadd(INLET, entry, id=f"{at}-{n}")

    def run(self) -> None:
        """Run the errand once; its log lines are in `logs`."""
        with capture_logs() as logs:
            try:
                self.errand.run(threading.Event())
            finally:
                self.logs += logs

    def receive(self, *bodies: bytes, kind: Kind = Kind.STATUS, **where: Any) -> None:
        """Bring, and run until nothing waits."""
        self.bring(*bodies, kind=kind, **where)
        self.run()
        assert 0 == self.inlet.waiting()

    # --- what is there -----------------------------------------------------------------------------------

    def sent(self, number: str = NUMBER, **options: Any) -> Receipt:
        """A message that CM accepted."""
        account = options.pop("account", "default")
        receipt = self.outbox.enqueue(
            {"sender": "Acme", "to": number, "text": "hi"}, account=account, **options
        )
        partition = Partition(self.outbox.scripts, receipt.id[:2])
        batch, _ = partition.claim(receipt.id[:20], tuple(Lane), lease=60)
        assert isinstance(batch, Batch)
        partition.mark(batch.id, lease=60, earliest_expiry=0)
        accepted = Settlement(State.ACCEPTED, Reason.ACCEPTED, parts=1)
        partition.settle(
            batch.id, [accepted] * len(batch.jobs), Endpoint("answered"), GateRules(), resends=True
        )
        return receipt

    def subscribe(self, *accounts: str) -> None:
        """Somebody reads the events of these accounts."""
        for account in accounts or ("default",):
            partition = self.outbox.registry.partition(account)
            self.client.xgroup_create(partition.prefix + "events", "app", mkstream=True)

    def events(self, account: str = "default") -> list[Event]:
        """What people sent back, as the app is told of it; without the moves of messages."""
        partition = self.outbox.registry.partition(account)
        return [
            event
            for entry, fields in self.client.xrange(partition.prefix + "events")
            for event in events_of(partition.code, account, entry.decode(), fields)
            if not event.type.startswith("message.")
        ]

    def state(self, receipt: Receipt) -> State | None:
        return self.outbox.states([receipt.id])[0]

    def resent(self, receipt: Receipt) -> Status | None:
        """The message that is sent in the place of another."""
        status = self.outbox.status(receipt.id)
        assert status is not None
        return None if status.resent_as is None else self.outbox.status(status.resent_as)

    def due(self, id: str) -> float:
        """When a scheduled message goes, in seconds since 1970."""
        return float(self.client.zscore(f"cmq:{{{id[:2]}}}:due", id[2:]) or 0) / 1000

    def told(self, *names: str) -> list[dict[str, Any]]:
        """The log lines of these events, without their level."""
        return [
            {name: value for name, value in line.items() if name != "log_level"}
            for line in self.logs
            if line["event"] in names
        ]

    def levels(self, name: str) -> list[str]:
        return [line["log_level"] for line in self.logs if line["event"] == name]
