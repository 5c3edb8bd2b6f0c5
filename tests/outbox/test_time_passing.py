"""What time does to a message: doubt ends, the due arrive, the old expire, the finished are forgotten."""

from datetime import UTC, datetime, timedelta

import pytest
from inside import ACCEPTED, DEAD, DOUBTED, REDRIVEN, RETRIED, Inside, key_of, keys_of, redriven

from cmqueue import Message, Outbox
from cmqueue.claim import Batch, Empty
from cmqueue.job import Job
from cmqueue.lane import Lane
from cmqueue.settlement import Settlement
from cmqueue.state import Reason, State

HELLO = Message(sender="Acme", to="+31600000001", text="hi")
TOMORROW = datetime.now(UTC) + timedelta(days=1)


def _enqueue(inside: Inside, **options: object) -> str:
    return key_of(inside.outbox.enqueue(HELLO, **options).id)  # type: ignore[arg-type]


def _reason(inside: Inside, key: str) -> Reason:
    return inside.rows()[key].history[-1].reason


def _resent(inside: Inside, **options: object) -> str:
    """A message in its lane again, after doubt."""
    key = _enqueue(inside, guarantee="at_least_once", **options)
    inside.deliver(fate=DOUBTED)
    inside.end_doubt()
    inside.sweep()
    return key


# --- doubt -----------------------------------------------------------------------------------------------


def test_at_most_once_ends_unknown(inside: Inside) -> None:
    """Its window over, nobody knows and nobody will: it is not sent again."""
    key = _enqueue(inside, guarantee="at_most_once")
    inside.deliver(fate=DOUBTED)
    inside.end_doubt()

    assert [("unknown", key, "window_ended")] == inside.sweep().told
    assert Empty() == inside.claim()
    inside.check()


def test_doubt_lasts_its_window(inside: Inside) -> None:
    """Before the window's end nothing moves."""
    key = _enqueue(inside)
    inside.deliver(fate=DOUBTED)

    assert [] == inside.sweep().told
    assert State.AMBIGUOUS is inside.state(key)


def test_at_least_once_is_resent_with_its_reference(inside: Inside) -> None:
    """The same message under the same reference and number, so that CM's receipts find it."""
    receipt = inside.outbox.enqueue(HELLO, guarantee="at_least_once")
    first = Job.unpack(inside.deliver(fate=DOUBTED).jobs[0])
    inside.end_doubt()
    assert [("resent", key_of(receipt.id), "")] == inside.sweep().told

    again = Job.unpack(inside.batch().jobs[0])

    assert receipt.reference == inside.partition.code + again.bucket + again.random
    assert first._replace(attempts=1, resends=1) == again


def test_resends_end_unknown(inside: Inside) -> None:
    """At most three resends; after the doubt of the last one the message ends unknown."""
    key = _enqueue(inside, guarantee="at_least_once")
    posts = 0
    while State.UNKNOWN is not inside.state(key):
        inside.deliver(fate=DOUBTED)
        inside.end_doubt()
        inside.sweep()
        posts += 1

    row = inside.rows()[key]
    assert (4, 4, 3) == (posts, row.attempts, row.resends)
    assert Reason.RESENDS_EXHAUSTED is row.history[-1].reason
    inside.check()


def test_what_expired_in_doubt_is_not_resent(inside: Inside) -> None:
    """Past its end it ends unknown, for the reason that its window ended, with resends left."""
    key = _enqueue(inside, guarantee="at_least_once")
    inside.deliver(fate=DOUBTED)
    inside.expire(key)
    inside.end_doubt()

    assert [("unknown", key, "window_ended")] == inside.sweep().told
    assert Reason.WINDOW_ENDED is _reason(inside, key)


