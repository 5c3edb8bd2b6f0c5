"""What a request becomes in the outbox, and what is answered for it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from harness import TOKEN
from intake_process import OTHER_TOKEN, IntakeProcess, msg, request_of, rows_of

from cmqueue import Lane, Outbox, State
from cmqueue.job import Job
from cmqueue.partition import REGISTRY

Claimed = Callable[..., list[Job]]


def test_a_message_is_queued_and_told_in_cms_shape(intake: IntakeProcess, claimed: Claimed) -> None:
    """One row, as in CM's documented example; the parts are counted here."""
    answer = intake.post(request_of(msg("0031600000001", reference="a1b2c3")))

    assert 200 == answer.status_code
    assert "application/json" == answer.headers["Content-Type"]
    assert {
        "details": "Created 1 message(s)",
        "errorCode": 0,
        "messages": [
            {
                "to": "0031600000001",
                "status": "Accepted",
                "reference": "a1b2c3",
                "parts": 1,
                "messageDetails": None,
                "messageErrorCode": 0,
            }
        ],
    } == answer.json()
    assert ["0031600000001"] == [job.number for job in claimed()]


def test_more_than_a_thousand_recipients_in_several_msg(intake: IntakeProcess, queue: Outbox) -> None:
    """CM's thousand is of each msg: two of 600 go in as crowds, 600 of two one by one."""
    numbers = [f"003160000{n:04}" for n in range(600)]
    before = queue.audit().enqueued
    for document in (
        request_of(msg(*numbers), msg(*numbers)),
        request_of(*[msg(number, "0031600001000") for number in numbers]),
    ):
        answer = intake.post(document)

        assert (200, 0) == (answer.status_code, answer.json()["errorCode"])
        assert 1200 == len(answer.json()["messages"])
    assert 2400 == queue.audit().enqueued - before


def test_every_property_of_cms_reaches_the_wire(intake: IntakeProcess, claimed: Claimed) -> None:
    """What CM is sent is what the caller wrote; keys in any case, unknown ones left out."""
    rich = {"conversation": [{"text": "rich"}], "suggestions": [{"action": "Reply", "label": "Yes"}]}
    asked = {
        "FROM": "Acme",
        "To": [{"NUMBER": "+31600000002", "name": "unknown"}],
        "Body": {"TYPE": "TEXT", "Content": "plain"},
        "minimumnumberofmessageparts": 2,
        "MAXIMUMNUMBEROFMESSAGEPARTS": 3,
        "allowedChannels": ["sms", "Whatsapp"],
        "richContent": rich,
        "customGrouping": "one",
        "CustomGrouping3": "three",
        "dcs": 8,
        "appKey": "33333333-3333-3333-3333-333333333333",
        "surprise": {"ignored": True},
    }

    answer = intake.post({"MESSAGES": {"MSG": [asked], "$type": "x"}})

    assert [("+31600000002", "Accepted", 0)] == rows_of(answer)
    (job,) = claimed()
    assert "0031600000002" == job.number
    assert {
        "from": "Acme",
        "body": {"type": "text", "content": "plain"},
        "minimumNumberOfMessageParts": 2,
        "maximumNumberOfMessageParts": 3,
        "allowedChannels": ["SMS", "WhatsApp"],
        "richContent": rich,
        "customGrouping": "one",
        "customGrouping3": "three",
        "dcs": 8,
        "appKey": "33333333-3333-3333-3333-333333333333",
    } == json.loads(job.content)


def test_without_a_type_the_body_is_plain_gsm(intake: IntakeProcess, claimed: Claimed) -> None:
    """As at CM: `auto` would turn one odd character into Unicode, and change what the message costs."""
    intake.post(request_of(msg("0031600000001") | {"body": {"content": "Hello"}}))

    assert {"type": "text", "content": "Hello"} == json.loads(claimed()[0].content)["body"]


