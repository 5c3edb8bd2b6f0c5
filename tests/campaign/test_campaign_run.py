"""Enqueueing a file, interrupted and repeated, on a real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from campaigns import HELLO, TEXT, enqueued, jobs, mailing, number, once_each, reached, rows, source
from hypothesis import given, settings
from hypothesis import strategies as st

from cmqueue import Content, Outbox, OutboxUnavailable
from cmqueue.campaign.badfile import BadFile
from cmqueue.campaign.mailing import Mailing
from cmqueue.campaign.run import AlreadyBegun, Run
from cmqueue.campaign.source import Source
from cmqueue.lane import Lane
from cmqueue.message import Options
from cmqueue.receipt import Refusal
from cmqueue.settings import LibrarySettings

COUNT = 60
KINDS = {
    "fixed": mailing(),
    "names": mailing(HELLO),
    "references": mailing(reference_column="first_name"),
    "campaign": mailing(HELLO, campaign="spring"),
}


class Cut(Exception):
    """What ends a run at a row."""


def cut(file: Source, at: int) -> Source:
    """`file`, whose rows end with an exception after so many."""
    whole = file.rows

    def rows_until() -> Iterator[tuple[int, Any]]:
        for count, row in enumerate(whole()):
            if count == at:
                raise Cut
            yield row

    file.rows = rows_until  # type: ignore[method-assign]
    return file


def after(rows: int) -> Callable[[], bool]:
    """Asked before each row, it says to stop after so many."""
    asked = iter([False] * rows)
    return lambda: next(asked, True)


@pytest.mark.parametrize("kind", KINDS)
def test_each_row_is_one_message(outbox: Outbox, tmp_path: Path, kind: str) -> None:
    """Every good row is enqueued once, in the lane bulk, and counted."""
    run = enqueued(outbox, source(rows(COUNT), tmp_path), KINDS[kind])

    assert (COUNT, COUNT, 0, 0) == (run.rows, run.enqueued, run.before, run.refused)
    assert once_each(COUNT) == reached(outbox)


@settings(max_examples=20)
@given(
    st.sampled_from(sorted(KINDS)), st.lists(st.integers(0, COUNT - 1), min_size=1, max_size=3), st.booleans()
)
def test_interrupted_anywhere_and_repeated(
    outbox: Outbox, tmp_path: Path, kind: str, cuts: list[int], gently: bool
) -> None:
    """However often and at whatever row it ends, once it came to its end each number was enqueued once."""
    outbox.scripts.client.flushall()
    outbox.registry.agree()
    for at in cuts:
        if gently:
            enqueued(outbox, source(rows(COUNT), tmp_path), KINDS[kind], stopped=after(at))
        else:
            with pytest.raises(Cut):
                enqueued(outbox, cut(source(rows(COUNT), tmp_path), at), KINDS[kind])
    last = enqueued(outbox, source(rows(COUNT), tmp_path), KINDS[kind])

    assert once_each(COUNT) == reached(outbox)
    assert COUNT == last.enqueued + last.before
    assert outbox.audit().balanced


def test_a_stop_is_counted_exactly(outbox: Outbox, tmp_path: Path) -> None:
    """Told to stop, it ends what is begun, and says how far it came."""
    run = enqueued(outbox, source(rows(COUNT), tmp_path), KINDS["names"], stopped=after(7))

    assert (7, 7) == (run.rows, run.enqueued)
    assert 7 == len(jobs(outbox))


def test_a_number_gets_one_message(outbox: Outbox, tmp_path: Path) -> None:
    """The same number again, written otherwise, is no second message."""
    text = f"number\n{number(1)}\n0031600000001\n+31 6 0000 0001\n"
    run = enqueued(outbox, source(text, tmp_path), KINDS["fixed"])

    assert (1, 2) == (run.enqueued, run.before)


def test_a_number_with_two_texts_gets_the_first(outbox: Outbox, tmp_path: Path) -> None:
    """A later row with another text is refused, and kept among the bad ones."""
    text = f"number,first_name\n{number(1)},Ann\n{number(1)},Bob\n{number(1)},Ann\n"
    run, bad = Run(), BadFile(tmp_path / "x.csv", ("number", "first_name"))
    with bad:
        run.enqueue(outbox, source(text, tmp_path), mailing(HELLO), column="number", bad=bad)

    assert (1, 1, 1) == (run.enqueued, run.before, run.refused)
    assert f"3,the number has another text already,{number(1)},Bob" in (tmp_path / "x.csv").read_text()


@pytest.mark.parametrize("kind", ["fixed", "names"])
def test_a_file_that_has_grown(outbox: Outbox, tmp_path: Path, kind: str) -> None:
    """The same import of a longer, sorted or mended file reaches only those that it had not."""
    enqueued(outbox, source(rows(COUNT), tmp_path), KINDS[kind])
    header, *lines = rows(COUNT + 5).splitlines(keepends=True)
    run = enqueued(outbox, source(header + "".join(reversed(lines)), tmp_path), KINDS[kind])

    assert (5, COUNT) == (run.enqueued, run.before)
    assert once_each(COUNT + 5) == reached(outbox)


def test_a_row_that_was_changed(outbox: Outbox, tmp_path: Path) -> None:
    """Whoever had the message does not get a corrected one: that row is refused."""
    enqueued(outbox, source(rows(2), tmp_path), mailing(HELLO))
    run = enqueued(outbox, source(rows(2).replace("Name 1", "Anna"), tmp_path), mailing(HELLO))

    assert (0, 1, 1) == (run.enqueued, run.before, run.refused)


@pytest.mark.parametrize(
    "other",
    [mailing("Another text", campaign="spring"), mailing("Hi {first_name}, other", campaign="spring"),
     mailing(campaign="spring", reference_column="first_name"),
     Mailing.of(Content(sender="Other", text=TEXT), Options(campaign="spring"), templated=True)],
    ids=["text", "template", "references", "sender"],
)  # fmt: skip
@pytest.mark.parametrize(
    "first", [mailing(campaign="spring"), mailing(HELLO, campaign="spring")], ids=["fixed", "names"]
)
def test_a_campaign_says_one_thing(outbox: Outbox, tmp_path: Path, first: Mailing, other: Mailing) -> None:
    """Under the campaign of another content nothing is enqueued, so a mended text reaches nobody twice."""
    enqueued(outbox, source(rows(2), tmp_path), first)
    with pytest.raises(AlreadyBegun):
        enqueued(outbox, source(rows(4), tmp_path), other)

    assert 2 == len(jobs(outbox))


def test_without_a_campaign_another_text_is_another_import(outbox: Outbox, tmp_path: Path) -> None:
    """And another campaign says the same again."""
    for what in (mailing(), mailing("Another text"), mailing(campaign="spring"), mailing(campaign="summer")):
        assert 2 == enqueued(outbox, source(rows(2), tmp_path), what).enqueued


def test_references_with_and_without(outbox: Outbox, tmp_path: Path) -> None:
    """The same text with a reference column is the same import: it reaches nobody twice."""
    enqueued(outbox, source(rows(2), tmp_path), mailing())
    with pytest.raises(AlreadyBegun):
        enqueued(outbox, source(rows(2), tmp_path), mailing(reference_column="first_name"))


def test_options_do_not_make_another_import(outbox: Outbox, tmp_path: Path) -> None:
    """A repeat in another lane or with another expiry reaches nobody twice."""
    enqueued(outbox, source(rows(2), tmp_path), mailing())
    run = enqueued(outbox, source(rows(2), tmp_path), mailing(lane=Lane.NORMAL, expires_in=60))

    assert (0, 2) == (run.enqueued, run.before)


def test_the_options_reach_the_messages(outbox: Outbox, tmp_path: Path) -> None:
    """Lane, campaign, reference, guarantee, due time and expiry are those that were asked for."""
    what = mailing(
        HELLO, campaign="spring", expires_in=60, send_at="2099-01-01T00:00:00Z", guarantee="at_least_once",
        reference_column="first_name", lane=Lane.NORMAL,
    )  # fmt: skip
    enqueued(outbox, source(rows(1), tmp_path), what)

    partition = outbox.registry.partition("default")
    ((key, _),) = partition.rows()
    status = outbox.status(partition.code + key)
    assert status is not None
    assert ("scheduled", "normal", "spring", "Name 0", "at_least_once") == (
        status.state, status.lane, status.campaign, status.client_reference, status.guarantee,
    )  # fmt: skip


def test_bad_rows_stop_no_other(outbox: Outbox, tmp_path: Path) -> None:
    """What the pre-flight found bad falls out again."""
    text = rows(2) + "oops,x\n1\n" + f"{number(2)},\n{number(3)}.0,x\n"
    for kind, reached_now in (("fixed", 3), ("names", 2)):
        assert reached_now == enqueued(outbox, source(text, tmp_path), KINDS[kind]).enqueued


def test_what_the_outbox_refuses_is_kept(
    outbox: Outbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that is refused for whatever reason is counted and kept, also one that looked good before."""
    refusal = Refusal(0, "text", "is refused", "")
    monkeypatch.setattr(outbox, "enqueue_many", lambda messages, **_: (refusal for _ in messages))
    run, bad = Run(), BadFile(tmp_path / "x.csv", ("number", "first_name"))
    with bad:
        run.enqueue(outbox, source(rows(1), tmp_path), mailing(HELLO), column="number", bad=bad)

    assert 1 == run.refused
    assert f"2,text is refused,{number(0)},Name 0" in (tmp_path / "x.csv").read_text()


