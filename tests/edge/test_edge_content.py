from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmqueue.channel import Channel
from cmqueue.content import CONTENT_BYTES, JSON_DEPTH, Content
from cmqueue.errors import InvalidMessage

APP_KEY = "11111111-1111-1111-1111-111111111111"
RICH = {"conversation": [{"text": "Pick a slot", "suggestions": [{"action": "Reply", "label": "Morning"}]}]}
unhurried = settings(deadline=None)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def refusal(**fields: Any) -> InvalidMessage:
    with pytest.raises(InvalidMessage) as caught:
        Content(**{"sender": "Acme", "text": "Hello"} | fields)
    return caught.value


def test_the_least_content() -> None:
    """
    Sender and text are enough; the parts are always told to CM.
    """
    assert (
        b'{"from":"Acme","body":{"type":"auto","content":"Hello"},'
        b'"minimumNumberOfMessageParts":1,"maximumNumberOfMessageParts":8}'
    ) == Content(sender="Acme", text="Hello").wire()


def test_the_most_content() -> None:
    """
    Everything goes under CM's names, but for validity, which depends on the message.
    """
    content = Content(
        sender="Acme",
        text="Hello",
        rich_content=RICH,
        channels=["whatsapp", "SMS", "WhatsApp"],
        min_parts=2,
        max_parts=3,
        encoding="text",
        dcs=8,
        validity="2h",
        custom_groupings=["one", "two", "three"],
        app_key=APP_KEY,
    )

    assert {
        "from": "Acme",
        "body": {"type": "text", "content": "Hello"},
        "minimumNumberOfMessageParts": 2,
        "maximumNumberOfMessageParts": 3,
        "dcs": 8,
        "allowedChannels": ["WhatsApp", "SMS"],
        "richContent": RICH,
        "customGrouping": "one",
        "customGrouping2": "two",
        "customGrouping3": "three",
        "appKey": APP_KEY,
    } == json.loads(content.wire())


def test_parts_belong_to_sms() -> None:
    """
    Where SMS is not among the channels no parts are sent.
    """
    wire = Content(sender="00316098765432", text="Hello", channels=["WhatsApp"]).wire()

    assert {"from", "body", "allowedChannels"} == set(json.loads(wire))


def test_rich_content_without_text() -> None:
    """
    Rich content may stand alone; the body is then empty, as in CM's samples for RCS.
    """
    content = Content(sender="Acme's agents", channels=["RCS"], rich_content=RICH)

    assert {"type": "auto", "content": ""} == json.loads(content.wire())["body"]


def test_an_empty_grouping_is_left_out() -> None:
    """
    An empty grouping keeps its place and is not sent.
    """
    wire = Content(sender="Acme", text="Hello", custom_groupings=["", "", "three"]).wire()

    assert {"customGrouping3"} == {key for key in json.loads(wire) if key.startswith("customGrouping")}


def test_a_set_of_channels_has_an_order() -> None:
    """
    Channels given as a set go out in one order, or equal contents would have two digests.
    """
    assert (Channel.RCS, Channel.SMS, Channel.VIBER) == Content(
        sender="Acme", text="Hello", channels={"Viber", "SMS", "RCS"}
    ).channels


@unhurried
@given(text=texts.filter(bool), grouping=texts.filter(bool).filter(lambda text: len(text) <= 100))
def test_any_text_reads_back(text: str, grouping: str) -> None:
    """
    The wire form is UTF-8 JSON, and read back it equals the fields, whatever the text.
    """
    read = json.loads(Content(sender="Acme", text=text, custom_groupings=[grouping]).wire().decode())

    assert (text, grouping) == (read["body"]["content"], read["customGrouping"])


@unhurried
@given(rich=st.dictionaries(texts.map("x{}".format), json_values, min_size=1, max_size=3))
def test_any_rich_content_reads_back(rich: dict[str, Any]) -> None:
    """
    Rich content goes to CM as it was given, whatever unknown it holds, where the caller says so.
    """
    content = Content(sender="Acme", text="Hello", rich_content=rich, unknown_fields="pass")

    assert rich == json.loads(content.wire())["richContent"]


@unhurried
@given(text=texts.filter(bool))
def test_equal_contents_have_equal_bytes(text: str) -> None:
    """
    Equal contents are equal in every way: bytes, hash, and after a pickle.
    """
    one, other = Content(sender="Acme", text=text), Content(text=text, sender="Acme")

    assert one == other == pickle.loads(pickle.dumps(one))
    assert (one.wire(), hash(one)) == (other.wire(), hash(other))


def test_a_later_change_is_not_sent() -> None:
    """
    Neither the caller's dict nor the content's own changes what was checked.
    """
    rich: dict[str, Any] = {"conversation": [{"text": "before"}]}
    content = Content(sender="Acme", rich_content=rich)
    wire = content.wire()
    rich["conversation"][0]["text"] = "after"
    assert content.rich_content is not None
    content.rich_content["conversation"] = "after"

    assert wire == content.wire()


def test_frozen() -> None:
    """
    A content's fields can't be set.
    """
    content = Content(sender="Acme", text="Hello")

    with pytest.raises(ValueError, match="frozen"):
        content.text = "Bye"  # type: ignore[misc] # the plugin knows it, too


def test_a_changed_copy_is_checked() -> None:
    """
    A copy with a change is as good as a new content: encoded anew, refused when wrong.
    """
    content = Content(sender="Acme", text="Hello", channels=["SMS"])

    assert (
        Content(sender="Acme", text="Bye", channels=["SMS"]).wire()
        == content.model_copy(update={"text": "Bye"}).wire()
    )
    with pytest.raises(InvalidMessage, match="is missing or empty"):
        content.model_copy(update={"text": ""})


