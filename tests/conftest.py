"""What all tests share: no cluster of somebody else's, and an end."""

from __future__ import annotations

import faulthandler
import os
import signal
from collections.abc import Generator, Iterator
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from asyncjman.cli import parser
from tests.cells import sge, slurm
from tests.cli.tools import Jman

# the commands of a cluster that happens to be on PATH find nothing: `grid` names a cell of our own
os.environ["SGE_ROOT"] = "/nonexistent/no-cluster-but-our-own"
os.environ["SLURM_CONF"] = "/nonexistent/no-cluster-but-our-own"
for name in ("SGE_CELL", "SGE_QMASTER_PORT", "SGE_EXECD_PORT"):
    os.environ.pop(name, None)

# the machine may be busy: how long an example takes is no fault of the code
settings.register_profile(
    "asyncjman",
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("asyncjman")

# `jman` runs in this process, again and again: its parsers are the same each time, and slow to make
setattr(parser, "parser_of", lru_cache(parser.parser_of))  # noqa: B010 # mypy lets no function be assigned


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("root") and os.geteuid() != 0:
        pytest.skip("needs root: sudo make test")


_STDERR = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's job in the background: so would be all
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.stash[_STDERR] = os.dup(2)  # while nobody captures it


def pytest_unconfigure(config: pytest.Config) -> None:
    os.close(config.stash[_STDERR])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """End the process of a test that goes on at twice its time limit.

    pytest-timeout raises an exception in the main thread, once: that ends neither what catches it nor
    what waits for another thread afterwards.
    """
    marker = item.get_closest_marker("timeout")
    given = item.config.getoption("timeout")
    limit = float(marker.args[0] if marker else item.config.getini("timeout") if given is None else given)
    if limit > 0:
        faulthandler.dump_traceback_later(2 * limit, exit=True, file=item.config.stash[_STDERR])
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Have all tests that need a cell told in one line: else each is told with its own place."""
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple):
        for cell in (sge, slurm):
            if cell.WITHOUT in report.longrepr[2]:
                report.longrepr = (
                    f"tests/cells/{cell.__name__.rpartition('.')[2]}.py",
                    0,
                    report.longrepr[2],
                )
    return report


@pytest.fixture
def jman(tmp_path: Path) -> Iterator[Jman]:
    """Run the real command in an empty folder; what it left running is ended after the test."""
    folder = tmp_path / "work"
    folder.mkdir()
    command = Jman(folder)
    yield command
    command.close()
