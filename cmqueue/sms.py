"""How much SMS a text is: its encoding, its length, its parts, and what makes it Unicode.

    encoding   one part     each of several   a character takes
    GSM        160 septets  153               1; one of the extension table 2
    UCS-2       70 units     67               1; one outside the Basic Multilingual Plane 2
    binary     140 octets   134

No pair is cut in two by the end of a part, so a part may end one unit early. The lengths are those of CM's
"sms" page, the alphabet that of 3GPP TS 23.038. CM's own count is the `parts` of its answer; its SDKs speak
of 66 units where its page has 67, which shows in texts that just fit.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal, NamedTuple
from unicodedata import category
from unicodedata import name as unicode_name

from cmqueue.errors import InvalidMessage

Encoding = Literal["GSM", "UCS-2", "binary"]

_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = "\f^{}\\[~]|€"
_ESCAPE = "\x1b"
_ALL_BASIC = re.compile(f"[{re.escape(_BASIC)}]*")
_ALL_GSM = re.compile(f"[{re.escape(_BASIC + _EXTENSION)}]*")
_EXTENDED = re.compile(f"[{re.escape(_EXTENSION)}]")
_FOREIGN = re.compile(f"[^{re.escape(_BASIC + _EXTENSION)}]")

_GSM_ALONE, _GSM_EACH = 160, 153
_UCS2_ALONE, _UCS2_EACH = 70, 67
_BINARY_ALONE, _BINARY_EACH = 140, 134
_UCS2_DCS = 8


class Foreign(NamedTuple):
    """A character that the alphabet of GSM lacks: how often the text has it, and where first, from 1."""

    character: str
    times: int
    position: int

    def __repr__(self) -> str:
        """Without the character: it is of the text, and a repr ends up in logs."""
        return f"Foreign(times={self.times}, position={self.position})"

    @property
    def label(self) -> str:
        """For a person: `ч (U+0447 CYRILLIC SMALL LETTER CHE)`; what can't be seen, without itself."""
        name = unicode_name(self.character, "TAB" if self.character == "\t" else "")
        code = f"U+{ord(self.character):04X} {name}".rstrip()
        return f"{self.character} ({code})" if category(self.character)[0] in "LNPS" else code


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """What a text is as SMS. Its repr shows figures alone.

    units      septets (GSM), 16-bit units (UCS-2), octets (binary)
    parts      how many SMS it takes, and costs; at least 1
    foreign    the characters that GSM lacks, in the order of their first appearance: with `auto` each of them
               alone makes the whole text UCS-2
    gsm_parts  the parts it would take with one plain character in the place of each foreign one
    """

    encoding: Encoding
    units: int
    parts: int
    gsm_parts: int
    foreign: tuple[Foreign, ...] = field(default=(), repr=False)

    @property
    def extra_parts(self) -> int:
        """What Unicode costs: the parts more than in GSM."""
        return self.parts - self.gsm_parts


def count(text: str, *, encoding: str = "auto", dcs: int | None = None) -> Count:
    """How `text` goes out; the options are those of Content. Raises InvalidMessage for an unknown encoding.

    auto    the text decides; `dcs` is ignored
    text    GSM, in which a foreign character is replaced, unless `dcs` is 8: then UCS-2
    binary  octets: hexadecimal digits, or else any text in UTF-8 (CM does not document the form)
    """
    if encoding == "binary":
        return _binary(text)
    if encoding not in ("auto", "text"):
        raise InvalidMessage("encoding", "is none of the known values", "auto, text or binary")
    if encoding == "text" and dcs == _UCS2_DCS:
        return _in_unicode(text)
    if _ALL_BASIC.fullmatch(text):
        return _plain(len(text))
    if _ALL_GSM.fullmatch(text):
        return _gsm(*_septets(text))
    if encoding == "auto":
        return _in_unicode(text)
    return replace(_gsm(*_septets(text)), foreign=_foreign(text))


@lru_cache(maxsize=2048)
def _plain(length: int) -> Count:
    """The count of the usual text, of one septet a character: one value serves all of a length."""
    return _gsm(length, 1 if length <= _GSM_ALONE else -(-length // _GSM_EACH))


@lru_cache(maxsize=2048)
def _gsm(septets: int, parts: int) -> Count:
    return Count(encoding="GSM", units=septets, parts=parts, gsm_parts=parts)


def _in_unicode(text: str) -> Count:
    units, parts = _units(text)
    _, gsm_parts = _septets(text)
    return Count(encoding="UCS-2", units=units, parts=parts, gsm_parts=gsm_parts, foreign=_foreign(text))


def _foreign(text: str) -> tuple[Foreign, ...]:
    found, at = [], 0
    for character, times in Counter(_FOREIGN.findall(text)).items():  # in the order of their first appearance
        at = text.index(character, at)
        found.append(Foreign(character, times, at + 1))
    return tuple(found)


def _septets(text: str) -> tuple[int, int]:
    """Septets and parts in GSM, a foreign character taken for one of one septet."""
    septets = len(text) + sum(map(text.count, _EXTENSION))
    if septets <= _GSM_ALONE:
        return septets, 1
    escaped = _EXTENDED.sub(_ESCAPE + "e", text.replace(_ESCAPE, "?"))
    parts, start = 1, 0
    while septets - start > _GSM_EACH:
        start += _GSM_EACH
        start -= escaped[start - 1] == _ESCAPE  # the escape goes with what it escapes
        parts += 1
    return septets, parts


def _units(text: str) -> tuple[int, int]:
    """16-bit units and parts in UCS-2."""
    encoded = text.encode("utf-16-be", "surrogatepass")
    units = len(encoded) // 2
    if units <= _UCS2_ALONE:
        return units, 1
    parts, start = 1, 0
    while units - start > _UCS2_EACH:
        start += _UCS2_EACH
        start -= 0xD8 <= encoded[2 * start - 2] <= 0xDB  # a high surrogate goes with the low one
        parts += 1
    return units, parts


def _binary(text: str) -> Count:
    try:
        octets = len(bytes.fromhex(text))
    except ValueError:
        octets = len(text.encode("utf-8", "surrogatepass"))
    parts = 1 if octets <= _BINARY_ALONE else -(-octets // _BINARY_EACH)
    return Count(encoding="binary", units=octets, parts=parts, gsm_parts=parts)
