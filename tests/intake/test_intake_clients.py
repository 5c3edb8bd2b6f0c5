"""Clients of the intake: their tokens, and what each may do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from harness import TOKEN
from hypothesis import given, settings
from hypothesis import strategies as st
from intake_process import OTHER_TOKEN, IntakeProcess, msg, request_of, rows_of

from cmqueue import Lane, Outbox, SettingsError
from cmqueue.job import Job
from config.clients import Client
from config.intake import IntakeSettings
from demo.valkey import RunningServer
from producers.intake.clients import Clients
from producers.intake.pace import Pace
from producers.intake.request import Refused

Claimed = Callable[..., list[Job]]
Start = Callable[..., IntakeProcess]
NUMBER = "0031600000001"
SHOP, NEW, OLD, SLOW, TILL = (
    f"{name}-0123456789-abcdefgh" for name in ("shop", "new", "old", "slow", "till")
)
CLIENTS: dict[str, Any] = {
    "shop": SHOP,
    "newsletter": {
        "token": [NEW, OLD],
        "account": "second",
        "lane": "bulk",
        "lanes": ["bulk", "normal"],
        "senders": ["Acme", "Acme News"],
    },
    "slow": {"token": SLOW, "per_second": 0.02},
    "till": TILL,
}


@pytest.fixture(scope="module")
def guarded(
    valkey: RunningServer, queue: Outbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[IntakeProcess]:
    """An intake with clients of its own."""
    log = tmp_path_factory.mktemp("guarded") / "log"
    process = IntakeProcess(valkey.url, log, CMQUEUE_CLIENT_TOKENS=json.dumps(CLIENTS))
    try:
        yield process.wait()
    finally:
        process.close()


def with_body_token(document: dict[str, Any], token: object, *path: str) -> dict[str, Any]:
    """`document` with the token in its body, the last two keys named as in `path`."""
    outer, inner = path or ("authentication", "productToken")
    return {"messages": {outer: {inner: token}, **document["messages"]}}


@pytest.mark.parametrize(("token", "account", "lane"), [
    (SHOP, "default", Lane.NORMAL), (NEW, "second", Lane.BULK), (OLD, "second", Lane.BULK),
])  # fmt: skip
def test_a_token_names_its_client(
    guarded: IntakeProcess, claimed: Claimed, token: str, account: str, lane: Lane
) -> None:
    """Messages go to the client's account and lane; while a token changes, both are good."""
    answer = guarded.post(request_of(msg(NUMBER)), token=token)

    assert 200 == answer.status_code
    assert 1 == len(claimed(account, lane))


@pytest.mark.parametrize("token", [TOKEN, OTHER_TOKEN, SHOP.upper(), SHOP + "x", SHOP[:-1], "shop", ""])
def test_no_other_token_is_taken(guarded: IntakeProcess, claimed: Claimed, token: str) -> None:
    """Neither CM's own, once there are clients, nor one that is nearly right."""
    answer = guarded.post(request_of(msg(NUMBER)), token=token)

    assert (400, 101) == (answer.status_code, answer.json()["errorCode"])
    assert [] == claimed()


@pytest.mark.parametrize(
    "path",
    [
        ("authentication", "productToken"),
        ("AUTHENTICATION", "PRODUCTTOKEN"),
        ("Authentication", "producttoken"),
    ],
)
def test_the_token_may_be_in_the_body(
    guarded: IntakeProcess, claimed: Claimed, path: tuple[str, str]
) -> None:
    """As CM's own SDKs send it, its keys in any case."""
    answer = guarded.post(with_body_token(request_of(msg(NUMBER)), SHOP, *path), token=None)

    assert 200 == answer.status_code
    assert 1 == len(claimed())


def test_a_header_wins_over_the_body(guarded: IntakeProcess, claimed: Claimed) -> None:
    """Where both are there the body's token is not looked at, neither to let in nor to refuse."""
    let_in = guarded.post(with_body_token(request_of(msg(NUMBER)), "wrong" * 5), token=SHOP)
    refused = guarded.post(with_body_token(request_of(msg(NUMBER)), SHOP), token="wrong" * 5)

    assert (200, 400) == (let_in.status_code, refused.status_code)
    assert 1 == len(claimed())


