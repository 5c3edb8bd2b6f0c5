from __future__ import annotations

import json
import traceback
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmqueue.errors import InvalidMessage
from cmqueue.lane import Guarantee
from cmqueue.message import METADATA_BYTES, Content, Message, Options, parse_message, parse_recipient

if TYPE_CHECKING:
    from collections.abc import Mapping

PLAIN: dict[str, Any] = {"sender": "Acme", "to": "+31 6 0000 0001", "text": "Your code is 4711"}
MARK = "31600000123 geheim-4711"
FIELDS = sorted(Message.model_fields)
unhurried = settings(deadline=None)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def refusal(**fields: Any) -> InvalidMessage:
    with pytest.raises(InvalidMessage) as caught:
        parse_message(PLAIN | fields, default_region=None)
    return caught.value


def test_a_message_from_a_mapping() -> None:
    """
    A mapping makes the same message as the call.
    """
    assert Message(**PLAIN) == parse_message(MappingProxyType(PLAIN), default_region=None)


def test_a_message_is_taken_as_it_is() -> None:
    """
    A message was checked when it was made: it is not checked again.
    """
    message = Message(**PLAIN)

    assert message is parse_message(message, default_region="NL")


def test_the_recipient_is_normalised() -> None:
    """
    A message holds its number in CM's form.
    """
    assert "0031600000001" == Message(**PLAIN).to


def test_an_opaque_recipient_stays() -> None:
    """
    Where no channel knows phone numbers the recipient is an id, kept as it is.
    """
    assert "+31 (a) b" == Message(**PLAIN | {"to": "+31 (a) b", "channels": ["instagram"]}).to


@pytest.mark.parametrize(
    ("to", "opaque", "expected"),
    [
        ("+31600000001", False, "0031600000001"),
        ("+31600000001", True, "+31600000001"),
        ("\u00e9 1", True, "\u00e9 1"),
    ],
)
def test_recipients_of_a_broadcast(to: str, opaque: bool, expected: str) -> None:
    """
    A recipient alone is read by the same rules.
    """
    assert expected == parse_recipient(to, opaque=opaque, default_region=None)


@pytest.mark.parametrize("opaque", [True, False])
@pytest.mark.parametrize("to", [None, 31600000001, b"a", "", "a\n"])
def test_refused_recipients(to: Any, opaque: bool) -> None:
    """
    A recipient that is no text, empty or has control characters is refused either way.
    """
    with pytest.raises(InvalidMessage, match=r"^to: "):
        parse_recipient(to, opaque=opaque, default_region=None)


def test_a_default_region_reaches_the_number() -> None:
    """
    The default region of the call reads the national number of a mapping.
    """
    pytest.importorskip("phonenumbers")

    assert "0031600000001" == parse_message(PLAIN | {"to": "0600000001"}, default_region="NL").to


@unhurried
@given(text=st.text(min_size=1, max_size=20), rich=st.booleans(), validity=st.sampled_from([None, "2h"]))
def test_the_content_of_a_message(text: str, rich: bool, validity: str | None) -> None:
    """
    A message's content is the content that the same fields make, in every way.
    """
    fields: dict[str, Any] = {"sender": "Acme", "text": text.replace("\0", "-"), "validity": validity}
    if rich:
        fields["rich_content"] = {"conversation": [{"text": text.replace("\0", "-")}]}
    message = Message(to="+31600000001", **fields)
    content = Content(**fields)

    assert content == message.content
    assert (content.wire(), content.wire()) == (message.content.wire(), message.wire())
    assert (hash(content), repr(content)) == (hash(message.content), repr(message.content))


