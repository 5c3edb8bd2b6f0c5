"""The suppression list: who is on it gets nothing that is marked from then on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inside import ACCEPTED, DOUBTED, LANES, Inside, key_of

from cmqueue import Content, Lane, Message, Outbox, State
from cmqueue.claim import Batch
from cmqueue.keyring import SUPPRESSION
from cmqueue.partition import EXEMPT
from cmqueue.settings import LibrarySettings
from cmqueue.suppression import Suppressions, Why, plain_number, plain_sender, screens
from demo.valkey import RunningServer

NUMBER = "+31600000001"
OTHER = "+31600000002"


def _enqueue(inside: Inside, to: str = NUMBER, sender: str = "Acme", **options: object) -> str:
    message = Message(sender=sender, to=to, text='hi "from":"Other"')
    return inside.outbox.enqueue(message, **options).id  # type: ignore[arg-type]


def _screens(inside: Inside, batch: Batch) -> bytes:
    jobs = inside.partition.members(batch.id)
    digests = {job[-16:] for job in jobs}
    key = inside.outbox.registry.suppression_key
    return screens(jobs, inside.partition.contents(list(digests)), key)


def _mark(inside: Inside, batch: Batch, screens: bytes | None = None) -> tuple[int | None, list[str]]:
    """How many are left, and the letters of why the others are not."""
    marked = inside.partition.mark(
        batch.id,
        lease=60,
        earliest_expiry=2**32 - 1,
        screens=_screens(inside, batch) if screens is None else screens,
    )
    return marked.left, [why for _, why in marked.suppressed]


@pytest.fixture
def listed(inside: Inside) -> Suppressions:
    """The list of the outbox inside."""
    return Suppressions(inside.outbox)


@pytest.mark.parametrize("why", Why)
def test_who_is_on_the_list_is_not_sent_to(inside: Inside, listed: Suppressions, why: Why) -> None:
    """A claimed message ends suppressed at the mark, with the reason that stands on the list."""
    ids = [_enqueue(inside), _enqueue(inside, OTHER)]
    batch = inside.batch()
    assert listed.add(NUMBER, why=why)

    assert (1, [why.letter]) == _mark(inside, batch)
    inside.settle(batch, ACCEPTED)
    inside.check()
    first, second = (inside.outbox.status(id) for id in ids)
    assert first is not None
    assert second is not None
    assert (State.SUPPRESSED, why.value) == (first.state, first.reason)
    assert State.ACCEPTED is second.state


def test_a_batch_that_was_not_held_against_the_list_is_not_marked(
    inside: Inside, listed: Suppressions
) -> None:
    """From the first entry on, a mark without hashes, or of another batch, is refused and changes nothing."""
    _enqueue(inside)
    batch = inside.batch()
    listed.add(OTHER)
    before = inside.dump()

    for given_screens in (b"", b"x" * 24 * 2):
        marked = inside.partition.mark(batch.id, lease=60, earliest_expiry=0, screens=given_screens)
        assert (None, True) == (marked.left, marked.unscreened)
    assert before == inside.dump()


def test_an_exempt_lane_does_not_ask(inside: Inside, listed: Suppressions) -> None:
    """What its owner asked for himself, such as a code, may be excepted."""
    listed.add(NUMBER)
    _enqueue(inside, lane="urgent")
    batch = inside.batch(Lane.URGENT)

    assert (1, []) == _mark(inside, batch, EXEMPT)


@pytest.mark.parametrize(
    ("sender", "left"),
    [(None, 0), ("Acme", 0), ("acme ", 0), ("Other", 1), ("0031600000009", 1)],
    ids=["any", "same", "spelled otherwise", "other", "number"],
)
def test_an_entry_may_hold_for_one_sender(
    inside: Inside, listed: Suppressions, sender: str | None, left: int
) -> None:
    """It stops that sender's messages and no others; what a text says of senders counts for nothing."""
    listed.add(NUMBER, sender=sender)
    _enqueue(inside)

    assert left == _mark(inside, inside.batch())[0]


@pytest.mark.parametrize("spelling", ["+31600000001", "0031600000001", "31600000001", " +31600000001 "])
def test_a_number_is_one_however_it_is_written(inside: Inside, listed: Suppressions, spelling: str) -> None:
    """CM writes numbers in several forms; and a sender's number too."""
    listed.add(spelling, sender="3669")
    _enqueue(inside, sender="003669")

    assert 0 == _mark(inside, inside.batch())[0]


def test_shared_contents_are_held_against_the_list_too(inside: Inside, listed: Suppressions) -> None:
    """A broadcast's sender stands in the content that its recipients share."""
    listed.add(NUMBER, sender="Acme")
    inside.outbox.broadcast(Content(sender="Acme", text="Sale"), [NUMBER, OTHER])
    batch = inside.batch(Lane.BULK)

    assert (1, ["b"]) == _mark(inside, batch)
    inside.check()


def test_what_may_have_arrived_was_not_suppressed(inside: Inside, listed: Suppressions) -> None:
    """A resend to a number on the list does not go out; the message is in doubt, and ends unknown."""
    id = _enqueue(inside, guarantee="at_least_once")
    inside.deliver(fate=DOUBTED)
    inside.end_doubt()
    inside.sweep()
    listed.add(NUMBER, why=Why.OPTED_OUT)

    assert (0, []) == _mark(inside, inside.batch())
    assert State.AMBIGUOUS is inside.state(key_of(id))
    inside.end_doubt()
    inside.sweep()
    assert State.UNKNOWN is inside.state(key_of(id))
    inside.check()