@pytest.mark.parametrize(
    "authentication", [None, {}, [], "x", {"productToken": 5}, {"productToken": None}, {"x": SHOP}]
)
def test_a_body_without_a_token_is_refused(guarded: IntakeProcess, authentication: object) -> None:
    """101, whatever stands in its place."""
    document = {"messages": {"authentication": authentication, "msg": [msg(NUMBER)]}}

    assert (400, 101) == _told(guarded.post(document, token=None))


def test_without_a_token_a_bad_body_is_judged_first(guarded: IntakeProcess) -> None:
    """What is no JSON holds no token: 202. With a wrong token in the header no body is read: 101."""
    assert (400, 202) == _told(guarded.post(body=b"{", token=None))
    assert (400, 101) == _told(guarded.post(body=b"{", token="wrong" * 5))


def test_only_its_own_lanes(guarded: IntakeProcess, claimed: Claimed) -> None:
    """A lane that the client may not name is a wrong option; one that it may is taken."""
    refused = guarded.post(request_of(msg(NUMBER)), token=NEW, Cmqueue_Lane="urgent")
    taken = guarded.post(request_of(msg(NUMBER)), token=NEW, Cmqueue_Lane="normal")

    assert (400, 202, 200) == (*_told(refused), taken.status_code)
    assert "Cmqueue-Lane: the lanes of this client are bulk, normal" == refused.json()["details"]
    assert [0, 1] == [len(claimed("second", lane)) for lane in (Lane.URGENT, Lane.NORMAL)]


def test_only_its_own_senders(guarded: IntakeProcess, claimed: Claimed) -> None:
    """Another sender's rows are rejected with 301, and stop no other's."""
    answer = guarded.post(
        request_of(
            msg(NUMBER, sender="Acme News"), msg(NUMBER, NUMBER, sender="Bank"), msg(NUMBER, sender="acme")
        ),
        token=NEW,
    )

    assert (200, 201) == _told(answer)
    assert [0, 301, 301, 301] == [code for _, _, code in rows_of(answer)]
    assert 1 == len(claimed("second", Lane.BULK))


def test_idempotency_keys_are_a_clients_own(guarded: IntakeProcess, claimed: Claimed) -> None:
    """Two applications of one account may both have an `order-1`: neither's message counts as the other's."""
    document = request_of(msg(NUMBER, text="own"))
    first, second, again = (
        guarded.post(document, token=token, Idempotency_Key="order-1", Cmqueue_Ids="1").json()["messages"][0]
        for token in (SHOP, TILL, SHOP)
    )

    assert (first["id"], True) == (again["id"], first["id"] != second["id"])
    assert 2 == len(claimed())


def test_the_log_names_the_client(guarded: IntakeProcess) -> None:
    """Each request by the name of its client, and its account."""
    guarded.post(request_of(msg(NUMBER)), token=OLD)
    guarded.post(with_body_token(request_of(msg(NUMBER, text="")), SHOP), token=None)

    events = guarded.events("request.accepted", "request.refused")[-2:]
    assert [("newsletter", "second"), ("shop", "default")] == [(e["client"], e["account"]) for e in events]


def test_the_limit_is_counted_over_all_intakes(
    guarded: IntakeProcess, valkey: RunningServer, start: Start, claimed: Claimed
) -> None:
    """What one intake took, another knows: 429 in CM's envelope, when to come again, and nothing queued."""
    other = start(valkey.url, CMQUEUE_CLIENT_TOKENS=json.dumps(CLIENTS))
    first = guarded.post(request_of(msg(NUMBER)), token=SLOW)
    second = other.post(request_of(msg(NUMBER)), token=SLOW)

    assert 200 == first.status_code
    assert (429, 500, []) == (*_told(second), second.json()["messages"])
    assert 40 < int(second.headers["Retry-After"]) <= 50
    assert 1 == len(claimed())