def test_a_whole_content(outbox: Outbox, tmp_path: Path) -> None:
    """Rich content goes as it is; nothing in it is a name."""
    rich = {"conversation": [{"text": "{first_name}"}]}
    content = Content(sender="Agent", channels=["RCS"], text="{fallback}", rich_content=rich)
    for what in (
        Mailing.of(content, Options(), templated=False),
        Mailing.of(content, Options(campaign="x"), templated=False, reference_column="first_name"),
    ):
        assert 2 == enqueued(outbox, source(rows(2), tmp_path), what).enqueued
    (*_, job) = jobs(outbox)
    assert b'"content":"{fallback}"' in job.content
    assert b'"text":"{first_name}"' in job.content


def test_redis_that_goes_away(tmp_path: Path) -> None:
    """The run says how far it came, and raises."""
    run = Run()
    with (
        Outbox(LibrarySettings.from_env({"CMQUEUE_REDIS_URL": "redis://127.0.0.1:1/0"})) as outbox,
        pytest.raises(OutboxUnavailable),
    ):
        run.enqueue(outbox, source(rows(2), tmp_path), mailing(), column="number", bad=BadFile(None, ()))

    assert 0 == run.enqueued


def test_a_key_is_bounded() -> None:
    """A long id of a channel makes no key that is too long."""
    assert 64 == len(mailing().key_of("x" * 255))
    assert 255 >= len(mailing().key_of("x" * 150))


def test_it_tells_how_far_it_is(outbox: Outbox, tmp_path: Path) -> None:
    """The rows passed, rising, to the last."""
    for kind in ("fixed", "names"):
        told: list[int] = []
        enqueued(outbox, source(rows(2_500), tmp_path), KINDS[kind], advanced=told.append)
        assert told == sorted(told)
        assert 2_500 == told[-1]
