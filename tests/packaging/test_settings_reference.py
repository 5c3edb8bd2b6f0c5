"""docs/settings.md, and that every variable anybody reads about exists."""

from __future__ import annotations

import re

from harness import ROOT

from config.reference import PAGE, page, variables

VARIABLE = re.compile(r"\bCMQUEUE_[A-Z_]*[A-Z]\b")


def test_the_reference_is_current() -> None:
    """docs/settings.md is what `make docs` writes now."""
    assert page() == PAGE.read_text()


def test_every_variable_is_documented() -> None:
    """Each variable that a settings class reads has its line."""
    documented = set(re.findall(r"^\| `([A-Z_]+)` \|", PAGE.read_text(), re.MULTILINE))

    assert set() == variables().keys() - documented


def test_no_document_names_a_variable_that_nobody_reads() -> None:
    """What the README, the compose file and the other pages tell an operator to set has an effect."""
    pages = [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("deploy/*.env"),
        ROOT / "docker-compose.yml",
    ]
    named = {name for page in pages for name in VARIABLE.findall(page.read_text())}

    assert set() == named - variables().keys()


def test_a_secret_is_marked_as_one() -> None:
    """The product token's line says that it is a secret; its class keeps it out of every repr."""
    line = next(line for line in page().splitlines() if "`CMQUEUE_PRODUCT_TOKEN`" in line)

    assert "*Secret.*" in line
