"""Addresses that tokens and messages are sent to: https, or http to this machine itself."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def secure_url(value: str) -> str:
    """`value`, if it is such a URL. Raises ValueError, never with the value, which may hold a secret."""
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    if parts.scheme not in {"https", "http"} or not host:
        raise ValueError("must be an https URL, or http to loopback")
    if "@" in parts.netloc:
        raise ValueError("holds credentials; the product token has its own setting")
    if parts.fragment or not value.isprintable() or " " in value:
        raise ValueError("holds what no endpoint's URL has")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("must be https; http would show token and messages to the network")
    return value


def is_loopback(host: str) -> bool:
    """Whether `host`, a name or an address, is this machine itself by its spelling."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
