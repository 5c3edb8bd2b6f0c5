from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmqueue.channel import LONGEST_ID, Channel, check_id, may_use_sms, numbers_are_opaque
from cmqueue.errors import InvalidMessage
from cmqueue.sender import check_sender


@pytest.mark.parametrize("channel", Channel)
def test_names_without_case(channel: Channel) -> None:
    """
    A channel is found in any case, and without its spaces, as CM's .NET SDK writes it.
    """
    assert channel is Channel(channel.upper()) is Channel(channel.lower().replace(" ", ""))


@pytest.mark.parametrize("older", ["Apple Business Chat", "iMessage", "imessage"])
def test_older_names(older: str) -> None:
    """
    CM's older names for Apple's channel still mean it.
    """
    assert Channel.APPLE_MESSAGES is Channel(older)


@pytest.mark.parametrize("name", ["", "fax", None, 3])
def test_unknown_names(name: object) -> None:
    """
    An unknown channel is no channel.
    """
    with pytest.raises(ValueError, match="not a valid Channel"):
        Channel(name)  # type: ignore[arg-type] # what an untyped caller may do


@pytest.mark.parametrize(
    ("channels", "opaque"),
    [
        ([], False),
        (["SMS"], False),
        (["WhatsApp"], False),
        (["RCS", "Viber"], False),
        (["Voice"], False),
        (["Instagram"], True),
        (["Line", "Telegram Messenger"], True),
        (["MobilePush"], True),
        (["Instagram", "SMS"], False),
    ],
)
def test_opaque_recipients(channels: list[str], opaque: bool) -> None:
    """
    Recipients are opaque only where every channel has ids of its own.
    """
    assert opaque is numbers_are_opaque(map(Channel, channels))


@pytest.mark.parametrize(
    ("channels", "sms"), [([], True), (["SMS"], True), (["WhatsApp", "SMS"], True), (["WhatsApp"], False)]
)
def test_where_the_rules_of_sms_hold(channels: list[str], sms: bool) -> None:
    """
    SMS is possible when it is named, and when nothing is.
    """
    assert sms is may_use_sms(map(Channel, channels))


@pytest.mark.parametrize(
    "sender",
    ["Acme", "CM Telecom", "cm.com", "a", "A1", "Elevenchars", "1234567890123456", "00316098765432", "3669"],
)
def test_senders_of_sms(sender: str) -> None:
    """
    Up to 11 letters, digits, inner spaces and dots, or up to 16 digits, are a sender of SMS.
    """
    assert sender == check_sender(sender, sms=True)


@pytest.mark.parametrize(
    ("sender", "problem"),
    [
        ("", "is empty"),
        ("TwelveLetter", "is 12 characters long"),
        ("12345678901234567", "is 17 characters long"),
        ("H&M", "has neither letter, digit, space nor dot at position 2"),
        ("Caf\u00e9", "has neither letter, digit, space nor dot at position 4"),
        ("12\u0663", "has neither letter, digit, space nor dot at position 3"),
        ("+31600000001", "has neither letter, digit, space nor dot at position 1"),
        ("Acme\n", "has neither letter, digit, space nor dot at position 5"),
        (".Acme", "begins or ends with a space or a dot"),
        (" Acme", "begins or ends with a space or a dot"),
        ("Acme ", "begins or ends with a space or a dot"),
        (" ", "begins or ends with a space or a dot"),
    ],
)
def test_senders_that_sms_refuses(sender: str, problem: str) -> None:
    """
    Any other sender of SMS is refused, with its problem.
    """
    with pytest.raises(InvalidMessage) as caught:
        check_sender(sender, sms=True)

    assert ("sender", problem) == (caught.value.field, caught.value.problem)


def test_senders_elsewhere() -> None:
    """
    Without SMS a sender is whatever CM configured: here an agent, with more than 11 characters.
    """
    assert "Acme's customer care" == check_sender("Acme's customer care", sms=False)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("", "is empty"),
        ("a\x1fb", "has a control character at position 2"),
        ("a\x7f", "has a control character at position 2"),
        ("\x85", "has a control character at position 1"),
        ("\u00e9" * 128, "is 256 bytes long"),
        ("\ud800", "has half a surrogate pair, which is not Unicode text"),
    ],
)
def test_ids_that_are_refused(value: str, problem: str) -> None:
    """
    An id of a channel's own is 1 to 255 bytes of UTF-8 without control characters.
    """
    with pytest.raises(InvalidMessage) as caught:
        check_id(value, "to")

    assert ("to", problem) == (caught.value.field, caught.value.problem)


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1))
def test_ids_stay_as_they_are(value: str) -> None:
    """
    An id comes back unchanged, or is too long.
    """
    try:
        assert value == check_id(value, "to")
    except InvalidMessage:
        assert LONGEST_ID < len(value.encode())  # too long to be one
