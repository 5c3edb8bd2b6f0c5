"""What the library raises. No message of an error ever holds a whole number, a text or a token.

CmqueueError
  SettingsError          a variable of the environment is wrong; names it
  InvalidMessage         one message breaks a rule; names field, problem and rule
  UnknownLane            the lane does not exist
  IdempotencyConflict    the key was used before, for another payload
  OutboxUnavailable      Redis did not answer in time, or refused
    OutboxFull           Redis is at `maxmemory`; nothing was written
"""

from __future__ import annotations


class CmqueueError(Exception):
    """The root of everything this library raises."""


class SettingsError(CmqueueError):
    """A setting is missing or wrong. `variable` is its full name in the environment."""

    def __init__(self, variable: str, problem: str) -> None:
        super().__init__(f"{variable}: {problem}")
        self.variable = variable
        self.problem = problem


class InvalidMessage(CmqueueError, ValueError):
    """A message breaks a rule. `field` is a path such as `to` or `rich_content.conversation`."""

    def __init__(self, field: str, problem: str, rule: str) -> None:
        super().__init__(f"{field}: {problem} (rule: {rule})")
        self.field = field
        self.problem = problem
        self.rule = rule


class UnknownLane(CmqueueError, ValueError):
    """There is no lane of this name."""


class IdempotencyConflict(CmqueueError):
    """The key belongs to another payload: account, number or content differ. `id` is that message's."""

    def __init__(self, id: str) -> None:
        super().__init__(f"this idempotency key was already used for another message, {id}")
        self.id = id


class OutboxUnavailable(CmqueueError):
    """Redis did not answer within `CMQUEUE_REDIS_TIMEOUT`, or refused.

    `maybe_enqueued` is False when certainly nothing was written. Otherwise ask again with the same
    idempotency key: that is always safe.
    """

    def __init__(self, problem: str, *, maybe_enqueued: bool) -> None:
        tail = (
            "it may have been enqueued: ask again with the same idempotency key"
            if maybe_enqueued
            else "nothing was enqueued"
        )
        super().__init__(f"{problem}; {tail}")
        self.problem = problem
        self.maybe_enqueued = maybe_enqueued


class OutboxRefused(OutboxUnavailable):
    """Redis is there, and refused a command: a key of another type, a script that it can't run."""


class OutboxFull(OutboxUnavailable):
    """Redis is at its `maxmemory` and takes no more; nothing was written."""

    def __init__(self) -> None:
        super().__init__("Redis is out of memory (maxmemory reached)", maybe_enqueued=False)
