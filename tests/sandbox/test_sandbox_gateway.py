"""The rules of the request and of each message, without a socket."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.gateway import Gateway
from sandbox.numbers import REQUEST_CODES, ROW_CODES, STATUSES, is_phone, normalised

TOKEN = "11111111-1111-1111-1111-111111111111"
OTHER = "22222222-2222-2222-2222-222222222222"

Document = dict[str, Any]


def msg(*numbers: str, **fields: Any) -> Document:
    return {
        "from": "Acme",
        "to": [{"number": number} for number in numbers or ("0031600000001",)],
        "body": {"type": "auto", "content": "Hello"},
        "reference": "REF1",
    } | fields


def ask(*messages: object, token: str | None = TOKEN, gateway: Gateway | None = None) -> tuple[int, Document]:
    return ask_raw(json.dumps({"messages": {"msg": messages}}).encode(), token=token, gateway=gateway)


def ask_raw(
    body: bytes, *, token: str | None = TOKEN, gateway: Gateway | None = None
) -> tuple[int, Document]:
    status, answer = (gateway or Gateway()).judge(token, body).answer()
    return status, json.loads(answer)


def only_code(*messages: object) -> int:
    _, document = ask(*messages)
    (row,) = document["messages"]
    code = row["messageErrorCode"]
    assert isinstance(code, int)
    return code


# The whole request


def test_all_accepted() -> None:
    """HTTP 200, code 0, and one row with every field."""
    assert (
        200,
        {
            "details": "Created 1 message(s)",
            "errorCode": 0,
            "messages": [
                {
                    "to": "0031600000001",
                    "status": "Accepted",
                    "reference": "REF1",
                    "parts": 1,
                    "messageDetails": None,
                    "messageErrorCode": 0,
                }
            ],
        },
    ) == ask(msg())


def test_some_rejected() -> None:
    """HTTP 200 but code 201; the details count the accepted ones."""
    status, document = ask(msg("0031600000001"), msg("0044791112345a"))
    assert (200, 201, "Created 1 message(s)") == (status, document["errorCode"], document["details"])
    assert {
        "to": "0044791112345a",
        "status": "Rejected",
        "reference": "REF1",
        "parts": 0,
        "messageDetails": "Gsm '0044791112345a' is not a number.",
        "messageErrorCode": 303,
    } == document["messages"][1]


def test_all_rejected() -> None:
    """HTTP 400 and code 201, with the rows."""
    status, document = ask(msg(body={"content": ""}))
    assert (400, 201, "Created 0 message(s)") == (status, document["errorCode"], document["details"])
    assert "A body without content was found" == document["messages"][0]["messageDetails"]


@pytest.mark.parametrize(
    ("code", "token"),
    [
        (101, None),
        (101, ""),
        (103, "11111111111111111111111111111111"),
        (103, "my-token"),
        (103, f"{TOKEN}0"),
    ],
)
def test_a_missing_token_is_101_and_one_that_is_no_guid_with_hyphens_is_103(
    code: int, token: str | None
) -> None:
    """Both as HTTP 400 without rows."""
    status, document = ask(msg(), token=token)
    assert (400, code, []) == (status, document["errorCode"], document["messages"])


def test_an_unknown_token_is_101() -> None:
    """Where the accepted tokens are named, in whatever case."""
    gateway = Gateway(tokens=frozenset({TOKEN.upper()}))
    assert 200 == ask(msg(), gateway=gateway)[0]
    assert (400, 101) == ((answer := ask(msg(), token=OTHER, gateway=gateway))[0], answer[1]["errorCode"])


@pytest.mark.parametrize("key", ["productToken", "producttoken"])
def test_the_legacy_token_in_the_body_is_taken(key: str) -> None:
    """In both spellings of CM's SDKs."""
    body = {"messages": {"authentication": {key: TOKEN}, "msg": [msg()]}}
    assert 200 == ask_raw(json.dumps(body).encode(), token=None)[0]


