"""Every sample of docs/ways-in/http.md, run against a real intake."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from harness import ROOT, eventually
from intake_process import IntakeProcess
from javascript import run
from samples import Sample, samples

from demo.valkey import RunningServer

PAGE = "ways-in/http.md"
SHOWN = "http://127.0.0.1:8010"


def _at(intake: IntakeProcess, sample: Sample) -> str:
    """The sample's text, its address the running intake's."""
    return sample.text.replace(SHOWN, intake.url)


def _shell(text: str) -> Any:
    done = subprocess.run(["sh", "-ec", text], capture_output=True, text=True, timeout=30, check=True)
    return json.loads(done.stdout)


def test_there_is_a_test_for_every_sample() -> None:
    """A sample of another kind, or one more, needs a test here."""
    assert ["sh", "sh", "json", "python", "js", "sh"] == [sample.language for sample in samples(PAGE)]


def test_it_starts_as_shown(valkey: RunningServer, tmp_path: Path) -> None:
    """With the environment of the page, but for the places of Redis and of the port."""
    text = samples(PAGE, "sh")[0].text.replace("redis://127.0.0.1:6379/0", valkey.url)
    log = tmp_path / "log"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            ["sh", "-ec", text.replace("python -m", "exec python -m")],
            cwd=ROOT,
            env=os.environ | {"PORT": "0", "PATH": path},
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    try:
        eventually(lambda: "intake.started" in log.read_text() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(20)


def test_curl_gets_the_answer_shown(intake: IntakeProcess) -> None:
    """The first sample's answer is the JSON on the page."""
    told = _shell(_at(intake, samples(PAGE, "sh")[1]))

    assert json.loads(samples(PAGE, "json")[0].text) == told


def test_python(intake: IntakeProcess) -> None:
    """CM's own client; the sample checks the answer itself."""
    (sample,) = samples(PAGE, "python")

    code = compile(_at(intake, sample), str(sample.page), "exec")
    exec(code, {"__name__": "sample"})

    assert intake.events("request.accepted")


@pytest.mark.slow
def test_javascript(intake: IntakeProcess, node_modules: Path) -> None:
    """CM's own client prints what the intake said."""
    (sample,) = samples(PAGE, "js")
    assert "Created 1 message(s)\n" == run(["-e", _at(intake, sample)], node_modules)


def test_curl_with_options(intake: IntakeProcess) -> None:
    """A key, a lane, a life: queued once, however often it is asked."""
    text = _at(intake, samples(PAGE, "sh")[2])

    first, again = _shell(text), _shell(text)

    assert 0 == first["errorCode"]
    assert first == again
    events = intake.events("request.accepted")[-2:]
    assert [("urgent", 0), ("urgent", 1)] == [(event["lane"], event["duplicates"]) for event in events]
    assert events[0]["ids"] == events[1]["ids"]
