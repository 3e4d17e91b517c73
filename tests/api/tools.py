"""Looking at what is left, and doing what another process does."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.cli.tools import is_alive

SLEEPER = ("sh", "-c", "echo $$ > pid.$JOB_ID.$SGE_TASK_ID; exec sleep 1000")
GATED = ("sh", "-c", "until [ -e go ]; do sleep 0.02; done")


def rows(database: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(sql).fetchall()


def check_clean(folder: Path) -> None:
    """Nothing is left of those who ran jobs: no row of theirs, no task in their hands, no process."""
    database = folder / "submitted.sql3"
    assert rows(database, "SELECT * FROM runner") == []
    assert (
        rows(database, "SELECT job_id, task_id, status FROM task WHERE status IN ('queued', 'executing')")
        == []
    )
    assert rows(database, "PRAGMA integrity_check") == [("ok",)]
    for path in folder.glob("pid.*"):
        if text := path.read_text().strip():
            assert not is_alive(int(text)), path.name


async def until(condition: Callable[[], object], timeout: float = 20.0) -> None:
    """Return once ``condition`` holds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout} seconds: {condition}"
        await asyncio.sleep(0.01)


async def jman(*words: str) -> tuple[int, str]:
    """Run the command as another process; return its exit code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "asyncjman",
        "--local",
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode is not None
    return process.returncode, out.decode()
