"""Every change of a task's status but what a runner does (`claims`), and what follows for its job.

Each is guarded by the state before.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from asyncjman.model.job import PLAIN_TASK
from asyncjman.model.status import Status
from asyncjman.store.database import Transaction
from asyncjman.store.jobs import ENDED, REVISION
from asyncjman.store.rows import TASK_COLUMNS
from asyncjman.store.tasks import CLAIMABLE

if TYPE_CHECKING:
    from asyncjman.model.array import ArraySpec

_ANEW = ", first_attempt = attempt + (started_at IS NOT NULL)"
"""It has all its retries anew."""
_BLANK = (
    "runner = NULL, pid = NULL, stop = NULL, exit_status = NULL, signal = NULL, reason = NULL, host = NULL, "
    "started_at = NULL, finished_at = NULL, cpu_seconds = NULL, peak_memory_bytes = NULL, cause = NULL, "
    "missing_since = NULL"
)


async def mark_jobs_started(tx: Transaction, rows: Sequence[tuple[float, int]]) -> None:
    """Store (started_at, job id) where the job has no start yet."""
    await tx.execute_many("UPDATE job SET started_at = ? WHERE id = ? AND started_at IS NULL", rows)


async def close_jobs(tx: Transaction, job_ids: Iterable[int], now: float) -> list[int]:
    """Mark as finished those of the jobs whose tasks all are; return their ids."""
    rows = await tx.fetch(
        "UPDATE job SET finished_at = coalesce("
        f"(SELECT max(finished_at) FROM task WHERE task.job_id = job.id), ?), revision = {REVISION} "
        "WHERE id IN (SELECT value FROM json_each(?)) AND finished_at IS NULL "
        "AND NOT EXISTS (SELECT 1 FROM status_count "
        f"WHERE job_id = job.id AND count > 0 AND status NOT IN {ENDED}) "
        f"AND (default_status IN {ENDED} OR task_count = "
        "(SELECT coalesce(sum(count), 0) FROM status_count WHERE job_id = job.id)) RETURNING id",
        (now, json.dumps(list(job_ids))),
    )
    return [row[0] for row in rows]


async def set_default_status(tx: Transaction, rows: Sequence[tuple[Status, int]]) -> None:
    """Store (status, job id): the status of all tasks that have no row of their own."""
    await tx.execute_many(f"UPDATE job SET default_status = ?, revision = {REVISION} WHERE id = ?", rows)


async def set_ready(tx: Transaction, job_ids: Sequence[int]) -> None:
    """Say that these jobs wait for nothing any more."""
    rows = [(job_id,) for job_id in job_ids]
    await tx.execute_many(
        "UPDATE job SET default_status = 'submitted' WHERE id = ? AND default_status = 'waiting'", rows
    )
    await tx.execute_many(
        "UPDATE task SET status = 'submitted' "
        "WHERE job_id = ? AND finished_at IS NULL AND status = 'waiting'",
        rows,
    )


async def set_waiting(tx: Transaction, job_ids: Iterable[int]) -> None:
    """Say that the unclaimed tasks of these jobs wait: a job that they depend on is open again."""
    rows = [(job_id,) for job_id in job_ids]
    await tx.execute_many(
        f"UPDATE job SET default_status = 'waiting', revision = {REVISION} "
        "WHERE id = ? AND default_status = 'submitted'",
        rows,
    )
    await tx.execute_many(
        "UPDATE task SET status = 'waiting' "
        "WHERE job_id = ? AND finished_at IS NULL AND status = 'submitted'",
        rows,
    )


async def end_unstarted(
    tx: Transaction,
    job_id: int,
    status: Status,
    reason: str,
    now: float,
    task_ids: Sequence[int] = (),
    *,
    states: str = CLAIMABLE,
) -> None:
    """Set tasks that are in one of ``states`` to stopped or skipped: all, or only ``task_ids``.

    UNSTARTED has those that are queued, too. On a cluster these have been deleted there; from a runner
    they are taken away, and it finds out before it starts them.
    """
    if not task_ids:
        await end_jobs_unstarted(tx, status, now, [(job_id, reason)], states=states)
        return
    await tx.execute(
        "UPDATE task SET status = ?, reason = ?, finished_at = ?, runner = NULL, stop = NULL "
        f"WHERE job_id = ? AND finished_at IS NULL AND status IN {states} "
        "AND task_id IN (SELECT value FROM json_each(?))",
        (status, reason, now, job_id, json.dumps(list(task_ids))),
    )
    await tx.execute(
        "INSERT OR IGNORE INTO task (job_id, task_id, status, attempt, reason, finished_at) "
        "SELECT job.id, one.value, ?, 1, ?, ? FROM json_each(?) AS one JOIN job ON job.id = ? "
        f"WHERE job.default_status IN {states}",
        (status, reason, now, json.dumps(await _still_there(tx, job_id, task_ids)), job_id),
    )
    await tx.execute(f"UPDATE job SET revision = {REVISION} WHERE id = ?", (job_id,))


async def end_jobs_unstarted(
    tx: Transaction,
    status: Status,
    now: float,
    jobs: Sequence[tuple[int, str]],
    *,
    states: str = CLAIMABLE,
) -> None:
    """Set all such tasks of (job id, reason) to stopped or skipped: see ``end_unstarted``."""
    await tx.execute_many(
        "UPDATE task SET status = ?, reason = ?, finished_at = ?, runner = NULL, stop = NULL "
        f"WHERE job_id = ? AND finished_at IS NULL AND status IN {states}",
        [(status, reason, now, job_id) for job_id, reason in jobs],
    )
    await tx.execute_many(
        "INSERT OR IGNORE INTO task (job_id, task_id, status, attempt, reason, finished_at) "
        f"SELECT id, {PLAIN_TASK}, ?, 1, ?, ? FROM job "
        f"WHERE id = ? AND array IS NULL AND default_status IN {states}",
        [(status, reason, now, job_id) for job_id, reason in jobs],
    )
    await tx.execute_many(
        f"UPDATE job SET default_status = ?, revision = {REVISION} "
        f"WHERE id = ? AND default_status IN {states}",
        [(status, job_id) for job_id, _ in jobs],
    )


async def end_all(tx: Transaction, job_ids: Iterable[int], status: Status, reason: str, now: float) -> None:
    """End all that is not ended of jobs."""
    ids = json.dumps(list(job_ids))
    await tx.execute(
        "UPDATE task SET status = ?, reason = ?, finished_at = ? "
        "WHERE job_id IN (SELECT value FROM json_each(?)) AND finished_at IS NULL",
        (status, reason, now, ids),
    )
    await tx.execute(
        f"UPDATE job SET default_status = ?, revision = {REVISION} "
        f"WHERE id IN (SELECT value FROM json_each(?)) AND default_status NOT IN {ENDED}",
        (status, ids),
    )


async def _still_there(tx: Transaction, job_id: int, task_ids: Sequence[int]) -> list[int]:
    """Return those of the tasks that are in their job's array: others were deleted since they were read."""
    from asyncjman.model.array import ArraySpec

    rows = await tx.fetch("SELECT array FROM job WHERE id = ?", (job_id,))
    if not rows:
        return []
    array = ArraySpec.parse(rows[0][0]) if rows[0][0] is not None else (PLAIN_TASK,)
    return [task_id for task_id in task_ids if task_id in array]


