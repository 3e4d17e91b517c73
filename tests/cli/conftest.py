"""The command in an empty folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.tools import Jman


@pytest.fixture
def jman(tmp_path: Path) -> Iterator[Jman]:
    """Run the real command in an empty folder; what it left running is ended after the test."""
    folder = tmp_path / "work"
    folder.mkdir()
    command = Jman(folder)
    yield command
    command.close()