def test_a_second_is_taken_at_once_and_more_when_nothing_is_owed(outbox: Outbox) -> None:
    """Of 1000 a second: 1000 at once and no more; 5000 in one request, after which the next waits 4 s."""
    pace = Pace(outbox)
    burst, large = (Client(name=name, tokens=("x" * 20,), per_second=1000) for name in ("burst", "large"))

    for _ in range(4):
        pace.spend(burst, 250)
    with pytest.raises(Refused) as refused:
        pace.spend(burst, 900)
    assert (429, 1) == (refused.value.status, refused.value.retry_after)

    pace.spend(large, 5000)
    with pytest.raises(Refused) as refused:
        pace.spend(large, 1)
    assert refused.value.retry_after in (4, 5)


def test_a_client_without_a_limit_costs_redis_nothing(outbox: Outbox) -> None:
    """No command goes out for it."""
    before = outbox.scripts.client.info("commandstats")
    Pace(outbox).spend(Client(name="free", tokens=("x" * 20,)), 1000)
    after = outbox.scripts.client.info("commandstats")

    assert before.get("cmdstat_evalsha") == after.get("cmdstat_evalsha")


def test_without_redis_a_limit_lets_nothing_in(own_redis: RunningServer, own_queue: Outbox) -> None:
    """503 and Retry-After: what can't be counted is not taken."""
    pace = Pace(own_queue)
    own_redis.stop()
    try:
        with pytest.raises(Refused) as refused:
            pace.spend(Client(name="limited", tokens=("x" * 20,), per_second=5), 1)
    finally:
        own_redis.start()

    assert (503, True) == (refused.value.status, (refused.value.retry_after or 0) > 0)


def test_those_who_waited_for_a_silent_redis_are_told_together(
    own_redis: RunningServer, own_queue: Outbox, start: Start
) -> None:
    """Clients with a limit too are told within the time of a call, however many there are, not one by one."""
    limited = {"shop": {"token": SHOP, "per_second": 1000}}
    settings = {"CMQUEUE_CLIENT_TOKENS": json.dumps(limited), "CMQUEUE_REDIS_TIMEOUT": "1"}
    intake = start(own_redis.url, **settings)
    assert 200 == intake.post(request_of(msg(NUMBER)), token=SHOP).status_code
    own_queue.scripts.client.execute_command("CLIENT", "PAUSE", "60000", "WRITE")

    def ask(_: int) -> requests.Response:
        url, headers = f"{intake.url}/v1.0/message", {"X-CM-PRODUCTTOKEN": SHOP}
        return requests.post(url, json=request_of(msg(NUMBER)), headers=headers, timeout=30)

    try:
        with ThreadPoolExecutor(40) as clients:
            answers = list(clients.map(ask, range(40)))
    finally:
        own_queue.scripts.client.execute_command("CLIENT", "UNPAUSE")

    assert {503} == {answer.status_code for answer in answers}
    assert max(answer.elapsed.total_seconds() for answer in answers) < 2


@settings(max_examples=50)
@given(st.text(max_size=40))
def test_any_text_may_be_tried(token: str) -> None:
    """No text is a token but those that are."""
    clients = Clients(IntakeSettings(clients=(Client(name="shop", tokens=(SHOP,)),)))

    assert (token.strip() == SHOP) == (clients.of(token) is not None)


