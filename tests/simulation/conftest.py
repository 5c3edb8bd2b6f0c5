"""`--seed` replays one run of the simulation and prints its transcript."""

from __future__ import annotations

import pytest

#: As many as take half a minute on one core. `python tests/simulation FIRST LAST` tries others.
SEEDS = range(1, 91)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", help="replay the simulation of this seed and print its transcript")


def _given(config: pytest.Config) -> str | None:
    # Where the whole suite runs, this file is read too late for its option to exist.
    seed: str | None = config.getoption("--seed", default=None)
    return seed


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        given = _given(metafunc.config)
        metafunc.parametrize("seed", [str(seed) for seed in SEEDS] if given is None else [given])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The transcript, also where another process of the suite ran it."""
    if _given(config) is None:
        return
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()):
                if name == "transcript":
                    terminalreporter.section("transcript")
                    terminalreporter.write_line(value)
