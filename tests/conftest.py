"""What all tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.cli.tools import Jman

# the machine may be busy: how long an example takes is no fault of the code
settings.register_profile(
    "asyncjman",
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("asyncjman")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("root") and os.geteuid() != 0:
        pytest.skip("needs root: sudo make test")


@pytest.fixture
def jman(tmp_path: Path) -> Iterator[Jman]:
    """Run the real command in an empty folder; what it left running is ended after the test."""
    folder = tmp_path / "work"
    folder.mkdir()
    command = Jman(folder)
    yield command
    command.close()
