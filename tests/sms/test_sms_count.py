"""How much SMS a text is."""

from __future__ import annotations

import dataclasses
import itertools
import timeit

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cmqueue
from cmqueue import InvalidMessage
from cmqueue.sms import Count, count

EXTENSION = "\f^{}\\[~]|€"
GSM = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà" + EXTENSION
)
CAPACITY = {"GSM": (160, 153), "UCS-2": (70, 67), "binary": (140, 134)}

gsm_texts = st.text(alphabet=GSM, max_size=700)
any_texts = st.one_of(gsm_texts, st.text(max_size=300), st.text(alphabet="a€ч😀ç", max_size=500))


@pytest.mark.parametrize(
    ("encoding", "units", "parts", "text"),
    [
        ("GSM", 0, 1, ""),
        ("GSM", 160, 1, "a" * 160),
        ("GSM", 161, 2, "a" * 161),
        ("GSM", 306, 2, "a" * 306),
        ("GSM", 307, 3, "a" * 307),
        ("GSM", 1224, 8, "a" * 1224),
        ("GSM", 1225, 9, "a" * 1225),
        ("GSM", 160, 1, "€" * 80),
        ("GSM", 162, 2, "€" * 81),
        ("GSM", 304, 2, "€" * 152),
        ("GSM", 306, 3, "€" * 153),
        ("GSM", 160, 1, "a" * 158 + "€"),
        ("GSM", 161, 2, "a" * 159 + "€"),
        ("GSM", 305, 2, "a" * 152 + "€" + "a" * 151),
        ("GSM", 306, 3, "a" * 152 + "€" + "a" * 152),
        ("UCS-2", 70, 1, "ч" * 70),
        ("UCS-2", 71, 2, "ч" * 71),
        ("UCS-2", 134, 2, "ч" * 134),
        ("UCS-2", 135, 3, "ч" * 135),
        ("UCS-2", 536, 8, "ч" * 536),
        ("UCS-2", 537, 9, "ч" * 537),
        ("UCS-2", 161, 3, "a" * 160 + "ç"),
        ("UCS-2", 70, 1, "😀" * 35),
        ("UCS-2", 72, 2, "😀" * 36),
        ("UCS-2", 132, 2, "😀" * 66),
        ("UCS-2", 134, 3, "😀" * 67),
    ],
)
def test_the_border_of_every_encoding(encoding: str, units: int, parts: int, text: str) -> None:
    """160 and 153 septets, 70 and 67 units; no pair is cut by the end of a part."""
    counted = count(text)
    assert (encoding, units, parts) == (counted.encoding, counted.units, counted.parts)


def test_it_hangs_on_the_package() -> None:
    """`cmqueue.sms.count` needs no import of its own."""
    assert 1 == cmqueue.sms.count("Hello").parts


@pytest.mark.parametrize("char", GSM)
def test_the_whole_alphabet_is_gsm(char: str) -> None:
    """Two septets for the extension table, one for the others."""
    counted = count(char)
    assert ("GSM", 2 if char in EXTENSION else 1, ()) == (counted.encoding, counted.units, counted.foreign)


@pytest.mark.parametrize("char", "ç`’“”–…\táíóúâêîôûë\x1b\xa0")  # noqa: RUF001 - these are what it is about
def test_characters_often_taken_for_gsm_are_not(char: str) -> None:
    """One of them turns the whole text into UCS-2, and costs a part here."""
    counted = count("a" * 80 + char)
    assert ("UCS-2", 2, 1, 1) == (counted.encoding, counted.parts, counted.gsm_parts, counted.extra_parts)


def test_what_forces_unicode_is_named() -> None:
    """Each character once, in the order of the text, with how often and where first."""
    found = count("Ça va? “Oui” – l’été ’78 “bien”").foreign  # noqa: RUF001 - these are what it is about
    assert [("“", 2, 8), ("”", 2, 12), ("–", 1, 14), ("’", 2, 17)] == [  # noqa: RUF001 - the same
        (foreign.character, foreign.times, foreign.position) for foreign in found
    ]


@pytest.mark.parametrize(
    ("label", "char"),
    [
        ("’ (U+2019 RIGHT SINGLE QUOTATION MARK)", "’"),  # noqa: RUF001 - what it is about
        ("😀 (U+1F600 GRINNING FACE)", "😀"),
        ("U+00A0 NO-BREAK SPACE", "\xa0"),
        ("U+200D ZERO WIDTH JOINER", "\u200d"),
        ("U+0009 TAB", "\t"),
        ("U+001B", "\x1b"),
    ],
)
def test_a_foreign_character_has_a_label(label: str, char: str) -> None:
    """Its name for a person, and itself where it can be seen."""
    assert [label] == [foreign.label for foreign in count(char).foreign]


@pytest.mark.parametrize(
    ("parts", "gsm_parts", "text"),
    [(3, 2, "a" * 160 + "ç"), (2, 1, "a" * 99 + "ç"), (1, 1, "ç"), (3, 1, "😀" * 67), (2, 2, "a" * 161)],
)
def test_what_unicode_costs(parts: int, gsm_parts: int, text: str) -> None:
    """The parts of the text with a plain character in the place of each foreign one stand beside its own."""
    counted = count(text)
    assert (parts, gsm_parts, parts - gsm_parts) == (counted.parts, counted.gsm_parts, counted.extra_parts)


# Options


