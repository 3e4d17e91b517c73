"""A real one-host Grid Engine cell for tests: our own, brought up once a session, gone with it.

Only with CELLS=1: a cluster that happens to be on PATH is never used.
"""

from __future__ import annotations

import asyncio
import getpass
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import pytest

from asyncjman.engines.cluster.process import run_with_retry
from asyncjman.engines.cluster.programs import Binaries, locate
from asyncjman.engines.sge import commands
from asyncjman.engines.sge.faults import fault_of
from asyncjman.engines.sge.parse import QueueEntry, parse_qstat, parse_qsub
from asyncjman.engines.sge.programs import PROGRAMS
from tests.cells.daemons import NoCell
from tests.cells.own import OwnCell, install
from tests.cli.tools import wait_until

WITHOUT = "needs a Grid Engine cell: make test CELLS=1 brings one of its own up"
_T = TypeVar("_T")


@dataclass
class Cell:
    """The cell, and its commands."""

    own: OwnCell
    binaries: Binaries

    @property
    def variables(self) -> dict[str, str]:
        """Return the environment by which commands find this cell, and no other."""
        return self.own.variables

    @contextmanager
    def hung(self) -> Iterator[None]:
        """Have the qmaster answer nobody for a while."""
        pid = self.own.qmaster
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def qsub(self, submission: commands.Submission) -> int:
        """Submit, and return the grid id."""
        return parse_qsub(self.call(commands.qsub(self.binaries.path("qsub"), submission)))

    def call(self, argv: list[str], *, check: bool = True) -> str:
        """Run one of the cell's commands, and return what it printed."""
        answer = run_with_retry(argv, env=self.binaries.environment, check=check, classify=fault_of)
        return asyncio.run(answer).stdout

    def qstat(self) -> list[QueueEntry]:
        return parse_qstat(self.call(commands.qstat(self.binaries.path("qstat"), getpass.getuser())))

    def entries(self, native_id: int) -> list[QueueEntry]:
        return [one for one in self.qstat() if one.native_id == native_id]

    def wait_gone(self, native_id: int) -> None:
        wait_until(lambda: not self.entries(native_id))


@pytest.fixture(scope="session")
def sge_cell() -> Iterator[Cell]:
    """A cell of our own; skips without CELLS=1, and fails where it can't be had with it."""
    if os.environ.get("CELLS") != "1":
        pytest.skip(WITHOUT)
    try:
        install()
        own = OwnCell()
    except NoCell as error:
        pytest.fail(f"CELLS=1: {error}")
    try:
        yield Cell(own, locate(PROGRAMS, {**os.environ, **own.variables}))
    finally:
        own.close()
