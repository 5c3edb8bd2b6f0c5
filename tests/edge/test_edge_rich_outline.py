"""The outline of rich content is checked where the message comes in."""

from __future__ import annotations

from typing import Any

import pytest

from cmqueue import Content, InvalidMessage


@pytest.mark.parametrize(
    ("rich", "field"),
    [
        ({"conversation": {"text": "Hi"}}, "rich_content.conversation"),
        ({"conversation": ["Hi"]}, "rich_content.conversation[0]"),
        ({"conversation": [], "suggestions": "Reply"}, "rich_content.suggestions"),
    ],
)
def test_a_wrong_outline_is_refused(rich: dict[str, Any], field: str) -> None:
    """CM refuses a whole request for it, so one message must not poison a batch of others."""
    with pytest.raises(InvalidMessage) as caught:
        Content(sender="Acme", rich_content=rich)

    assert field == caught.value.field
