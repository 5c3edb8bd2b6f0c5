"""CM's channels: their names on the wire, and what a recipient is on each of them.

The names are those of `allowedChannels` in CM's "shared features" page and official SDKs.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from cmqueue.errors import InvalidMessage

if TYPE_CHECKING:
    from collections.abc import Iterable

ID_RULE = "1 to 255 bytes of UTF-8 without control characters"
LONGEST_ID = 255  #: bytes; a job has one byte for the length

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Channel(StrEnum):
    """A channel under CM's name. `Channel("whatsapp")` finds it too: case and spaces don't matter."""

    SMS = "SMS"
    WHATSAPP = "WhatsApp"
    RCS = "RCS"
    VIBER = "Viber"
    APPLE_MESSAGES = "Apple Messages for Business"
    FACEBOOK_MESSENGER = "Facebook Messenger"
    INSTAGRAM = "Instagram"
    TELEGRAM = "Telegram Messenger"
    TWITTER = "Twitter"
    GOOGLE_BUSINESS_MESSAGES = "Google Business Messages"
    LINE = "Line"
    VOICE = "Voice"
    MOBILE_PUSH = "MobilePush"
    PUSH = "Push"

    @property
    def uses_phone_numbers(self) -> bool:
        """Whether a recipient is a phone number here, not an id of the channel's own (a PSID, a device)."""
        return self in _WITH_PHONE_NUMBERS

    @classmethod
    def _missing_(cls, value: object) -> Channel | None:
        return _BY_FOLDED_NAME.get(_folded(value)) if isinstance(value, str) else None


def numbers_are_opaque(channels: Iterable[Channel]) -> bool:
    """Whether no channel of these knows phone numbers, so that `to` must travel unchanged.

    No channels means any that the account has, SMS among them: those are phone numbers.
    """
    chosen = tuple(channels)
    return bool(chosen) and _WITH_PHONE_NUMBERS.isdisjoint(chosen)


def may_use_sms(channels: Iterable[Channel]) -> bool:
    """Whether content for these channels can go out as SMS, so that the rules of SMS hold for it."""
    chosen = tuple(channels)
    return not chosen or Channel.SMS in chosen


def check_id(value: str, field: str) -> str:
    """`value`, an id that only a channel understands, unchanged; raises InvalidMessage."""
    if not value:
        raise InvalidMessage(field, "is empty", ID_RULE)
    control = _CONTROL.search(value)
    if control:
        raise InvalidMessage(field, f"has a control character at position {control.start() + 1}", ID_RULE)
    size = len(value.encode("utf-8", "surrogatepass"))
    if size > LONGEST_ID:
        raise InvalidMessage(field, f"is {size} bytes long", ID_RULE)
    if size != len(value.encode("utf-8", "ignore")):
        raise InvalidMessage(field, "has half a surrogate pair, which is not Unicode text", ID_RULE)
    return value


def _folded(name: str) -> str:
    return "".join(name.split()).casefold()


_WITH_PHONE_NUMBERS = frozenset(
    {Channel.SMS, Channel.WHATSAPP, Channel.RCS, Channel.VIBER, Channel.VOICE},
)
# CM's material has older names for one channel.
_BY_FOLDED_NAME = {_folded(channel): channel for channel in Channel} | {
    _folded("Apple Business Chat"): Channel.APPLE_MESSAGES,
    _folded("iMessage"): Channel.APPLE_MESSAGES,
}
