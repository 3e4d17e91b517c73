"""Damaged databases: one clear line, never a traceback, a hang, or a success that was none."""

from __future__ import annotations

import random
import re
import shutil
from typing import Any

import pytest

from asyncjman import JobManager
from asyncjman.store.damage import find_damage
from tests.cli.tools import Jman
from tests.faults.tools import SEED, Figures, force, query, trials


@pytest.mark.beside
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
    refused = readable = wrong = 0
    count = trials(20, 200)
    for number in range(count):
        for side in jman.folder.glob("submitted.sql3*"):
            side.unlink()
        shutil.copy(kept, jman.database)
        data = bytearray(whole)
        cut = number % 2 == 1
        if cut:
            del data[chance.randrange(len(data)) :]
        else:
            for _ in range(chance.choice([1, 8, 64])):
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        jman.database.write_bytes(data)
        for words in COMMANDS:
            result = jman(*words, code=None)
            assert result.code in (0, 2, 3), result
            if result.code == 3:
                assert result.err.startswith("jman: "), result
            refused += result.code == 3
            readable += result.code == 0
            if words == LIST and result.code == 0:
                added = successes(result.json()) - EVEN
                assert not (added and cut), result
                wrong += bool(added)
    figures(
        f"damage: {count} databases, {refused} commands refused, {readable} read, 0 tracebacks, "
        f"{wrong} showed a success that was none (seed {SEED})"
    )
    assert wrong <= count // 50


NAMED = r"the database submitted\.sql3 is damaged|job [12] of the database submitted\.sql3 can't be read"
LIST = ("list", "-a", "--json")
COMMANDS = (LIST, ("list", "-a"), ("report",), ("why",), ("list", "-l"), ("--local", "stop"))
EVEN = {(1, task_id) for task_id in range(2, 41, 2)}
"""The tasks that ended with 0."""


def successes(found: list[dict[str, Any]]) -> set[tuple[int, int]]:
    """Return (job id, task id) of what is shown as success."""
    return {(job["id"], task["id"]) for job in found for task in job["tasks"] if task["status"] == "success"}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE job SET command = 'no JSON'",
        "UPDATE job SET name = CAST(x'ff' AS TEXT)",
        "UPDATE job SET command = CAST(x'ff' AS TEXT)",
        "UPDATE job SET array = '1-2000000000'",
        "UPDATE job SET task_count = 7",
        "UPDATE job SET default_status = 'sucess'",
        "UPDATE job SET submitted_at = 1e300",
        "UPDATE job SET submitted_at = 'soon'",
        "UPDATE job SET environment = '[1]'",
        "UPDATE job SET sweep = '{}'",
        "UPDATE job SET retry = '[]'",
        "UPDATE task SET started_at = 'soon'",
        "UPDATE task SET started_at = 9e99",
        "UPDATE task SET attempt = 'one'",
        "UPDATE task SET status = 'success' WHERE exit_status = 3",
        "UPDATE status_count SET count = 9",
        "UPDATE status_count SET status = 'x' WHERE status = 'success'",
        "UPDATE dependency SET kind = 'x'",
    ],
)
def test_a_row_that_makes_no_sense(jman: Jman, change: str) -> None:
    """One line that names the file, and the job if it can, and never the success of a task that failed."""
    jman("--local", "submit", "-t", "1-3", "--", "sh", "-c", "exit 3")
    jman("--local", "submit", "-x", "1", "--", "true")
    jman("--local", "execute", code=1)
    force(jman.database, change)
    said = []
    for words in COMMANDS:
        result = jman(*words, code=None)
        if result.code:
            assert result.code == 3, result
            said.append(result.err)
        elif words == LIST:
            assert successes(result.json()) <= {(2, None)}
    assert said and all(re.search(NAMED, one) for one in said), said


@pytest.fixture
def used(jman: Jman) -> Jman:
    """A database with something in each of its tables that a run on this machine fills."""
    says = "echo no such data >&2; exit 3"
    jman("--local", "submit", "-t", "1-3", "--retry", "1", "--log-dir", "logs", "--", "sh", "-c", says)
    jman("--local", "submit", "-x", "1", "-s", "KEY=VALUE", "--sweep", "lr=0.1,0.01", "--", "true", "{lr}")
    jman("--local", "execute", code=1)
    return jman


async def test_a_fault_of_ours_is_not_blamed_on_the_database(used: Jman) -> None:
    with pytest.raises(ZeroDivisionError):
        async with JobManager(used.database, run=False) as manager:
            assert await find_damage(manager.session.database) is None
            raise ZeroDivisionError
