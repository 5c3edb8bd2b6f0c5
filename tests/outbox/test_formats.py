"""Jobs, rows and settlements in bytes: what Python packs Lua reads, what Lua writes Python reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inside import ACCEPTED, DOUBTED, RETRIED, Inside, key_of

from cmqueue import Message
from cmqueue.gate import Endpoint, GateRules
from cmqueue.identity import ALPHABET
from cmqueue.job import HEAD_BYTES, Job, UnknownFormat
from cmqueue.lane import Guarantee, Lane
from cmqueue.message import Content
from cmqueue.row import Row, pack_extras, unpack_extras
from cmqueue.settlement import RECORD_BYTES, Settlement
from cmqueue.state import Reason, State

BYTE, U32 = st.integers(0, 255), st.integers(0, 2**32 - 1)


def _base32(size: int) -> st.SearchStrategy[str]:
    return st.text(ALPHABET, min_size=size, max_size=size)


JOBS = st.builds(
    Job,
    lane=st.sampled_from([lane.value for lane in Lane]),
    flags=BYTE,
    attempts=BYTE,
    resends=BYTE,
    expires_at=U32,
    due_at=U32,
    bucket=_base32(4),
    tail=_base32(20),
    random=_base32(10),
    number=st.text(max_size=60).filter(lambda number: len(number.encode()) <= 255),
    content=st.binary(),
)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)


@given(JOBS)
def test_a_job_comes_back_as_it_was_packed(job: Job) -> None:
    """Whatever its number and content are made of."""
    assert job == Job.unpack(job.pack())
    assert len(job.pack()) == HEAD_BYTES + len(job.number.encode()) + len(job.content)


@given(st.binary(min_size=60).filter(lambda packed: packed[:1] != b"1"))
def test_another_format_is_refused(packed: bytes) -> None:
    """A version that does not know the format must not guess: neither of a job nor of a row."""
    for kind in (Job, Row):
        with pytest.raises(UnknownFormat):
            kind.unpack(packed)


@given(
    state=st.sampled_from(State),
    reason=st.sampled_from(Reason),
    code=st.integers(0, 10**6),
    parts=st.integers(0, 10**6),
    delay_ms=U32,
    counts=st.booleans(),
)
def test_a_settlement_has_its_size(
    state: State, reason: Reason, code: int, parts: int, delay_ms: int, counts: bool
) -> None:
    """Ten bytes whatever it says; numbers beyond their field are cut, not refused."""
    settlement = Settlement(state, reason, code, parts, counts, delay_ms)

    assert RECORD_BYTES == len(settlement.pack())


@given(
    reference=st.none() | TEXT,
    campaign=st.none() | TEXT,
    metadata=st.none() | st.dictionaries(TEXT, st.none() | st.integers() | TEXT, max_size=4),
)
def test_extras_come_back_as_they_were_packed(
    reference: str | None, campaign: str | None, metadata: dict[str, object] | None
) -> None:
    """And what was not given takes no byte."""
    given_ = {"client_reference": reference, "campaign": campaign, "metadata": metadata}
    kept = {name: value for name, value in given_.items() if value is not None}

    packed = pack_extras(reference, campaign, metadata)

    assert kept == unpack_extras(packed)
    assert bool(kept) == bool(packed)


@pytest.mark.parametrize("lane", Lane)
@pytest.mark.parametrize("guarantee", Guarantee)
def test_what_lua_writes_of_a_message_is_what_was_asked(
    inside: Inside, lane: Lane, guarantee: Guarantee
) -> None:
    """Row and job say the same of it, in each lane and for each guarantee."""
    receipt = inside.outbox.enqueue(
        Message(sender="Acme", to="+31600000001", text="hi"),
        lane=lane,
        guarantee=guarantee,
        expires_in=600,
        campaign="spring",
    )
    now = inside.now_ms() // 1000

    row = inside.rows()[key_of(receipt.id)]
    ((place, job),) = inside.places()

    assert (State.QUEUED, lane, guarantee, 0, 0, 0) == row[:6]
    assert row.expires_at == job.expires_at == job.due_at + 600
    assert now - 2 <= job.due_at <= now
    assert [(State.QUEUED, Reason.ENQUEUED, 0)] == [entry[:3] for entry in row.history]
    assert {"campaign": "spring"} == row.extras
    assert (f"lane:{lane.letter}", lane.value, guarantee is Guarantee.AT_LEAST_ONCE, False) == (
        place,
        job.lane,
        job.at_least_once,
        job.shared,
    )
    assert ("0031600000001", Content(sender="Acme", text="hi").wire()) == (job.number, job.content)


@pytest.mark.parametrize("code", [0, 1, 304, 65535, 70000])
@pytest.mark.parametrize("parts", [0, 1, 8, 300])
def test_what_lua_writes_of_an_answer_is_what_was_settled(inside: Inside, code: int, parts: int) -> None:
    """Reason, code and parts; attempts are counted."""
    receipt = inside.outbox.enqueue(Message(sender="Acme", to="+31600000001", text="hi"))
    batch = inside.batch()
    settled = Settlement(State.ACCEPTED, Reason.ACCEPTED, code, parts)

    inside.partition.settle(batch.id, [settled], Endpoint("answered"), GateRules())

    row = inside.rows()[key_of(receipt.id)]
    assert (State.ACCEPTED, 1, min(parts, 255)) == (row.state, row.attempts, row.parts)
    assert (State.ACCEPTED, Reason.ACCEPTED, min(code, 65535)) == row.history[-1][:3]


def test_a_long_history_keeps_its_beginning_and_its_end(inside: Inside) -> None:
    """Forty steps at most: the first one stays, the oldest of the others go; the extras are untouched."""
    receipt = inside.outbox.enqueue(
        Message(sender="Acme", to="+31600000001", text="hi"), client_reference="order"
    )
    for _ in range(25):
        inside.deliver(fate=RETRIED)
        inside.arrive()
        inside.sweep()
    inside.deliver(fate=ACCEPTED)

    row = inside.rows()[key_of(receipt.id)]

    assert (40, 26) == (len(row.history), row.attempts)
    assert (Reason.ENQUEUED, Reason.ACCEPTED) == (row.history[0].reason, row.history[-1].reason)
    assert {State.QUEUED, State.SCHEDULED} == {entry.state for entry in row.history[1:-1]}
    assert {"client_reference": "order"} == row.extras


def test_counts_end_at_what_a_byte_holds(inside: Inside) -> None:
    """The 256th attempt is the 255th: a count never wraps round to none."""
    receipt = inside.outbox.enqueue(Message(sender="Acme", to="+31600000001", text="hi"))
    job = inside.client.lpop(inside.at("lane:n"))
    inside.client.rpush(inside.at("lane:n"), job[:3] + b"\xff\xff" + job[5:])
    name, tail = inside.at("rows:") + receipt.id[2:6], receipt.id[6:]
    row = inside.client.hget(name, tail)
    inside.client.hset(name, tail, row[:4] + b"\xff\xff" + row[6:])

    inside.deliver(fate=DOUBTED)

    ((_, counted),) = inside.places()
    after = inside.rows()[key_of(receipt.id)]
    assert (255, 255, 255, 255) == (counted.attempts, counted.resends, after.attempts, after.resends)
