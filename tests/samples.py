"""The samples of a documentation page, and running them: what a page shows must work."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent.parent / "docs"

_FENCE = re.compile(r"^```(?P<language>[a-z]*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Sample:
    """A fenced block: its language, its text, and the line of the page that the text begins at."""

    page: Path
    language: str
    text: str
    line: int


def samples(page: str, language: str | None = None) -> list[Sample]:
    """The fenced blocks of the page `docs/<page>`, of one language or all, in their order."""
    path = DOCS / page
    source = path.read_text()
    found = [
        Sample(path, match["language"], match["text"], source.count("\n", 0, match.start("text")) + 1)
        for match in _FENCE.finditer(source)
    ]
    return [sample for sample in found if language in (None, sample.language)]


def run_python(page: str, **names: Any) -> dict[str, Any]:
    """Run the Python samples of a page one after the other in one namespace, which begins with `names`."""
    namespace: dict[str, Any] = {"__name__": "sample"} | names
    for sample in samples(page, "python"):
        # Blank lines before it, so that a traceback names the page's own line.
        code = compile("\n" * (sample.line - 1) + sample.text, str(sample.page), "exec")
        exec(code, namespace)
    return namespace
