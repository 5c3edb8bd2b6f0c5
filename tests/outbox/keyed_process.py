"""A program that goes on enqueueing with the key it was started with: one line in, one line out.

A line holds an idempotency key; the answer is the message's id and whether it is a duplicate.
"""

import sys

from cmqueue import Message, Outbox, SettingsError

outbox = Outbox.from_env()
outbox.waker.wake = lambda *_: True  # type: ignore[method-assign]
try:
    outbox.registry.agree()
    assert outbox.registry.key
except SettingsError as error:
    sys.exit(str(error))
print("ready", flush=True)
for line in sys.stdin:
    message = Message(sender="Acme", to="+31600000001", text="Hi", idempotency_key=line.strip())
    receipt = outbox.enqueue(message)
    print(receipt.id, receipt.duplicate, flush=True)
