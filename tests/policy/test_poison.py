"""The search for poison, driven by a poster that is not real: the bound, the order, and what is kept of CM's
words.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.poison import MOST_BATCHES, MOST_CULPRITS, NOTE_LENGTH, Hunt, Step, after_refusal, note

GUID = "11111111-1111-1111-1111-111111111111"


class Poster:
    """Refuses each request that holds one of `poison`, and takes all others."""

    def __init__(self, poison: set[int]) -> None:
        self.poison = poison
        self.requests = 0
        self.taken: list[int] = []
        self.buried: list[int] = []

    def search(self, batch: Sequence[int], streak: int = 0) -> Hunt[Sequence[int]]:
        hunt = Hunt([batch])
        for part in hunt:
            self.requests += 1
            if self.poison.isdisjoint(part):
                self.taken += part
                continue
            step = after_refusal(len(part), culprits=hunt.culprits, streak=streak if not hunt.culprits else 0)
            if step is Step.SPLIT:
                half = ceil(len(part) / 2)  # as `split.lua` halves
                hunt.halved(part[:half], part[half:])
                continue
            self.buried += part
            hunt.culprits += 1
            if step is Step.STOP:
                hunt.over = "stopped"
        return hunt


@st.composite
def batches(draw: st.DrawFn, most: int) -> tuple[int, set[int]]:
    """A size, and the places of at most `most` culprits."""
    size = draw(st.integers(1, 1000))
    return size, draw(st.sets(st.integers(0, size - 1), max_size=min(size, most)))


@given(batches(MOST_CULPRITS))
def test_all_culprits_are_found_within_the_bound(batch: tuple[int, set[int]]) -> None:
    """At most 2·k·⌈log2 n⌉ + 1 requests; each innocent is taken once, in order; each culprit buried once."""
    size, poison = batch
    poster = Poster(poison)
    hunt = poster.search(range(size))

    assert poster.requests <= 2 * len(poison) * ceil(log2(size)) + 1
    assert [place for place in range(size) if place not in poison] == poster.taken
    assert sorted(poison) == poster.buried
    assert ("", [], not poison) == (hunt.over, hunt.parts, hunt.clean)


@given(batches(1000))
def test_nothing_is_lost_by_stopping(batch: tuple[int, set[int]]) -> None:
    """However many there are: at most nine are buried, all the rest is taken or left, each once."""
    size, poison = batch
    poster = Poster(poison)
    hunt = poster.search(range(size))

    left = [place for part in reversed(hunt.parts) for place in part]
    assert min(len(poison), MOST_CULPRITS + 1) == len(poster.buried)
    assert poster.requests <= 2 * (MOST_CULPRITS + 1) * ceil(log2(size)) + 1
    assert list(range(size)) == sorted(poster.taken + poster.buried) + left
    assert (len(poison) > MOST_CULPRITS) == (hunt.over == "stopped")


def test_the_third_batch_in_a_row_stops_its_lane_at_once() -> None:
    """Its first culprit is enough."""
    poster = Poster({0, 5})
    hunt = poster.search(range(8), streak=MOST_BATCHES - 1)

    assert ([0], "stopped") == (poster.buried, hunt.over)


@pytest.mark.parametrize(
    ("size", "culprits", "streak", "step"),
    [
        (2, 0, 0, Step.SPLIT),
        (2, 100, 100, Step.SPLIT),
        (1, 0, 0, Step.BURY),
        (1, 7, 1, Step.BURY),
        (1, 8, 0, Step.STOP),
        (1, 0, 2, Step.STOP),
    ],
)
def test_what_follows_a_refusal(size: int, culprits: int, streak: int, step: Step) -> None:
    """Several are halved, one is buried; the ninth of a batch and the third batch in a row stop the lane."""
    assert step is after_refusal(size, culprits=culprits, streak=streak)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("The request is malformed", "The request is malformed"),
        ("Number 0031600000001 at 12", "Number … at 12"),
        ("to +44 7700 900123, to (06) 1234-5678", "to …, to (…"),
        (f"token {GUID}", "token …"),
        (f"token {GUID.replace('1', 'A')}", "token …"),
        (f"token {GUID.replace('-', '').replace('1', 'b')}.", "token …."),
        ("1234 1000", "…"),
        ("1234 of 1000", "1234 of 1000"),
        ("two\nlines\x1b[31m", "two lines [31m"),
        ("for user-x-y", "for …"),
        ("", ""),
    ],
)
def test_a_note_holds_no_secret(said: str, kept: str) -> None:
    """Numbers, tokens, the recipient and control characters are cut out of CM's words."""
    assert kept == note(said, "user-x-y")


@given(st.text(max_size=400), st.sampled_from(["0031600000001", GUID, "user-x-y"]), st.text(max_size=400))
def test_a_note_is_short_and_holds_no_secret(before: str, secret: str, after: str) -> None:
    """Wherever in the text it stands."""
    kept = note(f"{before} {secret} {after}", "user-x-y")

    assert len(kept) <= NOTE_LENGTH
    assert secret not in kept
