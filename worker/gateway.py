"""The edge to CM: one POST, and its answer as a value. Nothing above this file knows of HTTP.

The promise rests on one distinction: whether a byte of the request can have left this machine. requests and
urllib3 don't tell, so the connection itself records it (`_call.written`); their exceptions are not asked.

requests bounds each `recv`, so that a server that drips keeps a caller for ever. Here one deadline, from the
first byte written to the last byte read, bounds every system call of a request.
"""

from __future__ import annotations

import os
import ssl
import threading
import time
from http.client import HTTPException, HTTPResponse
from http.cookiejar import DefaultCookiePolicy
from io import BufferedReader, RawIOBase
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_environ_proxies
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import DecodeError, HTTPError

from cmqueue.errors import SettingsError
from config.address import is_loopback, secure_url
from worker import failpoint
from worker.answer import Answer, NoAnswer, NoAnswerKind, Response, retry_after

if TYPE_CHECKING:
    import socket

#: CM's page "Integration". Both renew their certificates often: verified, never pinned.
ENDPOINTS = {
    "global": "https://gw.messaging.cm.com/v1.0/message",
    "alternative": "https://gw.cmtelecom.com/v1.0/message",
}
ANSWER_CAP = 8 << 20  #: bytes; an answer of 1000 rows has about 150,000
_CHUNK = 1 << 16
#: All that means trouble on the way. requests' own exceptions are OSErrors too.
_TROUBLE = (OSError, HTTPError, HTTPException)


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
        self._tls = _tls_context(ca_bundle)
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
        except _TROUBLE as error:
            return NoAnswer(_kind(error), _root(error), time.monotonic() - began)
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
        session = _Session()
        session.trust_env = False
        session.proxies.update(self._proxies)
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        session.headers.update(
            {
                "User-Agent": "cmqueue",
                "Content-Type": "application/json; charset=utf-8",
                "Accept": "application/json",
                "Accept-Encoding": "identity",
            }
        )
        adapter = _Adapter(self._tls)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        return session


class _Session(requests.Session):
    """A session that knows no redirects: told not to follow one, requests would still parse and read it."""

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002 - requests' signature
        return None


class _Mine(threading.local):
    """What one thread keeps of a gateway."""

    session: requests.Session | None = None
    used: float = 0.0  #: when its connection was last in use, `time.monotonic`


class _Call(threading.local):
    """The call that this thread is in; the connections below write down how far it got."""

    start_by = inf
    patience = 0.0
    written = False
    ends = 0.0

    def prepare(self, start_by: float, patience: float) -> None:
        self.start_by, self.patience, self.written = start_by, patience, False

    def start(self) -> None:
        """From here on bytes may have left."""
        now = time.monotonic()
        if now > self.start_by:
            raise StartedTooLateError
        self.ends = now + self.patience
        self.written = True

    def left(self) -> float:
        """Seconds to the deadline; raises TimeoutError past it."""
        left = self.ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


_call = _Call()


class StartedTooLateError(OSError):
    """The connection stood only after `start_by`. Never leaves this file but by its name."""


class _BoundedReads(RawIOBase):
    """A socket's reading end, each `recv` within the deadline of the call."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        # Before the request is written, a proxy is answering: the connect timeout holds.
        if _call.written:
            self._sock.settimeout(_call.left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _BoundedResponse(HTTPResponse):
    """http.client's response, reading within the deadline."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = BufferedReader(_BoundedReads(sock))


class _PlainConnection(HTTPConnection):
    response_class = _BoundedResponse

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is None:
            self.connect()  # http.client would connect while sending: then nobody could tell the two apart
        _call.start()
        super().request(*args, **kwargs)
        failpoint.at("mid_post")

    def send(self, data: Any) -> None:
        """Write all of `data` within the deadline: `sendall` of a TLS socket has one for each record."""
        if not _call.written:
            super().send(data)  # to a proxy, to open the tunnel
            return
        rest = memoryview(data)
        while rest:
            self.sock.settimeout(_call.left())
            rest = rest[self.sock.send(rest) :]


class _SecureConnection(_PlainConnection, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Adapter(HTTPAdapter):
    """requests' adapter with our connections and TLS context. It never repeats a request."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, ssl_context=self._tls, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, ssl_context=self._tls, **kwargs)
        manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
        return manager

    def cert_verify(self, conn: Any, *_: Any) -> None:
        """The context holds the certificates already: requests would load them for each connection anew."""
        conn.cert_reqs = "CERT_REQUIRED"


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
    if time.monotonic() >= _call.ends:
        return NoAnswerKind.READ_TIMEOUT
    return NoAnswerKind.CONNECTION_LOST


def _root(error: BaseException) -> str:
    """The class name of the first cause: `ConnectionRefusedError`, not what was made of it on the way."""
    while isinstance(error.__context__, _TROUBLE):
        error = error.__context__
    return type(error).__name__


def _tls_context(ca_bundle: str | None) -> ssl.SSLContext:
    """TLS 1.2 or newer (CM's page "Integration" asks for it), certificates and host names checked."""
    named = [name for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE") if os.environ.get(name)]
    source = named[0] if named and ca_bundle is None else "the bundle of certificates"
    path = ca_bundle or (os.environ[named[0]] if named else DEFAULT_CA_BUNDLE_PATH)
    try:
        if Path(path).is_dir():
            context = ssl.create_default_context(capath=path)
        else:
            context = ssl.create_default_context(cafile=path)
    except OSError as error:
        raise SettingsError(source, f"certificates can't be read ({type(error).__name__})") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
