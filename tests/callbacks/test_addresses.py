"""Which addresses an endpoint may stand at: nothing inside our own network that was not allowed."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receivers.callbacks.address import may_call, meant

PRIVATE = [
    *(
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "127.0.0.1",
        "127.255.0.1",
        "169.254.169.254",
    ),
    *(
        "100.64.0.1",
        "0.0.0.0",
        "0.1.2.3",
        "192.0.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
    ),
    *("224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "fe80::1", "fec0::1", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1", "100::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0:0"),
    *("64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::a00:1", "2002:7f00:1::", "2002:a00:1::1"),
]
PUBLIC = ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]

v4 = st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address)
v6 = st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address)
inside = st.sampled_from(
    [
        ipaddress.ip_network(name)
        for name in ("10.0.0.0/8", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16")
    ]
).flatmap(lambda network: st.integers(int(network[0]), int(network[-1])).map(ipaddress.IPv4Address))


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_public_is_refused(address: str) -> None:
    """Private, loopback, link-local, shared, reserved, multicast, for documents; in any disguise."""
    assert not may_call(ipaddress.ip_address(address), secure=True, allowed=())


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_is_called_over_tls_alone(address: str) -> None:
    """Never over plain http."""
    found = ipaddress.ip_address(address)

    assert (True, False) == tuple(may_call(found, secure=secure, allowed=()) for secure in (True, False))


@given(address=inside)
def test_no_disguise_helps(address: ipaddress.IPv4Address) -> None:
    """An address inside is refused as IPv4-mapped, 6to4, NAT64 and Teredo too."""
    number = int(address)
    disguises = [
        ipaddress.IPv6Address(0xFFFF << 32 | number),
        ipaddress.IPv6Address(0x2002 << 112 | number << 80 | 1),
        ipaddress.IPv6Address(int(ipaddress.IPv6Address("64:ff9b::")) | number),
        ipaddress.IPv6Address(0x20010000 << 96 | 0x08080808 << 64 | (number ^ 0xFFFFFFFF)),
    ]

    assert {address} == {meant(disguise) for disguise in disguises}
    assert not any(may_call(disguise, secure=True, allowed=()) for disguise in [address, *disguises])


@given(address=v4 | v6)
def test_nothing_but_the_public_is_called_unasked(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    """What Python calls private, loopback, link-local, reserved, multicast or unspecified never is."""
    if may_call(address, secure=True, allowed=()):
        found = meant(address)
        assert found.is_global
        properties = ["private", "loopback", "link_local", "reserved", "multicast", "unspecified"]
        assert [] == [name for name in properties if getattr(found, f"is_{name}")]


@given(address=v4)
def test_a_network_that_is_allowed_opens_itself_alone(address: ipaddress.IPv4Address) -> None:
    """Over http too; and neither multicast nor 0.0.0.0 by any network."""
    network = ipaddress.ip_network("10.1.0.0/16")
    everything = ipaddress.ip_network("0.0.0.0/0")

    assert (address in network) == may_call(address, secure=False, allowed=[network])
    assert may_call(address, secure=False, allowed=[everything]) == (
        not (address.is_multicast or address.is_unspecified)
    )
