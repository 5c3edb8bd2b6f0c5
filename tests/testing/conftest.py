from collections.abc import Iterator

import pytest
from worlds import MemoryWorld, RedisWorld, World

from cmqueue import Outbox
from cmqueue.testing import MemoryOutbox


@pytest.fixture
def memory() -> Iterator[MemoryOutbox]:
    """The double, empty."""
    with MemoryOutbox() as made:
        yield made


@pytest.fixture(params=["redis", "memory"])
def world(request: pytest.FixtureRequest) -> World:
    """The real outbox, then the double."""
    if request.param == "redis":
        real: Outbox = request.getfixturevalue("outbox")
        return RedisWorld(real)
    return MemoryWorld(request.getfixturevalue("memory"))
