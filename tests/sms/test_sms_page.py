"""The page on SMS: its samples run, its table is the count's."""

from __future__ import annotations

import pytest
from samples import DOCS, run_python

from cmqueue import Outbox
from cmqueue.sms import count
from demo.valkey import RunningServer


def test_the_samples_run(
    outbox: Outbox,
    valkey: RunningServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In the order of the page; what they queue waits."""
    monkeypatch.setenv("CMQUEUE_REDIS_URL", valkey.url)
    names = run_python("channels/sms.md")
    with names["outbox"] as theirs:
        assert "queued" == theirs.status(names["receipt"].id).state
    assert 2 == names["sale"].enqueued
    assert "’ (U+2019 RIGHT SINGLE QUOTATION MARK) 1 4\n" == capsys.readouterr().out  # noqa: RUF001 - its sample


def test_the_surprises_of_the_page_are_surprises() -> None:
    """Each of the characters it warns of makes a text Unicode; those it calls fine do not."""
    page = (DOCS / "channels/sms.md").read_text()
    start = page.index("The usual surprises")
    surprises, fine = page[start : page.index("`cmqueue.sms.count` tells", start)].split("every emoji.")
    for encoding, spans in (("UCS-2", surprises), ("GSM", fine)):
        chars = "".join("".join(spans.split("`")[1::2]).split())
        assert len(chars) > 10
        assert {encoding} == {count(char).encoding for char in chars}
