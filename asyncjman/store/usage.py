"""What tasks used, where an engine's accounting tells that only later."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from asyncjman.model.efficiency import Used
from asyncjman.model.job import Task
from asyncjman.store.rows import TASK_COLUMNS, task_of
from asyncjman.store.submissions import COLUMNS, Submission, submission_of

TYPE_CHECKING = False  # what waits is not loaded for it
if TYPE_CHECKING:
    from asyncjman.store.source import Source
    from asyncjman.store.transaction import Transaction


async def unaccounted(source: Source) -> list[Submission]:
    """Return the submissions that are over, and whose tasks' usage was not asked for yet."""
    rows = await source.fetch(
        f"SELECT {COLUMNS} FROM submission WHERE active = 0 AND accounted = 0 AND native_id IS NOT NULL"
    )
    return [submission_of(row) for row in rows]


async def ended_attempts(source: Source, job_ids: Iterable[int]) -> list[Task]:
    """Return the attempts of jobs that ran and ended; the first ones first."""
    ids = json.dumps(list(job_ids))
    of_tasks = (
        "WHERE job_id IN (SELECT value FROM json_each(?)) "
        "AND started_at IS NOT NULL AND finished_at IS NOT NULL"
    )
    rows = await source.fetch(
        f"SELECT {TASK_COLUMNS} FROM attempt {of_tasks} UNION ALL SELECT {TASK_COLUMNS} FROM task {of_tasks} "
        "ORDER BY attempt",
        (ids, ids),
    )
    return [task_of(row) for row in rows]


async def used(source: Source, job_id: int) -> Used | None:
    """Return what the tasks of a job used of which that is known; None where it is known of none."""
    (row,) = await source.fetch(
        "SELECT count(*), total(finished_at - started_at), total(cpu_seconds), "
        "coalesce(max(peak_memory_bytes), 0) FROM task WHERE job_id = ? AND cpu_seconds IS NOT NULL "
        "AND started_at IS NOT NULL AND finished_at >= started_at",
        (job_id,),
    )
    return Used(*row) if row[0] else None


async def put_usage(tx: Transaction, rows: Sequence[tuple[float | None, int | None, int, int, int]]) -> None:
    """Store (CPU seconds, peak bytes, job id, task id, attempt) that accounting knows."""
    for table in ("task", "attempt"):
        await tx.execute_many(
            f"UPDATE {table} SET cpu_seconds = ?, peak_memory_bytes = ? "
            "WHERE job_id = ? AND task_id = ? AND attempt = ? AND peak_memory_bytes IS NULL",
            rows,
        )
    for job_id in {row[2] for row in rows}:
        await tx.execute(
            "UPDATE status_count SET (cpu_seconds, peak_memory_bytes) = ("
            "SELECT coalesce(sum(cpu_seconds), 0), coalesce(max(peak_memory_bytes), 0) FROM task "
            "WHERE task.job_id = status_count.job_id AND task.status = status_count.status) WHERE job_id = ?",
            (job_id,),
        )


async def set_accounted(tx: Transaction, submission_ids: Iterable[int]) -> None:
    """Say that the usage of these submissions' tasks need not be asked for again."""
    await tx.execute_many(
        "UPDATE submission SET accounted = 1 WHERE id = ?", [(one,) for one in submission_ids]
    )
