"""The bytes of a request."""

from __future__ import annotations

import json
from collections import Counter
from time import gmtime, strftime
from typing import Any
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from cmqueue.job import OPAQUE, SHARED, Job
from worker import grouping
from worker.grouping import MAX_RECIPIENTS, Composed

DIGEST = b"\x00\x01" * 8
CAP = 1 << 20
LOOSE = 10**9


def job(
    number: str = "0031600000001",
    content: bytes = b'{"from":"Acme","body":{"content":"Hi"}}',
    random: str = "CCCCCCCCCC",
    expires_at: int = 1_800_000_000,
    flags: int = 0,
) -> Job:
    return Job("bulk", flags, 0, 0, expires_at, 0, "BBBB", "T" * 20, random, number, content)


def compose(
    jobs: list[Job], contents: dict[bytes, bytes], partition: str, cap: int, legacy_token: str | None = None
) -> Composed:
    return grouping.compose([one.pack() for one in jobs], contents, partition, cap, legacy_token)


def messages(body: bytes) -> Counter[tuple[str, ...]]:
    """The (content, reference, validity, number) of a request's body, as a multiset."""
    found: Counter[tuple[str, ...]] = Counter()
    for msg in json.loads(body)["messages"]["msg"] if body else []:
        to, reference, validity = msg.pop("to"), msg.pop("reference"), msg.pop("validity", "")
        found.update((json.dumps(msg), reference, validity, item["number"]) for item in to)
    return found


def wanted(jobs: list[Job], contents: dict[bytes, bytes], indexes: list[int]) -> Counter[tuple[str, ...]]:
    return Counter(
        (
            json.dumps(json.loads(contents[one.content] if one.shared else one.content)),
            "A0" + one.bucket + one.random,
            strftime("%Y-%m-%d %H:%M:%S GMT", gmtime(one.expires_at)) if one.expires_at else "",
            one.number,
        )
        for one in (jobs[index] for index in indexes)
    )


def test_one_message() -> None:
    """
    A request is CM's envelope around the content, with recipient, reference and validity spliced in.
    """
    expected: dict[str, Any] = {
        "messages": {
            "msg": [
                {
                    "to": [{"number": "0031600000001"}],
                    "reference": "A0BBBBCCCCCCCCCC",
                    "validity": "2027-01-15 08:00:00 GMT",
                    "from": "Acme",
                    "body": {"content": "Hi"},
                }
            ]
        }
    }
    composed = compose([job()], {}, "A0", CAP)

    assert expected == json.loads(composed.body)
    assert [("A0BBBBCCCCCCCCCC", "0031600000001")] == composed.pairs


def test_a_message_without_expiry_names_no_validity() -> None:
    """
    No expiry, no validity.
    """
    assert b"validity" not in compose([job(expires_at=0)], {}, "A0", CAP).body


def test_the_old_authentication_goes_into_the_body() -> None:
    """
    A legacy token stands where CM's deprecated authentication has it.
    """
    composed = compose([job()], {}, "A0", CAP, legacy_token="11111111-1111-1111-1111-111111111111")

    assert {"productToken": "11111111-1111-1111-1111-111111111111"} == json.loads(composed.body)["messages"][
        "authentication"
    ]


def test_a_broadcast_folds_into_one_msg() -> None:
    """
    Equal content, reference and expiry share a msg, wherever the content is kept.
    """
    content = b'{"from":"Acme"}'
    jobs = [
        job("0031600000001", content),
        job("0031600000002", DIGEST, flags=SHARED),
        job("0031600000003", content),
    ]

    assert 1 == len(json.loads(compose(jobs, {DIGEST: content}, "A0", CAP).body)["messages"]["msg"])


def test_the_order_of_the_wire_leads_back_to_the_jobs() -> None:
    """
    Folding moves a message to its msg; pairs and order follow.
    """
    jobs = [job("1", random="A" * 10), job("2", random="B" * 10), job("3", random="A" * 10)]
    composed = compose(jobs, {}, "A0", CAP)

    assert [0, 2, 1] == composed.order
    assert ["1", "3", "2"] == [number for _, number in composed.pairs]


def test_a_shared_content_that_is_gone_loses_its_jobs_alone() -> None:
    """
    Without its content a job can't be sent; the others go on.
    """
    composed = compose([job(content=DIGEST, flags=SHARED), job()], {}, "A0", CAP)

    assert ([0], [1]) == (composed.lost, composed.order)


def test_no_more_than_a_thousand_recipients() -> None:
    """
    The thousand-and-first waits for the next request.
    """
    composed = compose([job(f"00316{n:08d}") for n in range(1002)], {}, "A0", LOOSE)

    assert (MAX_RECIPIENTS, [1000, 1001]) == (len(composed.order), composed.left)


