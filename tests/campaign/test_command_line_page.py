"""docs/ways-in/command-line.md: its commands run, and its page is what they print."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from campaigns import jobs
from samples import samples

from cmqueue import Content, Outbox
from cmqueue.lane import Lane

PAGE = "ways-in/command-line.md"


@pytest.mark.slow
def test_the_commands_run(outbox: Outbox, tmp_path: Path) -> None:
    """Every command of the page runs as it stands, in their order, and the pre-flight prints the page."""
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "CMQUEUE_REDIS_URL": outbox.settings.redis_url,
        "LANG": "C.UTF-8",
    }
    said, codes = [], []
    for sample in samples(PAGE, "sh"):
        ran = subprocess.run(
            ["sh", "-u", "-c", sample.text],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "" == ran.stderr
        said.append(ran.stdout)
        codes.append(ran.returncode)

    assert [0, 1, 1] == codes  # the page's file has a bad row
    assert (1, 2, 4) == tuple(len(jobs(outbox, lane)) for lane in (Lane.URGENT, Lane.NORMAL, Lane.BULK))
    (shown,) = samples(PAGE, "text")
    assert _timeless(shown.text.rstrip()) == _timeless(said[1].rstrip())


def _timeless(page: str) -> str:
    """A page without its time of day and what waits already, in one line."""
    return re.sub(r"about [^;]* begins[^;]*;", "about", " ".join(page.split()))


def test_the_content_is_one() -> None:
    """The page's content file is a content."""
    (shown,) = samples(PAGE, "json")

    assert Content.of_mapping(json.loads(shown.text)).rich_content
