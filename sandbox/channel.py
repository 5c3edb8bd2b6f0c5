"""CM's channels ("Shared features"), under the folded names that CM's own SDKs and pages agree on."""

from __future__ import annotations

from functools import lru_cache

PHONE = frozenset({"sms", "whatsapp", "rcs", "viber", "voice"})  #: a recipient is a phone number
OPAQUE = frozenset(
    {
        "applemessagesforbusiness",
        "applebusinesschat",
        "imessage",
        "facebookmessenger",
        "instagram",
        "telegrammessenger",
        "twitter",
        "googlebusinessmessages",
        "line",
        "mobilepush",
        "push",
    }
)  #: a recipient is an id of the channel's own
ALL = PHONE | OPAQUE
APPLE = frozenset({"applemessagesforbusiness", "applebusinesschat", "imessage"})  #: one channel, three names
PLAIN = frozenset({"sms", "voice", "mobilepush", "push"})  #: they show the body, never rich content


@lru_cache(maxsize=256)
def folded(names: tuple[str, ...]) -> frozenset[str]:
    """Channel names without case and spaces: CM's own SDKs disagree about both."""
    return frozenset(name.lower().replace(" ", "") for name in names)
