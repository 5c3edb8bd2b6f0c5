"""The words by which people stop messages, and start them again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmqueue.errors import SettingsError
from config.errands import ErrandSettings
from receivers.processing.opt_out import START_WORDS, WORDS, Meant, Vocabulary, Wish, plain

USUAL = Vocabulary()
ALL = [(language, word) for language, words in WORDS.items() for word in words]


@pytest.mark.parametrize(("language", "word"), ALL)
def test_each_word_is_understood(language: str, word: str) -> None:
    """With the language that it belongs to."""
    assert Meant(Wish.OUT, language) == USUAL.meant(word, "3669")


@pytest.mark.parametrize("word", START_WORDS["en"])
def test_the_words_that_start(word: str) -> None:
    assert Meant(Wish.IN, "en") == USUAL.meant(word, "3669")


def test_no_word_has_two_meanings() -> None:
    """Not even in two languages."""
    words = [plain(word) for _, word in ALL] + [plain(word) for word in START_WORDS["en"]]

    assert len(words) == len(set(words))


@pytest.mark.parametrize(
    "text",
    [
        "stop",
        " Stop.\r\n",
        '"STOP"',
        "\u201cStop\u201d",
        "\u00abSTOP\u00bb!!!",
        "\uff33\uff34\uff2f\uff30",
        "\ufeffstop\u200b",
        "**stop**",
        "stop \U0001f64f",
        "\0STOP\0",
    ],
)
def test_however_it_is_written(text: str) -> None:
    """Case, width, quotes, punctuation and spaces do not matter."""
    assert Meant(Wish.OUT, "en") == USUAL.meant(text, "3669")


@pytest.mark.parametrize("text", ["stop  all", "STOP\u00a0ALL", "Opt out."])
def test_spaces_between_words(text: str) -> None:
    assert Meant(Wish.OUT, "en") == USUAL.meant(text, "3669")


@pytest.mark.parametrize("text", ["arre\u0302t", "ARR\u00caT"])
def test_accents_in_either_form(text: str) -> None:
    assert Meant(Wish.OUT, "fr") == USUAL.meant(text, "3669")


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "!",
        "please stop",
        "stop by tonight",
        "non-stop",
        "stopp it",
        "st op",
        "yes",
        "STOP1",
        "stop" * 100,
    ],
)
def test_anything_else_means_nothing(text: str) -> None:
    """The word must be the whole message."""
    assert None is USUAL.meant(text, "3669")


@given(st.text(), st.text())
def test_any_text_is_taken(text: str, sender: str) -> None:
    """And what means something is one of the words."""
    meant = USUAL.meant(text, sender)

    assert (meant is not None) == (
        plain(text) in {plain(word) for _, word in ALL} | {plain(word) for word in START_WORDS["en"]}
    )


@given(st.text())
def test_the_compared_form_is_one(text: str) -> None:
    """Once more changes nothing."""
    assert plain(text) == plain(plain(text))


def test_a_sender_s_words_replace_the_usual_ones() -> None:
    """Of that sender alone; `*` replaces those of all others."""
    own = Vocabulary({"3669": {"nl": ["UIT"]}})
    every = Vocabulary({"*": {"de": ["HALT"]}, "Acme": {"en": ["LEAVE"]}})

    assert (Meant(Wish.OUT, "nl"), None) == (own.meant("uit", "3669"), own.meant("stop", "3669"))
    assert Meant(Wish.OUT, "en") == own.meant("stop", "3670")
    assert (Meant(Wish.OUT, "de"), None) == (every.meant("halt", "3670"), every.meant("stop", "3670"))
    assert (Meant(Wish.OUT, "en"), None) == (every.meant("leave", "ACME"), every.meant("halt", "acme"))


def test_the_setting() -> None:
    """Read from JSON."""
    settings = ErrandSettings.from_env({"CMQUEUE_OPT_OUT_WORDS": '{"3669": {"nl": ["STOP", "UIT"]}}'})

    assert {"3669": {"nl": ("STOP", "UIT")}} == settings.opt_out_words


@pytest.mark.parametrize(
    "value",
    [
        "STOP",
        "[]",
        "{}",
        '{"": {"en": ["STOP"]}}',
        '{"3669": ["STOP"]}',
        '{"3669": {}}',
        '{"3669": {"en": []}}',
        '{"3669": {"English!": ["STOP"]}}',
        '{"3669": {"en": "STOP"}}',
        '{"3669": {"en": [1]}}',
        '{"3669": {"en": ["!"]}}',
        '{"3669": {"en": ["' + "a" * 41 + '"]}}',
    ],
)
def test_a_wrong_setting_is_refused(value: str) -> None:
    """Naming the variable; nobody is left without a way to stop."""
    with pytest.raises(SettingsError, match=r"^CMQUEUE_OPT_OUT_WORDS: (must|each)"):
        ErrandSettings.from_env({"CMQUEUE_OPT_OUT_WORDS": value})
