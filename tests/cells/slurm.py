"""A real Slurm cluster of one host for tests: our own, brought up once a session, gone with it.

Only with CELLS=1, and only where its programs are, or can be had: a cluster that happens to be here is
never used.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cells.daemons import NoCell
from tests.cells.own_slurm import OwnSlurm, install
from tests.cli.tools import Jman

WITHOUT = "needs a Slurm cluster: make test CELLS=1 brings one of its own up, as root on Debian"


@dataclass
class Cluster:
    """The cluster, and what may happen to it."""

    own: OwnSlurm

    @contextmanager
    def hung(self) -> Iterator[None]:
        """Have the controller answer nobody for a while."""
        pid = self.own.controller
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Have no controller for a while."""
        self.own.stop_controller()
        try:
            yield
        finally:
            self.own.start_controller()


@pytest.fixture(scope="session")
def slurm_cell() -> Iterator[Cluster]:
    """A cluster of our own; skips without CELLS=1, and where it can't be had."""
    if os.environ.get("CELLS") != "1":
        pytest.skip(WITHOUT)
    try:
        install()
    except NoCell as error:
        pytest.skip(f"{WITHOUT} ({error})")
    try:
        own = OwnSlurm()
    except NoCell as error:
        pytest.fail(f"CELLS=1: {error}")
    try:
        yield Cluster(own)
    finally:
        own.close()


@pytest.fixture
def slurm(slurm_cell: Cluster, tmp_path: Path) -> Iterator[Jman]:
    """Run the command in an empty folder; its jobs are ended after the test."""
    folder = tmp_path / "work"
    folder.mkdir()
    variables = {"JMAN_CLUSTER": "slurm", "JMAN_VANISH_GRACE": "1", "XDG_CONFIG_HOME": str(tmp_path)}
    variables |= {"JMAN_POLL_INTERVAL": "0.2", "JMAN_POLL_INTERVAL_MAX": "0.5"}
    command = Jman(folder, {**variables, **slurm_cell.own.variables})
    yield command
    command.close()
    slurm_cell.own.tool("scancel", "--user", str(os.geteuid()))
