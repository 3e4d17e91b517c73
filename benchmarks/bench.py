"""What every row is given: the options, folders to work in, jman and its peers."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import SECONDS, NotMeasured, Process, Run, run
from benchmarks.peers import Peers
from benchmarks.report import Outcome

PROGRAMS = Path(__file__).parent / "programs"
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Row:
    """One line to be: what it measures, what is to come out, and how."""

    group: str
    what: str
    target: str
    measure: Callable[[Bench], Outcome]
    limit: float
    """Seconds after which it is given up."""


ROWS: list[Row] = []


def row(
    group: str, what: str, target: str, *, limit: float = 1800
) -> Callable[[Callable[[Bench], Outcome]], Callable[[Bench], Outcome]]:
    """Put a function that measures into the table."""

    def add(measure: Callable[[Bench], Outcome]) -> Callable[[Bench], Outcome]:
        ROWS.append(Row(group, what, target, measure, limit))
        return measure

    return add


class Bench:
    """A run of the benchmarks."""

    def __init__(self, *, scratch: Path, peers: Peers, repeat: int, quick: bool) -> None:
        self.peers = peers
        self.repeat = repeat
        self.quick = quick
        self._scratch = scratch
        self._numbers = itertools.count(1)
        self.jman = Path(sys.executable).parent / "jman"
        if not self.jman.exists():
            raise NotMeasured("jman is not installed beside this Python: pip install .")
        # as a newcomer has it: no PYTHONDONTWRITEBYTECODE, with which each start compiles anew
        dropped = ("JMAN_", "SGE_TASK", "PYTHON")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(dropped)}
        self.env = {**kept, "XDG_CONFIG_HOME": str(scratch / "config"), "PYTHONPATH": str(ROOT)}

    def size(self, full: int, quick: int) -> int:
        """Return how much to measure."""
        return quick if self.quick else full

    def folder(self, name: str = "work") -> Path:
        """Return a new, empty folder."""
        path = self._scratch / f"{name}{next(self._numbers)}"
        path.mkdir()
        return path

    def put_away(self, path: Path) -> None:
        """Move what is no longer needed out of the way, to be deleted at the end.

        Deleted at once it would slow down what is measured next: ext4 without a journal skips each inode
        that was deleted in the last minutes when it makes a file (recently_deleted in fs/ext4/ialloc.c),
        0.2 to 0.5 ms a file instead of 0.02 after some thousands.
        """
        if path.exists():
            path.rename(self.folder("old") / path.name)

    def run(
        self,
        *argv: str | Path,
        cwd: Path,
        stdin: Path | None = None,
        seconds: float = SECONDS,
        keep_output: bool = True,
        check: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> Run:
        """Run a command; NotMeasured where it fails."""
        return run(
            argv,
            cwd,
            {**self.env, **(env or {})},
            stdin=stdin,
            seconds=seconds,
            keep_output=keep_output,
            check=check,
        )

    def start(self, *argv: str | Path, cwd: Path, keep_output: bool = True) -> Process:
        """Start a command, to be used in a ``with`` block."""
        return Process(argv, cwd, self.env, keep_output=keep_output)

    def program(self, name: str, *words: str | Path, cwd: Path, seconds: float = SECONDS) -> Run:
        """Run one of the programs beside this file by this Python."""
        return self.run(sys.executable, PROGRAMS / f"{name}.py", *words, cwd=cwd, seconds=seconds)
