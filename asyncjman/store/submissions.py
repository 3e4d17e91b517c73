"""Submissions to a cluster: intended, sent, over; and what the cluster says of their tasks."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from asyncjman.model.job import PLAIN_TASK, Task
from asyncjman.model.status import Status
from asyncjman.store.database import Reader, Transaction, View
from asyncjman.store.jobs import REVISION
from asyncjman.store.rows import TASK_COLUMNS, status_of, task_of, task_values, token_of


@dataclass(frozen=True, slots=True)
class Submission:
    """One call of the cluster's submit command; ``grid_id`` is None until it is known to have succeeded."""

    id: int
    job_id: int
    token: str
    created_at: float
    host: str
    pid: int
    grid_id: int | None
    mapped: tuple[int, ...]
    """Task ids by the cluster's numbers 1, 2, 3…; empty where these are the task ids."""
    note: str | None

    @property
    def native_id(self) -> str | None:
        """Return the engine's own number of it; None until it is known to have been launched."""
        return None if self.grid_id is None else str(self.grid_id)


@dataclass(frozen=True, slots=True)
class Standing:
    """How the tasks of a job stand."""

    rest: Status
    """The status of those that have no row."""
    unfinished: dict[int, tuple[Task, float | None]] = field(default_factory=dict)
    """Those that have one, and since when they are missing on the cluster."""
    finished: set[int] = field(default_factory=set)
    to_stop: set[int] = field(default_factory=set)
    """Those of the unfinished that somebody asked to stop."""


_COLUMNS = "id, job_id, token, created_at, host, pid, grid_id, mapped, note"


def _of(row: Sequence[object]) -> Submission:
    job_id, token, created_at, host, pid, grid_id, mapped, note = row[1:]
    numbers = tuple(json.loads(mapped)) if isinstance(mapped, str) else ()
    # a row has no types
    return Submission(row[0], job_id, token_of(token), created_at, host, pid, grid_id, numbers, note)  # type: ignore[arg-type]


async def database_token(source: Reader | Transaction) -> str:
    """Return the name that tells this database from all others."""
    return token_of((await source.fetch("SELECT token FROM clock"))[0][0])


async def insert(
    tx: Transaction,
    *,
    job_id: int,
    engine: str,
    token: str,
    now: float,
    host: str,
    pid: int,
    mapped: Sequence[int],
) -> int | None:
    """Store the intent to submit a job, or some tasks of it; None where another process was faster, also to
    move the job to another engine.

    What is submitted is to be sent. What waits is, too, unless its job is on the cluster: it is held there.
    """
    tasks = json.dumps(list(mapped)) if mapped else None
    rows = await tx.fetch(
        "WITH sendable (status) AS (SELECT 'submitted' UNION ALL SELECT 'waiting' "
        "WHERE NOT EXISTS (SELECT 1 FROM submission WHERE job_id = ? AND active = 1)) "
        "INSERT INTO submission (job_id, token, created_at, host, pid, mapped) "
        "SELECT job.id, ?, ?, ?, ?, ? FROM job WHERE job.id = ? AND job.executor = ? "
        "AND job.finished_at IS NULL "
        "AND NOT EXISTS (SELECT 1 FROM submission WHERE job_id = ? AND active = 1 AND grid_id IS NULL) "
        "AND (job.rest IN sendable OR EXISTS (SELECT 1 FROM task WHERE job_id = ? "
        "AND finished_at IS NULL AND status IN sendable)) "
        "AND NOT EXISTS (SELECT 1 FROM task WHERE job_id = ? AND status NOT IN sendable "
        "AND task_id IN (SELECT value FROM json_each(?))) RETURNING id",
        (job_id, token, now, host, pid, tasks, job_id, engine, job_id, job_id, job_id, tasks),
    )
    return rows[0][0] if rows else None


