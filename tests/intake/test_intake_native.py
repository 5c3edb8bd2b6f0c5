"""The native API: where messages stand, and taking them back."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from harness import TOKEN
from intake_process import OTHER_TOKEN, IntakeProcess, msg, request_of

from cmqueue import Lane, Outbox
from cmqueue.claim import Batch
from demo.valkey import RunningServer

Start = Callable[..., IntakeProcess]
NUMBER, TEXT = "0031600000777", "A text that nobody else may read"
NO_MESSAGE = "AA" + "A" * 24


class Api:
    """Calls of the native API, by the account `default` unless another token is given."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str, *, token: str | None = TOKEN) -> requests.Response:
        return self.call("GET", path, token=token)

    def post(self, path: str, document: object = None, *, token: str | None = TOKEN) -> requests.Response:
        return self.call("POST", path, json=document, token=token)

    def call(self, method: str, path: str, *, token: str | None = TOKEN, **more: Any) -> requests.Response:
        headers = {} if token is None else {"X-CM-PRODUCTTOKEN": token}
        return requests.request(method, f"{self.url}/v1/{path}", headers=headers, timeout=30, **more)


@pytest.fixture
def api(intake: IntakeProcess) -> Iterator[Api]:
    return Api(intake.url)


def put(intake: IntakeProcess, *numbers: str, token: str = TOKEN, **headers: str) -> list[str]:
    """The ids of messages that the intake took."""
    answer = intake.post(
        request_of(msg(*numbers or [NUMBER], text=TEXT, reference="order-8131")),
        token=token,
        Cmqueue_Ids="1",
        **headers,
    )
    return [row["id"] for row in answer.json()["messages"]]


def problem(answer: requests.Response) -> tuple[int, str]:
    """The status and the end of the type; the shape is that of RFC 9457."""
    assert "application/problem+json" == answer.headers["Content-Type"]
    told = answer.json()
    assert {"type", "title", "status", "detail"} == told.keys()
    assert answer.status_code == told["status"]
    return answer.status_code, told["type"].removeprefix("urn:cmqueue:")


def test_rows_have_ids_only_where_they_are_asked_for(intake: IntakeProcess) -> None:
    """CM's answer has none, so a client gets them by a header; a repeat gets the first ones."""
    document = request_of(msg(NUMBER), msg(NUMBER, text=""))
    plain, asked, again = (
        intake.post(document, Idempotency_Key="ids-1", **more).json()["messages"]
        for more in ({}, {"Cmqueue_Ids": "1"}, {"Cmqueue_Ids": "1"})
    )

    assert [False, False] == ["id" in row for row in plain]
    assert [True, False] == ["id" in row for row in asked]
    assert asked == again


def test_the_status_is_what_the_command_line_prints(intake: IntakeProcess, api: Api, queue: Outbox) -> None:
    """State, reason, history, the caller's reference; and neither number nor text."""
    (id,) = put(intake)
    answer = api.get(f"messages/{id}")
    status = queue.status(id)

    assert status is not None
    assert json.loads(json.dumps(status.as_json())) == answer.json()
    assert ("queued", "order-8131") == (answer.json()["state"], answer.json()["client_reference"])
    assert [] == [secret for secret in ("600000777", TEXT) if secret in answer.text]
    assert "no-store" == answer.headers["Cache-Control"]


def test_an_id_counts_in_any_case(intake: IntakeProcess, api: Api) -> None:
    (id,) = put(intake)
    assert id == api.get(f"messages/{id.lower()}").json()["id"]


def test_it_explains_in_a_sentence(intake: IntakeProcess, api: Api) -> None:
    """Why the message is where it is."""
    (id,) = put(intake)
    told = api.get(f"messages/{id}/explain").json()

    assert {"id", "state", "explanation"} == told.keys()
    assert "It waits in the lane normal" in told["explanation"]


def test_a_message_is_taken_back(intake: IntakeProcess, api: Api) -> None:
    """It stays, cancelled, and a repeat gets the same answer."""
    (id,) = put(intake)
    answers = [api.post(f"messages/{id}/cancel") for _ in range(2)]

    assert [(200, {"id": id, "result": "cancelled"})] * 2 == [(a.status_code, a.json()) for a in answers]
    assert "cancelled" == api.get(f"messages/{id}").json()["state"]


def test_what_may_have_been_sent_is_not_taken_back(intake: IntakeProcess, api: Api, queue: Outbox) -> None:
    """409, and it goes on as before."""
    (id,) = put(intake, Cmqueue_Lane="urgent")
    partition = queue.registry.partition("default")
    batch, _ = partition.claim(secrets.token_hex(6), [Lane.URGENT], lease=600, max_ambiguous=10**9)
    assert isinstance(batch, Batch)
    partition.mark(batch.id, lease=600, earliest_expiry=0)

    assert (409, "too-late") == problem(api.post(f"messages/{id}/cancel"))
    assert "posting" == api.get(f"messages/{id}").json()["state"]


@pytest.mark.parametrize("id", [NO_MESSAGE, "x", "A" * 27, "0" * 26, "ZZ" + "A" * 24, "%00", "a%0d%0ab"])
def test_what_is_no_message_is_not_found(api: Api, id: str) -> None:
    """404 for every way of asking."""
    answers = [
        api.get(f"messages/{id}"),
        api.get(f"messages/{id}/explain"),
        api.post(f"messages/{id}/cancel"),
    ]

    assert [(404, "not-found")] * 3 == [problem(answer) for answer in answers]


