"""The app's endpoints for callbacks, and which networks they may stand in."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from cmqueue.events.types import types_of

MOST_ENDPOINTS = 20
MOST_SECRETS = 2  #: of one endpoint, while it changes from one to the other

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")
_RULE_NAME = "must be 1 to 32 letters, digits, hyphens or underscores"
_SHAPE = "must be a JSON object of endpoint name to an object with url, secret and events"
_OPTIONS = ("url", "secret", "events", "account")
_PREFIX = "whsec_"
_RULE_SECRET = f"must be {_PREFIX} and the base64 of 24 to 64 bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where events are posted to. `secrets`: one, or two while it changes; `account` is None for all."""

    name: str
    url: str = field(repr=False)  # its query may hold a secret
    secrets: tuple[str, ...] = field(repr=False)
    types: frozenset[str]
    account: str | None = None

    @property
    def target(self) -> str:
        """What its calls in Redis are kept under, and its group of subscribers."""
        return f"callback:{self.name}"


def several_endpoints(value: str) -> tuple[Endpoint, ...]:
    """The endpoints of a JSON object. No message shows what was given: secrets stand in it."""
    try:
        given = json.loads(value)
    except ValueError:
        raise ValueError(_SHAPE) from None
    if not isinstance(given, dict) or not 1 <= len(given) <= MOST_ENDPOINTS:
        raise ValueError(f"{_SHAPE}; 1 to {MOST_ENDPOINTS} of them")
    return tuple(_endpoint(name, described) for name, described in given.items())


def _endpoint(name: str, described: object) -> Endpoint:
    if not _NAME.fullmatch(name):
        raise ValueError(f"each name {_RULE_NAME}")
    if not isinstance(described, Mapping) or not {"url", "secret"} <= described.keys() <= set(_OPTIONS):
        raise ValueError(f"{name!r} must have url and secret, and may have events and account")
    try:
        return Endpoint(
            name=name,
            url=_url(described["url"]),
            secrets=_secrets(described["secret"]),
            types=_types(described.get("events", ["*"])),
            account=_account(described.get("account")),
        )
    except ValueError as error:
        raise ValueError(f"{name!r}: {error}") from None


def _url(given: Any) -> str:
    rule = "url must be an https URL, or http to a network of CMQUEUE_CALLBACK_PRIVATE"
    if not isinstance(given, str) or not given.isascii() or not given.isprintable() or " " in given:
        raise ValueError(rule)
    try:
        parts = urlsplit(given)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError(rule) from None
    if parts.scheme not in ("https", "http") or not host:
        raise ValueError(rule)
    if "@" in parts.netloc or parts.fragment:
        raise ValueError("url must hold neither credentials nor a fragment")
    return given


def _secrets(given: Any) -> tuple[str, ...]:
    found = given if isinstance(given, list) else [given]
    if not 1 <= len(found) <= MOST_SECRETS:
        raise ValueError(f"secret must be one, or a list of {MOST_SECRETS} at most while it changes")
    for secret in found:
        if not isinstance(secret, str) or not 24 <= _size(secret) <= 64:
            raise ValueError(f"secret {_RULE_SECRET}")
    return tuple(found)


def _size(secret: str) -> int:
    """Bytes of a secret, 0 of what is none."""
    if not secret.startswith(_PREFIX):
        return 0
    try:
        return len(base64.b64decode(secret.removeprefix(_PREFIX), validate=True))
    except (ValueError, binascii.Error):
        return 0


def _types(given: Any) -> frozenset[str]:
    if not isinstance(given, list) or not given or not all(isinstance(item, str) for item in given):
        raise ValueError("events must be a list of types or patterns, such as message.*")
    return types_of(given)


def _account(given: Any) -> str | None:
    if given is not None and (not isinstance(given, str) or not _NAME.fullmatch(given)):
        raise ValueError(f"account {_RULE_NAME}")
    return given


def networks(value: str) -> tuple[Network, ...]:
    """Networks in the form `10.0.0.0/8`, comma-separated."""
    try:
        return tuple(ipaddress.ip_network(item.strip()) for item in value.split(","))
    except ValueError:
        raise ValueError(
            "must be networks or addresses such as 10.1.0.0/16 or fd00::/8, comma-separated"
        ) from None


def modules(value: str) -> tuple[str, ...]:
    """Names of Python modules, comma-separated."""
    found = tuple(item.strip() for item in value.split(","))
    if not all(part.isidentifier() for item in found for part in item.split(".")):
        raise ValueError("must be names of Python modules, comma-separated")
    return found