async def sent(tx: Transaction, submission_id: int, native_id: str, status: Status) -> None:
    """Store that the cluster took a submission, and that its tasks are queued, or waiting, there.

    Others of its job are not its business: what was submitted again since it was made is still to be sent.
    """
    rows = await tx.fetch(
        "UPDATE submission SET grid_id = ? WHERE id = ? RETURNING job_id, mapped",
        (int(native_id), submission_id),
    )
    for job_id, mapped in rows:
        own, values = f"(attempt = 1 OR task_id = {PLAIN_TASK})", []
        rest = ""
        if mapped is not None:
            own, values = "task_id IN (SELECT value FROM json_each(?))", [mapped]
            # whether it is about all that have no row
            rest = (
                "AND task_count - (SELECT count(*) FROM task WHERE job_id = job.id) = (SELECT count(*) "
                "FROM json_each(?) WHERE value NOT IN (SELECT task_id FROM task WHERE job_id = job.id))"
            )
        await tx.execute(
            f"UPDATE job SET rest = ?, revision = {REVISION} "
            f"WHERE rest IN ('submitted', 'waiting') AND id = ? {rest}",
            (status, job_id, *values),
        )
        await tx.execute(
            "UPDATE task SET status = ? WHERE status IN ('submitted', 'waiting') AND finished_at IS NULL "
            f"AND job_id = ? AND {own}",
            (status, job_id, *values),
        )


async def drop(tx: Transaction, submission_id: int) -> None:
    """Forget an intent that came to nothing, unless it was carried out since somebody looked."""
    await tx.execute("DELETE FROM submission WHERE id = ? AND grid_id IS NULL", (submission_id,))


async def active(
    source: Reader | Transaction, job_ids: Iterable[int] | None = None, *, engine: str | None = None
) -> list[Submission]:
    """Return the submissions that have unfinished tasks, of all jobs or of some, or those of an engine."""
    wanted, values = "active = 1", []
    if job_ids is not None:
        wanted += " AND job_id IN (SELECT value FROM json_each(?))"
        values.append(json.dumps(list(job_ids)))
    if engine is not None:
        wanted += " AND job_id IN (SELECT id FROM job WHERE executor = ?)"
        values.append(engine)
    rows = await source.fetch(f"SELECT {_COLUMNS} FROM submission WHERE {wanted} ORDER BY id", values)
    return [_of(row) for row in rows]


async def latest(source: Reader | Transaction, job_id: int) -> Submission | None:
    """Return the last submission of a job."""
    rows = await source.fetch(
        f"SELECT {_COLUMNS} FROM submission WHERE job_id = ? ORDER BY id DESC LIMIT 1", (job_id,)
    )
    return _of(rows[0]) if rows else None


async def deactivate(tx: Transaction, job_ids: Iterable[int]) -> None:
    """Say that nothing of these jobs is on the cluster any more."""
    await tx.execute(
        "UPDATE submission SET active = 0, note = NULL WHERE job_id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(job_ids)),),
    )


async def deactivate_one(tx: Transaction, submission_id: int) -> None:
    """Say that nothing of this submission is on the cluster any more."""
    await tx.execute("UPDATE submission SET active = 0, note = NULL WHERE id = ?", (submission_id,))


async def set_notes(tx: Transaction, rows: Sequence[tuple[str | None, int]]) -> None:
    """Store (what the cluster says beyond our status, submission id)."""
    await tx.execute_many("UPDATE submission SET note = ? WHERE id = ?", rows)


async def unsent_jobs(source: Reader | Transaction, executor: str) -> list[int]:
    """Return the jobs of a cluster that are to be submitted: they wait for nothing any more."""
    rows = await source.fetch(
        "SELECT id FROM job WHERE executor = ? AND finished_at IS NULL "
        "AND (rest = 'submitted' OR EXISTS (SELECT 1 FROM task WHERE job_id = job.id "
        "AND finished_at IS NULL AND status = 'submitted')) "
        "AND NOT EXISTS (SELECT 1 FROM submission WHERE job_id = job.id AND active = 1 "
        "AND grid_id IS NULL) ORDER BY id",
        (executor,),
    )
    return [row[0] for row in rows]


