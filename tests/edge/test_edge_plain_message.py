"""A plain mapping takes a short way past pydantic: it must lead to the same message, or to the same words."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmqueue.content import CONTENT_BYTES
from cmqueue.errors import InvalidMessage
from cmqueue.message import Message, parse_message

if TYPE_CHECKING:
    from collections.abc import Mapping

PLAIN: dict[str, Any] = {"sender": "Acme", "to": "+31 6 0000 0001", "text": "Your code is 4711"}


class Text(str):
    """Text of a class of its own."""

    __slots__ = ()


odd = st.sampled_from(
    [
        None,
        "",
        "\0",
        "a\0",
        "\ud800",
        7,
        True,
        b"a",
        Text("Acme"),
        [],
        {},
        "é€😀",
        '"\\\n\x7f\u2028',
        "a" * 256,
    ]
)
senders = st.from_regex(r"[A-Za-z0-9 ]{1,17}", fullmatch=True) | st.text(max_size=12) | odd
numbers = st.from_regex(r"(\+|00|0)?[0-9 ().-]{5,17}", fullmatch=True) | st.text(max_size=20) | odd
labels = st.text(max_size=70) | odd
fields = {"sender": senders, "to": numbers, "text": st.text(max_size=200) | odd}
options = {
    **dict.fromkeys(("client_reference", "campaign", "idempotency_key"), labels),
    "channels": st.sampled_from([(), ["SMS"], ["instagram"]]),
    "expires_in": st.sampled_from([None, 60, -1]),
    "max_parts": st.sampled_from([1, 8, 0]),
}
mappings = st.fixed_dictionaries({}, optional={**fields, **options, "strange": odd, 7: odd}).flatmap(
    lambda drawn: st.sampled_from([drawn, PLAIN | drawn, drawn | PLAIN])
)


def outcome(item: Mapping[str, Any], region: str | None) -> tuple[object, ...]:
    """Everything that can be told of the message, or of the refusal."""
    try:
        message = parse_message(item, default_region=region)
    except InvalidMessage as error:
        return str(error), error.field, error.problem, error.rule, error.__cause__, error.__context__
    return (
        message,
        vars(message),
        message.model_fields_set,
        [type(value) for value in (message.sender, message.to, message.text)],
        (message.wire(), message.content, message.content.wire(), repr(message), hash(message)),
    )


@settings(deadline=None, max_examples=500)
@given(item=mappings, region=st.sampled_from([None, "NL"]))
def test_both_ways_lead_to_the_same(item: dict[str, Any], region: str | None) -> None:
    """
    A dict, which may take the short way, and a mapping of another type, which never does: no difference.
    """
    assert outcome(MappingProxyType(item), region) == outcome(item, region)


@pytest.mark.parametrize("excess", [0, 1])
def test_the_longest_content(excess: int) -> None:
    """
    A content may be as long on either way, to the byte.
    """
    longest = CONTENT_BYTES - len(Message(**PLAIN | {"text": "a"}).wire()) + 1
    item = PLAIN | {"text": "a" * (longest + excess)}

    assert outcome(MappingProxyType(item), None) == outcome(item, None)


def test_a_message_shares_nothing_with_the_next() -> None:
    """
    What one message says is not said by the next one of the same sender.
    """
    labelled = parse_message(PLAIN | {"client_reference": "a", "campaign": "b"}, default_region=None)
    bare = parse_message(dict(PLAIN), default_region=None)

    assert ("a", "b", None, None) == (
        labelled.client_reference,
        labelled.campaign,
        bare.client_reference,
        bare.campaign,
    )
    assert labelled.model_fields_set is not bare.model_fields_set
