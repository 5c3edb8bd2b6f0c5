"""How many SMS parts a text takes (CM's page "SMS"; character sets of 3GPP TS 23.038).

    encoding   one part     each of several
    GSM-7      160 septets  153
    UCS-2       70 units     67
    binary     140 octets   134

A character of the GSM extension table takes two septets and one outside the Basic Multilingual Plane
two units of UCS-2; neither pair is ever cut in two by the end of a part.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("\f^{}\\[~]|€")
_GSM = _BASIC | _EXTENSION

_UCS2_DCS = 8


@lru_cache(maxsize=1024)
def parts_of(text: str, body_type: str = "auto", dcs: int = 0) -> int:
    """The number of parts, at least 1. `body_type` is auto, text or binary.

    With `auto` the text decides the encoding and `dcs` is ignored; with `text` only `dcs` 8 makes it
    UCS-2, and a character that GSM-7 lacks is sent as another one of one septet.
    """
    if body_type == "binary":
        return _filled((1 for _ in range(_octets(text))), alone=140, each=134)
    unicode = not _GSM.issuperset(text) if body_type == "auto" else dcs == _UCS2_DCS
    if unicode:
        return _filled((2 if char > "\uffff" else 1 for char in text), alone=70, each=67)
    return _filled((2 if char in _EXTENSION else 1 for char in text), alone=160, each=153)


def _filled(widths: Iterable[int], *, alone: int, each: int) -> int:
    """Parts needed for characters of these `widths`, none of them cut in two."""
    total, parts, used = 0, 1, 0
    for width in widths:
        total += width
        used += width
        if used > each:
            parts, used = parts + 1, width
    return 1 if total <= alone else parts


def _octets(content: str) -> int:
    """Octets of binary content, whose format CM does not document: hexadecimal, or else any UTF-8."""
    try:
        return len(bytes.fromhex(content))
    except ValueError:
        return len(content.encode())
