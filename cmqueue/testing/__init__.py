"""For the tests of a web app: an outbox in memory, with the rules of the real one.

outbox = MemoryOutbox()
sign_up(outbox, "+31600000001")

assert ["Your code is 4711"] == [message.text for message in outbox.messages]

`cmqueue.testing.fixtures` has pytest's fixtures; this module needs no pytest, and neither needs a Redis.
"""

from cmqueue.testing.envelope import Envelope
from cmqueue.testing.memory import MemoryOutbox

__all__ = ["Envelope", "MemoryOutbox"]
