"""Intents to launch something: stored, carried out, or dropped."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from asyncjman.model.array import ArraySpec
from asyncjman.model.job import PLAIN_TASK
from asyncjman.model.status import Status
from asyncjman.store.database import Reader, Transaction
from asyncjman.store.jobs import REVISION
from asyncjman.store.submissions import ANY_UNTOUCHED


async def insert(
    tx: Transaction,
    *,
    job_id: int,
    engine: str,
    token: str,
    now: float,
    host: str,
    pid: int,
    task_map: Sequence[int],
) -> int | None:
    """Store the intent to submit a job, or some tasks of it; None where another process was faster, also to
    move the job to another engine.

    What is submitted is to be sent. What waits is, too, unless its job is on the cluster: it is held there.
    """
    tasks = json.dumps(list(task_map)) if task_map else None
    rows = await tx.fetch(
        "WITH sendable (status) AS (SELECT 'submitted' UNION ALL SELECT 'waiting' "
        "WHERE NOT EXISTS (SELECT 1 FROM submission WHERE job_id = ? AND active = 1)) "
        "INSERT INTO submission (job_id, engine, token, created_at, host, pid, task_map) "
        "SELECT job.id, job.engine, ?, ?, ?, ?, ? FROM job WHERE job.id = ? AND job.engine = ? "
        "AND job.finished_at IS NULL "
        "AND NOT EXISTS (SELECT 1 FROM submission WHERE job_id = job.id "
        "AND (active = 1 AND native_id IS NULL OR active = 0 AND taken_back IS NOT NULL)) "
        f"AND (job.default_status IN sendable AND {ANY_UNTOUCHED} "
        "OR EXISTS (SELECT 1 FROM task WHERE job_id = ? AND finished_at IS NULL AND status IN sendable)) "
        "AND NOT EXISTS (SELECT 1 FROM task WHERE job_id = ? AND status NOT IN sendable "
        "AND task_id IN (SELECT value FROM json_each(?))) RETURNING id",
        (job_id, token, now, host, pid, tasks, job_id, engine, job_id, job_id, tasks),
    )
    return rows[0][0] if rows else None


async def sent(tx: Transaction, submission_id: int, native_id: str, status: Status) -> None:
    """Store that the cluster took a submission, and that its tasks are queued, or waiting, there.

    Others of its job may be still to be sent, and what was submitted again since it was made is: where that
    goes for tasks that have no row, those that were sent get one. What was given up meanwhile says nothing of
    tasks.
    """
    rows = await tx.fetch(
        "UPDATE submission SET native_id = ? WHERE id = ? RETURNING job_id, task_map, active",
        (native_id, submission_id),
    )
    for job_id, task_map in [row[:2] for row in rows if row[2]]:
        own, values = f"(attempt = 1 OR task_id = {PLAIN_TASK})", []
        if task_map is not None:
            own, values = "task_id IN (SELECT value FROM json_each(?))", [task_map]
        await tx.execute(
            "UPDATE task SET status = ? WHERE status IN ('submitted', 'waiting') AND finished_at IS NULL "
            f"AND job_id = ? AND {own}",
            (status, job_id, *values),
        )
        if task_map is None or not await _add_rows(tx, job_id, json.loads(task_map), status):
            await tx.execute(
                f"UPDATE job SET default_status = ?, revision = {REVISION} WHERE id = ? "
                "AND default_status IN ('submitted', 'waiting')",
                (status, job_id),
            )


async def _add_rows(tx: Transaction, job_id: int, task_ids: Sequence[int], status: Status) -> bool:
    """Give rows to those of the tasks that have none, if others have none either; tell whether these are
    to be told from each other by that.
    """
    default_status = await tx.fetch(
        "SELECT 1 FROM job WHERE id = ? AND default_status IN ('submitted', 'waiting')", (job_id,)
    )
    new, left = await _without_rows(tx, job_id, task_ids)
    if not default_status or not left:
        return False
    await tx.execute_many(
        "INSERT INTO task (job_id, task_id, status, attempt) VALUES (?, ?, ?, 1)",
        [(job_id, one, status) for one in new],
    )
    await tx.execute(f"UPDATE job SET revision = {REVISION} WHERE id = ?", (job_id,))
    return True


async def drop(tx: Transaction, submission_id: int) -> None:
    """Forget an intent that was not carried out, unless it was meanwhile."""
    await tx.execute("DELETE FROM submission WHERE id = ? AND native_id IS NULL", (submission_id,))


async def _without_rows(
    source: Reader | Transaction, job_id: int, task_ids: Iterable[int]
) -> tuple[list[int], int]:
    """Return which of these tasks have no row, and how many others have none; without deleted ones."""
    (row,) = await source.fetch("SELECT array, task_count FROM job WHERE id = ?", (job_id,))
    known = {one[0] for one in await source.fetch("SELECT task_id FROM task WHERE job_id = ?", (job_id,))}
    array = ArraySpec.parse(row[0]) if row[0] is not None else (PLAIN_TASK,)
    new = [one for one in task_ids if one in array and one not in known]
    return new, row[1] - len(known) - len(new)