def test_the_token_of_the_header_wins() -> None:
    """A good one in the body does not save a bad one in the header."""
    body = {"messages": {"authentication": {"productToken": TOKEN}, "msg": [msg()]}}
    _, document = ask_raw(json.dumps(body).encode(), token="no-guid")
    assert 103 == document["errorCode"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"5",
        b'{"messages": []}',
        b'{"messages": {"msg": ["text"]}}',
        b'{"messages": {"msg": [{"from": 5}]}}',
        b'{"messages": {"msg": [{"to": "0031600000001"}]}}',
        b'{"messages": {"msg": [{"to": [{"number": 31600000001}]}]}}',
        b'{"messages": {"msg": [{"body": "Hello"}]}}',
        b'{"messages": {"msg": [{"dcs": true}]}}',
        b'{"messages": {"msg": [{"maximumNumberOfMessageParts": "8"}]}}',
        b'{"messages": {"msg": [{"allowedChannels": "SMS"}]}}',
        b'{"messages": {"msg": [{"allowedChannels": [1]}]}}',
    ],
)
def test_what_is_no_json_or_of_a_wrong_type_is_202(body: bytes) -> None:
    """The whole request, without rows."""
    status, document = ask_raw(body)
    assert (400, 202, []) == (status, document["errorCode"], document["messages"])


@pytest.mark.parametrize(
    "body", [b"{}", b'{"messages": {}}', b'{"messages": {"msg": []}}', b'{"messages": {"msg": {}}}']
)
def test_a_msg_that_is_missing_empty_or_no_array_is_203(body: bytes) -> None:
    """The whole request, without rows."""
    status, document = ask_raw(body)
    assert (400, 203, []) == (status, document["errorCode"], document["messages"])


def test_a_thousand_messages_pass_and_one_more_is_203() -> None:
    """The limit of `msg`."""
    assert 200 == ask(*[msg()] * 1000)[0]
    assert 203 == ask(*[msg()] * 1001)[1]["errorCode"]


def test_a_thousand_recipients_pass_and_one_more_is_203() -> None:
    """The limit of `to`."""
    assert 200 == ask(msg(*["0031600000001"] * 1000))[0]
    assert 203 == ask(msg(*["0031600000001"] * 1001))[1]["errorCode"]


def test_messages_times_recipients_stay_below_a_thousand() -> None:
    """Two messages of 501 recipients are 1002 messages."""
    assert 203 == ask(*[msg(*["0031600000001"] * 501)] * 2)[1]["errorCode"]


def test_keys_are_read_in_any_case_and_unknown_ones_ignored() -> None:
    """As CM says of its JSON."""
    body = {"MESSAGES": {"Msg": [{k.upper(): v for k, v in msg().items()} | {"$type": "x", "nothing": 1}]}}
    assert 200 == ask_raw(json.dumps(body).encode())[0]


def test_null_counts_as_absent() -> None:
    """For every field that may be left out."""
    fields = dict.fromkeys(
        ("reference", "validity", "dcs", "customGrouping", "allowedChannels", "appKey", "richContent")
    )
    _, document = ask(msg(**fields))
    assert (0, None) == (document["errorCode"], document["messages"][0]["reference"])


# Each message


@pytest.mark.parametrize("sender", ["Acme", "CM Telecom", "cm.com", "A" * 11, "1" * 16, "3669"])
def test_good_senders(sender: str) -> None:
    """Up to 11 letters and digits, or up to 16 digits."""
    assert 0 == only_code(msg(**{"from": sender}))


@pytest.mark.parametrize("sender", [None, "", "A" * 12, "1" * 17, "Café", "A-B", "+31600000001"])
def test_bad_senders_are_301(sender: str | None) -> None:
    """For SMS, or where the channel is left open."""
    assert 301 == only_code(msg(**{"from": sender}))


def test_other_channels_have_senders_of_their_own() -> None:
    """An RCS agent may have a long name."""
    assert 0 == only_code(msg(**{"from": "A long agent name", "allowedChannels": ["RCS"]}))


@pytest.mark.parametrize("to", [None, [], [{}], [{"number": None}]])
def test_a_message_to_nobody_is_302(to: object) -> None:
    """It still has a row, without a number."""
    _, document = ask(msg(to=to))
    row = document["messages"][0]
    assert (302, None, "No phone numbers found") == (
        row["messageErrorCode"],
        row["to"],
        row["messageDetails"],
    )


@pytest.mark.parametrize("number", ["0031600000001", "+31600000001", "31600000001", "00" + "1" * 15])
def test_good_numbers(number: str) -> None:
    """With 00, as documented, and in the two forms that CM lets pass; told back as sent."""
    _, document = ask(msg(number))
    assert (0, number) == (document["errorCode"], document["messages"][0]["to"])


