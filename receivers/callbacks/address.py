"""Whether an address may be called: what stands inside our own network is no business of a URL's."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from config.callbacks import Network

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: Prefixes whose addresses stand for an IPv4 address in their last 32 bits (RFC 6052, RFC 8215).
_TRANSLATED = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))


def meant(address: Address) -> Address:
    """The address that is reached in the end: that inside an IPv4-mapped, 6to4, Teredo or NAT64 address."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if any(address in network for network in _TRANSLATED):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def may_call(address: Address, *, secure: bool, allowed: Sequence[Network]) -> bool:
    """Whether an endpoint may stand at `address`: over TLS anywhere public, else in the networks allowed.

    Never at a multicast or an unspecified address, however it is spelled.
    """
    target = meant(address)
    if target.is_multicast or target.is_unspecified:
        return False
    if any(target in network for network in allowed if network.version == target.version):
        return True
    return secure and _is_public(target)


def _is_public(address: Address) -> bool:
    if not address.is_global or address.is_reserved or address.is_private or address.is_link_local:
        return False
    # Site-local addresses are long deprecated, and routed all the same.
    return not (isinstance(address, ipaddress.IPv6Address) and address.is_site_local)
