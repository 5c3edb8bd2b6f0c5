"""The settings of the errands: the worker's, in whose process they run, and what the way back adds."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from cmqueue.errors import SettingsError
from cmqueue.settings import setting, whole
from config.address import secure_url
from config.callbacks import Endpoint, Network, modules, networks, several_endpoints
from config.settings import WorkerSettings, schedule

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
    handlers: tuple[str, ...] | None = setting(
        "HANDLERS",
        None,
        modules,
        "Python modules, comma-separated, that hold handlers of events (`@on`). "
        "See docs/ways-back/events.md.",
    )
    handler_schedule: tuple[float, ...] = setting(
        "HANDLER_SCHEDULE",
        "5,30,300,1800,7200",
        schedule,
        "Seconds before each new call of a handler that raised, spread by 20 %; "
        "after the last it is given up.",
    )
    callbacks: tuple[Endpoint, ...] | None = setting(
        "CALLBACKS",
        None,
        several_endpoints,
        "Where events are posted to: a JSON object of endpoint name to an object with `url`, `secret` "
        "(two in a list while it changes), and perhaps `events` and `account`. "
        "See docs/ways-back/callbacks.md.",
        secret=True,
    )
    callback_schedule: tuple[float, ...] = setting(
        "CALLBACK_SCHEDULE",
        "5,300,1800,7200,18000,36000,36000",
        schedule,
        "Seconds before each new try of a callback that failed, spread by 20 %; "
        "after the last it is given up.",
    )
    callback_private: tuple[Network, ...] | None = setting(
        "CALLBACK_PRIVATE",
        None,
        networks,
        "Networks inside your own, such as `10.1.0.0/16`, that callbacks may go to, over http too.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        plain = [endpoint.name for endpoint in self.callbacks or () if endpoint.url.startswith("http:")]
        if plain and not self.callback_private:
            raise SettingsError(
                "CMQUEUE_CALLBACKS",
                f"{plain[0]!r}: url must be https; http goes to networks of CMQUEUE_CALLBACK_PRIVATE alone",
            )