def test_repr_is_fit_for_a_log() -> None:
    """
    A repr has sizes and kinds: no sender, no text, no rich content.
    """
    rich = {"conversation": [{"text": "secret word"}]}
    content = Content(sender="31600000001", text="Your code is 4711", rich_content=rich)

    for shown in (repr(content), str(content), f"{content}"):
        assert not any(part in shown for part in ("3160000", "4711", "secret", "word"))


@pytest.mark.parametrize(
    ("fields", "field", "problem"),
    [
        ({"sender": "Acme & Sons"}, "sender", "has neither letter, digit, space nor dot at position 6"),
        ({"sender": None}, "sender", "is not text"),
        (
            {"sender": "Acme's customer care", "channels": ["SMS", "RCS"]},
            "sender",
            "has neither letter, digit, space nor dot at position 5",
        ),
        ({"sender": "", "channels": ["RCS"]}, "sender", "is empty"),
        ({"text": None}, "text", "is missing or empty"),
        ({"text": ""}, "text", "is missing or empty"),
        ({"text": 4711}, "text", "is not text"),
        ({"text": "a\0b"}, "text", "has the character NUL"),
        ({"text": "a\ud83d"}, "text", "has half a surrogate pair, which is not Unicode text"),
        ({"text": "a" * CONTENT_BYTES}, "text", f"makes the content {CONTENT_BYTES + 115} bytes of JSON"),
        ({"rich_content": {}}, "rich_content", "is empty"),
        ({"rich_content": []}, "rich_content", "is not an object"),
        ({"rich_content": "{}"}, "rich_content", "is not an object"),
        (
            {"rich_content": {"a": [{"b": float("nan")}]}},
            "rich_content.a[0].b",
            "is nothing that JSON can say",
        ),
        ({"rich_content": {"a": {1: 2}}}, "rich_content.a", "has a key that is not text"),
        ({"rich_content": {"a": b"2"}}, "rich_content.a", "is nothing that JSON can say"),
        ({"rich_content": {"a": 2**63}}, "rich_content.a", "is nothing that JSON can say"),
        ({"rich_content": {"a": "\0"}}, "rich_content.a", "has the character NUL"),
        (
            {"rich_content": {"a\ud800": 1}},
            "rich_content",
            "has half a surrogate pair, which is not Unicode text",
        ),
        (
            {"rich_content": {"+31600000001": float("inf")}},
            "rich_content.(some key)",
            "is nothing that JSON can say",
        ),
        ({"min_parts": 0}, "min_parts", "is too small"),
        ({"max_parts": 256}, "max_parts", "is too large"),
        ({"min_parts": 9}, "min_parts", "is larger than max_parts"),
        ({"max_parts": "8"}, "max_parts", "is not a whole number"),
        ({"min_parts": True}, "min_parts", "is not a whole number"),
        ({"encoding": "utf-8"}, "encoding", "is none of the known values"),
        ({"dcs": 256}, "dcs", "is too large"),
        ({"dcs": -1}, "dcs", "is too small"),
        ({"channels": "SMS"}, "channels", "is not a list"),
        ({"channels": ["SMS", "fax"]}, "channels[1]", "is none of the known values"),
        ({"channels": [["SMS"]]}, "channels[0]", "is none of the known values"),
        ({"custom_groupings": list("abcd")}, "custom_groupings", "has too many members"),
        ({"custom_groupings": ["", "a" * 101]}, "custom_groupings[1]", "is too long"),
        ({"custom_groupings": ["\0"]}, "custom_groupings[0]", "has the character NUL"),
        ({"custom_groupings": "one"}, "custom_groupings", "is not a list"),
        ({"app_key": "11111111111111111111111111111111"}, "app_key", "is not a GUID"),
        ({"validity": "2h30m"}, "validity", "has none of CM's forms"),
        ({"validity": 3600}, "validity", "is neither text nor a datetime"),
        ({"sendr": "Acme"}, "sendr", "is not a field"),
        ({"+31600000001": "Acme"}, "(some key)", "is not a field"),
    ],
)
def test_refusals(fields: dict[str, Any], field: str, problem: str) -> None:
    """
    Each rule names the field and the problem.
    """
    error = refusal(**fields)

    assert (field, problem) == (error.field, error.problem)


def test_rich_content_of_any_size_is_refused_not_crashed_on() -> None:
    """
    Rich content nested deeper than any channel needs, endlessly even, is refused.
    """
    loop: dict[str, Any] = {}
    loop["a"] = loop

    assert (f"rich_content{'.a' * JSON_DEPTH}", "is nested too deeply") == (
        (error := refusal(rich_content=loop)).field,
        error.problem,
    )


def test_a_missing_sender() -> None:
    """
    What is missing is named, with its rule.
    """
    with pytest.raises(InvalidMessage, match=r"^sender: is missing \(rule: SMS: at most 11 letters"):
        Content(text="Hello")  # type: ignore[call-arg] # what an untyped caller may do


@pytest.mark.parametrize("validity", ["2h", "2017-04-20 11:50:05+8", datetime(2017, 4, 20, tzinfo=UTC), None])
def test_validity_stays_out_of_the_wire_form(validity: Any) -> None:
    """
    Validity is checked and kept as given; who sends it knows when the message is due.
    """
    content = Content(sender="Acme", text="Hello", validity=validity)

    assert validity == content.validity
    assert Content(sender="Acme", text="Hello").wire() == content.wire()