def test_a_validity_shortens_the_life(intake: IntakeProcess, claimed: Claimed) -> None:
    """`30m` ends in half an hour, where the lane alone would allow a day."""
    intake.post(request_of(msg("0031600000001", validity="30m")))

    (job,) = claimed()
    assert 1790 <= job.expires_at - job.due_at <= 1800


def test_null_is_absent(intake: IntakeProcess, claimed: Claimed) -> None:
    """SDKs send null for what the caller left out."""
    nulls = dict.fromkeys(
        ["reference", "validity", "richContent", "allowedChannels", "dcs", "appKey", "customGrouping"]
    )
    answer = intake.post(request_of(msg("0031600000001", **nulls, minimumNumberOfMessageParts=None)))

    assert (200, [None]) == (answer.status_code, [row["reference"] for row in answer.json()["messages"]])
    assert 1 == len(claimed())


def test_each_message_and_recipient_is_one_message(intake: IntakeProcess, claimed: Claimed) -> None:
    """Rows and jobs in the order of the request; the same number twice is two messages, as at CM."""
    answer = intake.post(
        request_of(
            msg("0031600000001", "0031600000001", reference="r1"), msg("0031600000002", reference="r2")
        )
    )

    rows = [(row["to"], row["reference"]) for row in answer.json()["messages"]]
    assert [("0031600000001", "r1"), ("0031600000001", "r1"), ("0031600000002", "r2")] == rows
    assert "Created 3 message(s)" == answer.json()["details"]
    assert [number for number, _ in rows] == [job.number for job in claimed()]


def test_the_reference_is_kept_and_deduplicates_nothing(
    intake: IntakeProcess, queue: Outbox, claimed: Claimed
) -> None:
    """Two messages of one reference are two, and both carry it as the client reference."""
    for _ in range(2):
        intake.post(request_of(msg("0031600000001", reference="order_1")))

    ids = [event["ids"][0] for event in intake.events("request.accepted")[-2:]]
    assert 2 == len(set(ids)) == len(claimed())
    assert {"order_1"} == {status.client_reference for own in ids if (status := queue.status(own))}


def test_a_thousand_messages_are_one_request(intake: IntakeProcess, claimed: Claimed) -> None:
    """CM's limit: a thousand rows, a thousand jobs."""
    answer = intake.post(request_of(*[msg(f"0031600000{n:03}", text=f"no {n}") for n in range(1000)]))

    assert (200, "Created 1000 message(s)") == (answer.status_code, answer.json()["details"])
    assert {f"0031600000{n:03}" for n in range(1000)} == {job.number for job in claimed()}


def test_a_token_names_its_account(intake: IntakeProcess, queue: Outbox, claimed: Claimed) -> None:
    """The header's name and the GUID count in any case."""
    answer = requests.post(
        f"{intake.url}/v1.0/message",
        json=request_of(msg("0031600000003")),
        headers={"x-cm-producttoken": OTHER_TOKEN.upper()},
        timeout=30,
    )

    assert 200 == answer.status_code
    assert b"second:0" in queue.scripts.client.hkeys(REGISTRY)
    assert ([], ["0031600000003"]) == (claimed("default"), [job.number for job in claimed("second")])


@pytest.mark.parametrize("lane", list(Lane))
def test_the_lane_comes_from_its_header(intake: IntakeProcess, claimed: Claimed, lane: Lane) -> None:
    """Cmqueue-Lane; without it, messages are `normal`."""
    intake.post(request_of(msg("0031600000004")), Cmqueue_Lane=lane.value)

    assert [lane.value] == [job.lane for job in claimed(lane=lane)]


def test_send_at_and_expires_in_come_from_their_headers(
    intake: IntakeProcess, queue: Outbox, claimed: Claimed
) -> None:
    """A message for later is scheduled, and its life counts from then."""
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
    intake.post(request_of(msg("0031600000005")), Cmqueue_Send_At=due.isoformat(), Cmqueue_Expires_In="600")

    status = queue.status(intake.events("request.accepted")[-1]["ids"][0])
    assert status is not None
    assert (State.SCHEDULED, due.timestamp() + 600) == (status.state, status.expires_at)
    assert [] == claimed()


