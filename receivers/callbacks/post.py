"""The edge to the endpoints: one POST, and its answer as a value. Nothing above this file knows of HTTP.

The address is judged where the socket is made, and that very address is connected to, so a name that resolves
otherwise a moment later changes nothing. One deadline bounds a call: connecting, TLS, sending and reading.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import requests
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager

from calling.deadline import PlainConnection, SecureConnection, deadline
from calling.retry_after import retry_after
from calling.session import Adapter, Session
from calling.tls import tls_context
from calling.trouble import TROUBLE, root
from config.callbacks import Network
from receivers.callbacks.address import may_call
from receivers.callbacks.schedule import Answered, Unanswered

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 10.0
#: An answer's body is of no interest: so much of it is read, for the connection's sake.
ANSWER_CAP = 64 << 10
IDLE_SECONDS = 15.0
_CHUNK = 1 << 14
#: requests' own refusals of a URL are ValueErrors.
_TROUBLE = (*TROUBLE, ValueError)

#: From host and port to addresses.
Resolve = Callable[[str, int], Iterable[str]]


class AddressRefused(OSError):
    """None of the addresses of a host may be called. Never leaves this file but by its name."""


def resolve(host: str, port: int) -> list[str]:
    """The addresses of `host`, as the system finds them. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Poster:
    """Posts to any endpoint. Safe to share between threads: each has its own connections.

    Addresses inside our own network are refused unless they are in `private`, as is http to any other.
    Certificates are checked against the file that REQUESTS_CA_BUNDLE or SSL_CERT_FILE names, else certifi's.
    No proxy is used: the address judged would not be the one connected to. Redirects are not followed.
    """

    def __init__(
        self,
        private: Sequence[Network] = (),
        *,
        resolver: Resolve = resolve,
        total_seconds: float = TOTAL_SECONDS,
        ca_bundle: str | None = None,
    ) -> None:
        self._private = tuple(private)
        self._resolver = resolver
        self._total = total_seconds
        self._tls = tls_context(ca_bundle)
        self._mine = _Mine()
        self._bare: dict[str, requests.PreparedRequest] = {}

    def post(self, url: str, body: bytes, headers: dict[str, str]) -> Answered | Unanswered:
        """Send `body`, once. Trouble on the way is a value, not an exception."""
        deadline.ends = time.monotonic() + self._total
        try:
            session = self._session()
            request = self._request(session, url, body, headers)
            timeout = (min(CONNECT_SECONDS, self._total), self._total)
            with session.send(request, timeout=timeout, allow_redirects=False, stream=True) as response:
                _drain(response)
                wait = retry_after(response.headers.get("Retry-After"), time.time())
                return Answered(response.status_code, wait)
        except _TROUBLE as error:
            return Unanswered(root(error))
        finally:
            self._mine.used = time.monotonic()

    def close(self) -> None:
        """Close the connections of the calling thread."""
        if self._mine.session is not None:
            self._mine.session.close()
            self._mine.session = None

    def _request(
        self, session: requests.Session, url: str, body: bytes, headers: dict[str, str]
    ) -> requests.PreparedRequest:
        """All but body and signature is prepared once for a URL: that costs more than to send it."""
        bare = self._bare.get(url)
        if bare is None:
            bare = self._bare[url] = session.prepare_request(requests.Request("POST", url))
        request = bare.copy()
        request.headers.update(headers)
        request.prepare_body(body, None)
        return request

    def _session(self) -> requests.Session:
        session = self._mine.session
        if session is None:
            session = self._mine.session = Session({"Content-Type": "application/json"})
            adapter = _Adapter(self._tls, self._connected)
            session.mount("https://", adapter)
            session.mount("http://", adapter)
        elif time.monotonic() - self._mine.used > IDLE_SECONDS:
            session.close()  # its connection may be half dead
        return session

    def _connected(self, host: str, port: int, *, secure: bool) -> socket.socket:
        """A socket to the first address of `host` that may be called and answers."""
        allowed = [
            address
            for address in self._resolver(host, port)
            if may_call(ipaddress.ip_address(address), secure=secure, allowed=self._private)
        ]
        if not allowed:
            raise AddressRefused
        for last, address in enumerate(allowed, 1 - len(allowed)):
            try:
                sock = socket.create_connection((address, port), min(CONNECT_SECONDS, deadline.left()))
            except OSError:
                if last == 0:
                    raise
            else:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.settimeout(deadline.left())  # for the TLS handshake
                return sock
        raise AddressRefused


class _Mine(threading.local):
    """What one thread keeps of a poster."""

    session: requests.Session | None = None
    used: float = 0.0  #: when its connections were last in use, `time.monotonic`


class _PlainConnection(PlainConnection):
    secure = False

    def __init__(self, *args: Any, connected: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connected = connected

    def _new_conn(self) -> socket.socket:
        found: socket.socket = self._connected(self.host, self.port, secure=self.secure)
        return found


class _SecureConnection(_PlainConnection, SecureConnection):
    secure = True


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Adapter(Adapter):
    def __init__(self, tls: ssl.SSLContext, connected: Any) -> None:
        self._connected = connected
        super().__init__(tls, connections=4)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:
        self.poolmanager = PoolManager(num_pools=connections, maxsize=maxsize, block=block, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            "http": partial(_PlainPool, connected=self._connected),
            "https": partial(_SecurePool, connected=self._connected, ssl_context=self._tls),
        }


def _drain(response: requests.Response) -> None:
    """Read the body away, so that the connection can be used again; behind too long a one it is closed.

    The status is the answer, whatever becomes of the body.
    """
    size = 0
    try:
        while chunk := response.raw.read(_CHUNK, decode_content=False):
            size += len(chunk)
            if size > ANSWER_CAP:
                break
        else:
            return
    except _TROUBLE:
        pass
    response.raw.close()
