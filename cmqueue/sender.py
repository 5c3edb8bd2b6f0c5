"""The sender (`from`) of a content."""

from __future__ import annotations

import re

from cmqueue.channel import check_id
from cmqueue.errors import InvalidMessage

SMS_RULE = "at most 11 letters and digits with spaces and dots between them, or at most 16 digits"
LONGEST_NAME = 11  #: characters
LONGEST_NUMBER = 16  #: digits

# CM writes the alphabet without space and dot; its samples have a space, and its SDKs fall back to "cm.com".
_SMS = re.compile(r"[0-9]{1,16}|[A-Za-z0-9](?:[A-Za-z0-9 .]{0,9}[A-Za-z0-9])?")


def check_sender(sender: str, *, sms: bool) -> str:
    """`sender`, unchanged; raises InvalidMessage.

    The rule of SMS ("shared features" page) holds where `sms`. Elsewhere a sender is what CM configured for
    the channel: an agent, a page id, an app key.
    """
    if sms:
        if not _SMS.fullmatch(sender):
            raise InvalidMessage("sender", _misfit(sender), SMS_RULE)
    else:
        check_id(sender, "sender")
    return sender


def _misfit(sender: str) -> str:
    if not sender:
        return "is empty"
    for position, character in enumerate(sender, start=1):
        if not (character.isascii() and (character.isalnum() or character in " .")):
            return f"has neither letter, digit, space nor dot at position {position}"
    if sender != sender.strip(" ."):
        return "begins or ends with a space or a dot"
    return f"is {len(sender)} characters long"