@pytest.mark.parametrize("doubted", ["resent", *REDRIVEN])
@pytest.mark.parametrize("found_by", ["claim", "mark", "scan", "schedule"])
def test_what_may_have_arrived_is_unknown_not_expired(inside: Inside, found_by: str, doubted: str) -> None:
    """An earlier attempt of a resend, or before a redrive: `expired` is only what was certainly not sent."""
    key = _resent(inside) if doubted == "resent" else redriven(inside, doubted)
    match found_by:
        case "claim":
            inside.expire()
            assert (Empty(), []) == inside.claim_telling()
        case "mark":
            batch = inside.batch()
            inside.expire()
            assert 0 == inside.mark(batch)
        case "scan":
            inside.expire()
            assert (0, []) == inside.partition.expire(Lane.NORMAL, 0)
        case _:
            inside.deliver(fate=RETRIED)
            inside.expire()
            inside.arrive()
            inside.sweep()
    inside.check()

    assert [("unknown", key, "window_ended")] == inside.sweep().told
    assert State.UNKNOWN is inside.state(key)
    inside.check()


def test_what_may_have_arrived_does_not_expire_where_a_rollback_set_it_aside(inside: Inside) -> None:
    """The scan finds it in that list too, and takes it out of there."""
    key = redriven(inside, "redriven unknown")
    inside.client.hset(inside.at("rolled_back"), mapping={"at": 1, "from": 1, "to": 0})
    inside.claim()
    assert 1 == inside.client.llen(inside.at("aside:n"))
    inside.expire()

    assert (0, []) == inside.partition.expire(Lane.NORMAL, 0)
    assert State.AMBIGUOUS is inside.state(key)
    inside.check()


# --- expiry ----------------------------------------------------------------------------------------------


def test_what_expired_in_its_lane_is_passed_over(inside: Inside) -> None:
    """A claim ends it, tells of it, and takes the others."""
    old, young = _enqueue(inside), _enqueue(inside)
    inside.expire(old)

    claim, expired = inside.claim_telling()

    assert isinstance(claim, Batch)
    assert ([young], [old]) == (keys_of(claim), expired)
    assert State.EXPIRED is inside.state(old)
    inside.check()


def test_what_expired_since_the_claim_leaves_at_the_mark(inside: Inside) -> None:
    """The mark ends it, and the rest of its batch is posted."""
    old, _ = _enqueue(inside), _enqueue(inside)
    batch = inside.batch()
    inside.expire(old)

    assert (1, [old]) == inside.partition.mark(batch.id, lease=60, earliest_expiry=1)[:2]
    inside.check()


def test_what_expired_in_the_schedule_is_not_released(inside: Inside) -> None:
    """A retry that comes due past its end is over."""
    key = _enqueue(inside)
    inside.deliver(fate=RETRIED)
    inside.expire(key)
    inside.arrive()

    assert [("expired", key, "")] == inside.sweep().told
    inside.check()


def test_the_scan_finds_what_expired_behind_a_hold(inside: Inside) -> None:
    """A page at a time through the lane; its rows end though nothing may be claimed."""
    keys = [_enqueue(inside) for _ in range(5)]
    inside.expire(*keys[:3])

    begin, first = inside.partition.expire(Lane.NORMAL, 0, 2)
    assert (2, keys[:2]) == (begin, first)
    begin, second = inside.partition.expire(Lane.NORMAL, begin, 2)
    assert keys[2:3] == second
    assert (0, []) == inside.partition.expire(Lane.NORMAL, begin, 2)
    inside.check()
    assert keys[3:] == keys_of(inside.batch())
    inside.check()


# --- the schedule ----------------------------------------------------------------------------------------


def test_a_scheduled_message_waits_until_it_is_due(inside: Inside) -> None:
    """Nothing claims it before, the sweep releases it after."""
    key = _enqueue(inside, send_at=TOMORROW)
    inside.sweep()
    assert (State.SCHEDULED, Empty()) == (inside.state(key), inside.claim())
    inside.arrive()
    inside.sweep()

    assert [key] == keys_of(inside.batch())
    inside.check()


def test_expiry_counts_from_the_due_time(inside: Inside) -> None:
    """`expires_in` begins when the message may be sent, not when it was enqueued."""
    _enqueue(inside, send_at=TOMORROW, expires_in=60)

    (place, job), *_ = inside.places()

    assert "due" == place
    assert job.expires_at == job.due_at + 60


