"""cmqueue in Django: `INSTALLED_APPS += ["cmqueue.integrations.django"]`, and settings in `CMQUEUE`.

from cmqueue.integrations.django import enqueue_on_commit

message = {"sender": "Acme", "to": order.phone, "text": "Thank you"}
enqueue_on_commit(message, idempotency_key=f"order-{order.pk}")
"""

from cmqueue.integrations.django.commit import OnCommit, enqueue_on_commit
from cmqueue.integrations.django.outbox import WrongSetting, get_outbox, use

__all__ = ["OnCommit", "WrongSetting", "enqueue_on_commit", "get_outbox", "use"]
