"""A real one-host Grid Engine cell for tests: brought up once a session, left up."""

from __future__ import annotations

import asyncio
import getpass
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from asyncjman.executors.command import run, run_with_retry
from asyncjman.executors.sge import commands
from asyncjman.executors.sge.binaries import Binaries, locate
from asyncjman.executors.sge.parse import QueueEntry, parse_qstat, parse_qsub

HERE = Path(__file__).parent
UP_SECONDS = 600
_T = TypeVar("_T")


def wait_until(look: Callable[[], _T], seconds: float = 60.0) -> _T:
    """Return the first true value of ``look``; fail with what it last said."""
    deadline = time.monotonic() + seconds
    while True:
        if seen := look():
            return seen
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:g} s; last seen: {seen!r}")
        time.sleep(0.05)


@dataclass
class Cell:
    """The cell, and what this session left on it."""

    binaries: Binaries
    submitted: list[int] = field(default_factory=list)

    def qsub(self, submission: commands.Submission) -> int:
        """Submit, and return the grid id."""
        grid_id = parse_qsub(self.call(commands.qsub(self.binaries.path("qsub"), submission)))
        self.submitted.append(grid_id)
        return grid_id

    def call(self, argv: list[str], *, check: bool = True) -> str:
        """Run one of the cell's commands, and return what it printed."""
        answer = run_with_retry(argv, env=self.binaries.environment, check=check)
        return asyncio.run(answer).stdout

    def qstat(self) -> list[QueueEntry]:
        return parse_qstat(self.call(commands.qstat(self.binaries.path("qstat"), getpass.getuser())))

    def entries(self, grid_id: int) -> list[QueueEntry]:
        return [one for one in self.qstat() if one.grid_id == grid_id]

    def wait_gone(self, grid_id: int) -> None:
        wait_until(lambda: not self.entries(grid_id))

    def clean(self) -> None:
        left = {one.grid_id for one in self.qstat()} & set(self.submitted)
        if left:
            argv = commands.qdel(self.binaries.path("qdel"), sorted(left))
            asyncio.run(run(argv, env=self.binaries.environment, check=False))


def bring_up() -> str | None:
    """Bring the cell up where it can be; return why not."""
    if shutil.which("qsub") is None and (os.geteuid() != 0 or not Path("/etc/debian_version").exists()):
        return "no Grid Engine here, and only root on Debian can bring a cell up"
    up = subprocess.run([HERE / "sge_up.sh"], capture_output=True, text=True, timeout=UP_SECONDS)
    return None if up.returncode == 0 else f"sge_up.sh: {up.stderr.strip()[-500:] or up.returncode}"


@pytest.fixture(scope="session")
def sge_cell() -> Iterator[Cell]:
    """A cell that answers; skips without one, and fails where CI=true."""
    if problem := bring_up():
        if os.environ.get("CI") == "true":
            pytest.fail(problem)
        pytest.skip(problem)
    cell = Cell(locate())
    yield cell
    cell.clean()
