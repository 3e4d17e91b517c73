"""``scale_fill.py array|singles|chain COUNT``: store many jobs, or tasks, in ``submitted.sql3`` at once.

``array``: an array of COUNT tasks, half of which ended (one in a hundred of these failed); ``singles``: COUNT
jobs of one task, one in four of which failed; ``chain``: COUNT jobs, each waiting for the one before.
One job goes through ``jman``'s own functions, the others are copies of it.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys

from asyncjman.api.manager import JobManager
from asyncjman.api.request import JobRequest
from asyncjman.settings import Settings

DATABASE = "submitted.sql3"
_NUMBERS = (
    "WITH RECURSIVE number (n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM number WHERE n < {last}) "
)
_ENDED = (
    "INSERT INTO task (job_id, task_id, status, attempt, exit_status, reason, cause, host, started_at, "
    "finished_at, cpu_seconds, peak_memory_bytes) "
)


async def _submit_one(array: str | None) -> None:
    request = JobRequest(command=["/bin/true"], log_dir="logs", array=array)
    async with JobManager(DATABASE, run=False) as manager:
        await manager.submit_spec(request.resolve("local", Settings()), {})


def _tasks(database: sqlite3.Connection, count: int) -> None:
    ended = count // 2 + count // 200
    database.execute(
        _ENDED + _NUMBERS.format(first=1, last=ended) + "SELECT 1, n, iif(n % 101, 'success', 'failure'), 1, "
        "n % 101 = 0, iif(n % 101, NULL, 'exit status 1'), iif(n % 101, NULL, 'exit'), 'here', 1e9, 1e9 + 1, "
        "0.001, 1000000 FROM number"
    )
    database.execute("UPDATE job SET next_index = ?, started_at = 1e9", (ended,))


def _copies(database: sqlite3.Connection, count: int) -> None:
    columns = [row[1] for row in database.execute("PRAGMA table_info(job)") if row[1] not in ("id", "token")]
    names = ", ".join(columns)
    database.execute(
        f"INSERT INTO job (id, token, {names}) "
        + _NUMBERS.format(first=2, last=count)
        + f"SELECT n, lower(hex(randomblob(8))), {names} FROM number JOIN job ON job.id = 1"
    )


def _failures(database: sqlite3.Connection) -> None:
    database.execute(
        _ENDED
        + "SELECT id, 0, 'failure', 1, 1, 'exit status 1', 'exit', 'here', 1e9, 1e9 + 1, 0.001, 1000000 "
        "FROM job WHERE id % 4 = 0"
    )
    database.execute("UPDATE job SET started_at = 1e9, finished_at = 1e9 + 1 WHERE id % 4 = 0")


def _chained(database: sqlite3.Connection) -> None:
    database.execute("INSERT INTO dependency SELECT id, id - 1, 'any' FROM job WHERE id > 1")
    database.execute("UPDATE job SET default_status = 'waiting' WHERE id > 1")


def main() -> None:
    kind, count = sys.argv[1], int(sys.argv[2])
    asyncio.run(_submit_one(f"1-{count}" if kind == "array" else None))
    with sqlite3.connect(DATABASE) as database:
        if kind == "array":
            _tasks(database, count)
        else:
            _copies(database, count)
        if kind == "singles":
            _failures(database)
        if kind == "chain":
            _chained(database)
    database.close()


main()
