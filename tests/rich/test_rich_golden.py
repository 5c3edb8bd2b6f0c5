"""What the builders send is what CM's pages and clients show, written down by hand for each kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from gallery import CONTENTS, recipient
from harness import TOKEN

from cmqueue import Content
from sandbox.running import running

GOLDEN = Path(__file__).parent / "golden"


def canonical(document: Any) -> str:
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def golden(kind: str) -> Any:
    return json.loads((GOLDEN / f"{kind}.json").read_text())


@pytest.mark.parametrize("kind", CONTENTS)
def test_what_goes_to_cm(kind: str) -> None:
    """
    A content of each kind goes out as its golden file has it, byte for byte in canonical form.
    """
    assert (GOLDEN / f"{kind}.json").read_text() == canonical(json.loads(CONTENTS[kind].wire()))


def test_every_golden_file_has_its_content() -> None:
    """
    No golden file is left over.
    """
    assert set(CONTENTS) == {path.stem for path in GOLDEN.iterdir()}


@pytest.mark.parametrize("kind", CONTENTS)
def test_the_document_is_as_good_as_the_builder(kind: str) -> None:
    """
    Rich content given as CM's JSON makes the same content as the builders do.
    """
    msg = golden(kind)
    content = Content(
        sender=msg["from"],
        text=msg["body"]["content"] or None,
        channels=msg["allowedChannels"],
        rich_content=msg["richContent"],
    )

    assert msg == json.loads(content.wire())


def test_the_sandbox_takes_all_of_it() -> None:
    """
    The sandbox, which judges rich content by code of its own, accepts every golden document.
    """
    messages = [
        {"to": [{"number": recipient(content)}], **golden(kind)} for kind, content in CONTENTS.items()
    ]
    with running() as sandbox:
        request = Request(
            sandbox.endpoint,
            data=json.dumps({"messages": {"msg": messages}}).encode(),
            headers={"X-CM-PRODUCTTOKEN": TOKEN, "Content-Type": "application/json"},
        )
        with urlopen(request, timeout=10) as answer:
            rows = json.load(answer)["messages"]

    said = {kind: row["messageDetails"] for kind, row in zip(CONTENTS, rows, strict=True)}
    assert dict.fromkeys(CONTENTS) == {kind: details or None for kind, details in said.items()}