def test_another_accounts_message_is_not_found(intake: IntakeProcess, api: Api) -> None:
    """Word for word as one that never was, so that nothing can be learnt from it."""
    (own,), (id,) = put(intake), put(intake, token=OTHER_TOKEN)
    unknown = api.get(f"messages/{NO_MESSAGE}")

    assert own
    for answer in (
        api.get(f"messages/{id}"),
        api.get(f"messages/{id}/explain"),
        api.post(f"messages/{id}/cancel"),
    ):
        assert (404, unknown.json()) == (answer.status_code, answer.json())
    assert [{"id": id, "state": "not_found"}] == api.post("messages/status", {"ids": [id]}).json()["messages"]
    assert "queued" == api.get(f"messages/{id}", token=OTHER_TOKEN).json()["state"]


def test_many_are_told_at_once(intake: IntakeProcess, api: Api) -> None:
    """A state for each in the order asked, also the same one twice, and how many in each state."""
    first, second = put(intake, NUMBER, "0031600000778")
    api.post(f"messages/{second}/cancel")
    told = api.post("messages/status", {"ids": [second, "nonsense", first, second, NO_MESSAGE]}).json()

    states = ["cancelled", "not_found", "queued", "cancelled", "not_found"]
    assert states == [one["state"] for one in told["messages"]]
    assert [second, "nonsense", first, second, NO_MESSAGE] == [one["id"] for one in told["messages"]]
    assert {"cancelled": 2, "not_found": 2, "queued": 1} == told["totals"]


def test_a_thousand_are_told_at_once(intake: IntakeProcess, api: Api) -> None:
    """As many as a request may hold."""
    ids = put(intake, *[NUMBER] * 1000)

    assert {"queued": 1000} == api.post("messages/status", {"ids": ids}).json()["totals"]


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"ids": []},
        {"ids": "x"},
        {"ids": [5]},
        {"ids": [None]},
        {"ids": ["x"] * 1001},
        {"ids": ["x" * 65]},
    ],
)
def test_a_wrong_list_of_ids_is_a_bad_request(api: Api, document: object) -> None:
    assert (400, "bad-request") == problem(api.post("messages/status", document))


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"ids":["\xe9"]}', b"[" * 100_000])
def test_what_is_not_json_is_a_bad_request(api: Api, body: bytes) -> None:
    assert (400, "bad-request") == problem(api.call("POST", "messages/status", data=body))


def test_a_long_body_is_a_problem_too(api: Api) -> None:
    """413 in the native shape."""
    assert (413, "too-large") == problem(api.call("POST", "messages/status", data=b" " * (5 << 20)))


def test_an_encoded_body_is_a_problem_too(intake: IntakeProcess) -> None:
    """415 in the native shape."""
    headers = {"X-CM-PRODUCTTOKEN": TOKEN, "Content-Encoding": "gzip"}
    answer = requests.post(f"{intake.url}/v1/messages/status", data=b"x", headers=headers, timeout=30)

    assert (415, "content-encoding") == problem(answer)


@pytest.mark.parametrize(("method", "path"), [
    ("GET", f"messages/{NO_MESSAGE}"), ("GET", f"messages/{NO_MESSAGE}/explain"),
    ("POST", f"messages/{NO_MESSAGE}/cancel"), ("POST", "messages/status"),
])  # fmt: skip
@pytest.mark.parametrize("token", [None, "wrong-0123456789-abcdef"])
def test_without_a_clients_token_nothing_is_told(api: Api, method: str, path: str, token: str | None) -> None:
    """401, and how to come in."""
    answer = api.call(method, path, token=token)

    assert (401, "unauthorized") == problem(answer)
    assert "Bearer" == answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_bearer_token_will_do(intake: IntakeProcess, scheme: str) -> None:
    """As well as CM's header, which wins where both are there."""
    (id,) = put(intake)
    url = f"{intake.url}/v1/messages/{id}"
    bearer = {"Authorization": f"{scheme} {TOKEN}"}

    assert 200 == requests.get(url, headers=bearer, timeout=30).status_code
    assert 401 == requests.get(url, headers=bearer | {"X-CM-PRODUCTTOKEN": "wrong"}, timeout=30).status_code


@pytest.mark.parametrize(("method", "path", "expected"), [
    ("DELETE", f"messages/{NO_MESSAGE}", (405, "method-not-allowed")),
    ("GET", f"messages/{NO_MESSAGE}/cancel", (405, "method-not-allowed")),
    ("PUT", "messages/status", (405, "method-not-allowed")),
    ("POST", "messages", (404, "not-found")),
    ("GET", "", (404, "not-found")),
    ("GET", f"messages/{NO_MESSAGE}/", (404, "not-found")),
])  # fmt: skip
def test_elsewhere_beneath_v1_is_a_problem(
    api: Api, method: str, path: str, expected: tuple[int, str]
) -> None:
    assert expected == problem(api.call(method, path))


def test_without_redis_it_is_unavailable(own_redis: RunningServer, own_queue: Outbox, start: Start) -> None:
    """503 with Retry-After for each call, and all is well again with Redis."""
    intake = start(own_redis.url)
    (id,) = put(intake)
    api = Api(intake.url)
    own_redis.stop()
    try:
        answers = [
            api.get(f"messages/{id}"),
            api.get(f"messages/{id}/explain"),
            api.post(f"messages/{id}/cancel"),
            api.post("messages/status", {"ids": [id]}),
        ]
    finally:
        own_redis.start()

    assert [(503, "unavailable")] * 4 == [problem(answer) for answer in answers]
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers)
    assert (404, "not-found") == problem(api.get(f"messages/{id}"))  # this Redis keeps nothing
