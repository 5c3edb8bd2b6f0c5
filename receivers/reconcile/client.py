"""The request to the Transactions API, and what came of it as a value. No other file here knows of HTTP."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

import requests
from requests.utils import get_environ_proxies

from calling.deadline import deadline
from calling.session import Adapter, Session
from calling.tls import tls_context
from calling.trouble import TROUBLE
from config.address import is_loopback
from receivers.reconcile.answer import Page, page

PAGE_SIZE = 1000  #: as in the sample of CM's page
#: CM's times carry no zone that can be relied on: whichever it reads, ours or Dutch, the message lies inside.
SLACK = 3 * 3600.0
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 10.0  #: for the whole answer
ANSWER_CAP = 8 << 20  #: bytes; a page of 1000 rows has about 400,000
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class NoPage:
    """No page came: why, and for how many seconds CM asks to be left alone."""

    why: str
    retry_after: float | None = None


class Client:
    """Asks one address. Not to be shared between threads.

    A proxy is taken from the environment as usual, never for this machine itself. Raises SettingsError where
    the certificates can't be read.
    """

    def __init__(self, url: str, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._url = url
        self._answer_seconds = answer_seconds
        self._session = Session({"Accept": "application/json"})
        adapter = Adapter(tls_context())
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        if not is_loopback(urlsplit(url).hostname or ""):
            self._session.proxies = get_environ_proxies(url)

    def ask(self, token: str, reference: str, since: float, until: float, number: int) -> Page | NoPage:
        """The page `number` of what CM knows of `reference`, sent from `since` to `until` (since 1970)."""
        query = {
            "reference": reference,
            "startdate": _date(since - SLACK),
            "enddate": _date(until + SLACK),
            "pagesize": str(PAGE_SIZE),
            "page": str(number),
        }
        headers = {"X-CM-PRODUCTTOKEN": token}
        end = deadline.ends = time.monotonic() + self._answer_seconds
        try:
            with self._session.get(
                self._url,
                params=query,
                headers=headers,
                timeout=(CONNECT_SECONDS, self._answer_seconds),
                allow_redirects=False,
                stream=True,
            ) as response:
                if response.status_code != requests.codes.ok:
                    return NoPage(
                        f"HTTP {response.status_code}", _seconds(response.headers.get("Retry-After"))
                    )
                body = bytearray()
                while chunk := response.raw.read1(
                    _CHUNK, decode_content=True
                ):  # what is there, waiting for no more
                    body += chunk
                    if len(body) > ANSWER_CAP:
                        return NoPage("an answer too long")
                    if time.monotonic() > end:
                        return NoPage("an answer too slow")
        except TROUBLE as error:
            return NoPage(type(error).__name__)  # the last line that knows of requests
        return page(bytes(body), reference) or NoPage("no answer of this API")


def _date(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seconds(header: str | None) -> float | None:
    """A Retry-After of seconds; a date is left to the schedule of ours."""
    return float(header) if header and header.isascii() and header.isdigit() and len(header) < 9 else None
