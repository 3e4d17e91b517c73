"""A folder with the command for each test, and lines of figures (see the plugin ``figures``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from asyncjman.executors import command
from asyncjman.scheduler.grid import refresh
from tests.cli.tools import Jman
from tests.faults.cell import Cell
from tests.faults.tools import kill_left_in


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path) -> Iterator[None]:
    """End what a test left running in its folder, which may be what it is about."""
    yield
    kill_left_in(tmp_path / "work")


@pytest.fixture
def figures(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Take a line for the figures of the run."""
    return lambda line: record_property("figures", line)


@pytest.fixture
def cell(tmp_path: Path, jman: Jman, monkeypatch: pytest.MonkeyPatch) -> Cell:
    """Put the commands of a cluster of files on the PATH of ``jman``, and little patience."""
    folder = tmp_path / "cell"
    folder.mkdir()
    cell = Cell(folder)
    cell.install()
    jman.variables |= {"PATH": f"{folder}:{jman.environment()['PATH']}", "XDG_CONFIG_HOME": str(tmp_path)}
    jman.variables |= {
        "JMAN_VANISH_GRACE": "0",
        "JMAN_POLL_INTERVAL": "0.05",
        "JMAN_POLL_INTERVAL_MAX": "0.1",
    }
    monkeypatch.setattr(command, "TIMEOUT_SECONDS", 0.5)
    monkeypatch.setattr(command, "FIRST_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(refresh, "ORPHAN_SECONDS", 0.1)
    monkeypatch.setattr(command, "PATIENCE_SECONDS", 0.3)
    return cell
