"""The errand `receive`: inbound messages and clicks, linked, obeyed and told to the app."""

from __future__ import annotations

import json
from typing import Any

import pytest
from desk import NUMBER, OTHER, Desk, inbound

from cmqueue import Outbox
from cmqueue.inlet import Kind
from cmqueue.suppression import Suppressions, Why, sender_digest

SENDER = sender_digest("3669").hex()


@pytest.fixture
def desk(outbox: Outbox) -> Desk:
    desk = Desk(outbox)
    desk.subscribe("default", "second")
    return desk


def _suppressed(desk: Desk, number: str = NUMBER) -> list[tuple[str, str | None, Why]]:
    return [(entry.account, entry.sender, entry.why) for entry in Suppressions(desk.outbox).of(number)]


def test_the_app_is_told_all_that_was_sent(desk: Desk) -> None:
    """Everything that was parsed, with the time it came."""
    place = {"latitude": 51.6, "longtitude": 4.77, "label": "Breda", "searchQuery": "b"}
    media = {"mediaUri": "https://cdn-1.messaging.cm.example/1", "contentType": "image/png", "title": "A cat"}
    custom = {"location": place, "contacts": [{"name": "Jo"}], "message_type": "image"}
    body = inbound(
        message={"text": "Look", "media": media, "custom": custom},
        groupings=["a", "b", ""],
        messageContext="other",
        channel="WhatsApp",
    )

    desk.receive(body, kind=Kind.INBOUND)

    (event,) = desk.events()
    assert ("inbound.received", None, None) == (event.type, event.message, event.reference)
    assert abs(event.at - desk.client.time()[0]) < 60
    assert {
        "from": "+31600000001",
        "to": "3669",
        "name": "",
        "text": "Look",
        "media": {"uri": media["mediaUri"], "content_type": "image/png", "title": "A cat"},
        "location": {"latitude": 51.6, "longitude": 4.77, "label": "Breda", "search_query": "b"},
        "contacts": [{"name": "Jo"}],
        "custom": custom,
        "reference": "2f2d42ac-0000-4000-8000-dc720e400000",
        "context": "other",
        "groupings": ["a", "b", ""],
        "time": "2026-03-01T12:00:00",
        "channel": "WhatsApp",
        "wish": None,
    } == event.data


@pytest.mark.parametrize("where", ["reference", "messageContext"])
@pytest.mark.parametrize("number", ["+31600000001", "0031600000001", "31600000001"])
def test_a_message_is_linked_to_the_one_it_answers(desk: Desk, where: str, number: str) -> None:
    """By our reference in either field, in any case, with the number that wrote; in the account's stream."""
    receipt = desk.sent(account="second")

    desk.receive(inbound(number=number, **{where: receipt.reference.lower()}), kind=Kind.INBOUND)

    (event,) = desk.events("second")
    assert (receipt.id, receipt.reference) == (event.message, event.reference)
    assert [] == desk.events()


def test_another_s_answer_is_not_linked(desk: Desk) -> None:
    """Our reference with a number that it did not go to proves nothing."""
    receipt = desk.sent(account="second")

    desk.receive(inbound(number=OTHER, messageContext=receipt.reference), kind=Kind.INBOUND)

    (event,) = desk.events()
    assert event.message is None


def test_the_account_of_the_url(desk: Desk) -> None:
    """Where nothing is answered the event is that of the account that the URL names, if there is one."""
    desk.receive(inbound("one"), kind=Kind.INBOUND, account="second")
    desk.receive(inbound("two"), kind=Kind.INBOUND, account="nobody's")

    assert ["one"] == [event.data["text"] for event in desk.events("second")]
    assert ["two"] == [event.data["text"] for event in desk.events()]


def test_a_repeat_is_not_told_again(desk: Desk) -> None:
    """Within 31 days; in one take or later."""
    desk.receive(inbound(), inbound(), kind=Kind.INBOUND)
    desk.receive(inbound(), kind=Kind.INBOUND)

    assert 1 == len(desk.events())
    (mark,) = desk.client.keys("*heard:*")
    assert 30 * 86400 < desk.client.ttl(mark) <= 31 * 86400
    assert [(1, 1), (0, 1)] == [(line["count"], line["repeated"]) for line in desk.told("inbound.received")]


