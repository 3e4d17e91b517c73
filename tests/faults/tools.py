"""Kills at random moments, looks into the database, what was left running."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil

from tests.cli.tools import Jman

LONG = bool(os.environ.get("JMAN_TORTURE"))
SEED = int(os.environ.get("JMAN_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
Figures = Callable[[str], None]


def trials(short: int, long: int) -> int:
    """Return how often to try: ``JMAN_TORTURE=1`` asks for the long form, ``JMAN_TRIALS`` for a number."""
    return int(os.environ.get("JMAN_TRIALS", long)) if LONG else short


def query(database: Path, sql: str) -> list[tuple[Any, ...]]:
    """Read with a connection of our own, which waits for locks."""
    with closing(sqlite3.connect(database, timeout=60)) as connection:
        return connection.execute(sql).fetchall()


def force(database: Path, change: str) -> None:
    """Change a database by hand, to what its triggers refuse."""
    with closing(sqlite3.connect(database, timeout=60)) as connection:
        refusing = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND sql LIKE '%RAISE%'"
        ).fetchall()
        for name, _ in refusing:
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute(change)
        for _, sql in refusing:
            connection.execute(sql)
        connection.commit()


def assert_sound(database: Path) -> None:
    """The file is whole, no row stands without its job, and the counts are those of the rows."""
    assert query(database, "PRAGMA integrity_check") == [("ok",)]
    assert query(database, "PRAGMA foreign_key_check") == []
    if query(database, "PRAGMA user_version") == [(0,)]:
        return  # killed before there was anything in it
    status_count = query(
        database, "SELECT job_id, status, count FROM status_count WHERE count <> 0 ORDER BY 1, 2"
    )
    rows = query(database, "SELECT job_id, status, count(*) FROM task GROUP BY 1, 2 ORDER BY 1, 2")
    assert status_count == rows


def left_in(folder: Path) -> list[psutil.Process]:
    """Return the processes that jman started and that work in ``folder``."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if (
                "JMAN_RUNNER" in process.environ()
                and process.cwd() == str(folder)
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                found.append(process)
    return found


def kill_left_in(folder: Path) -> None:
    for process in left_in(folder):
        with suppress(psutil.Error):
            process.kill()


def kill_after(jman: Jman, seconds: float, *words: str) -> tuple[bool, str]:
    """Start a command, kill it after so long; return whether it had ended by itself, and its output."""
    process = jman.start(*words)
    try:
        process.wait(seconds)
        done = True
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        done = False
    return done, jman.output_of(process)


def driver(folder: Path, code: str) -> list[str]:
    """Return the words that run ``jman`` after ``code``, which changes a module of it."""
    path = folder.parent / "driver.py"
    path.write_text(f"{code}\nfrom asyncjman.cli.start import main\nmain()\n")
    return [sys.executable, str(path)]


def assert_one_line(output: str) -> None:
    """A fault is told in one line that begins with the program's name; never as a traceback."""
    assert "Traceback" not in output, output
    assert len([line for line in output.splitlines() if line.startswith("jman:")]) == 1, output