def test_a_giant_travels_alone() -> None:
    """
    One job over the cap is sent all the same, by itself.
    """
    giant = job("2", b'{"text":"' + b"x" * 5000 + b'"}')

    assert ([0], [1]) == ((found := compose([giant, job()], {}, "A0", 1000)).order, found.left)
    assert ([0], [1, 2]) == ((found := compose([job(), giant, job()], {}, "A0", 1000)).order, found.left)


def test_nothing_to_send_is_no_body() -> None:
    """
    Without a job to send there is no request.
    """
    assert Composed(b"", [], [], [], []) == compose([], {}, "A0", CAP)


def test_numbers_and_texts_never_show() -> None:
    """
    The repr of a composed request holds neither its body nor its recipients.
    """
    assert "31600000001" not in repr(compose([job()], {}, "A0", CAP))


CONTENTS = {DIGEST: b'{"from":"Acme","text":"shared"}'}
JOBS = st.builds(
    job,
    number=st.sampled_from(["0031600000001", "0031600000002", '@o"p\\aque\n', "Zoë", "٣"])
    | st.text(max_size=8),
    content=st.sampled_from(
        [b'{"from":"Acme"}', b'{"from":"Acme","text":"shared"}', '{"from":"Zoë"}'.encode()]
    ),
    random=st.sampled_from(["AAAAAAAAAA", "BBBBBBBBBB"]),
    expires_at=st.sampled_from([0, 1, 1_800_000_000, 2**32 - 1]),
    flags=st.sampled_from([0, OPAQUE]),
) | st.builds(
    job,
    number=st.sampled_from(["0031600000001", "0031600000003"]),
    content=st.sampled_from([DIGEST, b"\xff" * 16]),
    random=st.sampled_from(["AAAAAAAAAA", "BBBBBBBBBB"]),
    flags=st.just(SHARED),
)


@given(st.lists(JOBS, max_size=25), st.integers(0, 2500))
def test_a_request_says_what_its_jobs_say(jobs: list[Job], cap: int) -> None:
    """
    The body is JSON of exactly the included jobs; every job is in one place; the cap holds for more than one.
    """
    composed = compose(jobs, CONTENTS, "A0", cap)

    assert wanted(jobs, CONTENTS, composed.order) == messages(composed.body)
    assert list(range(len(jobs))) == sorted(composed.order + composed.left + composed.lost)
    assert len(composed.body) <= cap or len(composed.order) <= 1
    assert [("A0BBBB" + jobs[i].random, jobs[i].number) for i in composed.order] == composed.pairs


@given(st.lists(JOBS, max_size=25), st.integers(0, 2500))
def test_folding_is_whole(jobs: list[Job], cap: int) -> None:
    """
    No two msg of a request could have been one.
    """
    body = compose(jobs, CONTENTS, "A0", cap).body
    keys = []
    for msg in json.loads(body)["messages"]["msg"] if body else []:
        del msg["to"]
        keys.append(json.dumps(msg, sort_keys=True))

    assert len(set(keys)) == len(keys)


@given(st.lists(JOBS, min_size=1, max_size=25), st.integers(0, 2500))
def test_no_room_is_wasted(jobs: list[Job], cap: int) -> None:
    """
    A job is left only if the request with it would have passed the cap.
    """
    composed = compose(jobs, CONTENTS, "A0", cap)
    if composed.left:
        longer = compose(jobs[: composed.left[0] + 1], CONTENTS, "A0", LOOSE)

        assert len(longer.body) > cap


@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from([0, 1, 1_800_000_000])), max_size=25),
    st.integers(0, 2500),
    st.sampled_from([None, "11111111-1111-1111-1111-111111111111"]),
)
def test_the_short_way_leads_to_the_same_request(
    drawn: list[tuple[int, int]], cap: int, token: str | None
) -> None:
    """
    Different messages that all fit are composed by a loop of their own, to the same bytes, pairs and order.
    """
    jobs = [job(f"0031600{at:06d}", expires_at=expiry) for at, (_, expiry) in enumerate(drawn)]
    jobs = [
        one._replace(random=f"{n}{at % 20:09d}")
        for at, ((n, _), one) in enumerate(zip(drawn, jobs, strict=True))
    ]
    with patch.object(grouping, "_each_its_own", return_value=None):
        expected = compose(jobs, {}, "A0", cap, token)

    assert expected == compose(jobs, {}, "A0", cap, token)


def test_the_cap_is_exact() -> None:
    """
    A request of exactly the cap fits; with one byte less its last job stays behind.
    """
    jobs = [job(f"00316{n:08d}", random=f"{n % 7:010d}") for n in range(50)]
    size = len(compose(jobs, {}, "A0", LOOSE).body)

    assert [] == compose(jobs, {}, "A0", size).left
    assert [49] == compose(jobs, {}, "A0", size - 1).left
