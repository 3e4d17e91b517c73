"""Tasks: claim, record, stop, reset.

A task that is just as ``job.rest`` says has no row. Rows come with the first claim.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asyncjman.model.job import PLAIN_TASK, Task
from asyncjman.model.status import FINISHED, Status
from asyncjman.store.database import Reader, Transaction, View
from asyncjman.store.jobs import REVISION
from asyncjman.store.rows import TASK_COLUMNS, status_of, task_of, task_values

if TYPE_CHECKING:
    from asyncjman.model.array import ArraySpec

_FINISHED = "(" + ", ".join(f"'{status}'" for status in sorted(FINISHED)) + ")"
_CLAIMABLE = "('submitted', 'waiting')"
_UNSTARTED = "('submitted', 'waiting', 'queued')"
UNCLAIMED = (
    "(CASE WHEN EXISTS (SELECT 1 FROM dependency JOIN job AS other ON other.id = dependency.on_job "
    "WHERE dependency.job_id = task.job_id AND other.finished_at IS NULL) "
    "THEN 'waiting' ELSE 'submitted' END)"
)
"""The status of a task that nobody holds and that is to run."""
_BLANK = (
    "runner = NULL, pid = NULL, stop = NULL, exit_status = NULL, signal = NULL, reason = NULL, host = NULL, "
    "started_at = NULL, finished_at = NULL, cpu_seconds = NULL, peak_memory_bytes = NULL, cause = NULL"
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A task that this runner may start, and nobody else."""

    job_id: int
    task_id: int
    attempt: int


async def claim(
    tx: Transaction,
    runner: int,
    wanted: Sequence[tuple[int, int, str | None]],
    spans: Iterable[tuple[int, int, int]],
) -> list[Claim]:
    """Take up those of the wanted (job id, task id, array as it was read) that are still free.

    ``spans`` are (job id, index, index): the array's tasks from the first index to before the second one
    are wanted, and so have rows then.
    """
    rows = await tx.fetch(
        "INSERT INTO task (job_id, task_id, status, attempt, runner) "
        "SELECT job.id, json_extract(one.value, '$[1]'), 'queued', 1, ? "
        "FROM json_each(?) AS one JOIN job ON job.id = json_extract(one.value, '$[0]') "
        "WHERE job.array IS json_extract(one.value, '$[2]') "
        "AND (job.rest IN ('submitted', 'waiting') OR EXISTS (SELECT 1 FROM task AS known "
        "WHERE known.job_id = job.id AND known.task_id = json_extract(one.value, '$[1]'))) "
        "ON CONFLICT (job_id, task_id) DO UPDATE SET status = 'queued', runner = excluded.runner "
        "WHERE status IN ('submitted', 'waiting') "
        "RETURNING job_id, task_id, attempt",
        (runner, json.dumps(wanted)),
    )
    arrays = {job_id: array for job_id, _, array in wanted}
    # under the same guard as the rows above, and with no gap before: where there are none, the index stays
    await tx.execute_many(
        "UPDATE job SET next_index = max(next_index, ?) "
        f"WHERE id = ? AND array IS ? AND rest IN {_CLAIMABLE} AND next_index >= ?",
        [(end, job_id, arrays[job_id], start) for job_id, start, end in spans if job_id in arrays],
    )
    return [Claim(*row) for row in rows]


