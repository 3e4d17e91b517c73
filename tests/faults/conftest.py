"""A folder with the command for each test, and lines of figures (see the plugin ``figures``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.tools import Jman
from tests.faults.tools import kill_left_in


@pytest.fixture
def jman(tmp_path: Path) -> Iterator[Jman]:
    """Run the real command in an empty folder; what it left running is ended after the test."""
    folder = tmp_path / "work"
    folder.mkdir()
    command = Jman(folder)
    yield command
    command.close()
    kill_left_in(folder)


@pytest.fixture
def figures(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Take a line for the figures of the run."""
    return lambda line: record_property("figures", line)
