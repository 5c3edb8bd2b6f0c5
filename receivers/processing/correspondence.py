"""What people send back: linked to the message it answers, obeyed where it is a stop word, told to the app.

In this order, so that nothing is lost and nothing sent meanwhile: repeats are left out, the suppression list
is written, the log, then the events. A message counts as heard (and its repeats as such, for 31 days) by the
very script that writes its events.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from cmqueue.events.event import INBOUND_RECEIVED, INTERACTION_RECEIVED, NEWS, OPTOUT_RECEIVED, news
from cmqueue.identity import ALPHABET, REFERENCE, keyed
from cmqueue.outbox import Outbox
from cmqueue.partition import Partition
from cmqueue.report import spellings
from cmqueue.settings import DAY, DEFAULT_ACCOUNT
from cmqueue.suppression import Suppressions, Why
from receivers.processing import journal
from receivers.processing.accounts import Accounts
from receivers.processing.arrived import Arrived
from receivers.processing.inbound import Envelope, Inbound
from receivers.processing.interaction import Interaction
from receivers.processing.opt_out import Meant, Vocabulary, Wish

Heard = Inbound | Interaction
HEARD_FOR = 31 * DAY  #: seconds; CM repeats an inbound message for a month at most

# Begins with a write that can't grow, after which a full Redis lets it go on (see `begin_though_full` in
# scripts/common.lua). KEYS: the stream of events, none, the marks that the message may have been heard under.
# ARGV: seconds to remember it for, then events. Returns whether it is news.
_TELL = """
if #KEYS > 2 and redis.call('EXISTS', unpack(KEYS, 3)) > 0 then return 0 end
redis.call('DEL', KEYS[2])
for n = 2, #ARGV do redis.call('XADD', KEYS[1], 'NOMKSTREAM', '*', 'j', ARGV[n]) end
if #KEYS > 2 then redis.call('SET', KEYS[3], '1', 'EX', ARGV[1]) end
return 1
"""
_OURS = frozenset(ALPHABET)


@dataclass(frozen=True, slots=True)
class Letter:
    """Something that was sent back, and what is known of it. `id` is the message's that it answers."""

    arrived: Arrived[Heard]
    partition: Partition
    id: str | None
    reference: str | None
    marks: tuple[str, ...]
    meant: Meant | None = None

    @property
    def envelope(self) -> Envelope:
        return self.arrived.told.envelope


