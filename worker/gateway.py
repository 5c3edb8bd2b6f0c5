"""The edge to CM: one POST, and its answer as a value. Nothing above this file knows of HTTP.

The promise rests on one distinction: whether a byte of the request can have left this machine. requests and
urllib3 don't tell, so the connection itself records it (`_call.written`); their exceptions are not asked.

One deadline, from the first byte written to the last byte read, bounds every system call of a request.
"""

from __future__ import annotations

import threading
import time
from math import inf
from typing import Any, ClassVar
from urllib.parse import urlsplit

import requests
from requests.utils import get_environ_proxies
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import DecodeError

from calling.deadline import PlainConnection, SecureConnection, deadline
from calling.retry_after import retry_after
from calling.session import Adapter, Session
from calling.tls import tls_context
from calling.trouble import TROUBLE, root
from cmqueue.errors import SettingsError
from config.address import is_loopback, secure_url
from worker import failpoint
from worker.answer import Answer, NoAnswer, NoAnswerKind, Response

#: CM's page "Integration". Both renew their certificates often: verified, never pinned.
ENDPOINTS = {
    "global": "https://gw.messaging.cm.com/v1.0/message",
    "alternative": "https://gw.cmtelecom.com/v1.0/message",
}
ANSWER_CAP = 8 << 20  #: bytes; an answer of 1000 rows has about 150,000
_CHUNK = 1 << 16


def endpoint_url(setting: str) -> str:
    """The URL that CMQUEUE_ENDPOINT names: a key of ENDPOINTS, or itself a URL.

    Raises SettingsError for anything but https, or http to this machine, and for credentials in the URL.
    """
    if setting in ENDPOINTS:
        return ENDPOINTS[setting]
    try:
        return secure_url(setting)
    except ValueError as error:
        raise SettingsError("CMQUEUE_ENDPOINT", str(error)) from None


class Gateway:
    """One endpoint of CM's. Safe to share between threads: each has its own session and connection.

    `connect_timeout` bounds the TCP connection (to each address of the host) and the TLS handshake;
    `read_timeout` the time from the first byte written to the last byte read; all in seconds.

    Certificates are checked against `ca_bundle`, else against the file that REQUESTS_CA_BUNDLE or
    SSL_CERT_FILE names (for networks that inspect TLS), else against certifi's. A proxy is taken from the
    environment as usual (HTTPS_PROXY, NO_PROXY), and never for this machine itself. A .netrc is not read: its
    password would become an Authorization header. Cookies are not kept, redirects not followed.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        connect_timeout: float = 5.0,
        read_timeout: float = 30.0,
        idle_seconds: float = 15.0,
        answer_cap: int = ANSWER_CAP,
        ca_bundle: str | None = None,
    ) -> None:
        """Raises SettingsError for an endpoint or a bundle of certificates that can't be used."""
        self._url = endpoint_url(endpoint)
        self._timeout = (connect_timeout, read_timeout)
        self._idle_seconds = idle_seconds
        self._answer_cap = answer_cap
        self._tls = tls_context(ca_bundle)
        local = is_loopback(urlsplit(self._url).hostname or "")
        self._proxies = {} if local else get_environ_proxies(self._url)
        self._mine = _Mine()
        self._bare: dict[str | None, requests.PreparedRequest] = {}  #: by token

    def post(self, body: bytes, token: str | None, *, start_by: float = inf) -> Answer:
        """Send `body`, once, and read the answer. Trouble on the way is a value, not an exception.

        `token` goes into the header; None where the body has it. `start_by`, in seconds of
        `time.monotonic`, is the last moment to write the first byte: a connection that stood too late (for
        the lease, say) is not used.
        """
        began = time.monotonic()
        _call.prepare(start_by, self._timeout[1])
        try:
            session = self._session(began)
            request = self._request(session, body, token)
            with session.send(request, timeout=self._timeout, allow_redirects=False, stream=True) as response:
                content = _content(response, self._answer_cap)
        except TROUBLE as error:
            return NoAnswer(_kind(error), root(error), time.monotonic() - began)
        finally:
            self._mine.used = time.monotonic()
        seconds = self._mine.used - began
        if content is None:
            return NoAnswer(NoAnswerKind.TOO_LARGE, "", seconds)
        wait = retry_after(response.headers.get("Retry-After"), time.time())
        return Response(response.status_code, wait, content, seconds)

    def close(self) -> None:
        """Close the connection of the calling thread."""
        if self._mine.session is not None:
            self._mine.session.close()

    def _session(self, now: float) -> requests.Session:
        """This thread's session. A connection that idled too long may be half dead: it is not used again."""
        session = self._mine.session
        if session is None:
            session = self._mine.session = self._opened()
        elif now - self._mine.used > self._idle_seconds:
            session.close()
        return session

    def _request(self, session: requests.Session, body: bytes, token: str | None) -> requests.PreparedRequest:
        """All but the body is prepared once for a token: that costs more than to send it."""
        bare = self._bare.get(token)
        if bare is None:
            headers = {"X-CM-PRODUCTTOKEN": token} if token is not None else None
            bare = session.prepare_request(requests.Request("POST", self._url, headers))
            self._bare[token] = bare
        request = bare.copy()
        request.prepare_body(body, None)
        return request

    def _opened(self) -> requests.Session:
        session = Session({"Content-Type": "application/json; charset=utf-8", "Accept": "application/json"})
        session.proxies.update(self._proxies)
        adapter = _Adapter(self._tls)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        return session


class _Mine(threading.local):
    """What one thread keeps of a gateway."""

    session: requests.Session | None = None
    used: float = 0.0  #: when its connection was last in use, `time.monotonic`


class _Call(threading.local):
    """The call that this thread is in; the connections below write down how far it got.

    The deadline holds from its start on: before that a proxy is answering, and the connect timeout holds.
    """

    start_by = inf
    patience = 0.0
    written = False

    def prepare(self, start_by: float, patience: float) -> None:
        self.start_by, self.patience, self.written = start_by, patience, False
        deadline.ends = inf

    def start(self) -> None:
        """From here on bytes may have left."""
        now = time.monotonic()
        if now > self.start_by:
            raise StartedTooLateError
        deadline.ends = now + self.patience
        self.written = True


_call = _Call()


class StartedTooLateError(OSError):
    """The connection stood only after `start_by`. Never leaves this file but by its name."""


class _PlainConnection(PlainConnection):
    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is None:
            self.connect()  # http.client would connect while sending: then nobody could tell the two apart
        _call.start()
        super().request(*args, **kwargs)
        failpoint.at("mid_post")


class _SecureConnection(_PlainConnection, SecureConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Adapter(Adapter):
    pools: ClassVar[dict[str, Any]] = {"http": _PlainPool, "https": _SecurePool}


def _content(response: requests.Response, cap: int) -> bytes | None:
    """The body, decoded; None as soon as it passes `cap` bytes, however small it was on the wire."""
    chunks: list[bytes] = []
    size = 0
    while chunk := response.raw.read(_CHUNK, decode_content=True):
        size += len(chunk)
        if size > cap:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def _kind(error: Exception) -> NoAnswerKind:
    if not _call.written:
        return NoAnswerKind.NOT_CONNECTED
    if isinstance(error, DecodeError):
        return NoAnswerKind.GARBLED
    if time.monotonic() >= deadline.ends:
        return NoAnswerKind.READ_TIMEOUT
    return NoAnswerKind.CONNECTION_LOST
