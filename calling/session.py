"""A session of requests' without what it does unasked."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any, ClassVar

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool

from calling.deadline import PlainConnection, SecureConnection


class Session(requests.Session):
    """Reads no .netrc and takes no proxy from the environment, keeps no cookies, knows no redirects.

    A .netrc's password would become an Authorization header. Told not to follow a redirect, requests would
    still parse and read it.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__()
        self.trust_env = False
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.headers.clear()
        common = {"User-Agent": "cmqueue", "Accept-Encoding": "identity", "Connection": "keep-alive"}
        self.headers.update(common | dict(headers))

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002 - requests' signature
        return None


class PlainPool(HTTPConnectionPool):
    ConnectionCls = PlainConnection


class SecurePool(HTTPSConnectionPool):
    ConnectionCls = SecureConnection


class Adapter(HTTPAdapter):
    """requests' adapter: connections that keep to the deadline, our TLS, and no repeat of a request."""

    pools: ClassVar[dict[str, Any]] = {"http": PlainPool, "https": SecurePool}

    def __init__(self, tls: ssl.SSLContext, *, connections: int = 1) -> None:
        self._tls = tls
        super().__init__(pool_connections=connections, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, ssl_context=self._tls, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self.pools

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, ssl_context=self._tls, **kwargs)
        manager.pool_classes_by_scheme = self.pools
        return manager

    def cert_verify(self, conn: Any, *_: Any) -> None:
        """The context holds the certificates already: requests would load them for each connection anew."""
        conn.cert_reqs = "CERT_REQUIRED"
