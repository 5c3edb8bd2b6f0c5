"""Whose address counts, and whether it is one from which webhooks may come."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from config.receiver import Network


def came_from(connected: str | None, forwarded: Sequence[str], proxies: int) -> str | None:
    """The address that a request came from; None where nobody can tell.

    `connected` is who holds the connection, `forwarded` are the values of `X-Forwarded-For`, in their order.
    Each of the `proxies` adds whom it serves at the end, so the entry counts that the first of them added:
    what stands before it is whatever the sender wrote.
    """
    if proxies == 0:
        return _bare(connected or "")
    entries = [entry for value in forwarded for entry in value.split(",")]
    return _bare(entries[-proxies]) if len(entries) >= proxies else None


def may_come(address: str | None, sources: Sequence[Network]) -> bool:
    """Whether a request from `address` comes from one of `sources`."""
    if address is None:
        return False
    parsed = ipaddress.ip_address(address)
    return any(parsed in network for network in sources)


def _bare(entry: str) -> str | None:
    """The address in `entry`, which some proxies write with its port, or in brackets."""
    text = entry.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        parsed = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)