def test_a_cancelled_message_stays_cancelled(inside: Inside, listed: Suppressions) -> None:
    """One that was taken back while claimed is passed over, whoever is on the list."""
    id = _enqueue(inside)
    batch = inside.batch()
    inside.outbox.cancel(id)
    listed.add(NUMBER)

    assert (0, []) == _mark(inside, batch)
    assert State.CANCELLED is inside.state(key_of(id))
    inside.check()


def test_a_thousand_are_held_against_the_list_in_one_call(inside: Inside, listed: Suppressions) -> None:
    """A full batch with every second number on the list."""
    numbers = [f"+31600{n:06}" for n in range(1000)]
    for number in numbers[::2]:
        listed.add(number)
    inside.outbox.broadcast(Content(sender="Acme", text="Sale"), numbers)

    assert (500, ["b"] * 500) == _mark(inside, inside.batch(Lane.BULK))
    inside.check()


def test_taken_off_the_list_it_is_sent_to_again(inside: Inside, listed: Suppressions) -> None:
    """Only the entry of that sender goes, and with `why` only one that is there for it."""
    listed.add(NUMBER, sender="Acme", why=Why.OPTED_OUT)
    listed.add(NUMBER, why=Why.UNREACHABLE)

    assert not listed.remove(NUMBER, why=Why.OPTED_OUT)
    assert listed.remove(NUMBER, why=Why.UNREACHABLE)
    assert not listed.remove(NUMBER)
    assert [(Why.OPTED_OUT, "default")] == [(one.why, one.account) for one in listed.of(NUMBER)]
    assert listed.remove(NUMBER, sender="ACME")
    assert [] == list(listed.entries())
    assert not inside.client.exists(inside.at("suppressed"))


def test_twice_is_once(inside: Inside, listed: Suppressions) -> None:
    """A number that is on the list stays there for the reason that it came for."""
    assert listed.add(NUMBER, why=Why.OPTED_OUT)
    before = inside.dump()

    assert not listed.add(NUMBER, why=Why.BLOCKED)
    assert before == inside.dump()
    assert [Why.OPTED_OUT] == [one.why for one in listed.entries()]


def test_without_an_account_all_of_them_are_meant(valkey: RunningServer) -> None:
    """Every partition there is gets the entry, each account's shards as well; a named account its own."""
    variables = {"CMQUEUE_REDIS_URL": valkey.url, "CMQUEUE_SHARDS": "3"}
    with Outbox(LibrarySettings.from_env(variables)) as outbox:
        outbox.scripts.client.flushall()
        listed = Suppressions(outbox)
        listed.add(NUMBER, account="shop")
        listed.add(OTHER, account="post")
        listed.add("+31600000003")

        found = [(one.account, one.why) for one in listed.entries()]

        assert {"shop": 2, "post": 2} == {name: found.count((name, Why.BLOCKED)) for name in ("shop", "post")}
        assert 6 == len(outbox.scripts.client.keys("cmq:{*}:suppressed"))
        assert ["shop"] == [one.account for one in listed.of(NUMBER)]


@pytest.mark.parametrize("account", [None, "shop"])
def test_a_shard_that_is_made_later_has_the_list(valkey: RunningServer, account: str | None) -> None:
    """An account's shards come into being with their first messages; an entry holds for each of them."""
    variables = {"CMQUEUE_REDIS_URL": valkey.url, "CMQUEUE_SHARDS": "3"}
    with Outbox(LibrarySettings.from_env(variables)) as outbox:
        outbox.scripts.client.flushall()
        outbox.registry.partition("shop", 1)
        Suppressions(outbox).add(NUMBER, account=account)

        shards = [outbox.registry.partition("shop", shard).prefix for shard in range(3)]

        assert [1, 1, 1] == [outbox.scripts.client.hlen(f"{prefix}suppressed") for prefix in shards]


def test_no_number_lies_on_the_list(inside: Inside, listed: Suppressions) -> None:
    """What Redis keeps is an HMAC."""
    listed.add(NUMBER, sender="0031600000009")
    kept = b"".join(inside.client.hgetall(inside.at("suppressed")))

    assert b"600000001" not in kept
    assert b"600000009" not in kept


def test_the_key_of_the_list_outlives_a_redis_that_forgot(inside: Inside) -> None:
    """A process that knows the key writes it back; where another was made meanwhile it takes that."""
    registry, client = inside.outbox.registry, inside.client
    mine = registry.suppression_key
    client.delete(SUPPRESSION)
    registry.known()
    assert mine == client.get(SUPPRESSION)

    client.set(SUPPRESSION, b"another")
    registry.known()
    assert b"another" == registry.suppression_key


@given(st.from_regex(r"[1-9][0-9]{5,14}", fullmatch=True), st.sampled_from(("", "+", "00")))
def test_every_spelling_of_a_number_is_one(digits: str, begin: str) -> None:
    """As a recipient and as a sender, with + or 00 or neither."""
    assert [digits] * 2 == [plain_number(begin + digits), plain_sender(begin + digits)]


def test_lanes_are_all_screened(inside: Inside, listed: Suppressions) -> None:
    """Each lane's messages are held against the list."""
    listed.add(NUMBER)
    for lane in LANES:
        _enqueue(inside, lane=lane.value)
        assert (0, ["b"]) == _mark(inside, inside.batch(lane))
    inside.check()
