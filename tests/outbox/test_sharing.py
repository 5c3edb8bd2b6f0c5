"""One outbox used from many threads, and after a fork."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from harness import ROOT
from inside import Inside, keys_of

from cmqueue import Message, Receipt
from cmqueue.claim import Batch
from cmqueue.lane import Lane
from demo.valkey import RunningServer

# The parent uses its outbox, forks while its connection is open, and both enqueue at the same time.
_FORKING = """
import json, os, sys
from cmqueue import Message, Outbox

hello = Message(sender="Acme", to="+31600000001", text="hi")
outbox = Outbox.from_env({"CMQUEUE_REDIS_URL": sys.argv[1]})
before = [outbox.enqueue(hello).id]
ours, theirs = os.pipe()
child = os.fork()
ids = [outbox.enqueue(hello).id for _ in range(50)]
ids += [receipt.id for receipt in outbox.enqueue_many([hello] * 50)]
if not child:
    os.write(theirs, json.dumps(ids).encode())
    os._exit(0)
os.close(theirs)
with os.fdopen(ours) as pipe:
    heard = json.load(pipe)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
outbox.close()
print(json.dumps([before + ids, heard]))
"""


def test_an_outbox_may_be_used_after_a_fork(valkey: RunningServer, inside: Inside) -> None:
    """Parent and child share no socket: each gets its own answers, and every message is there once."""
    url = inside.outbox.settings.redis_url

    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", _FORKING, url],
        cwd=ROOT, check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip

    parents, childs = json.loads(done.stdout)
    ids = {*parents, *childs}
    assert (101, 100) == (len(parents), len(childs))
    assert 201 == len(ids) == inside.outbox.audit().enqueued
    assert {inside.partition.code + key for key in inside.rows()} == ids


def test_eight_threads_may_share_an_outbox(inside: Inside) -> None:
    """Enqueued from eight threads at once, each message is there once and each thread has its own ids."""
    hello = Message(sender="Acme", to="+31600000001", text="hi")

    def enqueue(_: int) -> list[str]:
        singles = [inside.outbox.enqueue(hello) for _ in range(25)]
        many = [one for one in inside.outbox.enqueue_many([hello] * 25) if isinstance(one, Receipt)]
        broadcast = inside.outbox.broadcast({"sender": "Acme", "text": "Sale"}, ["+31600000001"] * 2)
        return [receipt.id for receipt in (*singles, *many, *broadcast)]

    with ThreadPoolExecutor(8) as threads:
        ids = [id for mine in threads.map(enqueue, range(8)) for id in mine]

    assert 8 * 52 == len(ids)
    assert 8 * 51 == len(set(ids)) == inside.outbox.audit().enqueued
    inside.check()


def test_one_key_from_eight_threads_is_one_message(inside: Inside) -> None:
    """Whoever comes first enqueues; all get the same id."""
    hello = Message(sender="Acme", to="+31600000001", text="hi")

    with ThreadPoolExecutor(8) as threads:
        receipts = list(
            threads.map(lambda _: inside.outbox.enqueue(hello, idempotency_key="login"), range(32))
        )

    assert 1 == len({receipt.id for receipt in receipts})
    assert 31 == sum(receipt.duplicate for receipt in receipts)
    assert 1 == inside.outbox.audit().enqueued


def test_claims_of_eight_threads_share_no_message(inside: Inside) -> None:
    """Each message is handed to one worker."""
    numbers = [f"+3160{n:07}" for n in range(1000)]
    inside.outbox.broadcast({"sender": "Acme", "text": "Sale"}, numbers)

    def work(name: int) -> list[str]:
        taken: list[str] = []
        for at in range(100):
            claim, _ = inside.partition.claim(f"{name}-{at}", [Lane.BULK], lease=60, limit=7)
            if not isinstance(claim, Batch):
                return taken
            taken += keys_of(claim)
        return taken

    with ThreadPoolExecutor(8) as threads:
        claimed = [key for mine in threads.map(work, range(8)) for key in mine]

    assert 1000 == len(claimed) == len(set(claimed))
    inside.check()