class Correspondence:
    """Raises OutboxUnavailable, after which all may be handled again."""

    def __init__(
        self, outbox: Outbox, accounts: Accounts, *, suppressions: Suppressions, vocabulary: Vocabulary
    ) -> None:
        self._outbox = outbox
        self._accounts = accounts
        self._suppressions = suppressions
        self._vocabulary = vocabulary
        self._tell = outbox.scripts.client.register_script(_TELL)

    def handle(self, arrived: Sequence[Arrived[Heard]]) -> None:
        """Handle them in their order."""
        letters = self._linked(arrived)
        fresh = self._fresh(letters)
        fresh = [self._obeyed(letter) for letter in fresh]
        for kind, type in (("inbound", Inbound), ("interaction", Interaction)):
            told = [letter for letter in fresh if isinstance(letter.arrived.told, type)]
            every = sum(isinstance(letter.arrived.told, type) for letter in letters)
            answering = sum(letter.id is not None for letter in told)
            journal.heard(kind, count=len(told), answering=answering, repeated=every - len(told))
        self._write(fresh)

    # --- which message it answers ----------------------------------------------------------------------

    def _linked(self, arrived: Sequence[Arrived[Heard]]) -> list[Letter]:
        """Each with the message it answers, looked up together; else with its account."""
        asked = [self._candidates(one.told.envelope) for one in arrived]
        ids = [id for candidates in asked for id in candidates]
        states = dict(zip(ids, self._outbox.states(ids), strict=True)) if ids else {}
        letters: list[Letter] = []
        for one, candidates in zip(arrived, asked, strict=True):
            id = next((id for id in candidates if states[id] is not None), None)
            if id is not None:
                partition = Partition(self._outbox.scripts, id[:2])
            else:
                account = self._accounts.named(one.account) or DEFAULT_ACCOUNT
                partition = self._outbox.registry.partition(account)
            reference = candidates[id] if id is not None else None
            letters.append(Letter(one, partition, id, reference, self._marks(one.told, partition)))
        return letters

    def _candidates(self, envelope: Envelope) -> dict[str, str]:
        """The ids that the answered message may have, each with its reference."""
        found: dict[str, str] = {}
        for raw in (envelope.context, envelope.reference):
            reference = raw.upper()
            if len(reference) == REFERENCE and _OURS.issuperset(reference):
                for number in spellings(envelope.number):
                    for tail in self._outbox.registry.tails(reference, number):
                        found[reference[:6] + tail] = reference
        return found

    # --- what was heard before -------------------------------------------------------------------------

    def _marks(self, told: Heard, partition: Partition) -> tuple[str, ...]:
        """The keys that it may have been heard under, the one for now first.

        Without a time it has none: the same words again would be taken for a repeat, a second STOP too.
        """
        envelope = told.envelope
        if not envelope.time:
            return ()
        said: list[Any] = [envelope.channel, envelope.number, envelope.to, envelope.time, envelope.reference]
        match told:
            case Inbound():
                said += ["inbound", told.text, told.media.uri if told.media else ""]
            case Interaction():
                said += ["interaction", told.type, told.custom]
        written = json.dumps(said).encode()
        return tuple(
            f"{partition.prefix}heard:{keyed(key, 'heard', written).hex()}"
            for key in self._outbox.registry.keys
        )

    def _fresh(self, letters: Sequence[Letter]) -> list[Letter]:
        """Those that were not heard before, and once each."""
        pipe = self._outbox.scripts.client.pipeline(transaction=False)
        for letter in letters:
            pipe.exists(*(letter.marks or (f"{letter.partition.prefix}heard:",)))
        known = self._outbox.scripts.guarded(pipe.execute)
        seen: set[str] = set()
        fresh: list[Letter] = []
        for letter, times in zip(letters, known, strict=True):
            if not times and seen.isdisjoint(letter.marks):
                fresh.append(letter)
                seen.update(letter.marks)
        return fresh

    # --- stop and start --------------------------------------------------------------------------------

    def _obeyed(self, letter: Letter) -> Letter:
        """The letter, with what it means, once the list says so."""
        told, envelope = letter.arrived.told, letter.envelope
        if isinstance(told, Interaction) or not envelope.number:
            return letter
        meant = self._vocabulary.meant(told.text, envelope.to)
        if meant is None:
            return letter
        account = self._accounts.named(letter.arrived.account)
        if account is None and letter.id is not None:
            account = self._accounts.of(letter.id)
        change = self._suppressions.add if meant.wish is Wish.OUT else self._suppressions.remove
        changed = change(envelope.number, account=account, sender=envelope.to or None, why=Why.OPTED_OUT)
        journal.wished(
            self._outbox.registry.key,
            envelope.number,
            meant.wish,
            language=meant.language,
            account=account,
            id=letter.id,
            changed=changed,
        )
        return replace(letter, meant=meant)

    # --- the app ---------------------------------------------------------------------------------------

    def _write(self, letters: Sequence[Letter]) -> None:
        pipe = self._outbox.scripts.client.pipeline(transaction=False)
        for letter in letters:
            prefix = letter.partition.prefix
            self._tell(
                keys=[prefix + "events", prefix + "nothing", *letter.marks],
                args=[HEARD_FOR, *_events(letter)],
                client=pipe,
            )
        if letters:
            self._outbox.scripts.guarded(pipe.execute)


def _events(letter: Letter) -> list[bytes]:
    """The events of a letter, as they lie in the stream."""
    told, envelope = letter.arrived.told, asdict(letter.envelope)
    envelope["from"] = envelope.pop("number")
    match told:
        case Interaction():
            data = envelope | {
                "type": told.type,
                "custom": told.custom,
                "postbackdata": told.postback,
                "label": told.label,
            }
            return [_event(INTERACTION_RECEIVED, letter, data)]
        case Inbound():
            data = envelope | {
                "name": told.name,
                "text": told.text,
                "media": None if told.media is None else asdict(told.media),
                "location": None if told.location is None else asdict(told.location),
                "contacts": told.contacts,
                "custom": told.custom,
                "wish": None if letter.meant is None else letter.meant.wish.value,
            }
            events = [_event(INBOUND_RECEIVED, letter, data)]
            if letter.meant is not None and letter.meant.wish is Wish.OUT:
                stopped = {name: envelope[name] for name in ("from", "to", "channel", "time")}
                language = {"language": letter.meant.language}
                events.insert(0, _event(OPTOUT_RECEIVED, letter, stopped | language))
            return events


def _event(type: str, letter: Letter, data: Mapping[str, Any]) -> bytes:
    key = None if letter.id is None else letter.id[2:]
    return news(type, at=letter.arrived.at, data=data, key=key, reference=letter.reference)[NEWS]
