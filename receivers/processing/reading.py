"""From what a webhook brought to what it tells. Never raises, whatever the body."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cmqueue.inlet import Form, Kind
from receivers.processing import inbound, interaction, status_report
from receivers.processing.inbound import Inbound
from receivers.processing.interaction import Interaction
from receivers.processing.status_report import StatusReport
from receivers.processing.unreadable import Unreadable, Why

Told = StatusReport | Inbound | Interaction | Unreadable

_READERS: dict[tuple[Kind, Form], Callable[[bytes], Sequence[Told]]] = {
    (Kind.STATUS, Form.JSON): status_report.from_json_body,
    (Kind.STATUS, Form.XML): status_report.from_xml_body,
    (Kind.STATUS, Form.GET): status_report.from_query_string,
    (Kind.INBOUND, Form.JSON): inbound.from_json_body,
    (Kind.EVENT, Form.JSON): interaction.from_json_body,
}


def read(kind: Kind, form: Form, body: bytes) -> Sequence[Told]:
    """What `body` tells, at least one thing; of what can't be read, why."""
    reader = _READERS.get((kind, form))
    return [Unreadable(Why.UNKNOWN_ENTRY)] if reader is None else reader(body)
