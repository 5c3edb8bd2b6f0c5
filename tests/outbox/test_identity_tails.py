"""The ends of ids."""

from __future__ import annotations

import hmac
from base64 import b32encode

from hypothesis import given
from hypothesis import strategies as st

from cmqueue.identity import tail_of


@given(st.binary(min_size=1, max_size=100), st.text(max_size=20), st.text(max_size=20))
def test_a_tail_is_an_hmac_in_base32(key: bytes, reference: str, number: str) -> None:
    """
    The first 20 characters of base32 of HMAC-SHA256 over `reference|number`, for keys of any length.
    """
    digest = hmac.digest(key, f"{reference}|{number}".encode(), "sha256")

    assert b32encode(digest).decode()[:20] == tail_of(key, reference, number)