async def ask_to_stop(tx: Transaction, job_ids: Sequence[int], task_ids: Sequence[int] = ()) -> int:
    """Ask the runners of jobs' tasks (all, or only ``task_ids``) to stop them; return how many."""
    of_tasks = "" if not task_ids else " AND task_id IN (SELECT value FROM json_each(?))"
    values = [] if not task_ids else [json.dumps(list(task_ids))]
    rows = await tx.fetch(
        "UPDATE task SET stop = 1 WHERE job_id IN (SELECT value FROM json_each(?)) AND finished_at IS NULL "
        f"AND status IN ('queued', 'executing'){of_tasks} RETURNING task_id",
        (json.dumps(list(job_ids)), *values),
    )
    return len(rows)


async def withdraw(tx: Transaction, job_id: int, task_ids: Sequence[int], reason: str, now: float) -> None:
    """Have those of the tasks that had started end as stopped: the engine was asked to end all of them.

    All of them are to be reset then: that keeps an attempt only if it started.
    """
    await tx.execute(
        "UPDATE task SET status = 'stopped', reason = ?, finished_at = ? WHERE job_id = ? "
        "AND status = 'executing' AND task_id IN (SELECT value FROM json_each(?))",
        (reason, now, job_id, json.dumps(list(task_ids))),
    )