@pytest.mark.parametrize(
    "number",
    [
        "",
        "0600000001",
        "000600000001",
        "0031 600000001",
        "0031-600000001",
        "00" + "1" * 16,
        "12345",
        "\u0660\u066031600000001",
    ],
)
def test_bad_numbers_are_303(number: str) -> None:
    """Spaces, hyphens, a national zero, too long, too short, foreign digits."""
    assert 303 == only_code(msg(number))


def test_recipients_are_opaque_where_the_channel_has_no_phone_numbers() -> None:
    """A page-scoped id of Facebook Messenger, the channel in any spelling of CM's SDKs."""
    assert 0 == only_code(msg("psid-7:x", **{"from": "page", "allowedChannels": ["FacebookMessenger"]}))


@pytest.mark.parametrize(
    "fields",
    [
        {"body": None},
        {"body": {"content": ""}},
        {"body": {"content": "Hello", "type": "html"}},
        {"body": {"content": "a" * 161, "type": "auto"}},
        {"body": {"content": "a" * 307, "type": "auto"}, "maximumNumberOfMessageParts": 2},
        {"body": {"content": ""}, "richContent": {"conversation": []}},
        {
            "body": {"content": ""},
            "richContent": {"conversation": [{"text": "x"}]},
            "allowedChannels": ["SMS"],
        },
    ],
)
def test_bad_bodies_are_304(fields: Document) -> None:
    """Without content, of an unknown type, or longer than the parts allowed (one, when not said)."""
    assert 304 == only_code(msg(**fields))


def test_rich_content_stands_in_for_an_empty_body() -> None:
    """As CM's own RCS examples do."""
    rich = {"conversation": [{"text": "Pick a slot"}]}
    assert 0 == only_code(msg(body={"content": ""}, richContent=rich, allowedChannels=["RCS"]))


def test_parts_are_told() -> None:
    """As many as the text takes."""
    _, document = ask(msg(body={"type": "auto", "content": "a" * 307}, maximumNumberOfMessageParts=8))
    assert 3 == document["messages"][0]["parts"]


@pytest.mark.parametrize("reference", ["", "a" * 33, "a-b", "a b", "é"])
def test_bad_references_are_305(reference: str) -> None:
    """1 to 32 letters, digits and underscores; told back as sent."""
    _, document = ask(msg(reference=reference))
    row = document["messages"][0]
    assert (305, reference) == (row["messageErrorCode"], row["reference"])


def test_a_reference_may_hold_underscores() -> None:
    """As CM's own examples do."""
    assert 0 == only_code(msg(reference="my_reference_123"))


@pytest.mark.parametrize(
    "validity",
    [
        "2017-04-20 11:50:05",
        "2017-04-20 11:50:05 GMT",
        "2017-04-20 11:50:05+8",
        "2017-04-20 11:55:05-07:00",
        "2h",
        "30m",
    ],
)
def test_good_validities(validity: str) -> None:
    """Absolute with or without a zone, or hours, or minutes."""
    assert 0 == only_code(msg(validity=validity))


@pytest.mark.parametrize(
    "validity",
    ["", "soon", "2h30m", "0m", "30s", "2017-13-20 11:50:05", "2017-04-20", "2017-04-20 11:50:05+15", "-2h"],
)
def test_bad_validities_are_305(validity: str) -> None:
    """Also dates that do not exist."""
    assert 305 == only_code(msg(validity=validity))


@pytest.mark.parametrize(
    "fields",
    [
        {"customGrouping": "a" * 101},
        {"customGrouping3": "a" * 101},
        {"body": {"type": "text", "content": "Hello"}, "dcs": 4},
        {"minimumNumberOfMessageParts": 2, "maximumNumberOfMessageParts": 1},
        {"maximumNumberOfMessageParts": 0},
        {"maximumNumberOfMessageParts": 256},
        {"allowedChannels": ["Pigeon"]},
        {"appKey": "no-guid"},
        {"richContent": {"conversation": [{"text": "x"}] * 6}},
        {"richContent": {"suggestions": [{"action": "Reply", "label": "x"}] * 12}},
    ],
)
def test_other_bad_fields_are_305(fields: Document) -> None:
    """A value out of its range, of the right type."""
    assert 305 == only_code(msg(**fields))


