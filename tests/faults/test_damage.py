"""Damaged databases: one clear line, never a traceback, a hang, or a success that was none."""

from __future__ import annotations

import random
import shutil
import sqlite3
from contextlib import closing

import pytest

from tests.cli.tools import Jman
from tests.faults.tools import SEED, Figures, query, trials


def test_damaged_databases(jman: Jman, figures: Figures) -> None:
    chance = random.Random(SEED)
    jman(
        "--local", "submit", "-t", "1-40", "--log-dir", "logs", "--", "sh", "-c", "exit $((SGE_TASK_ID % 2))"
    )
    jman("--local", "submit", "-x", "1", "--", "false")
    jman("--local", "execute", "-p", "4", "--no-log-files", code=1)
    query(jman.database, "PRAGMA wal_checkpoint(TRUNCATE)")
    whole = jman.database.read_bytes()
    kept = jman.folder / "kept"
    kept.write_bytes(whole)
    refused = readable = 0
    count = trials(20, 200)
    for number in range(count):
        for side in jman.folder.glob("submitted.sql3*"):
            side.unlink()
        shutil.copy(kept, jman.database)
        data = bytearray(whole)
        if number % 2:
            del data[chance.randrange(len(data)) :]
        else:
            for _ in range(chance.choice([1, 8, 64])):
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        jman.database.write_bytes(data)
        for words in (["list", "-a"], ["report"], ["list", "--json"]):
            result = jman(*words, code=None)
            assert result.code in (0, 2, 3), result
            if result.code == 3:
                assert result.err.startswith("jman: "), result
            refused += result.code == 3
            readable += result.code == 0
    figures(
        f"damage: {count} databases, {refused} commands refused, {readable} read, 0 tracebacks (seed {SEED})"
    )


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE job SET command = 'no JSON'",
        "UPDATE job SET name = CAST(x'ff' AS TEXT)",
        "UPDATE job SET command = CAST(x'ff' AS TEXT)",
    ],
)
def test_a_row_that_makes_no_sense(jman: Jman, change: str) -> None:
    jman("--local", "submit", "--", "true")
    with closing(sqlite3.connect(jman.database)) as connection:
        connection.execute(change)
        connection.commit()
    result = jman("list", "-a", code=3)
    assert result.err.startswith("jman: ")
