"""Ends a cell with whoever brought it up: ``python -m tests.cells.guard FOLDER``.

It waits until its standard input ends, which it does however the other process ends, and then kills all
that belongs to the cell (daemons, shepherds, jobs: each has the cell's folder in its environment, or runs in
it, as slurmstepd does, which writes its title over its environment) and removes the folder.
"""

from __future__ import annotations

import shutil
import sys
from contextlib import suppress
from pathlib import Path

import psutil

_ROUNDS = 20


def members(folder: str) -> list[psutil.Process]:
    """Return the processes that belong to a cell."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.status() != psutil.STATUS_ZOMBIE and _is_of(process, folder):
                found += [process, *process.children(recursive=True)]
    return found


def _is_of(process: psutil.Process, folder: str) -> bool:
    variables = process.environ()
    if folder in (variables.get("SGE_ROOT"), str(Path(variables.get("SLURM_CONF", "")).parent)):
        return True
    return process.cwd().removesuffix(" (deleted)") == folder


def end(folder: str) -> None:
    """Kill all processes of a cell, also those that start meanwhile; then remove its folder."""
    for _ in range(_ROUNDS):
        left = members(folder)
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        if not left:
            break
        psutil.wait_procs(left, timeout=1)
    shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    while sys.stdin.buffer.read(4096):
        pass
    end(sys.argv[1])


if __name__ == "__main__":
    main()
