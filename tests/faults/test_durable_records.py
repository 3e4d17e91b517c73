"""The record of a task's end is on the disk before it is stored what it says."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.tools import Jman
from tests.faults.cell import Cell
from tests.faults.tools import query


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names of descriptors are read from /proc")
@pytest.mark.parametrize("tasks", [1, 3])
def test_before_a_success_is_stored(
    jman: Jman, cell: Cell, monkeypatch: pytest.MonkeyPatch, tasks: int
) -> None:
    array = ["-t", str(tasks)] if tasks > 1 else []
    jman("submit", *array, "--", "true")
    ids = range(1, tasks + 1) if tasks > 1 else [0]
    cell.run(cell.listed()[0], tasks=ids)
    before: set[str] = set()
    real = os.fsync

    def fsync(file: Any) -> None:
        """Note the name of what is written out while no success is stored."""
        real(file)
        if not query(jman.database, "SELECT 1 FROM task WHERE status = 'success'"):
            number = file if isinstance(file, int) else file.fileno()
            before.add(Path(f"/proc/self/fd/{number}").readlink().name)

    monkeypatch.setattr(os, "fsync", fsync)
    assert jman("list", "--json").json()[0]["status"] == "success"
    (spool,) = Path(f"{jman.database}.spool").iterdir()
    assert {*(f"exit.{task_id}" for task_id in ids), spool.name} <= before