@pytest.mark.parametrize(
    "changed",
    [
        {"channel": "RCS"},
        {"number": "+31600000002"},
        {"to": "3670"},
        {"timeUtc": "2026-03-01T12:00:01"},
        {"reference": "another"},
        {"text": "Hello!"},
        {"message": {"text": "Hello", "media": {"mediaUri": "https://cdn-1.messaging.cm.example/1"}}},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_what_differs_is_no_repeat(desk: Desk, changed: dict[str, Any]) -> None:
    """In channel, numbers, time, reference, text or media."""
    desk.receive(inbound(), inbound(**changed), kind=Kind.INBOUND)

    assert 2 == len(desk.events())


def test_without_a_time_nothing_is_a_repeat(desk: Desk) -> None:
    """The same words twice are more likely two messages."""
    desk.receive(*[inbound(timeUtc="")] * 2, kind=Kind.INBOUND)

    assert 2 == len(desk.events())


def test_what_was_not_told_is_no_repeat(desk: Desk) -> None:
    """A message counts as heard by the script that writes its event: a crash before that loses nothing."""
    key = desk.outbox.registry.partition("default").prefix + "events"
    desk.client.rename(key, "kept")
    desk.client.set(key, "not a stream")
    desk.bring(inbound(), kind=Kind.INBOUND)
    desk.run()
    assert ["inlet.left"] == [line["event"] for line in desk.told("inlet.left")]
    assert [] == desk.client.keys("*heard:*")


def test_without_subscribers_nothing_is_written(outbox: Outbox) -> None:
    """But the words are obeyed."""
    desk = Desk(outbox)

    desk.receive(inbound("stop"), kind=Kind.INBOUND)

    assert not desk.client.exists(desk.outbox.registry.partition("default").prefix + "events")
    assert [("default", SENDER, Why.OPTED_OUT)] == _suppressed(desk)


def test_a_click(desk: Desk) -> None:
    """Linked by its context; its data is what was clicked."""
    receipt = desk.sent()
    custom = {"postbackdata": "yes", "label": "Yes!"}
    body = inbound(messageContext=receipt.reference, event={"type": "SuggestionClick", "custom": custom})

    desk.receive(body, body, kind=Kind.EVENT)

    (event,) = desk.events()
    assert ("interaction.received", receipt.id) == (event.type, event.message)
    assert ("SuggestionClick", "yes", "Yes!", custom) == tuple(
        event.data[name] for name in ("type", "postbackdata", "label", "custom")
    )


# --- stop and start ----------------------------------------------------------------------------------


def test_stop_is_written_to_the_list_and_told(desk: Desk) -> None:
    """For the sender it was written to; the event before that of the message, with the language."""
    desk.receive(inbound("Stop!"), kind=Kind.INBOUND, account="second")

    assert [("second", SENDER, Why.OPTED_OUT)] == _suppressed(desk)
    stopped, message = desk.events("second")
    assert ("optout.received", "inbound.received", "out") == (
        stopped.type,
        message.type,
        message.data["wish"],
    )
    assert {
        "from": "+31600000001",
        "to": "3669",
        "channel": "SMS",
        "time": "2026-03-01T12:00:00",
        "language": "en",
    } == stopped.data


def test_stop_without_an_account_is_for_all(desk: Desk) -> None:
    """Nothing tells whom it was meant for."""
    desk.receive(inbound("STOP"), kind=Kind.INBOUND)

    assert {"default", "second"} == {account for account, *_ in _suppressed(desk)}


def test_stop_as_an_answer_is_for_the_account_of_the_message(desk: Desk) -> None:
    """It tells whom it was meant for."""
    receipt = desk.sent(account="second")

    desk.receive(inbound("STOP", messageContext=receipt.reference), kind=Kind.INBOUND)

    assert [("second", SENDER, Why.OPTED_OUT)] == _suppressed(desk)


def test_a_stop_of_no_sender_is_for_every_sender(desk: Desk) -> None:
    """Rather too much is stopped than too little."""
    desk.receive(inbound("STOP", to=""), kind=Kind.INBOUND, account="second")

    assert [("second", None, Why.OPTED_OUT)] == _suppressed(desk)


def test_start_takes_back_a_stop(desk: Desk) -> None:
    """In one take, too, where order counts."""
    desk.receive(inbound("STOP"), inbound("START"), kind=Kind.INBOUND)

    assert [] == _suppressed(desk)
    assert ["optout.received", "optin.received"] == [
        line["event"] for line in desk.told("optout.received", "optin.received")
    ]


def test_start_takes_back_nothing_else(desk: Desk) -> None:
    """What an operator or CM put on the list stays."""
    Suppressions(desk.outbox).add(NUMBER, account="second", sender="3669", why=Why.BLOCKED)

    desk.receive(inbound("START"), kind=Kind.INBOUND, account="second")

    assert [("second", SENDER, Why.BLOCKED)] == _suppressed(desk)


def test_a_repeated_stop_does_not_undo_a_start(desk: Desk) -> None:
    """CM repeats what we answered too late, for a month."""
    desk.receive(inbound("STOP"), kind=Kind.INBOUND)
    desk.receive(inbound("START"), kind=Kind.INBOUND)
    desk.receive(inbound("STOP"), kind=Kind.INBOUND)

    assert [] == _suppressed(desk)


def test_the_words_of_a_sender(outbox: Outbox) -> None:
    """They stand in the place of the usual ones, in whatever form the sender is written."""
    desk = Desk(outbox, {"+447700900001": {"en": ["LEAVE"]}})

    desk.receive(inbound("STOP", to="00447700900001"), kind=Kind.INBOUND)
    assert [] == _suppressed(desk)

    desk.receive(inbound("leave", to="447700900001"), kind=Kind.INBOUND)
    assert 1 == len(_suppressed(desk))


def test_no_number_and_no_text_in_the_log(desk: Desk) -> None:
    """Of everything that people can send."""
    for text in ("STOP", "START", "canary"):
        desk.bring(
            inbound(text, timeUtc="", **{"from": {"number": "+31600000001", "name": "canary"}}),
            kind=Kind.INBOUND,
        )
    click = {"type": "canary", "custom": {"postbackdata": "canary"}}
    desk.bring(inbound("canary", event=click), json.dumps("canary").encode(), kind=Kind.EVENT)

    desk.run()

    assert [] == [word for word in ("600000001", "canary", "3669") if word in repr(desk.logs)]
