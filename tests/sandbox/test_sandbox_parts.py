"""How many parts a text takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.parts import parts_of

EXTENDED = "\f^{}\\[~]|€"


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (1, "a" * 160),
        (2, "a" * 161),
        (2, "a" * 306),
        (3, "a" * 307),
        (8, "a" * 1224),
        (9, "a" * 1225),
        (1, "€" * 80),
        (2, "€" * 81),
        (2, "€" * 152),
        (3, "€" * 153),
        (1, "a" * 158 + "€"),
        (2, "a" * 159 + "€"),
        (2, "a" * 152 + "€" + "a" * 151),
        (3, "a" * 152 + "€" + "a" * 152),
        (1, "ч" * 70),
        (2, "ч" * 71),
        (2, "ч" * 134),
        (3, "ч" * 135),
        (8, "ч" * 536),
        (9, "ч" * 537),
        (3, "a" * 160 + "ç"),
        (1, "😀" * 35),
        (2, "😀" * 36),
        (2, "😀" * 66),
        (3, "😀" * 67),
    ],
)
def test_the_border_of_every_encoding(parts: int, text: str) -> None:
    """160 and 153 septets, 70 and 67 units; no pair is cut by the end of a part."""
    assert parts == parts_of(text)


def test_text_without_dcs_is_gsm_whatever_it_holds() -> None:
    """Only `auto` looks at the text; with `text` a foreign character is replaced by one of one septet."""
    assert 1 == parts_of("ч" * 160, "text")


def test_dcs_8_forces_ucs2() -> None:
    """71 plain characters no longer fit one part."""
    assert 2 == parts_of("a" * 71, "text", 8)


def test_auto_ignores_dcs() -> None:
    """The text alone decides."""
    assert 1 == parts_of("a" * 160, "auto", 8)


@pytest.mark.parametrize(("parts", "octets"), [(1, 140), (2, 141), (2, 268), (3, 269)])
def test_binary_counts_octets(parts: int, octets: int) -> None:
    """140 octets alone, 134 in each of several."""
    assert parts == parts_of("00" * octets, "binary")


@pytest.mark.parametrize("char", list("ç`\u2019\u201c\u201d\u2013…\táíóúâêîôûë"))
def test_characters_often_taken_for_gsm_are_not(char: str) -> None:
    """One of them turns the whole text into UCS-2."""
    assert 2 == parts_of("a" * 70 + char)


@given(st.text(alphabet=st.characters(codec="latin-1"), max_size=700), st.characters(codec="utf-8"))
def test_a_longer_text_never_takes_fewer_parts(text: str, more: str) -> None:
    """Also where the added character changes the encoding."""
    assert 1 <= parts_of(text) <= parts_of(text + more)


@given(st.text(alphabet=f"ab \n{EXTENDED}", min_size=161, max_size=1500))
def test_parts_lie_between_perfect_packing_and_one_wasted_septet_each(text: str) -> None:
    """Keeping pairs whole costs at most one septet a part."""
    septets = sum(2 if char in EXTENDED else 1 for char in text)
    assert -(-septets // 153) <= parts_of(text) <= -(-septets // 152)
