"""One outbox for a process: made once, given to all its threads, made anew after a fork."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from harness import ROOT

from cmqueue import Outbox
from cmqueue.integrations.process import ProcessOutbox
from cmqueue.testing import MemoryOutbox
from demo.valkey import RunningServer

# A thread holds the lock, and the parent has an open connection, at the moment of the fork.
FORKING = """
import os, threading
from cmqueue import Outbox
from cmqueue.integrations.process import ProcessOutbox

HELLO = {"sender": "Acme", "to": "+31600000001", "text": "hi"}
process = ProcessOutbox(Outbox.from_env)
parents = process.get()
parents.enqueue(HELLO)
held, end = threading.Event(), threading.Event()

def hold():
    with process._lock:
        held.set()
        end.wait(20)

threading.Thread(target=hold, daemon=True).start()
held.wait(20)
child = os.fork()
if not child:
    own = process.get()
    own.enqueue(HELLO)
    os._exit(0 if own is not parents else 1)
_, status = os.waitpid(child, 0)
end.set()
parents.enqueue(HELLO)
print(os.waitstatus_to_exitcode(status), parents.audit().enqueued)
"""


def test_threads_get_one(memory: MemoryOutbox) -> None:
    """Though they ask at the same moment."""
    made: list[Outbox] = []
    ready = threading.Barrier(8)

    def make() -> Outbox:
        time.sleep(0.01)  # time for the others to come in
        made.append(memory)
        return memory

    process = ProcessOutbox(make)

    def ask(_: int) -> Outbox:
        ready.wait(10)
        return process.get()

    with ThreadPoolExecutor(8) as pool:
        assert {id(memory)} == {id(outbox) for outbox in pool.map(ask, range(8))}
    assert 1 == len(made)


def test_after_it_was_closed_there_is_a_new_one() -> None:
    """And closing twice is no mistake."""
    process = ProcessOutbox(MemoryOutbox)
    first = process.get()
    process.close()
    process.close()

    assert first is not process.get()


def test_a_child_makes_its_own(outbox: Outbox, valkey: RunningServer) -> None:
    """Also where a thread of the parent held the lock as it forked; both enqueue."""
    ran = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKING],
        cwd=ROOT,
        env=os.environ | {"CMQUEUE_REDIS_URL": valkey.url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ("0 3\n", "") == (ran.stdout, ran.stderr)
