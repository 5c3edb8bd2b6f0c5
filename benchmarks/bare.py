"""The practical limit: a loop that only claims, encodes, POSTs and acknowledges.

It knows no lease, no mark, no row, no answer by message, no log: whatever delivers from Redis in requests of
1000 with the same client does at least this. `python -m benchmarks.bare` ends when the list is empty.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable
from itertools import islice
from typing import Any
from uuid import uuid4

import redis
import requests

BATCH = 1000
LIST = "bare:jobs"
CONTENT = "bare:content"
HELD = "bare:held:"
REFERENCE = b"A" * 16
RECIPIENT = b'{"number":"%b"}'
CLAIM = """
local jobs = redis.call('LPOP', KEYS[1], ARGV[1])
if not jobs then return {} end
redis.call('RPUSH', KEYS[2], unpack(jobs))
return jobs
"""


def fill(client: redis.Redis, jobs: Iterable[bytes], content: bytes = b"") -> None:
    """Put jobs into the list: a number, a space and a content; or numbers alone, of the one `content`."""
    client.set(CONTENT, content)
    source = iter(jobs)
    while chunk := list(islice(source, BATCH)):
        client.rpush(LIST, *chunk)


def deliver(url: str, endpoint: str, token: str) -> None:
    """One thread's loop."""
    client = redis.Redis.from_url(url)
    claim, session = client.register_script(CLAIM), requests.Session()
    headers = {"X-CM-PRODUCTTOKEN": token, "Content-Type": "application/json"}
    content: Any = client.get(CONTENT)
    while True:
        held = HELD + uuid4().hex
        jobs: list[bytes] = claim(keys=[LIST, held], args=[BATCH])
        if not jobs:
            return
        if content:
            items = _msg(b",".join([RECIPIENT % number for number in jobs]), content)
        else:
            items = b",".join([_encoded(job) for job in jobs])
        answer = session.post(
            endpoint, data=b'{"messages":{"msg":[' + items + b"]}}", headers=headers, timeout=(5, 30)
        )
        answer.raise_for_status()
        client.delete(held)


def _encoded(job: bytes) -> bytes:
    number, content = job.split(b" ", 1)
    return _msg(RECIPIENT % number, content)


def _msg(recipients: bytes, content: bytes) -> bytes:
    """An item of `msg`."""
    return b'{"to":[' + recipients + b'],"reference":"' + REFERENCE + b'",' + content[1:]


def main(arguments: list[Any]) -> None:
    """As many threads as the argument says, until nothing is left."""
    given = (os.environ["BARE_REDIS_URL"], os.environ["BARE_ENDPOINT"], os.environ["BARE_TOKEN"])
    threads = [threading.Thread(target=deliver, args=given) for _ in range(int(arguments[0]))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(sys.argv[1:])
