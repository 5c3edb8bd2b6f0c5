"""The samples of docs/channels/ run, and what they queue a real worker delivers to the sandbox."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from harness import WorkerProcess, all_finished, eventually
from samples import DOCS, run_python, samples

from cmqueue import Outbox, State
from demo.valkey import RunningServer
from sandbox.running import running

#: how many messages the samples of each page queue
PAGES = {
    "README.md": 2,
    "whatsapp.md": 10,
    "rcs.md": 3,
    "viber.md": 2,
    "apple-messages.md": 6,
    "mobile-push.md": 2,
    "others.md": 7,
}


def test_every_page_is_run() -> None:
    """
    No page of a channel is left out; the one of SMS has tests of its own.
    """
    pages = {path.name for path in (DOCS / "channels").iterdir()} - {"sms.md"}

    assert set(PAGES) == pages
    assert {"python"} == {sample.language for page in pages for sample in samples(f"channels/{page}")}


@pytest.mark.slow
def test_all_samples_are_accepted(
    outbox: Outbox,
    valkey: RunningServer,
    start_worker: Callable[..., WorkerProcess],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    All that the samples enqueue ends accepted.
    """
    monkeypatch.setenv("CMQUEUE_REDIS_URL", valkey.url)
    for page, number in PAGES.items():
        before = outbox.audit().enqueued
        run_python(f"channels/{page}")["outbox"].close()
        assert (page, number) == (page, outbox.audit().enqueued - before)

    with running() as sandbox:
        start_worker(valkey.url, sandbox.endpoint)
        eventually(lambda: all_finished(outbox))

    assert {State.ACCEPTED: sum(PAGES.values())} == +outbox.audit().finished
