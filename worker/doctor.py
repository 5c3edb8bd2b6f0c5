"""The worker's half of `cmqueue doctor`: its settings, its tokens, and the way to CM. Nothing is sent."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from requests.utils import get_environ_proxies, select_proxy

from calling.tls import tls_context
from cmqueue.checkup import Check, Part, settings_checks
from cmqueue.errors import CmqueueError, SettingsError
from cmqueue.outbox import Outbox
from cmqueue.settings import PREFIX
from config.address import is_loopback
from config.errands import ErrandSettings
from config.reference import variables
from config.settings import WorkerSettings
from worker.gateway import endpoint_url

WORKER = Part("worker")
CERTIFICATE_DAYS = 14
PATIENCE = 5.0  #: seconds at most for a connection, whatever the worker itself would wait


class Endpoint(NamedTuple):
    """Where a connection goes: CM, or the proxy on the way."""

    host: str
    port: int
    tls: bool
    proxied: bool

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def checks(env: Mapping[str, str]) -> Iterator[Check]:
    """What a worker with the environment `env` would meet."""
    settings, found = settings_checks(WORKER, ErrandSettings, env)  # the way back runs in its process
    yield from found
    yield from _unknown(env)
    if settings is None:
        return
    yield _tokens(settings)
    yield from _accounts(settings)
    yield _leases(settings)
    if settings.body_token:
        yield WORKER.warn(
            "body token",
            "the product token is sent in the body too, which CM calls deprecated",
            "CMQUEUE_BODY_TOKEN",
            do="unset it",
        )
    if settings.only_to is not None:
        yield WORKER.warn(
            "allow-list",
            f"only {len(settings.only_to)} numbers or prefixes are sent to, all else is suppressed",
            "CMQUEUE_ONLY_TO",
            do="unset it in production",
        )
    yield from _endpoint(settings)


def _unknown(env: Mapping[str, str]) -> Iterator[Check]:
    """A misspelt variable would be passed over in silence."""
    known = variables()
    for name in sorted(env):
        if name.startswith(PREFIX) and name not in known:
            yield WORKER.warn("settings", "no setting has this name", name, do="correct or unset it")


def _tokens(settings: WorkerSettings) -> Check:
    try:
        settings.demand_tokens()
    except SettingsError as error:
        return WORKER.fail("token", error.problem, error.variable, do=f"set {error.variable}")
    return WORKER.ok("token", f"a GUID for {', '.join(sorted(settings.tokens))}")


def _accounts(settings: WorkerSettings) -> Iterator[Check]:
    """Messages of an account that no worker knows wait until they expire."""
    try:
        with Outbox(settings) as outbox:
            accounts = {account for account, _ in outbox.registry.known().values()}
    except (CmqueueError, TypeError, ValueError):
        return  # the library's half says it
    for account in sorted(accounts - settings.tokens.keys()):
        yield WORKER.warn(
            "token",
            "this worker has no token for the account, and leaves its messages alone",
            f"account {account}",
            do="unless another worker has it, add it to CMQUEUE_ACCOUNTS",
        )


def _leases(settings: WorkerSettings) -> Check:
    return WORKER.ok(
        "leases",
        f"{settings.lease_seconds:g} s, more than {settings.connect_timeout:g} s to connect, "
        f"{settings.read_timeout:g} s to read and 2 s to spare",
    )


def _endpoint(settings: WorkerSettings) -> Iterator[Check]:
    """Whether the endpoint can be reached, and over TLS trusted."""
    try:
        url = endpoint_url(settings.endpoint)
        context = tls_context(None)
    except SettingsError as error:
        yield WORKER.fail("endpoint", error.problem, error.variable, do=f"correct {error.variable}")
        return
    target = _target(url)
    named = settings.endpoint if settings.endpoint in ("global", "alternative") else "as set"
    way = f"the proxy {target}, on the way to CM" if target.proxied else f"{target} ({named})"
    patience = min(settings.connect_timeout, PATIENCE)
    began = time.perf_counter()
    try:
        with socket.create_connection((target.host, target.port), timeout=patience) as connection:
            seconds = time.perf_counter() - began
            yield WORKER.ok("endpoint", f"{way} takes connections, in {seconds * 1000:.0f} ms")
            if target.proxied:
                yield WORKER.ok("tls", "not looked at: it goes through the proxy")
            elif not target.tls:
                yield WORKER.ok("tls", "none: plain http to this machine itself")
            else:
                with context.wrap_socket(connection, server_hostname=target.host) as secure:
                    yield _certificate(secure, time.time())
    except ssl.SSLCertVerificationError as error:
        yield WORKER.fail(
            "tls",
            f"the certificate is not trusted: {error.verify_message}",
            str(target),
            do="where the network inspects TLS, let SSL_CERT_FILE name its bundle; else don't send",
        )
    except ssl.SSLError as error:
        yield WORKER.fail(
            "tls",
            f"no TLS 1.2 or newer came about ({error.reason})",
            str(target),
            do="check CMQUEUE_ENDPOINT",
        )
    except OSError as error:
        yield WORKER.fail(
            "endpoint",
            f"can't be reached ({error.strerror or type(error).__name__})",
            way,
            do="check name resolution, firewall and proxy (HTTPS_PROXY), and CMQUEUE_ENDPOINT",
        )


def _target(url: str) -> Endpoint:
    parts = urlsplit(url)
    host, tls = parts.hostname or "", parts.scheme == "https"
    proxies = {} if is_loopback(host) else get_environ_proxies(url)
    proxy = select_proxy(url, proxies)
    if proxy:
        through = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        return Endpoint(through.hostname or "", through.port or 80, tls, proxied=True)
    return Endpoint(host, parts.port or (443 if tls else 80), tls, proxied=False)


def _certificate(secure: ssl.SSLSocket, now: float) -> Check:
    """The negotiated version, and how long the certificate lasts."""
    expires = str((secure.getpeercert() or {}).get("notAfter", ""))
    days = int((ssl.cert_time_to_seconds(expires) - now) // 86400)
    found = f"{(secure.version() or '').replace('TLSv', 'TLS ')}, the certificate lasts {days} more days"
    if days < CERTIFICATE_DAYS:
        return WORKER.warn("tls", found, do="CM renews it; if it does not, expect attempts to fail")
    return WORKER.ok("tls", found)
