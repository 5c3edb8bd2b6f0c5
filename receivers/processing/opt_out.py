"""The words by which people stop messages, and start them again.

A message means a word when it is that word, whole: without regard to case, to the form of its letters and to
what stands around it (spaces, punctuation, quotes). "Please stop by" means nothing.

The English words are those that carriers and regulators have fixed: STOP, END, CANCEL, UNSUBSCRIBE and QUIT
(CTIA, Messaging Principles and Best Practices), STOPALL (which carriers and providers take beside them),
REVOKE and OPT OUT (FCC, 47 CFR 64.1200(a)(10)). END and CANCEL may be answers to a question, too: a sender
that asks such questions gets words of its own in `CMQUEUE_OPT_OUT_WORDS`. The other languages add what people
there write.

START and UNSTOP take back what a stop word did. Of YES, which some providers take, nobody can tell what it
answers.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from enum import Enum
from itertools import takewhile
from typing import NamedTuple

from cmqueue.suppression import plain_sender

LONGEST = 100  #: characters of a message that may be one of the words; spaces around it apart
EVERY_SENDER = "*"

Words = Mapping[str, Sequence[str]]  #: by language

WORDS: Words = {
    "en": (
        "STOP",
        "STOPALL",
        "STOP ALL",
        "UNSUBSCRIBE",
        "CANCEL",
        "END",
        "QUIT",
        "REVOKE",
        "OPTOUT",
        "OPT OUT",
    ),
    "nl": ("STOPPEN", "AFMELDEN", "UITSCHRIJVEN"),
    "de": ("STOPP", "ABMELDEN", "ABBESTELLEN"),
    "fr": ("ARRET", "ARRÊT", "STOP SMS", "DESABONNER", "DÉSABONNER"),
    "es": ("BAJA", "PARAR", "CANCELAR"),
    "it": ("CANCELLAMI", "DISISCRIVIMI"),
    "pt": ("SAIR", "REMOVER"),
}
START_WORDS: Words = {"en": ("START", "UNSTOP")}


class Wish(Enum):
    """What the sender of a word wants."""

    OUT = "out"
    IN = "in"


class Meant(NamedTuple):
    """A word, understood: the wish and the language of the word."""

    wish: Wish
    language: str


class Vocabulary:
    """The words, by sender: its own where it has some in `own`, else those of `*` there, else the usual."""

    def __init__(self, own: Mapping[str, Words] | None = None) -> None:
        stops = {EVERY_SENDER: WORDS} | dict(own or {})
        self._stops = {
            sender if sender == EVERY_SENDER else plain_sender(sender): _by_word(words)
            for sender, words in stops.items()
        }
        self._starts = _by_word(START_WORDS)

    def meant(self, text: str, sender: str) -> Meant | None:
        """What `text`, written to our `sender`, wants; None for any other message."""
        stripped = text.strip()
        if not stripped or len(stripped) > LONGEST:
            return None
        word = plain(stripped)
        stops = self._stops.get(plain_sender(sender), self._stops[EVERY_SENDER])
        if word in stops:
            return Meant(Wish.OUT, stops[word])
        if word in self._starts:
            return Meant(Wish.IN, self._starts[word])
        return None


def plain(text: str) -> str:
    """`text` as it is compared: one form of each letter, no case, one space between words, no edges."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    begin = len(list(takewhile(_is_edge, folded)))
    end = len(folded) - len(list(takewhile(_is_edge, reversed(folded[begin:]))))
    return " ".join(folded[begin:end].split())


def _is_edge(character: str) -> bool:
    return not character.isalnum()


def _by_word(words: Words) -> dict[str, str]:
    """From each word to its language; of several languages that have it the first."""
    found: dict[str, str] = {}
    for language, spellings in words.items():
        for spelling in spellings:
            found.setdefault(plain(spelling), language)
    return found
