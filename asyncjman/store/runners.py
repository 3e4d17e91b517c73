"""The processes that run local tasks of this database, so that what a killed one left is found."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from asyncjman.store.claims import UNCLAIMED
from asyncjman.store.database import Reader, Transaction, View
from asyncjman.store.jobs import REVISION
from asyncjman.store.rows import TASK_COLUMNS
from asyncjman.store.texts import text, untext


class Runner(NamedTuple):
    """``process_started`` tells it from a later process with the same pid: in seconds since the start of
    the machine that ``boot`` names, which no change of the clock moves; without a name, since 1970.

    ``lock`` and ``tasks_lock`` say which files it has locked: see `runnerlock`.
    """

    id: int
    token: str
    host: str
    pid: int
    process_started: float
    started_at: float
    boot: str | None
    namespace: str | None
    lock: str | None
    tasks_lock: str | None
    parallel: int | None = None
    """How many tasks it runs at once; None: a program of its own, which is left alone."""
    output: str | None = None
    """The file that it writes to, where it was detached from its terminal."""
    since: float | None = None
    """Since when jobs count that ended: the same for all that run side by side."""


_COLUMNS = (
    "id, token, host, pid, process_started, started_at, boot, namespace, lock, tasks_lock, parallel, output, "
    "since"
)


class Held(NamedTuple):
    """A task that a runner had claimed."""

    job_id: int
    task_id: int
    attempt: int
    executing: bool
    runner: int | None


async def insert(
    tx: Transaction,
    *,
    token: str,
    host: str,
    pid: int,
    process_started: float,
    now: float,
    boot: str | None = None,
    namespace: str | None = None,
    lock: str | None = None,
    tasks_lock: str | None = None,
    parallel: int | None = None,
    output: str | None = None,
) -> int:
    return await tx.execute(
        f"INSERT INTO runner ({_COLUMNS}) VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
        "coalesce((SELECT min(since) FROM runner), ?))",
        (
            *(token, host, pid, process_started, now, boot, namespace, lock, tasks_lock, parallel),
            *(text(output), now),
        ),
    )


async def select(source: Reader | View) -> list[Runner]:
    rows = await source.fetch(f"SELECT {_COLUMNS} FROM runner")
    return [Runner(*row)._replace(output=untext(row[11])) for row in rows]


async def set_parallel(tx: Transaction, runner_id: int, parallel: int) -> None:
    """Have a runner run so many tasks at once."""
    await tx.execute("UPDATE runner SET parallel = ? WHERE id = ?", (parallel, runner_id))


async def ask_to_stop(tx: Transaction, runner_id: int) -> None:
    """Have a runner end as Ctrl-C would."""
    await tx.execute("UPDATE runner SET stop = 1 WHERE id = ?", (runner_id,))


async def asked(source: Reader | View, runner_id: int) -> tuple[int | None, bool]:
    """Return how many tasks a runner is to run at once, and whether it is to end."""
    rows = await source.fetch("SELECT parallel, stop FROM runner WHERE id = ?", (runner_id,))
    return (rows[0][0], bool(rows[0][1])) if rows else (None, False)


async def get(source: Reader | Transaction, runner_id: int) -> Runner | None:
    """Return a runner that has a row."""
    return next((one for one in await select(source) if one.id == runner_id), None)


async def delete(tx: Transaction, runner_id: int) -> None:
    await tx.execute("DELETE FROM runner WHERE id = ?", (runner_id,))


async def keep(tx: Transaction, runner: Runner) -> None:
    """Store a runner again that others have taken for dead: it lives."""
    await tx.execute(
        f"INSERT OR IGNORE INTO runner ({_COLUMNS}) VALUES ({', '.join('?' * 13)})",
        (
            runner.id,
            runner.token,
            runner.host,
            runner.pid,
            runner.process_started,
            runner.started_at,
            runner.boot,
            runner.namespace,
            runner.lock,
            runner.tasks_lock,
            runner.parallel,
            text(runner.output),
            runner.since,
        ),
    )


_HELD = "finished_at IS NULL AND status IN ('queued', 'executing')"
_HELD_COLUMNS = "job_id, task_id, attempt, status = 'executing', runner"


async def held(source: Reader | Transaction, runner_id: int) -> list[Held]:
    """Return what a runner had claimed and did not end."""
    rows = await source.fetch(f"SELECT {_HELD_COLUMNS} FROM task WHERE runner = ? AND {_HELD}", (runner_id,))
    return [Held(row[0], row[1], row[2], bool(row[3]), row[4]) for row in rows]


async def held_of_job(database: Reader, job_id: int, task_ids: Iterable[int] = ()) -> list[Held]:
    """Return what runners, whichever, hold of a job, or of some of its tasks."""
    wanted = set(task_ids)
    rows = await database.fetch(f"SELECT {_HELD_COLUMNS} FROM task WHERE job_id = ? AND {_HELD}", (job_id,))
    return [
        Held(row[0], row[1], row[2], bool(row[3]), row[4]) for row in rows if not wanted or row[1] in wanted
    ]


async def stop_held(tx: Transaction, claims: Iterable[Held], now: float) -> None:
    """Record claimed tasks as stopped, whoever holds them, as far as these claims still stand."""
    await tx.execute_many(
        "UPDATE task SET status = 'stopped', reason = 'stopped', finished_at = ?, pid = NULL, stop = NULL, "
        f"runner = NULL WHERE job_id = ? AND task_id = ? AND attempt = ? AND runner IS ? AND {_HELD}",
        [(now, one.job_id, one.task_id, one.attempt, one.runner) for one in claims],
    )


async def lost(
    source: Reader | Transaction, runner_id: int, claims: Mapping[tuple[int, int], int | None]
) -> set[tuple[int, int]]:
    """Return which of these claims, (job id, task id) with the attempt where it matters, a runner has not,
    or no longer.
    """
    wanted = json.dumps([(*key, attempt) for key, attempt in claims.items()])
    rows = await source.fetch(
        "SELECT json_extract(one.value, '$[0]'), json_extract(one.value, '$[1]') FROM json_each(?) AS one "
        "LEFT JOIN task ON task.job_id = json_extract(one.value, '$[0]') "
        "AND task.task_id = json_extract(one.value, '$[1]') "
        "WHERE task.runner IS NOT ? OR task.attempt <> json_extract(one.value, '$[2]')",
        (wanted, runner_id),
    )
    return {(row[0], row[1]) for row in rows}


async def release(tx: Transaction, runner_id: int, reason: str, now: float) -> list[int]:
    """Have others claim what a dead runner held; attempts that had started are kept as failed.

    Returns the jobs that it held tasks of: some may have ended by this.
    """
    held_rows = f"runner = ? AND {_HELD}"
    columns = TASK_COLUMNS.replace("status", "'failure'", 1).replace("reason", "?", 1)
    columns = columns.replace("finished_at", "?", 1).replace("cause", "'node'", 1)
    touched = await tx.fetch(f"SELECT DISTINCT job_id FROM task WHERE {held_rows}", (runner_id,))
    await tx.execute(
        "UPDATE task SET status = 'stopped', reason = 'stopped', finished_at = ?, stop = NULL, runner = NULL "
        f"WHERE {held_rows} AND stop = 1",
        (now, runner_id),
    )
    await tx.execute(
        f"INSERT OR REPLACE INTO attempt ({TASK_COLUMNS}) SELECT {columns} FROM task "
        f"WHERE {held_rows} AND started_at IS NOT NULL",
        (reason, now, runner_id),
    )
    await tx.execute(
        f"UPDATE job SET revision = {REVISION} "
        f"WHERE id IN (SELECT DISTINCT job_id FROM task WHERE {held_rows})",
        (runner_id,),
    )
    await tx.execute(
        f"UPDATE task SET status = {UNCLAIMED}, attempt = attempt + (started_at IS NOT NULL), "
        # that its runner died is no failure of its own
        "first_attempt = first_attempt + (started_at IS NOT NULL), runner = NULL, "
        f"pid = NULL, stop = NULL, host = NULL, started_at = NULL WHERE {held_rows}",
        (runner_id,),
    )
    return [row[0] for row in touched]
