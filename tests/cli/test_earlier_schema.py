"""A database that the first asyncjman wrote opens, with its jobs, attempts and statuses."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

from asyncjman.store.migrate import APPLICATION_ID, earlier
from tests.cli.tools import Jman

FIRST = 2
"""The version of the schema of the first one."""


def made_by_the_first(jman: Jman) -> None:
    """Write a database with an array, whose tasks ended in several ways or wait, and a job that waits."""
    with closing(sqlite3.connect(jman.database, isolation_level=None)) as connection:
        for number in range(1, FIRST + 1):
            connection.executescript(earlier()[number])
        connection.execute(f"PRAGMA user_version = {FIRST}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        for job_id, rest, array, count in ((1, "submitted", "1-6", 6), (2, "waiting", None, 1)):
            connection.execute(
                "INSERT INTO job (id, rest, next_index, task_count, revision, submitted_at, executor, queue, "
                "name, array, stop_on_failure, command, interpreter, exec_dir, environment, token) "
                "VALUES (?, ?, ?, ?, 0, 1e9, 'local', 'local', '', ?, 0, ?, '[]', ?, '{}', ?)",
                (
                    job_id,
                    rest,
                    4 if array else 0,
                    count,
                    array,
                    json.dumps(["sh", "-c", "echo $SGE_TASK_ID >> ran"]),
                    str(jman.folder),
                    f"{job_id:016x}",
                ),
            )
        connection.execute("INSERT INTO dependency VALUES (2, 1, 'any')")
        ended = "INSERT INTO task (job_id, task_id, status, attempt, exit_status, started_at, finished_at) "
        for task_id, status, attempt, code in (
            (1, "success", 1, 0),
            (2, "failure", 2, 3),
            (3, "stopped", 1, None),
        ):
            connection.execute(f"{ended} VALUES (1, ?, ?, ?, ?, 1e9, 1e9)", (task_id, status, attempt, code))
        connection.execute(
            "INSERT INTO attempt (job_id, task_id, attempt, status, exit_status, started_at, finished_at) "
            "VALUES (1, 2, 1, 'failure', 4, 1e9, 1e9)"
        )


def test_it_opens_and_goes_on(jman: Jman) -> None:
    made_by_the_first(jman)
    tasks = jman.tasks(1)
    states = {task_id: task["status"] for task_id, task in tasks.items()}
    # task 4 was lost by the first asyncjman: its index says that it has a row
    assert states == {
        1: "success",
        2: "failure",
        3: "stopped",
        4: "submitted",
        5: "submitted",
        6: "submitted",
    }
    assert (tasks[2]["attempt"], tasks[2]["exit_status"]) == (2, 3)
    assert jman.status() == {1: "submitted", 2: "waiting"}
    jman("--local", "execute", "-p", "2", code=1)
    assert sorted((jman.folder / "ran").read_text().split()) == ["4", "5", "6", "undefined"]
    jman("resubmit", "1")
    jman("--local", "execute", "-p", "2")
    assert set(jman.status().values()) == {"success"}
    assert jman.tasks(1)[2]["attempt"] == 3