async def reset(
    tx: Transaction,
    job_id: int,
    statuses: Iterable[Status],
    to: Status,
    array: ArraySpec | None,
    now: float,
    task_ids: Sequence[int] = (),
    *,
    retry: bool = False,
) -> int:
    """Have the tasks that are in one of ``statuses`` run once more; return how many.

    What the attempt before left is kept in `attempt`. Unless it is a ``retry``, they have all their retries
    anew.
    """
    wanted = (json.dumps(list(statuses)),)
    of_tasks = "" if not task_ids else " AND task_id IN (SELECT value FROM json_each(?))"
    values = (job_id, *wanted, *([json.dumps(list(task_ids))] if task_ids else []))
    first = "" if retry else _ANEW
    which = f"job_id = ? AND status IN (SELECT value FROM json_each(?)){of_tasks}"
    await tx.execute(
        f"INSERT OR REPLACE INTO attempt ({TASK_COLUMNS}) SELECT {TASK_COLUMNS} FROM task "
        f"WHERE {which} AND started_at IS NOT NULL",
        values,
    )
    rows = await tx.fetch(
        f"UPDATE task SET status = ?, attempt = attempt + (started_at IS NOT NULL){first}, {_BLANK} "
        f"WHERE {which} RETURNING 1",
        (to, *values),
    )
    changed = len(rows)
    if not task_ids:
        untouched = await tx.fetch(
            "UPDATE job SET default_status = ? WHERE id = ? "
            "AND default_status IN (SELECT value FROM json_each(?)) "
            "RETURNING task_count - (SELECT count(*) FROM task WHERE job_id = job.id)",
            (to, job_id, *wanted),
        )
        changed += untouched[0][0] if untouched else 0
    elif array is not None:
        rows = await tx.fetch(
            "INSERT OR IGNORE INTO task (job_id, task_id, status, attempt) "
            "SELECT job.id, one.value, ?, 1 FROM json_each(?) AS one JOIN job ON job.id = ? "
            "WHERE job.default_status IN (SELECT value FROM json_each(?)) RETURNING 1",
            (to, json.dumps([one for one in task_ids if one in array]), job_id, *wanted),
        )
        changed += len(rows)
    if changed:
        await tx.execute(
            f"UPDATE job SET finished_at = NULL, started_at = NULL, submitted_at = ?, "
            f"revision = {REVISION} WHERE id = ?",
            (now, job_id),
        )
    return changed


async def reset_plain(
    tx: Transaction, job_ids: Iterable[int], statuses: Iterable[Status], to: Status, now: float
) -> set[int]:
    """Do as ``reset`` with the tasks of jobs with no array; return those that are to run once more."""
    ids, wanted = json.dumps(list(job_ids)), json.dumps(list(statuses))
    which = (
        "job_id IN (SELECT value FROM json_each(?)) AND status IN (SELECT value FROM json_each(?)) "
        f"AND task_id = {PLAIN_TASK}"
    )
    await tx.execute(
        f"INSERT OR REPLACE INTO attempt ({TASK_COLUMNS}) SELECT {TASK_COLUMNS} FROM task "
        f"WHERE {which} AND started_at IS NOT NULL",
        (ids, wanted),
    )
    with_row = await tx.fetch(
        f"UPDATE task SET status = ?, attempt = attempt + (started_at IS NOT NULL){_ANEW}, {_BLANK} "
        f"WHERE {which} RETURNING job_id",
        (to, ids, wanted),
    )
    by_default = await tx.fetch(
        "UPDATE job SET default_status = ? WHERE id IN (SELECT value FROM json_each(?)) "
        "AND default_status IN (SELECT value FROM json_each(?)) "
        "RETURNING id, EXISTS (SELECT 1 FROM task WHERE job_id = job.id)",
        (to, ids, wanted),
    )
    changed = {row[0] for row in with_row} | {job_id for job_id, has_row in by_default if not has_row}
    await tx.execute(
        f"UPDATE job SET finished_at = NULL, started_at = NULL, submitted_at = ?, revision = {REVISION} "
        "WHERE id IN (SELECT value FROM json_each(?))",
        (now, json.dumps(list(changed))),
    )
    return changed