# Rows


@given(
    st.lists(
        st.lists(st.sampled_from(["0031600000001", "+31600000002", "x", "0031600009402"]), max_size=5),
        min_size=1,
        max_size=6,
    )
)
def test_rows_follow_the_request(numbers: list[list[str]]) -> None:
    """One for each message and recipient, in order, repeats too; the details count the accepted."""
    status, document = ask(
        *[msg(to=[{"number": n} for n in to], reference=f"R{i}") for i, to in enumerate(numbers)]
    )
    expected = [(f"R{i}", n) for i, to in enumerate(numbers) for n in (to or [None])]
    assert expected == [(row["reference"], row["to"]) for row in document["messages"]]
    accepted = sum(row["status"] == "Accepted" for row in document["messages"])
    assert f"Created {accepted} message(s)" == document["details"]
    assert (200 if accepted else 400) == status
    assert (0 if accepted == len(expected) else 201) == document["errorCode"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["messages", "msg", "to", "number", "from", "body", "content", "reference", "richContent"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(json_values, st.booleans())
def test_no_json_breaks_the_gateway(value: object, count_only: bool) -> None:
    """Whatever is sent gets an envelope and one of the two statuses."""
    status, document = ask_raw(json.dumps(value).encode(), gateway=Gateway(count_only=count_only))
    assert status in (200, 400)
    assert {"details", "errorCode", "messages"} == set(document)


# Magic numbers


@pytest.mark.parametrize("code", sorted(ROW_CODES))
def test_a_magic_number_is_rejected_with_its_code(code: int) -> None:
    """The others in the request are not."""
    _, document = ask(msg("0031600000001", f"0031600009{code}"))
    assert [0, code] == [row["messageErrorCode"] for row in document["messages"]]


@pytest.mark.parametrize("code", sorted(REQUEST_CODES))
def test_a_magic_number_has_the_request_refused(code: int) -> None:
    """All of it, without rows."""
    status, document = ask(msg("0031600000001", f"+31600009{code}"))
    assert (400, code, []) == (status, document["errorCode"], document["messages"])


@pytest.mark.parametrize("status", sorted(STATUSES))
def test_a_magic_number_asks_for_an_http_status(status: int) -> None:
    """Nothing of the request is taken."""
    body = json.dumps({"messages": {"msg": [msg("0031600000001", f"0031600008{status}")]}}).encode()
    verdict = Gateway().judge(TOKEN, body)
    assert (status, []) == (verdict.status, verdict.rows)


@given(st.integers(0, 999))
def test_ordinary_test_numbers_are_never_magic(last: int) -> None:
    """0031600000xxx."""
    assert 0 == only_code(msg(f"0031600000{last:03}"))


@given(st.from_regex(r"(00|\+)?[1-9][0-9]{5,14}", fullmatch=True))
def test_every_form_of_a_number_is_one_number(number: str) -> None:
    """Normalising keeps it a number, changes nothing twice, and always leads with 00."""
    assert is_phone(number)
    assert normalised(number) == normalised(normalised(number))
    assert normalised(number).startswith("00")


# Count-only


def test_count_only_accepts_everything_unread() -> None:
    """A row for every message and recipient, whatever it holds."""
    status, document = ask({"to": [{"number": "x"}, {"number": "y"}]}, gateway=Gateway(count_only=True))
    assert (200, "Created 2 message(s)") == (status, document["details"])
    assert [("x", None), ("y", None)] == [(row["to"], row["reference"]) for row in document["messages"]]


def test_count_only_still_authenticates() -> None:
    """With the token of the header or the body."""
    gateway = Gateway(count_only=True)
    assert 101 == ask(msg(), token=None, gateway=gateway)[1]["errorCode"]
    body = {"messages": {"authentication": {"productToken": TOKEN}, "msg": [msg()]}}
    assert 200 == ask_raw(json.dumps(body).encode(), token=None, gateway=gateway)[0]


def test_count_only_keeps_the_limit_of_a_thousand() -> None:
    """More is 203 there too."""
    assert 203 == ask(*[msg()] * 1001, gateway=Gateway(count_only=True))[1]["errorCode"]