async def ended_before(source: Reader | Transaction, executor: str) -> list[int]:
    """Return the jobs that ended, and for which unsent jobs of a cluster still wait."""
    rows = await source.fetch(
        "SELECT DISTINCT on_job FROM dependency JOIN job ON job.id = dependency.job_id "
        "JOIN job AS other ON other.id = on_job AND other.finished_at IS NOT NULL "
        "WHERE job.executor = ? AND job.finished_at IS NULL "
        "AND NOT EXISTS (SELECT 1 FROM submission WHERE submission.job_id = job.id AND active = 1) "
        "AND (job.rest = 'waiting' OR EXISTS (SELECT 1 FROM task WHERE task.job_id = job.id "
        "AND task.status = 'waiting'))",
        (executor,),
    )
    return [row[0] for row in rows]


async def freed(source: Reader | Transaction, executor: str) -> list[int]:
    """Return the unsent jobs of a cluster that wait, and for nothing: what they waited for was deleted."""
    rows = await source.fetch(
        "SELECT id FROM job WHERE executor = ? AND finished_at IS NULL "
        "AND (rest = 'waiting' OR EXISTS (SELECT 1 FROM task WHERE job_id = job.id AND status = 'waiting')) "
        "AND NOT EXISTS (SELECT 1 FROM dependency WHERE job_id = job.id) "
        "AND NOT EXISTS (SELECT 1 FROM submission WHERE job_id = job.id AND active = 1)",
        (executor,),
    )
    return [row[0] for row in rows]


async def standings(source: Reader | View, job_ids: Collection[int]) -> dict[int, Standing]:
    """Return how the tasks of those of the jobs stand that are there, by job id."""
    if isinstance(source, Reader):
        async with source.snapshot() as view:
            return await standings(view, job_ids)
    wanted = (json.dumps(list(job_ids)),)
    among = "IN (SELECT value FROM json_each(?))"
    found = {
        job_id: Standing(status_of(rest, job_id))
        for job_id, rest in await source.fetch(f"SELECT id, rest FROM job WHERE id {among}", wanted)
    }
    for row in await source.fetch(
        f"SELECT {TASK_COLUMNS}, missing_since, stop FROM task WHERE job_id {among} AND finished_at IS NULL",
        wanted,
    ):
        *values, since, stop = row
        job_id, task_id = row[:2]
        found[job_id].unfinished[task_id] = (task_of(tuple(values)), since)
        if stop == 1:
            found[job_id].to_stop.add(task_id)
    for job_id, task_id in await source.fetch(
        f"SELECT job_id, task_id FROM task WHERE job_id {among} AND finished_at IS NOT NULL", wanted
    ):
        found[job_id].finished.add(task_id)
    return found


async def unproven(source: Reader | Transaction) -> list[tuple[Task, float]]:
    """Return the tasks that ended without a word, and since when: their records may come late."""
    rows = await source.fetch(
        f"SELECT {TASK_COLUMNS}, missing_since FROM task "
        "WHERE missing_since IS NOT NULL AND finished_at IS NOT NULL"
    )
    return [(task_of(row[:-1]), row[-1]) for row in rows]


async def put_tasks(tx: Transaction, rows: Sequence[tuple[Task, float | None]]) -> None:
    """Store (task, since when it is missing) as seen."""
    values = ", ".join("?" * 14)
    await tx.execute_many(
        "INSERT INTO task (job_id, task_id, status, attempt, exit_status, signal, reason, host, started_at, "
        f"finished_at, cpu_seconds, peak_memory_bytes, cause, missing_since) VALUES ({values}) "
        "ON CONFLICT (job_id, task_id) DO UPDATE SET status = excluded.status, attempt = excluded.attempt, "
        "exit_status = excluded.exit_status, signal = excluded.signal, reason = excluded.reason, "
        "host = coalesce(excluded.host, host), started_at = coalesce(excluded.started_at, started_at), "
        "finished_at = excluded.finished_at, cpu_seconds = coalesce(excluded.cpu_seconds, cpu_seconds), "
        "peak_memory_bytes = coalesce(excluded.peak_memory_bytes, peak_memory_bytes), "
        "cause = excluded.cause, missing_since = excluded.missing_since, "
        "stop = CASE WHEN excluded.finished_at IS NULL THEN stop END",
        [(*task_values(task), since) for task, since in rows],
    )