def test_as_text_a_foreign_character_is_replaced() -> None:
    """GSM, one septet each; they are still named, since they will not arrive."""
    counted = count("чч€", encoding="text")
    assert ("GSM", 4, 1) == (counted.encoding, counted.units, counted.parts)
    assert [("ч", 2)] == [(foreign.character, foreign.times) for foreign in counted.foreign]


def test_dcs_8_forces_ucs2() -> None:
    """71 plain characters no longer fit one part, and it costs one, though nothing is foreign."""
    counted = count("a" * 71, encoding="text", dcs=8)
    assert ("UCS-2", 2, 1, ()) == (counted.encoding, counted.parts, counted.extra_parts, counted.foreign)


def test_auto_ignores_dcs() -> None:
    """The text alone decides."""
    assert count("a" * 160) == count("a" * 160, encoding="auto", dcs=8)


@pytest.mark.parametrize(("parts", "octets"), [(1, 140), (2, 141), (2, 268), (3, 269)])
def test_binary_counts_octets(parts: int, octets: int) -> None:
    """140 octets alone, 134 in each of several, written in hexadecimal."""
    counted = count("0a" * octets, encoding="binary")
    assert ("binary", octets, parts) == (counted.encoding, counted.units, counted.parts)


def test_binary_that_is_not_hexadecimal_is_text() -> None:
    """In UTF-8."""
    assert 4 == count("x€", encoding="binary").units


def test_an_unknown_encoding_is_refused() -> None:
    """With the field and its rule."""
    with pytest.raises(InvalidMessage, match="auto, text or binary"):
        count("Hello", encoding="gsm")


# The value


def test_a_count_is_frozen() -> None:
    """Values are shared between texts of one length."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        count("Hello").parts = 5  # type: ignore[misc]


def test_its_repr_shows_nothing_of_the_text() -> None:
    """Not even the characters at fault: a text of one script would be told by them."""
    counted = count("ч’")  # noqa: RUF001 - what it is about
    assert "ч" not in repr(counted) + repr(counted.foreign)
    assert "Count(encoding='UCS-2', units=2, parts=1, gsm_parts=1)" == repr(counted)


# Laws


@given(gsm_texts)
def test_units_of_a_gsm_text(text: str) -> None:
    """Its characters, and one more for each of the extension table."""
    counted = count(text)
    assert ("GSM", ()) == (counted.encoding, counted.foreign)
    assert len(text) + sum(char in EXTENSION for char in text) == counted.units


@given(st.text(alphabet="ч😀a€", min_size=1, max_size=300).filter(lambda text: set(text) & set("ч😀")))
def test_units_of_a_unicode_text(text: str) -> None:
    """Two octets of UTF-16 each."""
    assert len(text.encode("utf-16-be")) // 2 == count(text).units


@given(any_texts, any_texts)
def test_parts_never_fall_when_text_is_added(text: str, more: str) -> None:
    """At either end, also where the encoding changes."""
    assert max(count(text).parts, count(more).parts) <= count(text + more).parts


@given(any_texts, st.sampled_from(["auto", "text", "binary"]), st.sampled_from([None, 0, 8]))
def test_the_parts_hold_the_units(text: str, encoding: str, dcs: int | None) -> None:
    """There is room for all of them, and no part too many: each but the last wastes at most one unit."""
    counted = count(text, encoding=encoding, dcs=dcs)
    alone, each = CAPACITY[counted.encoding]
    if counted.units <= alone:
        assert 1 == counted.parts
    else:
        assert -(-counted.units // each) <= counted.parts <= -(-counted.units // (each - 1))


@given(any_texts)
def test_it_cuts_as_one_who_fills_part_after_part(text: str) -> None:
    """The same as taking character after character and beginning a part where one no longer fits."""
    counted = count(text)
    alone, each = CAPACITY[counted.encoding]
    twice = set(EXTENSION) if counted.encoding == "GSM" else {char for char in text if char > "\uffff"}
    parts, used = 1, 0
    for width in (2 if char in twice else 1 for char in text):
        used += width
        if used > each:
            parts, used = parts + 1, width
    assert (1 if counted.units <= alone else parts) == counted.parts


@given(any_texts)
def test_what_forces_unicode_is_what_is_not_gsm(text: str) -> None:
    """All of it and nothing else; without it the text is GSM."""
    counted = count(text)
    assert list(dict.fromkeys(char for char in text if char not in GSM)) == [
        foreign.character for foreign in counted.foreign
    ]
    assert all(text[foreign.position - 1] == foreign.character for foreign in counted.foreign)
    assert ("UCS-2" if counted.foreign else "GSM") == counted.encoding
    plain = "".join(char if char in GSM else "?" for char in text)
    assert counted.gsm_parts == count(plain).parts


@given(any_texts)
def test_unicode_never_costs_less(text: str) -> None:
    """So replacing what is foreign is never a loss."""
    assert 0 <= count(text).extra_parts


# Speed


def test_a_usual_text_is_counted_in_microseconds() -> None:
    """A million texts are looked through before they are sent: 3 us for 100 characters, here with room."""
    texts = itertools.cycle(
        [("Your parcel comes today between 10 and 12. " * 3)[: 99 + extra] for extra in (0, 1)]
    )
    seconds = min(timeit.repeat(lambda: count(next(texts)), number=5_000, repeat=5)) / 5_000
    assert seconds < 10e-6
    assert isinstance(count(next(texts)), Count)
