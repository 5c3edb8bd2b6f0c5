"""What we are measured against: one Celery task and one POST for each message, written with care.

It keeps the promises that Celery can keep: late acknowledgement, so that a dead worker's tasks come again; a
session with kept connections per thread; a retry where nothing was sent; a line for each message; and, as its
account of each message, the task's result, kept in Redis. `celery -A benchmarks.naive worker`.
"""

from __future__ import annotations

import os
import threading
from typing import Any

import requests
import structlog
from celery import Celery
from celery.signals import setup_logging

from config.logging import configure

TOKEN_HEADER = "X-CM-PRODUCTTOKEN"  # noqa: S105 - the name of a header
SEND, IGNORED = "naive.send", "naive.ignored"
RESULTS_KEPT = 10 * 24 * 3600  #: seconds, as long as our rows
log = structlog.get_logger("naive")
_of_thread = threading.local()


@setup_logging.connect(weak=False)  # type: ignore[untyped-decorator]  # Celery has no types
def _one_stream(**_: Any) -> None:
    configure(level="info", console=False)


class Refused(Exception):
    """CM took this message not."""


def send(task: Any, sender: str, to: str, text: str) -> str:
    """POST one message; its state is the task's."""
    session = getattr(_of_thread, "session", None)
    if session is None:
        session = _of_thread.session = requests.Session()
    reference = task.request.id.replace("-", "")
    message = {
        "from": sender,
        "to": [{"number": to}],
        "body": {"type": "auto", "content": text},
        "minimumNumberOfMessageParts": 1,
        "maximumNumberOfMessageParts": 8,
        "reference": reference,
    }
    answer = session.post(
        os.environ["NAIVE_ENDPOINT"],
        json={"messages": {"msg": [message]}},
        headers={TOKEN_HEADER: os.environ["NAIVE_TOKEN"]},
        timeout=(5, 30),
    )
    (row,) = answer.json()["messages"]
    if row["messageErrorCode"]:
        log.warning("message.rejected", id=task.request.id, reference=reference, code=row["messageErrorCode"])
        raise Refused(row["messageErrorCode"])
    log.info("message.accepted", id=task.request.id, reference=reference, parts=row["parts"])
    return "accepted"


def ignored(**_: str) -> None:
    """A task of which nobody wants to know how it ended."""


def application(url: str | None) -> Any:
    """The Celery application on the Redis at `url`, as broker and for the results."""
    made = Celery("naive", broker=url, backend=url, set_as_current=False)
    made.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        result_expires=RESULTS_KEPT,
        broker_connection_retry_on_startup=True,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
    )
    made.task(
        name=SEND, bind=True, max_retries=8, autoretry_for=(requests.ConnectionError,), retry_backoff=True
    )(send)
    made.task(name=IGNORED, ignore_result=True)(ignored)
    return made


app = application(os.environ.get("NAIVE_REDIS_URL"))
