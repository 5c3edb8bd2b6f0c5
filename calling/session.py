"""A session of requests' without what it does unasked."""

from __future__ import annotations

from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter


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


class Adapter(HTTPAdapter):
    """requests' adapter, whose pools bring their own TLS context. It never repeats a request."""

    def __init__(self, *, connections: int) -> None:
        super().__init__(pool_connections=connections, pool_maxsize=1, max_retries=0)

    def cert_verify(self, conn: Any, *_: Any) -> None:
        """The context holds the certificates already: requests would load them for each connection anew."""
        conn.cert_reqs = "CERT_REQUIRED"
