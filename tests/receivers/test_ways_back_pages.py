"""The pages of the way back say what the code does."""

from __future__ import annotations

from harness import ROOT

from cmqueue.standard_error import TABLE, StandardError, standard_error
from receivers.processing.opt_out import WORDS

PAGES = ROOT / "docs" / "ways-back"


def _row(error: StandardError) -> str:
    return f"| {error.code} | {error.meaning} | {error.kind} | {error.next_step.value} |"


def test_the_table_of_standard_errors() -> None:
    """Line for line, with both meanings of 28."""
    page = (PAGES / "receipts.md").read_text()
    new = standard_error(28, "Safeguard")
    assert new is not None

    assert [] == [_row(error) for error in (*TABLE, new) if _row(error) not in page]


def test_the_table_of_stop_words() -> None:
    """Each language with its words."""
    page = (PAGES / "inbound.md").read_text()

    assert [] == [
        row
        for language, words in WORDS.items()
        if (row := f"| {language} | {', '.join(words)} |") not in page
    ]
