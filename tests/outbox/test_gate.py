"""The brake and the account stop: when an account's gate closes, what a probe is, and what opens it."""

import pytest
from inside import (
    ACCEPTED,
    ANSWERED,
    DOUBTED,
    GIVEN_BACK,
    SILENT,
    STOPPED,
    UNPOSTED,
    Inside,
    key_of,
    keys_of,
)

from cmqueue.claim import Batch, Empty, Held
from cmqueue.lane import Lane


@pytest.fixture(autouse=True)
def _backlog(inside: Inside) -> None:
    """Forty messages wait."""
    inside.outbox.broadcast({"sender": "Acme", "text": "Sale"}, [f"+316000000{n:02}" for n in range(40)])


def _fail(inside: Inside, times: int = 1) -> None:
    for _ in range(times):
        inside.deliver(fate=DOUBTED, endpoint=SILENT, limit=2)


def _stop(inside: Inside) -> None:
    inside.deliver(fate=GIVEN_BACK, endpoint=STOPPED, limit=2)


def _held(inside: Inside) -> Held:
    claim = inside.claim()
    assert isinstance(claim, Held), claim
    return claim


def _probe(inside: Inside) -> Batch:
    """Wait until the gate lets a probe through, and claim it."""
    inside.open_gate()
    probe = inside.batch()
    assert probe.probe
    return probe


def test_two_silent_requests_leave_the_gate_open(inside: Inside) -> None:
    """A request or two may fail by chance."""
    _fail(inside, 2)

    assert not inside.batch().probe


def test_the_third_silent_request_in_a_row_closes_it(inside: Inside) -> None:
    """After three requests without a row nothing more is claimed, for a second at first."""
    _fail(inside, 3)

    held = _held(inside)

    assert "brake:read_timeout" == held.why
    assert 0 < held.wait <= 1


def test_an_answer_between_them_begins_the_count_anew(inside: Inside) -> None:
    """Only requests in a row count."""
    _fail(inside, 2)
    inside.deliver(limit=2)
    _fail(inside, 2)

    assert not inside.batch().probe


def test_a_probe_is_ten_messages_at_most(inside: Inside) -> None:
    """Whatever waits, a probe risks ten."""
    _fail(inside, 3)

    assert 10 == len(_probe(inside).jobs)


def test_there_is_one_probe_at_a_time(inside: Inside) -> None:
    """While one is out, every other claim is held, until its lease would have ended."""
    _fail(inside, 3)
    _probe(inside)

    assert 59 < _held(inside).wait <= 60


def test_a_probe_that_vanished_is_followed_by_another(inside: Inside) -> None:
    """When the lease of a probe has ended without an answer, the next one may go."""
    _fail(inside, 3)
    first = _probe(inside)
    inside.end_leases()
    inside.sweep()
    inside.open_gate()

    second = inside.batch()

    assert second.probe
    assert keys_of(first) == keys_of(second)


def test_probes_are_spaced_twice_as_far_up_to_thirty_seconds(inside: Inside) -> None:
    """1, 2, 4, 8, 16, 30, 30 seconds."""
    _fail(inside, 3)
    steps = [int(inside.gate()["step"])]
    for _ in range(6):
        inside.settle(_probe(inside), GIVEN_BACK, SILENT)
        steps.append(int(inside.gate()["step"]))

    assert [1000, 2000, 4000, 8000, 16000, 30000, 30000] == steps


def test_an_answered_probe_opens_the_gate(inside: Inside) -> None:
    """One row, whatever it says of its message, and everything flows again."""
    _fail(inside, 3)
    inside.settle(_probe(inside), ACCEPTED, ANSWERED)

    assert {} == inside.gate()
    assert not inside.batch().probe


def test_after_it_opened_the_schedule_begins_anew(inside: Inside) -> None:
    """The next outage is met with a second's wait, as the first one was."""
    _fail(inside, 3)
    for endpoint in (SILENT, SILENT, ANSWERED):
        inside.settle(_probe(inside), GIVEN_BACK, endpoint)
    _fail(inside, 3)

    assert "1000" == inside.gate()["step"]


def test_stragglers_do_not_move_the_probe(inside: Inside) -> None:
    """Requests that were in flight when it closed fail late: the probe's time stays."""
    stragglers = [inside.batch(limit=2) for _ in range(3)]
    _fail(inside, 3)
    before = inside.gate()
    for straggler in stragglers:
        inside.mark(straggler)
        inside.settle(straggler, DOUBTED, SILENT)

    after = inside.gate()

    assert (before["until"], before["step"]) == (after["until"], after["step"])


def test_a_stragglers_answer_opens_it(inside: Inside) -> None:
    """An answer is an answer, whoever asked."""
    straggler = inside.batch(limit=2)
    _fail(inside, 3)
    inside.settle(straggler, ACCEPTED, ANSWERED)

    assert {} == inside.gate()


def test_a_probe_that_never_went_out_lets_the_next_go_at_once(inside: Inside) -> None:
    """Given back unposted, it says nothing of the endpoint."""
    _fail(inside, 3)
    probe = _probe(inside)
    inside.settle(probe, GIVEN_BACK, UNPOSTED)

    again = inside.batch()

    assert again.probe
    assert keys_of(probe)[:5] == keys_of(again)[:5]  # what comes back takes half of a batch
    assert "1000" == inside.gate()["step"]


def test_a_probe_whose_messages_all_left_lets_the_next_go_at_once(inside: Inside) -> None:
    """Cancelled or expired before the mark: nothing is posted, so nobody need wait for it."""
    _fail(inside, 3)
    probe = _probe(inside)
    inside.partition.cancel(keys_of(probe))
    assert 0 == inside.mark(probe)

    assert inside.batch().probe
    inside.check()