def test_a_retry_carries_its_attempts(inside: Inside) -> None:
    """The job that comes back knows what it burnt, and so does its row."""
    key = _enqueue(inside)
    inside.deliver(fate=RETRIED)
    inside.arrive()
    inside.sweep()

    assert [1] == [Job.unpack(job).attempts for job in inside.batch().jobs]
    assert 1 == inside.rows()[key].attempts


# --- forgetting ------------------------------------------------------------------------------------------


def test_an_old_finished_bucket_is_dropped_and_still_counted(inside: Inside) -> None:
    """Its rows go; the books hold what they ended as."""
    key = _enqueue(inside)
    inside.deliver()
    inside.age_buckets()

    assert 1 == inside.partition.drop(3600)

    assert inside.state(key) is None
    audit = inside.outbox.audit()
    assert (1, {State.ACCEPTED: 1}, True) == (audit.enqueued, +audit.finished, audit.balanced)


@pytest.mark.parametrize("fate", [RETRIED, DOUBTED])
def test_a_bucket_in_which_something_waits_stays(inside: Inside, fate: Settlement) -> None:
    """However old: a waiting message needs its row."""
    _enqueue(inside)
    key = _enqueue(inside)
    inside.deliver(limit=1)
    inside.deliver(fate=fate)
    inside.age_buckets()

    assert 0 == inside.partition.drop(3600)
    assert inside.state(key) is not None


def test_a_bucket_that_finished_lately_stays(inside: Inside) -> None:
    """The retention counts from the last finish."""
    _enqueue(inside)
    inside.deliver()
    inside.client.zadd(inside.at("buckets"), {inside.client.zrange(inside.at("buckets"), 0, 0)[0]: 1})

    assert 0 == inside.partition.drop(3600)
    assert 1 == len(inside.rows())


@pytest.mark.parametrize("fate", [DEAD, DOUBTED])
def test_dead_and_unknown_messages_can_be_redriven_for_a_while(inside: Inside, fate: Settlement) -> None:
    """They begin anew, with attempts and resends at zero; when their time is over their job is gone."""
    first, second = _enqueue(inside), _enqueue(inside)
    inside.deliver(fate=fate)
    inside.end_doubt()
    inside.sweep()
    letter = "X" if fate is DEAD else "U"

    assert [first] == inside.partition.redrive(letter, [first], 60)
    inside.end_keeping()
    inside.sweep()
    assert [] == inside.partition.redrive(letter, [second], 60)

    (job,) = map(Job.unpack, inside.batch().jobs)
    assert (first, 0, 0) == (job.bucket + job.tail, job.attempts, job.resends)
    inside.check()


def test_a_message_is_redriven_from_the_state_it_is_in(inside: Inside) -> None:
    """Redriving the dead leaves the unknown alone, and the other way round."""
    key = _enqueue(inside)
    inside.deliver(fate=DEAD)

    assert [] == inside.partition.redrive("U", [key], 60)
    assert [key] == inside.partition.redrive("X", [key, key], 60)
    inside.check()


def test_an_accepted_message_leaves_nothing_but_its_row(inside: Inside) -> None:
    """Number and content go when a message is finished."""
    _enqueue(inside)
    inside.deliver(fate=ACCEPTED)

    assert [] == list(inside.places())


def test_the_sweep_wakes_what_waits(each_outbox: Outbox, inside: Inside) -> None:
    """A lane with a backlog whose wake-up was lost is woken; one that nobody claims from is drained here."""
    _enqueue(inside)
    inside.client.delete(inside.at("wake:n"))
    inside.client.hset(inside.at("pulse"), "n", inside.now_ms())
    assert [Lane.NORMAL] == inside.sweep().wake
    assert [] == inside.sweep().wake
    inside.client.hset(inside.at("pulse"), "n", 1)

    assert [Lane.NORMAL] == inside.sweep().stale
