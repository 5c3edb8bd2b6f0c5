"""A status report as CM writes it ("Incoming status report"), read in its three forms.

    JSON  {"messages": {"msg": {"received", "to", "reference",
                                "status": {"code", "errorCode", "errorDescription"}, "operator"}}}
    XML   <MESSAGES><MSG RECEIVED="…"><TO/><REFERENCE/><STATUS><CODE/><ERRORCODE/><ERRORDESCRIPTION/>…
    GET   reference, sent, received, to, statuscode, errorcode, errordescription

Keys come in any case, codes as strings or numbers, `msg` as one object or an array of them. What is missing
is empty, but for the status code: without one a report says nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from xml.etree.ElementTree import Element

from receivers.processing.document import (
    Fields,
    code,
    fields,
    from_json,
    from_query,
    from_xml,
    local_name,
    named,
    text,
)
from receivers.processing.unreadable import Unreadable, Why

DELIVERED, FAILED = 2, 3  #: CM's status codes


class StatusReport(NamedTuple):
    """One report. `error` is CM's standard error, 0 for none and for one that is no number."""

    reference: str
    number: str
    code: int
    error: int = 0
    description: str = ""

    def __repr__(self) -> str:
        return f"StatusReport(reference={self.reference!r}, code={self.code}, error={self.error})"


def from_json_body(body: bytes) -> list[StatusReport | Unreadable]:
    found = from_json(body)
    if isinstance(found, Unreadable):
        return [found]
    if type(found) is not dict:
        return [Unreadable(Why.NOT_AN_OBJECT)]
    inside = fields(found).get("messages")
    if type(inside) is dict:
        inside = fields(inside).get("msg")
    messages = inside if type(inside) is list else [inside]
    return [_of_json(message) for message in messages] or [Unreadable(Why.NO_REPORT)]


def _of_json(message: Any) -> StatusReport | Unreadable:
    if type(message) is not dict:
        return Unreadable(Why.NO_REPORT if message is None else Why.NOT_AN_OBJECT)
    told = fields(message)
    status = told.get("status")
    said = fields(status) if type(status) is dict else {"code": status}
    return _report(told, said.get("code"), said.get("errorcode"), said.get("errordescription"))


def from_xml_body(body: bytes) -> list[StatusReport | Unreadable]:
    root = from_xml(body)
    if isinstance(root, Unreadable):
        return [root]
    messages = [root] if local_name(root) == "msg" else named(root, "msg")
    return [_of_xml(message) for message in messages] or [Unreadable(Why.NO_REPORT)]


def _of_xml(message: Element) -> StatusReport | Unreadable:
    told = {local_name(child): child.text for child in message}
    for status in named(message, "status"):
        told |= {local_name(child): child.text for child in status}
    return _report(told, told.get("code"), told.get("errorcode"), told.get("errordescription"))


def from_query_string(body: bytes) -> list[StatusReport | Unreadable]:
    """The old form says by its error whether a message arrived, where it has no status code."""
    told = from_query(body)
    if isinstance(told, Unreadable):
        return [told]
    if not told:
        return [Unreadable(Why.NO_REPORT)]
    status, error = told.get("statuscode"), told.get("errorcode")
    if not status and error is not None:
        status = FAILED if error.strip() not in ("", "0") else DELIVERED
    return [_report(told, status, error, told.get("errordescription"))]


def _report(told: Fields, status: object, error: object, description: object) -> StatusReport | Unreadable:
    number = code(status)
    if number is None:
        return Unreadable(Why.NO_STATUS)
    return StatusReport(
        text(told.get("reference")), text(told.get("to")), number, code(error) or 0, text(description)
    )
