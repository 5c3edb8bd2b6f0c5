"""What is not cmqueue's is left alone: frameworks that are not there, and a web app's own Celery."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from harness import ROOT

from cmqueue import Outbox
from demo.valkey import RunningServer

BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ImportError(name + " is not installed")

sys.meta_path.insert(0, Blocked())
import cmqueue, cmqueue.testing, cmqueue.integrations.process
{then}
with cmqueue.testing.MemoryOutbox() as outbox:
    outbox.enqueue({{"sender": "Acme", "to": "+31600000001", "text": "hi"}})
    print(len(outbox.messages))
"""
FRAMEWORKS = {"django": "django", "flask": "flask", "fastapi": "fastapi"}
PACKAGES = {"django", "flask", "werkzeug", "fastapi", "starlette", "uvicorn", "pytest", "httpx"}
NEEDS = {"flask": {"werkzeug"}, "fastapi": {"starlette"}}

# A host with a Celery of its own: default app, config, tasks, handlers, and a queue in the same Redis.
HOST = """
import json, sys
import celery, redis
from celery import Celery, current_app, shared_task, signals
from celery._state import get_current_app

url = sys.argv[1]
app = Celery("host", broker=url, backend="cache+memory://")
app.conf.update(task_serializer="json", task_default_queue="hosts", broker_pool_limit=3)
app.set_default()

@app.task(name="cmqueue.drain")
def drain(*arguments):
    raise AssertionError("the host's own task was called")

@shared_task(name="host.shared")
def shared():
    pass

@signals.task_prerun.connect
def handler(**_):
    pass

@signals.before_task_publish.connect
def publishing(sender=None, **_):
    published.append(sender)

published = []
kinds = [getattr(signals, name) for name in signals.__all__]
client = redis.Redis.from_url(url)
drain.delay("of the host")
published.clear()

def picture():
    mine = sorted(name for name in client.keys() if not name.startswith((b"cmq", b"unacked")))
    return {
        "current": [get_current_app() is app, current_app.main, celery.current_app.main],
        "conf": {key: repr(value) for key, value in app.conf.table().items()},
        "signals": [len(kind.receivers) for kind in kinds],
        "tasks": sorted(app.tasks),
        "queues": {name.decode(): client.llen(name) for name in mine if client.type(name) == b"list"},
        "keys": [name.decode() for name in mine],
        "amqp": sorted(app.amqp.queues),
    }

before = picture()
from cmqueue import Outbox
with Outbox.from_env() as outbox:
    for lane in ("urgent", "normal", "bulk"):
        outbox.enqueue({"sender": "Acme", "to": "+31600000001", "text": "hi"}, lane=lane)
    during = picture()
    woken = sum(client.llen(name) for name in client.keys("cmqueue:*") if client.type(name) == b"list")
after, heard = picture(), list(published)
drain.delay("still of the host")
print(json.dumps([before, during, after, heard, client.llen("hosts"), woken]))
"""


def ran(program: str, *arguments: str, **variables: str) -> str:
    """What a program says, which must end well and without a warning."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ("", 0) == (done.stderr, done.returncode)
    return done.stdout


def test_the_library_needs_no_framework() -> None:
    """Nor pytest: outbox and double work where none is installed."""
    assert "1\n" == ran(BLOCKED.format(names=sorted(PACKAGES), then=""))


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_an_integration_needs_its_own_framework_alone(framework: str) -> None:
    """The others may be absent."""
    blocked = sorted(PACKAGES - {framework} - NEEDS.get(framework, set()))

    assert "1\n" == ran(BLOCKED.format(names=blocked, then=f"import cmqueue.integrations.{framework}"))


def test_a_web_apps_celery_is_left_alone(outbox: Outbox, valkey: RunningServer) -> None:
    """Default app, configuration, tasks, signal handlers and queues stay as they were, in the same Redis."""
    said = ran(HOST, valkey.url, CMQUEUE_REDIS_URL=valkey.url)
    before: dict[str, Any]
    before, during, after, heard, waiting, woken = json.loads(said)

    assert before == during == after
    assert [True, "host", "host"] == before["current"]
    assert {"hosts": 1} == before["queues"]
    assert 2 == waiting
    assert 3 == woken
    assert "cmqueue.drain" in before["tasks"]
    assert [] == heard