async def first_gap(source: Reader | Transaction, job_id: int, array: ArraySpec) -> int:
    """Return the index (from 0) of the first task of an array that has no row; its length where all have.

    The number of queries grows with the logarithm of the array.
    """

    async def all_have_rows(part: range) -> bool:
        found = await source.fetch(
            "SELECT count(*) FROM task WHERE job_id = ? AND task_id BETWEEN ? AND ? "
            "AND (task_id - ?) % ? = 0",
            (job_id, part[0], part[-1], part[0], part.step),
        )
        return int(found[0][0]) == len(part)

    before = 0
    for one in array.ranges:
        if not await all_have_rows(one):
            part = one
            while len(part) > 1:
                half = part[: len(part) // 2]
                part = part[len(half) :] if await all_have_rows(half) else half
            return before + one.index(part[0])
        before += len(one)
    return before


async def set_next_index(tx: Transaction, job_id: int, index: int) -> None:
    """Store that the array's tasks before an index have rows."""
    await tx.execute("UPDATE job SET next_index = ? WHERE id = ?", (index, job_id))


async def held_counts(tx: Transaction, job_ids: Iterable[int]) -> dict[int, int]:
    """Return how many tasks of each of these jobs runners hold, whichever runner."""
    rows = await tx.fetch(
        "SELECT job_id, sum(count) FROM tally WHERE job_id IN (SELECT value FROM json_each(?)) "
        "AND status IN ('queued', 'executing') GROUP BY job_id",
        (json.dumps(list(job_ids)),),
    )
    return {row[0]: row[1] for row in rows}


async def record_started(tx: Transaction, rows: Sequence[tuple[float, int, str, int, int]]) -> None:
    """Store (started_at, pid, host, job id, task id) of tasks that run now."""
    await tx.execute_many(
        "UPDATE task SET status = 'executing', started_at = ?, pid = ?, host = ? "
        "WHERE job_id = ? AND task_id = ?",
        rows,
    )


async def record_finished(tx: Transaction, tasks: Sequence[Task]) -> None:
    """Store how attempts ended."""
    await tx.execute_many(
        "UPDATE task SET status = ?, attempt = ?, exit_status = ?, signal = ?, reason = ?, host = ?, "
        "started_at = ?, finished_at = ?, cpu_seconds = ?, peak_memory_bytes = ?, cause = ?, "
        "pid = NULL, stop = NULL, runner = NULL WHERE job_id = ? AND task_id = ?",
        [(*task_values(task)[2:], task.job_id, task.task_id) for task in tasks],
    )


async def record_retried(tx: Transaction, ended: Sequence[Task]) -> None:
    """Store attempts that failed, whose tasks are tried again by the same runner."""
    values = ", ".join("?" * len(TASK_COLUMNS.split(",")))
    await tx.execute_many(
        f"INSERT OR REPLACE INTO attempt ({TASK_COLUMNS}) VALUES ({values})",
        [task_values(task) for task in ended],
    )
    await tx.execute_many(
        "UPDATE task SET status = 'queued', attempt = ?, started_at = NULL, pid = NULL, host = NULL "
        "WHERE job_id = ? AND task_id = ?",
        [(task.attempt + 1, task.job_id, task.task_id) for task in ended],
    )


async def release(tx: Transaction, claims: Sequence[tuple[int, int]]) -> None:
    """Give back (job id, task id) that were claimed and not started."""
    await tx.execute_many(
        f"UPDATE task SET status = {UNCLAIMED}, runner = NULL, stop = NULL "
        "WHERE job_id = ? AND task_id = ? AND status = 'queued'",
        claims,
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
        "AND NOT EXISTS (SELECT 1 FROM tally "
        f"WHERE job_id = job.id AND count > 0 AND status NOT IN {_FINISHED}) "
        f"AND (rest IN {_FINISHED} OR task_count = "
        "(SELECT coalesce(sum(count), 0) FROM tally WHERE job_id = job.id)) RETURNING id",
        (now, json.dumps(list(job_ids))),
    )
    return [row[0] for row in rows]


async def set_rest(tx: Transaction, rows: Sequence[tuple[Status, int]]) -> None:
    """Store (status, job id): the status of all tasks that have no row of their own."""
    await tx.execute_many(f"UPDATE job SET rest = ?, revision = {REVISION} WHERE id = ?", rows)


async def set_ready(tx: Transaction, job_ids: Sequence[int]) -> None:
    """Say that these jobs wait for nothing any more."""
    rows = [(job_id,) for job_id in job_ids]
    await tx.execute_many("UPDATE job SET rest = 'submitted' WHERE id = ? AND rest = 'waiting'", rows)
    await tx.execute_many(
        "UPDATE task SET status = 'submitted' "
        "WHERE job_id = ? AND finished_at IS NULL AND status = 'waiting'",
        rows,
    )


async def set_waiting(tx: Transaction, job_ids: Iterable[int]) -> None:
    """Say that what nobody has claimed of these jobs waits: a job that they depend on is open again."""
    rows = [(job_id,) for job_id in job_ids]
    await tx.execute_many(
        f"UPDATE job SET rest = 'waiting', revision = {REVISION} WHERE id = ? AND rest = 'submitted'", rows
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
    queued_too: bool = False,
) -> None:
    """Set tasks that nobody has taken up to stopped or skipped: all, or only ``task_ids``.

    ``queued_too``: also those that are queued. On a cluster these have been deleted there; from a runner
    they are taken away, and it finds out before it starts them.
    """
    states = _UNSTARTED if queued_too else _CLAIMABLE
    some = "" if not task_ids else " AND task_id IN (SELECT value FROM json_each(?))"
    values = [] if not task_ids else [json.dumps(list(task_ids))]
    await tx.execute(
        "UPDATE task SET status = ?, reason = ?, finished_at = ?, runner = NULL, stop = NULL "
        f"WHERE job_id = ? AND finished_at IS NULL AND status IN {states}{some}",
        (status, reason, now, job_id, *values),
    )
    if task_ids:
        await tx.execute(
            "INSERT OR IGNORE INTO task (job_id, task_id, status, attempt, reason, finished_at) "
            "SELECT job.id, one.value, ?, 1, ?, ? FROM json_each(?) AS one JOIN job ON job.id = ? "
            f"WHERE job.rest IN {states}",
            (status, reason, now, json.dumps(await _still_there(tx, job_id, task_ids)), job_id),
        )
        await tx.execute(f"UPDATE job SET revision = {REVISION} WHERE id = ?", (job_id,))
        return
    rest = await tx.fetch(f"SELECT array IS NULL FROM job WHERE id = ? AND rest IN {states}", (job_id,))
    if not rest:
        return
    if rest[0][0]:
        await tx.execute(
            "INSERT OR IGNORE INTO task (job_id, task_id, status, attempt, reason, finished_at) "
            "VALUES (?, ?, ?, 1, ?, ?)",
            (job_id, PLAIN_TASK, status, reason, now),
        )
    await set_rest(tx, [(status, job_id)])


async def end_all(tx: Transaction, job_id: int, status: Status, reason: str, now: float) -> None:
    """End all that is not ended of a job."""
    await tx.execute(
        "UPDATE task SET status = ?, reason = ?, finished_at = ? WHERE job_id = ? AND finished_at IS NULL",
        (status, reason, now, job_id),
    )
    await tx.execute(
        f"UPDATE job SET rest = ?, revision = {REVISION} WHERE id = ? AND rest NOT IN {_FINISHED}",
        (status, job_id),
    )


async def _still_there(tx: Transaction, job_id: int, task_ids: Sequence[int]) -> list[int]:
    """Return those of the tasks that are in their job's array: others were deleted since somebody looked."""
    from asyncjman.model.array import ArraySpec

    rows = await tx.fetch("SELECT array FROM job WHERE id = ?", (job_id,))
    if not rows:
        return []
    array = ArraySpec.parse(rows[0][0]) if rows[0][0] is not None else (PLAIN_TASK,)
    return [task_id for task_id in task_ids if task_id in array]


async def ask_to_stop(tx: Transaction, job_id: int, task_ids: Sequence[int] = ()) -> int:
    """Ask the runners of a job's tasks (all, or only ``task_ids``) to stop them; return how many."""
    some = "" if not task_ids else " AND task_id IN (SELECT value FROM json_each(?))"
    values = [] if not task_ids else [json.dumps(list(task_ids))]
    rows = await tx.fetch(
        "UPDATE task SET stop = 1 WHERE job_id = ? AND finished_at IS NULL "
        f"AND status IN ('queued', 'executing'){some} RETURNING task_id",
        (job_id, *values),
    )
    return len(rows)


async def to_stop(database: Reader, runner: int) -> list[tuple[int, int]]:
    """Return (job id, task id) of what this runner is asked to stop."""
    rows = await database.fetch("SELECT job_id, task_id FROM task WHERE stop = 1 AND runner = ?", (runner,))
    return [(row[0], row[1]) for row in rows]


async def unfinished_of(database: Reader, job_id: int, task_ids: Sequence[int] = ()) -> int:
    """Return how many tasks of a job (all, or only ``task_ids``) a runner holds."""
    some = "" if not task_ids else " AND task_id IN (SELECT value FROM json_each(?))"
    rows = await database.fetch(
        "SELECT count(*) FROM task WHERE job_id = ? AND finished_at IS NULL "
        f"AND status IN ('queued', 'executing'){some}",
        (job_id, *([json.dumps(list(task_ids))] if task_ids else [])),
    )
    return int(rows[0][0])


async def rest(source: Reader | View, job_id: int) -> tuple[Status, str | None] | None:
    """Return the status of those tasks that have no row of their own, and the array as it is now.

    None where the job is no more.
    """
    rows = await source.fetch("SELECT rest, array FROM job WHERE id = ?", (job_id,))
    return (status_of(rows[0][0], job_id), rows[0][1]) if rows else None


async def forget(tx: Transaction, job_id: int, task_ids: Sequence[int], array: ArraySpec) -> None:
    """Take tasks out of an array for good; ``array`` is what is left of it."""
    ids = json.dumps(list(task_ids))
    for table in ("task", "attempt"):
        await tx.execute(
            f"DELETE FROM {table} WHERE job_id = ? AND task_id IN (SELECT value FROM json_each(?))",
            (job_id, ids),
        )
    await tx.execute(
        f"UPDATE job SET array = ?, task_count = ?, revision = {REVISION} WHERE id = ?",
        (str(array), len(array), job_id),
    )
    await set_next_index(tx, job_id, await first_gap(tx, job_id, array))


async def others_hold(database: Reader, runner: int) -> bool:
    """Tell whether other runners hold tasks."""
    rows = await database.fetch(
        "SELECT 1 FROM task WHERE finished_at IS NULL AND status IN ('queued', 'executing') "
        "AND runner <> ? LIMIT 1",
        (runner,),
    )
    return bool(rows)


async def outcomes(database: Reader | Transaction, job_id: int) -> list[tuple[int, Status]]:
    """Return (task id, status) of the finished tasks of a job that have rows."""
    rows = await database.fetch(
        "SELECT task_id, status FROM task WHERE job_id = ? AND finished_at IS NOT NULL", (job_id,)
    )
    return [(row[0], status_of(row[1], job_id)) for row in rows]


async def successes(source: Reader | Transaction, job_id: int, task_ids: Iterable[int]) -> set[int]:
    """Return which of these tasks of a job succeeded."""
    rows = await source.fetch(
        "SELECT task_id FROM task WHERE job_id = ? AND status = 'success' "
        "AND task_id IN (SELECT value FROM json_each(?))",
        (job_id, json.dumps(list(task_ids))),
    )
    return {row[0] for row in rows}


async def unsuccessful(source: Reader | Transaction, job_id: int, task_ids: Iterable[int]) -> set[int]:
    """Return which of these tasks of a job ended, and did not succeed."""
    rows = await source.fetch(
        "SELECT task_id FROM task WHERE job_id = ? AND finished_at IS NOT NULL AND status <> 'success' "
        "AND task_id IN (SELECT value FROM json_each(?))",
        (job_id, json.dumps(list(task_ids))),
    )
    return {row[0] for row in rows}


async def unclaimable(source: Reader | Transaction, job_id: int, *, queued_too: bool = True) -> set[int]:
    """Return the tasks of a job that somebody holds, or that ended: by a row, or with all that have none.

    ``queued_too``: whether what is held and has not started counts.
    """
    states = _CLAIMABLE if queued_too else _UNSTARTED
    rows = await source.fetch("SELECT array, rest FROM job WHERE id = ?", (job_id,))
    if rows and rows[0][0] is not None and status_of(rows[0][1]) in FINISHED:
        from asyncjman.model.array import ArraySpec

        claimable = await source.fetch(
            f"SELECT task_id FROM task WHERE job_id = ? AND status IN {states}", (job_id,)
        )
        return set(ArraySpec.parse(rows[0][0])) - {row[0] for row in claimable}
    rows = await source.fetch(
        f"SELECT task_id FROM task WHERE job_id = ? AND status NOT IN {states}", (job_id,)
    )
    return {row[0] for row in rows}


async def resubmitted(database: Reader, job_id: int, after: int, limit: int) -> list[int]:
    """Return tasks that have a row and wait to be taken up again, in order."""
    rows = await database.fetch(
        "SELECT task_id FROM task WHERE job_id = ? AND task_id > ? AND finished_at IS NULL "
        "AND status IN ('submitted', 'waiting') ORDER BY task_id LIMIT ?",
        (job_id, after, limit),
    )
    return [row[0] for row in rows]


async def ended_in(
    tx: Transaction, job_id: int, statuses: Iterable[Status], task_ids: Sequence[int] = ()
) -> list[tuple[int, int]]:
    """Return (task id, attempt) of the tasks (all, or of ``task_ids``) that are in one of ``statuses``."""
    some = "" if not task_ids else " AND task_id IN (SELECT value FROM json_each(?))"
    rows = await tx.fetch(
        "SELECT task_id, attempt FROM task WHERE job_id = ? "
        f"AND status IN (SELECT value FROM json_each(?)){some}",
        (job_id, json.dumps(list(statuses)), *([json.dumps(list(task_ids))] if task_ids else [])),
    )
    return [(row[0], row[1]) for row in rows]


async def reset(
    tx: Transaction,
    job_id: int,
    statuses: Iterable[Status],
    to: Status,
    array: ArraySpec | None,
    now: float,
    task_ids: Sequence[int] = (),
) -> int:
    """Have the tasks that are in one of ``statuses`` run once more; return how many.

    What the attempt before left is kept in `attempt`.
    """
    wanted = (json.dumps(list(statuses)),)
    some = "" if not task_ids else " AND task_id IN (SELECT value FROM json_each(?))"
    values = (job_id, *wanted, *([json.dumps(list(task_ids))] if task_ids else []))
    which = f"job_id = ? AND status IN (SELECT value FROM json_each(?)){some}"
    await tx.execute(
        f"INSERT OR REPLACE INTO attempt ({TASK_COLUMNS}) SELECT {TASK_COLUMNS} FROM task "
        f"WHERE {which} AND started_at IS NOT NULL",
        values,
    )
    rows = await tx.fetch(
        f"UPDATE task SET status = ?, attempt = attempt + (started_at IS NOT NULL), {_BLANK} "
        f"WHERE {which} RETURNING 1",
        (to, *values),
    )
    changed = len(rows)
    if not task_ids:
        rest = await tx.fetch(
            "UPDATE job SET rest = ? WHERE id = ? AND rest IN (SELECT value FROM json_each(?)) "
            "RETURNING task_count - (SELECT count(*) FROM task WHERE job_id = job.id)",
            (to, job_id, *wanted),
        )
        changed += rest[0][0] if rest else 0
    elif array is not None:
        rows = await tx.fetch(
            "INSERT OR IGNORE INTO task (job_id, task_id, status, attempt) "
            "SELECT job.id, one.value, ?, 1 FROM json_each(?) AS one JOIN job ON job.id = ? "
            "WHERE job.rest IN (SELECT value FROM json_each(?)) RETURNING 1",
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


async def select(database: Reader, job_id: int) -> AsyncIterator[Task]:
    """Yield the tasks of a job that have rows, in order of id."""
    async for row in database.stream(
        f"SELECT {TASK_COLUMNS} FROM task WHERE job_id = ? ORDER BY task_id", (job_id,)
    ):
        yield task_of(row)


async def page(source: Reader | View, job_id: int, after: int, limit: int) -> list[Task]:
    """Return the next tasks of a job that have rows, in order of id."""
    rows = await source.fetch(
        f"SELECT {TASK_COLUMNS} FROM task WHERE job_id = ? AND task_id > ? ORDER BY task_id LIMIT ?",
        (job_id, after, limit),
    )
    return [task_of(row) for row in rows]


async def failed(database: Reader, job_ids: Iterable[int], limit: int) -> list[Task]:
    """Return the first tasks of these jobs that failed."""
    rows = await database.fetch(
        f"SELECT {TASK_COLUMNS} FROM task WHERE job_id IN (SELECT value FROM json_each(?)) "
        "AND status = 'failure' ORDER BY job_id, task_id LIMIT ?",
        (json.dumps(list(job_ids)), limit),
    )
    return [task_of(row) for row in rows]


async def get(database: Reader, job_id: int, task_id: int) -> Task | None:
    """Return a task that has a row."""
    rows = await database.fetch(
        f"SELECT {TASK_COLUMNS} FROM task WHERE job_id = ? AND task_id = ?", (job_id, task_id)
    )
    return task_of(rows[0]) if rows else None


async def latest_attempts(
    tx: Transaction, job_id: int, after: int, limit: int, task_ids: Sequence[int] = ()
) -> list[tuple[int, int]]:
    """Return (task id, attempt) of the tasks that have a row and an id above ``after``, in order.

    ``task_ids``: only these; (): all.
    """
    some = "" if not task_ids else " AND task_id IN (SELECT value FROM json_each(?))"
    rows = await tx.fetch(
        f"SELECT task_id, attempt FROM task WHERE job_id = ? AND task_id > ?{some} ORDER BY task_id LIMIT ?",
        (job_id, after, *([json.dumps(list(task_ids))] if task_ids else []), limit),
    )
    return [(row[0], row[1]) for row in rows]


async def attempts_since(database: Reader, job_id: int, moment: float) -> list[Task]:
    """Return the attempts before the latest of a job's tasks that ended after ``moment`` (since 1970)."""
    rows = await database.fetch(
        f"SELECT {TASK_COLUMNS} FROM attempt WHERE job_id = ? AND finished_at > ?", (job_id, moment)
    )
    return [task_of(row) for row in rows]


async def attempts(database: Reader, job_id: int, task_id: int) -> list[Task]:
    """Return the attempts of a task before its latest, the first one first."""
    rows = await database.fetch(
        f"SELECT {TASK_COLUMNS} FROM attempt WHERE job_id = ? AND task_id = ? ORDER BY attempt",
        (job_id, task_id),
    )
    return [task_of(row) for row in rows]