def test_options_alone() -> None:
    """
    What a call says for all its messages is checked by the same rules.
    """
    options = Options(expires_in=timedelta(minutes=5), guarantee="at_least_once", campaign="sale")

    assert (300, Guarantee.AT_LEAST_ONCE, "sale") == (options.expires_in, options.guarantee, options.campaign)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("send_at", datetime(2027, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        ("send_at", "2027-01-01T01:00:00+01:00", datetime(2027, 1, 1, tzinfo=UTC)),
        ("send_at", "2027-01-01T00:00:00Z", datetime(2027, 1, 1, tzinfo=UTC)),
        ("expires_in", 300, 300),
        ("expires_in", 0.5, 0.5),
        ("expires_in", timedelta(hours=1), 3600),
        ("metadata", {"order": [1, {"a": None}]}, {"order": [1, {"a": None}]}),
        ("metadata", {}, {}),
        ("guarantee", "at_most_once", Guarantee.AT_MOST_ONCE),
        ("client_reference", "a" * 64, "a" * 64),
        ("idempotency_key", "a" * 255, "a" * 255),
        ("campaign", "sale-11", "sale-11"),
    ],
)
def test_options(field: str, value: object, expected: object) -> None:
    """
    Each option is kept in one form.
    """
    assert expected == getattr(Message(**PLAIN, **{field: value}), field)


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("to", "0600000001", "has 10 digits without + or 00"),
        ("send_at", datetime(2027, 1, 1), "is a datetime without a zone"),  # noqa: DTZ001 - that is the point
        ("send_at", "2027-01-01T00:00:00", "is a datetime without a zone"),
        ("send_at", "tomorrow", "is not ISO 8601"),
        ("send_at", 1800000000, "is not a datetime"),
        ("send_at", datetime(2107, 1, 1, tzinfo=UTC), "lies too far away"),
        ("expires_in", 0, "lies outside its range"),
        ("expires_in", -1, "lies outside its range"),
        ("expires_in", float("nan"), "lies outside its range"),
        ("expires_in", float("inf"), "lies outside its range"),
        ("expires_in", 10**400, "lies outside its range"),
        ("expires_in", "300", "is not a number of seconds"),
        ("expires_in", True, "is not a number of seconds"),
        ("metadata", {"a": "b" * METADATA_BYTES}, f"is {METADATA_BYTES + 8} bytes of JSON"),
        ("metadata", ["a"], "is not an object"),
        ("guarantee", "exactly_once", "is none of the known values"),
        ("client_reference", "a" * 65, "is too long"),
        ("client_reference", "", "is empty"),
        ("idempotency_key", "a" * 256, "is too long"),
        ("idempotency_key", "\0", "has the character NUL"),
        ("campaign", 11, "is not text"),
    ],
)
def test_refusals(field: str, value: object, problem: str) -> None:
    """
    Each rule names the field and the problem.
    """
    error = refusal(**{field: value})

    assert (field, problem) == (error.field, error.problem)


@pytest.mark.parametrize("item", [None, "text", 3, [("sender", "Acme")]])
def test_neither_message_nor_mapping(item: Any) -> None:
    """
    Anything but a message or a mapping is refused like a bad message.
    """
    with pytest.raises(InvalidMessage, match=r"^message: is not an object"):
        parse_message(item, default_region=None)


def test_validating_in_pydantics_way() -> None:
    """
    `model_validate` raises our error too.
    """
    with pytest.raises(InvalidMessage, match=r"^sender: "):
        Message.model_validate(PLAIN | {"sender": ""})


@unhurried
@given(
    item=st.dictionaries(st.sampled_from(FIELDS) | st.text(), json_values, max_size=5)
    | st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=3).map(lambda given: PLAIN | given)
)
def test_any_mapping_is_a_message_or_refused(item: Mapping[str, Any]) -> None:
    """
    Any mapping of JSON values is a message or InvalidMessage, and nothing else.
    """
    try:
        message = parse_message(item, default_region=None)
    except InvalidMessage:
        return

    assert json.loads(message.wire())["from"] == message.sender


@unhurried
@given(
    field=st.sampled_from(FIELDS),
    value=st.sampled_from(
        [MARK, [MARK], {MARK: MARK}, {"a": {MARK: float("nan")}}, [[MARK]], f"{MARK}\ud800", f"\0{MARK}"]
    ),
    key=st.sampled_from([None, MARK, "31600000123"]),
)
def test_no_error_and_no_repr_shows_what_was_given(field: str, value: Any, key: str | None) -> None:
    """
    Whatever is wrong, wherever: error, traceback and repr hold neither number nor text.
    """
    item = PLAIN | {field: value} | ({key: MARK} if key else {})
    try:
        shown = repr(parse_message(item, default_region=None))
    except InvalidMessage as error:
        shown = "".join(traceback.format_exception(error)) + repr(error.args) + repr(vars(error))
        assert (None, None) == (error.__cause__, error.__context__)  # noqa: PT017 - a message is as right

    assert not any(part in shown for part in ("600000123", "geheim", "4711"))
