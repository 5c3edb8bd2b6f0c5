import pytest
from inside import Inside

from cmqueue import Outbox
from cmqueue.partition import Partition


@pytest.fixture
def inside(each_outbox: Outbox, partition: Partition) -> Inside:
    """The default account's partition from the inside, on each real server in turn."""
    # Its tests wake no one: a publish to the broker would cost more than the rest of most of them.
    each_outbox.waker.wake = lambda *_: True  # type: ignore[method-assign]
    return Inside(each_outbox, partition)