def test_a_stopped_account_is_probed_on_its_own_schedule(inside: Inside) -> None:
    """5, 10, 20, 40, 60, 60 seconds; one refusal of the account is enough to close."""
    _stop(inside)
    steps = [int(inside.gate()["step"])]
    for _ in range(5):
        inside.settle(_probe(inside), GIVEN_BACK, STOPPED)
        steps.append(int(inside.gate()["step"]))

    assert [5000, 10000, 20000, 40000, 60000, 60000] == steps
    assert "stopped:101" == _held(inside).why


def test_a_stop_keeps_its_messages(inside: Inside) -> None:
    """Nothing is lost or in doubt: all forty wait."""
    _stop(inside)

    assert 40 == len(inside.waiting(Lane.BULK))
    inside.check()


def test_a_stop_goes_before_the_brake(inside: Inside) -> None:
    """A probe of the brake that finds the account refused begins the stop's schedule."""
    _fail(inside, 3)
    inside.settle(_probe(inside), GIVEN_BACK, SILENT)
    inside.settle(_probe(inside), GIVEN_BACK, STOPPED)

    assert ("stopped:101", "5000") == (inside.gate()["closed"], inside.gate()["step"])


def test_a_silent_probe_keeps_a_stop_a_stop(inside: Inside) -> None:
    """Only an answer says that the account is well again."""
    _stop(inside)
    inside.settle(_probe(inside), DOUBTED, SILENT)

    assert ("stopped:101", "10000") == (inside.gate()["closed"], inside.gate()["step"])


def test_stragglers_do_not_move_a_stop(inside: Inside) -> None:
    """Other requests refused with the same words are the same stop."""
    straggler = inside.batch(limit=2)
    _stop(inside)
    before = inside.gate()
    inside.settle(straggler, GIVEN_BACK, STOPPED)

    assert before == inside.gate()


def test_a_closed_gate_wakes_nobody(inside: Inside) -> None:
    """The sweeper wakes a lane again when its probe may go."""
    _stop(inside)
    inside.client.hset(inside.at("pulse"), "b", 1)

    assert ([], []) == inside.sweep()[:2]
    inside.open_gate()
    assert [Lane.BULK] == inside.sweep().stale


def test_a_lane_whose_request_was_refused_whole_stops(inside: Inside) -> None:
    """Poison stops its lane until an operator resumes it; what it holds stays queued."""
    key = key_of(inside.outbox.enqueue({"sender": "Acme", "to": "+31600000099", "text": "x"}).id)
    inside.deliver(Lane.BULK, fate=GIVEN_BACK, stop_lane=True)

    assert Empty() == inside.claim(Lane.BULK)
    assert [key] == keys_of(inside.batch())
    assert inside.partition.resume(Lane.BULK)
    assert isinstance(inside.claim(Lane.BULK), Batch)


def test_doubt_is_bounded_with_what_is_in_flight(inside: Inside) -> None:
    """What is claimed may end in doubt, so it counts: never more than the bound at once."""
    inside.deliver(fate=DOUBTED, limit=3)
    inside.batch(limit=3, max_ambiguous=10)

    last = inside.batch(max_ambiguous=10)

    assert 4 == len(last.jobs)
    assert Held("ambiguous", 1.0) == inside.claim(max_ambiguous=10)


def test_a_probe_counts_batches_of_any_size(inside: Inside) -> None:
    """Large batches in flight leave a probe no room beyond the bound."""
    inside.batch(limit=28)
    inside.client.hset(inside.at("gate"), mapping={"closed": "brake:x", "until": 1, "step": 1000})

    assert 2 == len(inside.batch(max_ambiguous=30).jobs)


def test_doubt_that_ends_makes_room(inside: Inside) -> None:
    """Held by the bound, claims go on when doubt has ended."""
    inside.deliver(fate=DOUBTED, limit=10)
    assert isinstance(inside.claim(max_ambiguous=10), Held)
    inside.end_doubt()
    inside.sweep()

    assert 10 == len(inside.batch(max_ambiguous=10).jobs)


def test_a_slowed_partition_is_probed_when_its_time_is_over(inside: Inside) -> None:
    """Nothing is claimed meanwhile, `explain` says why, and the first answered probe opens it."""
    assert inside.partition.slow("safeguard", 60)
    assert "stopped:safeguard" == _held(inside).why
    (key, *_) = inside.rows()
    assert "stopped:safeguard" in (inside.outbox.explain(inside.partition.code + key) or "")
    inside.open_gate()
    batch = inside.deliver()
    assert (True, 10) == (batch.probe, len(batch.jobs))
    assert 30 == len(inside.batch().jobs)
    inside.check()


@pytest.mark.parametrize("answer", ["taken", "refused whole"])
def test_what_was_in_flight_does_not_end_a_slowing(inside: Inside, answer: str) -> None:
    """CM answers those as ever, and reports them as failed later: only the probe's answer opens."""
    batch = inside.batch(limit=2)
    inside.mark(batch)
    inside.partition.slow("safeguard", 60)
    if answer == "taken":
        inside.settle(batch, ACCEPTED)
    else:
        inside.partition.split(batch, ("first", "second"), lease=60)

    assert "stopped:safeguard" == _held(inside).why
    inside.open_gate()
    inside.deliver()
    assert {} == inside.gate()
    inside.check()


def test_what_holds_longer_stays(inside: Inside) -> None:
    """A shorter slowing does not open what a longer one has closed."""
    assert inside.partition.slow("safeguard", 600)
    before = inside.dump()

    assert not inside.partition.slow("safeguard", 60)
    assert before == inside.dump()
