"""A result on paper: its file, its table, its pictures."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from benchmarks.figures import Figures, median, read, write
from benchmarks.gallery import hang
from benchmarks.machine import machine
from benchmarks.picture import NAMESPACE, Bar, Group, picture
from benchmarks.table import WIDTH, raw, table
from benchmarks.targets import lines

COUNTS = (10_000, 100_000, 1_000_000)
SVG = f"{{{NAMESPACE}}}"

WEB = [f"web.{framework}.{part}" for framework in ("Django", "Flask", "FastAPI") for part in ("p50", "p99")]


def result(times: float = 1.0) -> Figures:
    """Every figure that a whole run has."""
    found: Figures = {}
    for latency in ("0ms", "50ms"):
        for processes in (1, 2):
            for name in ("distinct.{}.naive", "distinct.{}.bare", "distinct.{}.ours", "broadcast.{}.bare"):
                found["drain." + name.format(f"{latency}.{processes}")] = 123_456.7 * times
            ours = f"drain.broadcast.{latency}.{processes}.ours"
            found |= {ours: 183_456.7 * times, f"cpu.{ours}": 0.71, f"cpu_redis.{ours}": 0.5}
            found[f"memory_worker.{ours}"] = 81.4
        for part, value in (("p50", 51.2), ("p99", 1_234.5), ("most", 2_345.6), ("bulk_kept", 0.91)):
            found[f"latency.behind.{latency}.{part}"] = value * times
    for rate in (50, 1000):
        for part, value in (("p50", 3.2), ("p99", 12.5), ("most", 23.6)):
            found[f"latency.idle.{rate}.{part}"] = value * times
    for way in ("delay", "delay.ignored", "single", "single.waking", "many", "many.checked", "broadcast"):
        found[f"enqueue.{way}"] = 234_567.8 * times
    for count in COUNTS:
        for name in ("redis.distinct.queued", "redis.distinct.finished", "redis.broadcast.queued"):
            found[f"{name}.{count}"] = 345.6 * times
        found[f"worker.memory.{count}"] = 123.4 * times
    found |= {"start.first": 0.9 * times, "start.idle": 0.5 * times}
    intake = ("one", "cpu", "half.p50", "half.p99", "half.most")
    found |= dict.fromkeys([f"intake.{name}" for name in intake], 1_612.3 * times)
    found |= dict.fromkeys(("intake.distinct", "intake.shared", "import.rows"), 9_234.5 * times)
    found |= dict.fromkeys(("receipts.lost", "receipts.refused"), 0.0)
    found |= dict.fromkeys(
        [f"receipts.{name}" for name in ("p50", "p99", "most", "full", "cpu")], 1.2 * times
    )
    found["import.memory"] = 92.1 * times
    found |= dict.fromkeys(WEB, 1.2 * times)
    found |= dict.fromkeys(("share.0ms.accounted", "share.50ms.accounted"), 90_000.0)
    return found | dict.fromkeys(("share.0ms.unaccounted", "share.50ms.unaccounted"), 100_000.0 * times)


def printed(*tables: object) -> list[str]:
    """As a narrow terminal shows them, without its colours; wide enough to see what would not fit."""
    console = Console(width=WIDTH * 2, force_terminal=False, color_system=None)
    with console.capture() as captured:
        for one in tables:
            console.print(one)
    return [text.rstrip() for text in captured.get().splitlines()]


def test_a_file_gives_back_what_was_written(tmp_path: Path) -> None:
    """The machine, and each run's figures by name, to four digits."""
    write(tmp_path / "last.json", {"cores": "2"}, [{"a": 123.456, "b": 0.0}, {"a": 2.0}])

    assert ({"cores": "2"}, [{"a": 123.5, "b": 0.0}, {"a": 2.0}]) == read(tmp_path / "last.json")


def test_without_a_file_there_is_no_last_result(tmp_path: Path) -> None:
    """The first run of all compares with nothing."""
    assert ({}, []) == read(tmp_path / "last.json")


def test_the_median_is_of_the_runs_that_have_it() -> None:
    """A run that failed on the way takes nothing from the others."""
    assert {"a": 2.0, "b": 5.0} == median([{"a": 1.0}, {"a": 2.0, "b": 5.0}, {"a": 9.0}])


def test_a_result_tells_no_host_and_no_path() -> None:
    """What it ran on: cores, processor, memory, versions; nothing that names a machine."""
    told = machine()

    assert {"cores", "cpu", "memory", "python", "celery", "redis-py", "server"} == told.keys()
    assert "/" not in json.dumps(told)


def test_the_table_has_every_line() -> None:
    """Each line is told with its value, its target, and the verdict on it."""
    promised = lines(COUNTS)

    text = printed(table(promised, [result()], []))

    for line in promised:
        (row,) = [row for row in text if row.strip().startswith(f"{line.says} ") and line.unit in row]
        assert (line.target is not None) is row.endswith(("holds", "short"))


@pytest.mark.parametrize("times", [1.0, 9.0])
def test_the_tables_fit_their_width(times: float) -> None:
    """100 columns at most, also with several runs and changes of some hundred per cent."""
    runs = [result(times), result(times * 1.2), result(times * 1.1)]

    text = printed(table(lines(COUNTS), runs, [result()]), *raw(runs))

    assert max(len(row) for row in text) <= WIDTH


def test_a_change_beyond_noise_has_a_word() -> None:
    """Twice the rate is better, twice the milliseconds are worse, and a little is neither."""
    now, last = result(), result()
    last["enqueue.many"] /= 2
    last["latency.idle.50.p99"] /= 2
    last["start.first"] *= 1.1

    text = printed(table(lines(COUNTS), [now], [last]))

    said = {row.split("  ")[0].strip(): row for row in text}
    assert said["enqueue_many ÷ .delay()"].endswith("+100% better")
    assert said["urgent, 50/s, idle: p99"].endswith("+100% worse")
    assert said["start of a worker to its first POST"].endswith("-9%")


def test_every_picture_is_drawn_and_well_formed(tmp_path: Path) -> None:
    """Four files of SVG, each with a title and with its values in words for who can't see it."""
    hang([result()], tmp_path)

    drawn = {file.name: ET.fromstring(file.read_text()) for file in tmp_path.iterdir()}
    assert {f"bench-{name}.svg" for name in ("drain", "enqueue", "latency", "memory")} == drawn.keys()
    for root in drawn.values():
        assert f"{SVG}svg" == root.tag
        assert root.findtext(f"{SVG}title")
        assert root.findtext(f"{SVG}desc")


def test_no_bar_leaves_its_picture() -> None:
    """From the least to the greatest value, and with a target beyond both."""
    drawn = picture("t", "n", [Group("g", [Bar("a", 2.0), Bar("b", 9e6, target=1e9)])], logarithmic=True)

    root = ET.fromstring(drawn)
    width = float(root.attrib["viewBox"].split()[2])
    for bar in root.iter(f"{SVG}rect"):
        assert 0 < float(bar.attrib["width"]) <= width - float(bar.attrib["x"])


def test_text_in_a_picture_is_escaped() -> None:
    """A label may hold any character."""
    drawn = picture("a < b", "c & d", [Group("<g>", [Bar('"e"', 1.0)])])

    assert "a < b" == ET.fromstring(drawn).findtext(f"{SVG}title")