async def do_not_stop(tx: Transaction, job_ids: Iterable[int], task_ids: Sequence[int]) -> None:
    """Take back that these jobs, or only these tasks of them, are to stop."""
    some = " AND task_id IN (SELECT value FROM json_each(?))" if task_ids else ""
    await tx.execute(
        f"UPDATE task SET stop = NULL WHERE job_id IN (SELECT value FROM json_each(?)){some}",
        (json.dumps(list(job_ids)), *([json.dumps(list(task_ids))] if task_ids else [])),
    )


async def set_rest(tx: Transaction, job_id: int, status: Status) -> None:
    """Store the status of a job's tasks that have no row, as the cluster says it."""
    await tx.execute(
        f"UPDATE job SET rest = ?, revision = {REVISION} WHERE id = ? "
        "AND rest IN ('submitted', 'waiting', 'queued', 'executing')",
        (status, job_id),
    )


async def unaccounted(source: Reader | Transaction) -> list[Submission]:
    """Return the submissions that are over, and whose tasks' usage was not looked up yet."""
    rows = await source.fetch(
        f"SELECT {_COLUMNS} FROM submission WHERE active = 0 AND accounted = 0 AND grid_id IS NOT NULL"
    )
    return [_of(row) for row in rows]


async def ended_attempts(source: Reader | Transaction, job_ids: Iterable[int]) -> list[Task]:
    """Return the attempts of jobs that ran and ended; the first ones first."""
    ids = json.dumps(list(job_ids))
    some = (
        "WHERE job_id IN (SELECT value FROM json_each(?)) "
        "AND started_at IS NOT NULL AND finished_at IS NOT NULL"
    )
    rows = await source.fetch(
        f"SELECT {TASK_COLUMNS} FROM attempt {some} UNION ALL SELECT {TASK_COLUMNS} FROM task {some} "
        "ORDER BY attempt",
        (ids, ids),
    )
    return [task_of(row) for row in rows]


async def put_usage(tx: Transaction, rows: Sequence[tuple[float | None, int | None, int, int, int]]) -> None:
    """Store (CPU seconds, peak bytes, job id, task id, attempt) that accounting knows."""
    for table in ("task", "attempt"):
        await tx.execute_many(
            f"UPDATE {table} SET cpu_seconds = ?, peak_memory_bytes = ? "
            "WHERE job_id = ? AND task_id = ? AND attempt = ? AND cpu_seconds IS NULL",
            rows,
        )
    for job_id in {row[2] for row in rows}:
        await tx.execute(
            "UPDATE tally SET (cpu_seconds, peak_memory_bytes) = (SELECT coalesce(sum(cpu_seconds), 0), "
            "coalesce(max(peak_memory_bytes), 0) FROM task WHERE task.job_id = tally.job_id "
            "AND task.status = tally.status) WHERE job_id = ?",
            (job_id,),
        )


async def set_accounted(tx: Transaction, submission_ids: Iterable[int]) -> None:
    """Say that the usage of these submissions' tasks need not be looked up again."""
    await tx.execute_many(
        "UPDATE submission SET accounted = 1 WHERE id = ?", [(one,) for one in submission_ids]
    )


async def answered(tx: Transaction, now: float) -> None:
    """Store that the cluster has answered."""
    await tx.execute("UPDATE clock SET cluster_seen = ?", (now,))


async def last_seen(source: Reader | Transaction) -> float | None:
    """Return when the cluster last answered, in seconds since 1970."""
    seen: float | None = (await source.fetch("SELECT cluster_seen FROM clock"))[0][0]
    return seen
