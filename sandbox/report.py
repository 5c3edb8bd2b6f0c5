"""One status report, in the three forms that CM has sent them in ("Incoming status report").

A moment is written without its zone, and CM does not say which: it is the Dutch one here, as for a validity.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlencode
from xml.sax.saxutils import escape, quoteattr
from zoneinfo import ZoneInfo

import orjson

from sandbox.course import REJECTED, Step
from sandbox.standard_error import described

DUTCH = ZoneInfo("Europe/Amsterdam")
FORMATS = ("json", "xml", "get")
_OPERATOR = "20404"


class Report(NamedTuple):
    """A step of the message `reference` to `number`, written as it is to be told; seconds since 1970."""

    reference: str | None
    number: str
    step: Step
    sent: float
    at: float

    def as_json(self) -> bytes:
        """CM's template: `msg` is one object, codes are texts, no error is an empty text."""
        report = {
            "received": _moment(self.at),
            "to": self.number,
            "reference": self.reference or "",
            "status": {
                "code": str(self.step.code),
                "errorCode": self._error,
                "errorDescription": self._description,
            },
            "operator": self._operator,
        }
        return orjson.dumps({"messages": {"msg": report}})

    def as_xml(self) -> bytes:
        return (
            f'<?xml version="1.0" encoding="utf-8"?><MESSAGES SENT={quoteattr(_moment(self.sent))}>'
            f"<MSG RECEIVED={quoteattr(_moment(self.at))}><TO>{escape(self.number)}</TO>"
            f"<REFERENCE>{escape(self.reference or '')}</REFERENCE><STATUS><CODE>{self.step.code}</CODE>"
            f"<ERRORCODE>{self._error}</ERRORCODE>"
            f"<ERRORDESCRIPTION>{escape(self._description)}</ERRORDESCRIPTION></STATUS></MSG></MESSAGES>"
        ).encode()

    def as_query(self) -> str:
        """The parameters of the old GET form."""
        return urlencode(
            {
                "reference": self.reference or "",
                "sent": _moment(self.sent),
                "received": _moment(self.at),
                "to": self.number,
                "statuscode": self.step.code,
                "errorcode": self._error,
                "errordescription": self._description,
            }
        )

    @property
    def _error(self) -> str:
        return "" if self.step.error is None else str(self.step.error)

    @property
    def _description(self) -> str:
        return described(self.step.code, self.step.error)

    @property
    def _operator(self) -> str:
        return "" if self.step.code == REJECTED else _OPERATOR


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, DUTCH).strftime("%Y-%m-%dT%H:%M:%S")
