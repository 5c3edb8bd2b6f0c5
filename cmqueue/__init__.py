"""cmqueue: put messages for CM.com into a durable queue; workers deliver them and account for each."""

from cmqueue import sms
from cmqueue.async_outbox import AsyncOutbox
from cmqueue.errors import (
    CmqueueError,
    IdempotencyConflict,
    InvalidMessage,
    OutboxFull,
    OutboxUnavailable,
    SettingsError,
    UnknownLane,
)
from cmqueue.events.event import Event
from cmqueue.events.handlers import on
from cmqueue.events.subscription import Subscription
from cmqueue.lane import Guarantee, Lane
from cmqueue.message import Content, Message
from cmqueue.outbox import Outbox
from cmqueue.receipt import Broadcast, Receipt, Refusal
from cmqueue.state import Reason, State
from cmqueue.status import Status
from cmqueue.suppression import Suppressions, Why

__all__ = [
    "AsyncOutbox",
    "Broadcast",
    "CmqueueError",
    "Content",
    "Event",
    "Guarantee",
    "IdempotencyConflict",
    "InvalidMessage",
    "Lane",
    "Message",
    "Outbox",
    "OutboxFull",
    "OutboxUnavailable",
    "Reason",
    "Receipt",
    "Refusal",
    "SettingsError",
    "State",
    "Status",
    "Subscription",
    "Suppressions",
    "UnknownLane",
    "Why",
    "on",
    "sms",
]
