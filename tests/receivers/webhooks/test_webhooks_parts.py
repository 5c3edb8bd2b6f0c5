"""The receiver's decisions, each alone."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmqueue import SettingsError
from config.receiver import ReceiverSettings
from receivers.webhooks.rate import Rate
from receivers.webhooks.sources import came_from, may_come
from receivers.webhooks.webhook import address_of, split_query

SECRET = "canary-secret-0123456789"


@pytest.mark.parametrize(
    ("connected", "forwarded", "proxies", "address"),
    [
        ("192.0.2.1", [], 0, "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.1"], 0, "192.0.2.1"),
        ("::ffff:192.0.2.1", [], 0, "192.0.2.1"),
        ("fe80::1%eth0", [], 0, "fe80::1"),
        ("2001:DB8::1", [], 0, "2001:db8::1"),
        (None, [], 0, None),
        ("127.0.0.1", ["198.51.100.1"], 1, "198.51.100.1"),
        ("127.0.0.1", ["192.0.2.1, 198.51.100.1"], 1, "198.51.100.1"),
        ("127.0.0.1", ["192.0.2.1", "198.51.100.1"], 1, "198.51.100.1"),
        ("127.0.0.1", ["1.1.1.1, 192.0.2.1", "198.51.100.1"], 2, "192.0.2.1"),
        ("127.0.0.1", ["198.51.100.1:1234"], 1, "198.51.100.1"),
        ("127.0.0.1", ["[2001:db8::1]:1234"], 1, "2001:db8::1"),
        ("127.0.0.1", ["198.51.100.1"], 2, None),
        ("127.0.0.1", [], 1, None),
        ("127.0.0.1", ["198.51.100.1,"], 1, None),
        ("127.0.0.1", ["unknown"], 1, None),
    ],
)
def test_whose_address_counts(
    connected: str | None, forwarded: list[str], proxies: int, address: str | None
) -> None:
    """So many entries from the end as there are proxies; none counts where there are fewer."""
    assert address == came_from(connected, forwarded, proxies)


@given(st.text(), st.lists(st.text()), st.integers(0, 3))
def test_whatever_a_header_says_is_an_address_or_none(
    connected: str, forwarded: list[str], proxies: int
) -> None:
    """Nothing that strangers write is an error."""
    address = came_from(connected, forwarded, proxies)

    assert address is None or ipaddress.ip_address(address)


def test_only_who_is_in_a_network_may_come() -> None:
    """Of its own kind, to its last address; and nobody whose address cannot be told."""
    sources = (ipaddress.ip_network("192.0.2.0/24"), ipaddress.ip_network("2001:db8::/32"))

    assert [True, True, False, False, False] == [
        may_come(address, sources)
        for address in ("192.0.2.255", "2001:db8::9", "192.0.3.0", "2001:db9::", None)
    ]


@given(st.binary())
def test_a_query_keeps_its_bytes(query: bytes) -> None:
    """What does not name the account comes out as it went in, but for empty parts."""
    expected = [part for part in query.split(b"&") if part and part.partition(b"=")[0] != b"account"]
    if any(part.partition(b"=")[0] == b"account" for part in query.split(b"&")):
        return

    assert ("", b"&".join(expected)) == split_query(query)


def test_a_rate_is_a_second_s_worth_at_once_then_evenly() -> None:
    """No second has more than twice of it, and no two seconds more than three times."""
    clock = [100.0]
    rate = Rate(5, lambda: clock[0])

    taken = []
    for _ in range(4):
        taken.append([rate.spend() for _ in range(7)].count(True))
        clock[0] += 0.4
    clock[0] += 60
    taken.append([rate.spend() for _ in range(7)].count(True))

    assert [5, 2, 2, 2, 5] == taken


def test_no_repr_shows_a_secret() -> None:
    """Neither the settings' nor an address's."""
    settings = ReceiverSettings.from_env(
        {"CMQUEUE_RECEIVER_SECRET": SECRET, "CMQUEUE_RECEIVER_BASIC": "cm:canary-password"}
    )

    assert "canary" not in repr(settings) + repr(address_of(f"/cm/status/{SECRET}"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET", "canary-short"),
        ("SECRET", f"{SECRET},canary-short"),
        ("SECRET", f"{SECRET},{SECRET}1,{SECRET}2"),
        ("SECRET", "canary secret with spaces 123"),
        ("SECRET", "canary/secret/with/slashes/12"),
        ("SECRET", f"{SECRET},"),
        ("BASIC", "canary-without-a-colon"),
        ("BASIC", "canary:short"),
        ("BASIC", ":canary-password"),
        ("SOURCES", "canary.example.com"),
        ("SOURCES", "192.0.2.1/24"),
        ("SOURCES", ","),
        ("PROXIES", "-1"),
        ("BYTES", "0"),
        ("PER_SECOND", "0"),
    ],
)
def test_a_wrong_setting_is_named_and_not_repeated(name: str, value: str) -> None:
    """The error says which variable it is and what it must be; secrets stand in some."""
    with pytest.raises(SettingsError) as raised:
        ReceiverSettings.from_env({f"CMQUEUE_RECEIVER_{name}": value})

    assert f"CMQUEUE_RECEIVER_{name}" == raised.value.variable
    assert "canary" not in str(raised.value)


def test_two_secrets_may_be_set() -> None:
    """Comma-separated, with or without a space."""
    found = ReceiverSettings.from_env({"CMQUEUE_RECEIVER_SECRET": f"{SECRET}, {SECRET}~._-"})

    assert (SECRET, f"{SECRET}~._-") == found.receiver_secrets