def test_a_repeat_with_its_key_queues_nothing(intake: IntakeProcess, claimed: Claimed) -> None:
    """The same Idempotency-Key and body: the same answer, the same ids, no new message."""
    document = request_of(msg("0031600000001", "0031600000001", "bad"), msg("0031600000002", text="other"))
    key = str(uuid.uuid4())

    first, second = (intake.post(document, Idempotency_Key=key) for _ in range(2))

    assert (200, 201) == (first.status_code, first.json()["errorCode"])
    assert (first.status_code, first.json()) == (second.status_code, second.json())
    assert 3 == len(claimed())
    events = intake.events("request.accepted")[-2:]
    assert events[0]["ids"] == events[1]["ids"]
    assert [0, 3] == [event["duplicates"] for event in events]


def test_a_key_with_another_body_is_a_conflict(intake: IntakeProcess, claimed: Claimed) -> None:
    """409 in CM's envelope, and nothing is queued."""
    key = str(uuid.uuid4())
    intake.post(request_of(msg("0031600000001")), Idempotency_Key=key)

    answer = intake.post(request_of(msg("0031600000001", text="changed")), Idempotency_Key=key)

    assert (409, 201, [("0031600000001", "Rejected", 305)]) == (
        answer.status_code,
        answer.json()["errorCode"],
        rows_of(answer),
    )
    assert answer.json()["details"].startswith("Created 0 message(s)")
    assert 1 == len(claimed())


def test_a_conflict_tells_of_each_place(intake: IntakeProcess, claimed: Claimed) -> None:
    """Of a body that changed in part, the rows say which messages are queued."""
    key = str(uuid.uuid4())
    intake.post(request_of(msg("0031600000001", "0031600000002")), Idempotency_Key=key)

    answer = intake.post(
        request_of(msg("0031600000001", "0031600000009", "0031600000003")), Idempotency_Key=key
    )

    assert 409 == answer.status_code
    assert [0, 305, 0] == [code for _, _, code in rows_of(answer)]
    assert ["0031600000001", "0031600000002", "0031600000003"] == [job.number for job in claimed()]


def test_keys_of_two_headers_never_meet(intake: IntakeProcess, claimed: Claimed) -> None:
    """The first message of key `1` is not the second of key ``; `k1` at place 0 is not `k` at place 10."""
    numbers = [f"0031600000{n:03}" for n in range(11)]
    intake.post(request_of(msg(*numbers)), Idempotency_Key="meet")

    for key in ("meet0", "meet1", "meet10"):
        assert 200 == intake.post(request_of(msg("0031600000500")), Idempotency_Key=key).status_code
    assert 14 == len(claimed())


def test_one_accounts_key_is_not_anothers(intake: IntakeProcess, claimed: Claimed) -> None:
    """Two clients may choose the same key."""
    for token in (TOKEN, OTHER_TOKEN):
        answer = intake.post(
            request_of(msg("0031600000001", text=token[:1])), token=token, Idempotency_Key="1"
        )
        assert 200 == answer.status_code
    assert (1, 1) == (len(claimed("default")), len(claimed("second")))


def test_mixed_and_all_bad(intake: IntakeProcess, claimed: Claimed) -> None:
    """Some rejected is 200 with 201; all rejected is 400 with 201; the good ones are queued."""
    mixed = intake.post(request_of(msg("0031600000001", "0044791112345a", reference="m")))
    bad: dict[str, Any] = intake.post(request_of(msg("0044791112345a"))).json()

    assert (200, 201, "Created 1 message(s)") == (
        mixed.status_code,
        mixed.json()["errorCode"],
        mixed.json()["details"],
    )
    assert [("0031600000001", "Accepted", 0), ("0044791112345a", "Rejected", 303)] == rows_of(mixed)
    assert "Gsm '0044791112345a' is not a number." == mixed.json()["messages"][1]["messageDetails"]
    assert (201, "Created 0 message(s)") == (bad["errorCode"], bad["details"])
    assert 1 == len(claimed())
