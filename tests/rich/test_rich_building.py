"""The builders of rich content: values that say at once what is wrong with them."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from datetime import datetime
from typing import Any

import pytest

from cmqueue import Content, InvalidMessage
from cmqueue.rich import (
    CalendarEvent,
    Card,
    Contact,
    ContactName,
    Context,
    CurrencyParameter,
    Dial,
    LineItem,
    Media,
    MediaMessage,
    OAuth2,
    Place,
    Raw,
    Reply,
    RichContent,
    ShareLocation,
    TemplateButton,
    Text,
)


def test_raw_goes_out_as_it_is() -> None:
    """
    Raw reaches what CM has and this release lacks, item by item, without `unknown_fields`.
    """
    action = {"name": "cta_url", "parameters": {"display_text": "Go", "url": "https://acme.example"}}
    cta = {"interactive": {"type": "cta_url", "body": {"text": "Hi"}, "action": action}}
    wink = {"action": "Wink", "label": "Yes"}
    rich = RichContent(conversation=[Raw(members=cta)], suggestions=[Raw(members=wink)])

    content = Content(sender="AcmeAgent", rich_content=rich)

    assert {"conversation": [cta], "suggestions": [wink]} == json.loads(content.wire())["richContent"]
    assert hash(rich) == hash(pickle.loads(pickle.dumps(rich)))


WRONG: dict[str, tuple[Any, str, str]] = {
    "label": (lambda: Reply(label="a" * 26), "label", "is 26 characters long"),
    "unknown": (lambda: Reply(label="a", colour="red"), "colour", "is not a field"),
    "missing": (Reply, "label", "is missing"),
    "list": (lambda: Text(text="Hi", suggestions="Yes"), "suggestions", "is not a list"),
    "member": (lambda: Text(text="Hi", suggestions=[Text(text="Hi")]), "suggestions[0]", "has a wrong type"),
    "mapping": (
        lambda: RichContent(conversation=[{"text": "Hi"}]),
        "conversation[0]",
        "has a wrong type",
    ),
    "too many": (lambda: RichContent(conversation=[Text(text="Hi")] * 6), "conversation", "has 6 members"),
    "card": (lambda: Card(suggestions=[Reply(label="Yes")]), "text", "is missing"),
    "part": (lambda: MediaMessage(media="https://acme.example"), "media", "has a wrong type"),
    "inside": (lambda: MediaMessage(media={"media_uri": ""}), "media.media_uri", "is empty"),
    "login": (OAuth2, "response_type", "is missing, and so is all else"),
    "word": (
        lambda: TemplateButton(sub_type="phone", index=0),
        "sub_type",
        "is none of the known values",
    ),
    "raw": (lambda: Raw(members="poll"), "members", "is not an object"),
    "raw inside": (lambda: Raw(members={"a": b"b"}), "members.a", "is nothing that JSON can say"),
    "no zone": (
        lambda: CalendarEvent(start_time=datetime(2026, 3, 2), end_time="2026-03-03", title="A"),  # noqa: DTZ001 - that is what is refused
        "start_time",
        "is a datetime without a zone",
    ),
    "flag": (
        lambda: ShareLocation(label="Here", request_location=1),
        "request_location",
        "is neither true nor false",
    ),
    "sum": (lambda: LineItem(label="Boots", amount="80"), "amount", "is not a number"),
    "not a sum": (lambda: LineItem(label="Boots", amount=float("nan")), "amount", "is not a number"),
    "half": (
        lambda: CurrencyParameter(fallback_value="1", code="EUR", amount_1000=1.5),
        "amount_1000",
        "is not a whole number",
    ),
    "yes for a number": (lambda: Place(latitude=True, longitude=0), "latitude", "is not a number"),
    "day": (
        lambda: Contact(name=ContactName(formatted_name="Ann"), birthday="20000101"),
        "birthday",
        "is not a date as YYYY-MM-DD",
    ),
    "empty number": (lambda: Dial(label="Call", phone_number=""), "phone_number", "is empty"),
    "context": (lambda: Text(text="Hi", context="wamid.1"), "context", "has a wrong type"),
}


@pytest.mark.parametrize(("make", "field", "problem"), WRONG.values(), ids=WRONG)
def test_a_builder_refuses_when_it_is_made(make: Any, field: str, problem: str) -> None:
    """
    A builder says at once what is wrong with its own field, by the field's name in Python, and its rule.
    """
    with pytest.raises(InvalidMessage) as caught:
        make()

    assert (field, problem) == (caught.value.field, caught.value.problem)
    assert caught.value.rule


def test_a_builder_is_a_value() -> None:
    """
    Builders are frozen, equal by what they hold, hashable, and changed by copying.
    """
    one = Text(text="Hi", suggestions=[Reply(label="Yes")], context=Context(message_id="wamid.1"))
    other = Text(text="Hi", suggestions=(Reply(label="Yes"),), context=Context(message_id="wamid.1"))

    assert one == other
    assert hash(one) == hash(other)
    assert one == pickle.loads(pickle.dumps(one))
    assert "Bye" == one.model_copy(update={"text": "Bye"}).text
    with pytest.raises(ValueError, match="frozen"):
        one.text = "Bye"  # type: ignore[misc] # what an untyped caller may do


def test_a_repr_is_fit_for_a_log() -> None:
    """
    A repr names what is set, and shows no value.
    """
    rich = RichContent(
        conversation=[
            OAuth2(client_secret="secret"),
            MediaMessage(media=Media(media_uri="https://secret.example")),
        ]
    )

    for part in (rich, *rich.conversation):
        assert "secret.example" not in f"{part!r} {part}"
        assert "'secret'" not in f"{part!r} {part}"


def test_text_alone_does_not_wait_for_the_builders() -> None:
    """
    Importing the library, and a message of text, leave the builders on the disk.
    """
    program = (
        "import sys; from cmqueue import Message\n"
        "Message(sender='Acme', to='+31600000001', text='Hi')\n"
        "print([name for name in sys.modules if name.startswith('cmqueue.rich')])\n"
        "Message(sender='Acme', to='+31600000001', rich_content={'conversation': [{'text': 'Hi'}]})\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert "[]\n" == done.stdout
