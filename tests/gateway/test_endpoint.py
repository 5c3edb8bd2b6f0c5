"""What CMQUEUE_ENDPOINT may hold."""

from __future__ import annotations

import pytest

from cmqueue.errors import SettingsError
from worker.gateway import ENDPOINTS, Gateway, endpoint_url


@pytest.mark.parametrize("name", ENDPOINTS)
def test_the_known_endpoints_have_names(name: str) -> None:
    """
    CM's endpoints are chosen by name.
    """
    assert ENDPOINTS[name] == endpoint_url(name)


@pytest.mark.parametrize(
    "url",
    [
        "https://gw.example/v1.0/message",
        "https://gw.example:8443/v1.0/message?x=1",
        "http://127.0.0.1:8080/v1.0/message",
        "http://127.9.9.9/",
        "http://[::1]:8080/",
        "http://localhost:8080/v1.0/message",
    ],
)
def test_a_url_is_taken_as_it_is(url: str) -> None:
    """
    https anywhere, http on this machine.
    """
    assert url == endpoint_url(url)


@pytest.mark.parametrize(
    "setting",
    [
        "",
        "globl",
        "gw.example/v1.0/message",
        "ftp://gw.example/",
        "https://",
        "https:///v1.0/message",
        "http://gw.example/",
        "http://10.0.0.1/",
        "http://localhost.example/",
        "http://127.0.0.1.example/",
        "http://0.0.0.0/",
        "https://user:secret@gw.example/",
        "https://secret@gw.example/",
        "https://gw.example:port/",
        "https://gw.example/#part",
        "https://gw.example/a b",
        "https://gw.example/\n",
        "https://[::1/",
    ],
)
def test_anything_else_is_refused(setting: str) -> None:
    """
    A value that is no endpoint is refused by the variable's name, and without showing the value.
    """
    with pytest.raises(SettingsError, match=r"^CMQUEUE_ENDPOINT: ") as caught:
        endpoint_url(setting)

    assert "secret" not in str(caught.value)


def test_a_gateway_checks_its_endpoint() -> None:
    """
    No gateway exists for an endpoint that is refused.
    """
    with pytest.raises(SettingsError):
        Gateway("http://gw.example/")
