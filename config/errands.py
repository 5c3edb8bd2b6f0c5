"""The settings of the errands: the worker's, in whose process they run, and what the way back adds."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from cmqueue.settings import setting, whole
from config.address import secure_url
from config.settings import WorkerSettings

OptOutWords = Mapping[str, Mapping[str, tuple[str, ...]]]  #: by sender and language

_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
_LONGEST_WORD = 40


def opt_out_words(value: str) -> OptOutWords:
    """A JSON object of sender to language to words."""
    rule = 'must be a JSON object such as {"*": {"en": ["STOP"]}, "3669": {"nl": ["STOP", "UIT"]}}'
    try:
        given = json.loads(value)
    except ValueError:
        raise ValueError(rule) from None
    if not isinstance(given, dict) or not given:
        raise ValueError(rule)
    return {sender: _by_language(sender, languages, rule) for sender, languages in given.items()}


def _by_language(sender: str, languages: object, rule: str) -> dict[str, tuple[str, ...]]:
    if not sender.strip() or not isinstance(languages, dict):
        raise ValueError(rule)
    if not languages or not all(languages.values()):
        raise ValueError(
            "must leave each sender one word at least in each language: people must be able to stop"
        )
    for language, words in languages.items():
        if not _LANGUAGE.fullmatch(language):
            raise ValueError("each language must be a tag such as en or pt-BR")
        if not isinstance(words, list) or not all(_is_word(word) for word in words):
            raise ValueError(
                f"each word must be a text with a letter or digit, of {_LONGEST_WORD} characters at most"
            )
    return {language: tuple(words) for language, words in languages.items()}


def _is_word(word: object) -> bool:
    return (
        isinstance(word, str)
        and len(word) <= _LONGEST_WORD
        and any(character.isalnum() for character in word)
    )


@dataclass(frozen=True, kw_only=True)
class ErrandSettings(WorkerSettings):
    """What the way back reads in a worker process. Raises SettingsError, naming the variable."""

    transactions_url: str | None = setting(
        "TRANSACTIONS_URL",
        None,
        secure_url,
        "CM's Transactions API, such as `https://api.cmtelecom.com/v1.2/transactions/`, to be asked of what "
        "is in doubt. Without it receipts and late answers alone settle that.",
    )
    transactions_per_second: int = setting(
        "TRANSACTIONS_PER_SECOND",
        "5",
        whole(1, 100),
        "Most requests to it in a second, of one account, by all workers together. CM tells no limit.",
    )
    opt_out_words: Mapping[str, Mapping[str, tuple[str, ...]]] | None = setting(
        "OPT_OUT_WORDS",
        None,
        opt_out_words,
        "The words that stop messages, a JSON object of sender to language to words; `*` is every sender "
        "that has none of its own. They replace the usual ones (docs/ways-back/inbound.md).",
    )