_SECRET = "secret-0123456789-abcdef"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("{" + _SECRET, "must be a JSON object"),
        ("[]", "must be a JSON object"),
        ("{}", "with at least one"),
        (json.dumps({"a b": _SECRET}), "each name must be 1 to 32"),
        (json.dumps({"shop": "short"}), "token of 'shop' must be 20 to 128"),
        (json.dumps({"shop": _SECRET + " "}), "token of 'shop' must be 20 to 128"),
        (json.dumps({"shop": 5}), "token of 'shop' must be 20 to 128"),
        (json.dumps({"shop": None}), "token of 'shop' must be 20 to 128"),
        (json.dumps({"shop": {"account": "default"}}), "'shop' has no token"),
        (json.dumps({"shop": {"token": []}}), "token of 'shop' must be a token, or a list of 2"),
        (json.dumps({"shop": {"token": [_SECRET] * 2}}), "token of 'shop' must be a token, or a list of 2"),
        (
            json.dumps({"shop": {"token": [_SECRET, NEW, OLD]}}),
            "token of 'shop' must be a token, or a list of 2",
        ),
        (json.dumps({"shop": {"token": _SECRET, _SECRET: 1}}), "'shop' has an option that does not exist"),
        (json.dumps({"shop": {"token": _SECRET, "account": 1}}), "account of 'shop' must be 1 to 32"),
        (json.dumps({"shop": {"token": _SECRET, "account": "third"}}), "account of 'shop' is none of"),
        (json.dumps({"shop": {"token": _SECRET, "lane": "express"}}), "lane of 'shop' must be one of urgent"),
        (
            json.dumps({"shop": {"token": _SECRET, "lane": "urgent", "lanes": ["bulk"]}}),
            "must be one of its lanes",
        ),
        (json.dumps({"shop": {"token": _SECRET, "lanes": []}}), "lanes of 'shop' must be a list"),
        (json.dumps({"shop": {"token": _SECRET, "lanes": ["express"]}}), "lanes of 'shop' must be one of"),
        (json.dumps({"shop": {"token": _SECRET, "senders": []}}), "senders of 'shop' must be a list"),
        (json.dumps({"shop": {"token": _SECRET, "senders": "Acme"}}), "senders of 'shop' must be a list"),
        (json.dumps({"shop": {"token": _SECRET, "per_second": 0}}), "per_second of 'shop' must be a number"),
        (
            json.dumps({"shop": {"token": _SECRET, "per_second": True}}),
            "per_second of 'shop' must be a number",
        ),
        (
            json.dumps({"shop": {"token": _SECRET, "per_second": "5"}}),
            "per_second of 'shop' must be a number",
        ),
        (
            json.dumps({"shop": _SECRET, "crm": {"token": [NEW, _SECRET]}}),
            "'shop' and 'crm' have the same token",
        ),
        (f'{{"shop":"{_SECRET}","shop":"{NEW}"}}', "names a client or an option twice"),
        (json.dumps({"shop": TOKEN}), "'shop' has CM's own product token"),
    ],
)
def test_a_wrong_setting_names_variable_and_client(value: str, problem: str) -> None:
    """And never a token or a part of one."""
    with pytest.raises(SettingsError) as error:
        IntakeSettings.from_env({"CMQUEUE_CLIENT_TOKENS": value, "CMQUEUE_PRODUCT_TOKEN": TOKEN})

    assert "CMQUEUE_CLIENT_TOKENS" == error.value.variable
    assert problem in error.value.problem
    assert "secret" not in str(error.value)


def test_with_clients_no_token_of_cms_is_needed() -> None:
    """The intake of an application's own tokens starts without CM's; without either it refuses."""
    found = IntakeSettings.from_env({"CMQUEUE_CLIENT_TOKENS": json.dumps(CLIENTS)}).demand_tokens()

    assert ["shop", "newsletter", "slow", "till"] == [client.name for client in found.clients or ()]
    with pytest.raises(SettingsError, match="CMQUEUE_PRODUCT_TOKEN"):
        IntakeSettings.from_env({}).demand_tokens()


def test_no_repr_shows_a_token() -> None:
    """Neither the settings' nor a client's."""
    found = IntakeSettings.from_env({"CMQUEUE_CLIENT_TOKENS": json.dumps(CLIENTS)})

    assert [] == [token for token in (SHOP, NEW, OLD, SLOW) if token in repr(found) + repr(found.clients)]


def test_without_a_named_lane_the_first_allowed_one_counts() -> None:
    """`normal` where that is among them."""
    described = {
        "a": {"token": NEW, "lanes": ["urgent", "bulk"]},
        "b": {"token": OLD, "lanes": ["bulk", "normal"]},
    }
    found = IntakeSettings.from_env({"CMQUEUE_CLIENT_TOKENS": json.dumps(described)})

    assert [Lane.URGENT, Lane.NORMAL] == [client.lane for client in found.clients or ()]


def _told(answer: Any) -> tuple[int, int]:
    return answer.status_code, answer.json()["errorCode"]
