"""The request to the Transactions API, and what came of it as a value. No other file here knows of HTTP."""

from __future__ import annotations

import os
import socket
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPException, HTTPResponse
from http.cookiejar import DefaultCookiePolicy
from io import BufferedReader, RawIOBase
from math import inf
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

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

    Certificates, proxies and cookies are dealt with as in the worker's gateway: a bundle that the environment
    names, no proxy to this machine, no .netrc, no cookies, no redirects.
    """

    def __init__(self, url: str, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._url = url
        self._answer_seconds = answer_seconds
        self._session = _Session()
        self._session.mount("https://", _Adapter())
        self._session.mount("http://", _Adapter())
        self._session.trust_env = False
        self._session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE") or True
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
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
        headers = {"X-CM-PRODUCTTOKEN": token, "Accept": "application/json"}
        end = _call.ends = time.monotonic() + self._answer_seconds
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
        except (requests.RequestException, HTTPError, HTTPException, OSError) as error:
            return NoPage(type(error).__name__)  # the last line that knows of requests
        return page(bytes(body), reference) or NoPage("no answer of this API")


class _Session(requests.Session):
    """A session that knows no redirects: told not to follow one, requests would still read all of it."""

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002 - requests' signature
        return None


class _Call(threading.local):
    """The request that this thread is in."""

    ends = inf

    def left(self) -> float:
        """Seconds to the deadline; raises TimeoutError past it."""
        left = self.ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


_call = _Call()


class _BoundedReads(RawIOBase):
    """A socket's reading end, each `recv` within the deadline: a head may drip in as a body does."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(_call.left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _BoundedResponse(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = BufferedReader(_BoundedReads(sock))


class _PlainConnection(HTTPConnection):
    response_class = _BoundedResponse


class _SecureConnection(HTTPSConnection):
    response_class = _BoundedResponse


class _Adapter(HTTPAdapter):
    """requests' adapter with our connections, through a proxy too."""

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        pool.ConnectionCls = _SecureConnection if pool.scheme == "https" else _PlainConnection
        return pool


def _date(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seconds(header: str | None) -> float | None:
    """A Retry-After of seconds; a date is left to the schedule of ours."""
    return float(header) if header and header.isascii() and header.isdigit() and len(header) < 9 else None
