"""Submissions to a cluster: intended, sent, over; and what the cluster says of their tasks."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from asyncjman.model.array import ArraySpec
from asyncjman.model.job import Task
from asyncjman.model.status import Status
from asyncjman.store import failures
from asyncjman.store.database import Reader, Transaction, View
from asyncjman.store.jobs import REVISION
from asyncjman.store.rows import TASK_COLUMNS, array_of, status_of, task_of, task_values, token_of


class Submission(NamedTuple):
    """One launch of a job, or of some of its tasks, on an engine whose tasks survive us."""

    id: int
    job_id: int
    engine: str
    token: str
    created_at: float
    host: str
    pid: int
    native_id: str | None
    """The engine's own number of it; None until it is known to have been launched."""
    task_map: tuple[int, ...]
    """Task ids by the cluster's numbers 1, 2, 3…; empty where these are the task ids."""
    engine_state: str | None
    taken_back: tuple[int, ...] = ()
    """Tasks that the engine was, or is about to be, told to end, so that they are sent again."""


@dataclass(frozen=True, slots=True)
class TaskStates:
    """How the tasks of a job stand."""

    default_status: Status
    """The status of those that have no row."""
    unfinished: dict[int, tuple[Task, float | None]] = field(default_factory=dict)
    """Those that have one, and since when they are missing on the cluster."""
    finished: set[int] = field(default_factory=set)
    to_stop: set[int] = field(default_factory=set)
    """Those of the unfinished that a user asked to stop."""


class SentJob(NamedTuple):
    """What a poll needs of a job: all that was asked for takes several times as long to read."""

    array: ArraySpec | None
    token: str
    """The name of its spool folder."""


COLUMNS = "id, job_id, engine, token, created_at, host, pid, native_id, task_map, engine_state, taken_back"
ANY_UNTOUCHED = "job.task_count > (SELECT coalesce(sum(count), 0) FROM status_count WHERE job_id = job.id)"
"""Whether a task has no row: the job's ``default_status`` says nothing otherwise."""


def submission_of(row: Sequence[Any]) -> Submission:
    number, job_id, engine, token, created_at, host, pid, native_id, task_map, state, taken_back = row
    return Submission(
        number,
        job_id,
        engine,
        token_of(token),
        created_at,
        host,
        pid,
        native_id,
        _task_ids(task_map),
        state,
        _task_ids(taken_back),
    )


def _task_ids(text: object) -> tuple[int, ...]:
    return tuple(json.loads(text)) if isinstance(text, str) else ()


async def database_token(source: Reader | Transaction) -> str:
    """Return the name that tells this database from all others."""
    return token_of((await source.fetch("SELECT token FROM meta"))[0][0])


async def active(
    source: Reader | Transaction, job_ids: Iterable[int] | None = None, *, engine: str | None = None
) -> list[Submission]:
    """Return the submissions that have unfinished tasks, of all jobs or of some, or those of an engine."""
    wanted, values = "active = 1", []
    if job_ids is not None:
        wanted += " AND job_id IN (SELECT value FROM json_each(?))"
        values.append(json.dumps(list(job_ids)))
    if engine is not None:
        wanted += " AND engine = ?"
        values.append(engine)
    rows = await source.fetch(f"SELECT {COLUMNS} FROM submission WHERE {wanted} ORDER BY id", values)
    return [submission_of(row) for row in rows]


async def sent_jobs(source: Reader | Transaction, job_ids: Iterable[int]) -> dict[int, SentJob]:
    """Return those of the jobs that are there, by job id."""
    rows = await source.fetch(
        "SELECT id, array, token FROM job WHERE id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(job_ids)),),
    )
    return {
        job_id: SentJob(array_of(array, job_id), token_of(token, job_id)) for job_id, array, token in rows
    }


async def latest(source: Reader | Transaction, job_id: int) -> Submission | None:
    """Return the last submission of a job."""
    rows = await source.fetch(
        f"SELECT {COLUMNS} FROM submission WHERE job_id = ? ORDER BY id DESC LIMIT 1", (job_id,)
    )
    return submission_of(rows[0]) if rows else None


async def deactivate(tx: Transaction, job_ids: Iterable[int]) -> None:
    """Say that nothing of these jobs is on the cluster any more."""
    await tx.execute(
        "UPDATE submission SET active = 0, engine_state = NULL, taken_back = NULL "
        "WHERE job_id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(job_ids)),),
    )


async def give_up(tx: Transaction, job_ids: Iterable[int]) -> None:
    """Say that what a cluster has of these jobs is not wanted any more: they ended here.

    Until it is known to be gone there, nothing else of them is sent: it would be there twice. That holds for
    an intent, too, which somebody may be carrying out at this moment.
    """
    await tx.execute(
        "UPDATE submission SET active = 0, engine_state = NULL, taken_back = '[]' "
        "WHERE active = 1 AND job_id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(job_ids)),),
    )


async def given_up(source: Reader | Transaction, engine: str) -> list[Submission]:
    """Return the submissions that are not wanted any more, and may be on a cluster still."""
    rows = await source.fetch(
        f"SELECT {COLUMNS} FROM submission WHERE active = 0 AND taken_back IS NOT NULL AND engine = ?",
        (engine,),
    )
    return [submission_of(row) for row in rows]


async def set_native_id(tx: Transaction, submission_id: int, native_id: str) -> None:
    """Store what a cluster has an intent as that was given up."""
    await tx.execute("UPDATE submission SET native_id = ? WHERE id = ?", (native_id, submission_id))


async def set_gone(tx: Transaction, submission_ids: Iterable[int]) -> None:
    """Say that a cluster has nothing of these submissions, which were given up."""
    await tx.execute_many(
        "UPDATE submission SET taken_back = NULL WHERE id = ? AND active = 0",
        [(one,) for one in submission_ids],
    )


async def deactivate_one(tx: Transaction, submission_id: int) -> None:
    """Say that nothing of this submission is on the cluster any more."""
    await tx.execute(
        "UPDATE submission SET active = 0, engine_state = NULL, taken_back = NULL WHERE id = ?",
        (submission_id,),
    )


async def set_taken_back(tx: Transaction, rows: Iterable[tuple[Sequence[int], int]]) -> None:
    """Store (the tasks that are taken back, submission id); none: nothing is any more."""
    await tx.execute_many(
        "UPDATE submission SET taken_back = ? WHERE id = ? AND active = 1",
        [(json.dumps(list(task_ids)) if task_ids else None, number) for task_ids, number in rows],
    )


async def set_engine_states(tx: Transaction, rows: Sequence[tuple[str | None, int]]) -> None:
    """Store (what the cluster says beyond our status, submission id)."""
    await tx.execute_many("UPDATE submission SET engine_state = ? WHERE id = ?", rows)


async def unsent_jobs(source: Reader | Transaction, engine: str) -> list[int]:
    """Return the jobs of a cluster that are to be submitted: they wait for nothing any more."""
    rows = await source.fetch(
        "SELECT id FROM job WHERE engine = ? AND finished_at IS NULL "
        f"AND (default_status = 'submitted' AND {ANY_UNTOUCHED} "
        "OR EXISTS (SELECT 1 FROM task WHERE job_id = job.id AND finished_at IS NULL "
        "AND status = 'submitted')) "
        "AND NOT EXISTS (SELECT 1 FROM submission WHERE job_id = job.id AND active = 1 "
        "AND native_id IS NULL) ORDER BY id",
        (engine,),
    )
    return [row[0] for row in rows]


async def ended_before(source: Reader | Transaction, engine: str) -> list[int]:
    """Return the jobs that ended, and for which unsent jobs of a cluster still wait."""
    rows = await source.fetch(
        "SELECT DISTINCT on_job FROM dependency JOIN job ON job.id = dependency.job_id "
        "JOIN job AS other ON other.id = on_job AND other.finished_at IS NOT NULL "
        "WHERE job.engine = ? AND job.finished_at IS NULL "
        "AND NOT EXISTS (SELECT 1 FROM submission WHERE submission.job_id = job.id AND active = 1) "
        "AND (job.default_status = 'waiting' OR EXISTS (SELECT 1 FROM task WHERE task.job_id = job.id "
        "AND task.status = 'waiting'))",
        (engine,),
    )
    return [row[0] for row in rows]


async def freed(source: Reader | Transaction, engine: str) -> list[int]:
    """Return the unsent jobs of a cluster that wait, and for nothing: what they waited for was deleted."""
    rows = await source.fetch(
        "SELECT id FROM job WHERE engine = ? AND finished_at IS NULL "
        "AND (default_status = 'waiting' OR EXISTS (SELECT 1 FROM task "
        "WHERE job_id = job.id AND status = 'waiting')) "
        "AND NOT EXISTS (SELECT 1 FROM dependency WHERE job_id = job.id) "
        "AND NOT EXISTS (SELECT 1 FROM submission WHERE job_id = job.id AND active = 1)",
        (engine,),
    )
    return [row[0] for row in rows]


async def task_states(source: Reader | View, job_ids: Collection[int]) -> dict[int, TaskStates]:
    """Return how the tasks of those of the jobs stand that are there, by job id."""
    if isinstance(source, Reader):
        async with source.snapshot() as view:
            return await task_states(view, job_ids)
    wanted = (json.dumps(list(job_ids)),)
    among = "IN (SELECT value FROM json_each(?))"
    found = {
        job_id: TaskStates(status_of(default_status, job_id))
        for job_id, default_status in await source.fetch(
            f"SELECT id, default_status FROM job WHERE id {among}", wanted
        )
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
    await failures.add(tx, [task for task, _ in rows])


async def do_not_stop(tx: Transaction, job_ids: Iterable[int], task_ids: Sequence[int]) -> None:
    """Take back that these jobs, or only these tasks of them, are to stop."""
    of_tasks = " AND task_id IN (SELECT value FROM json_each(?))" if task_ids else ""
    await tx.execute(
        f"UPDATE task SET stop = NULL WHERE job_id IN (SELECT value FROM json_each(?)){of_tasks}",
        (json.dumps(list(job_ids)), *([json.dumps(list(task_ids))] if task_ids else [])),
    )


async def set_default_status(tx: Transaction, job_id: int, status: Status) -> None:
    """Store the status of a job's tasks that have no row, as the cluster says it."""
    await tx.execute(
        f"UPDATE job SET default_status = ?, revision = {REVISION} WHERE id = ? "
        "AND default_status IN ('submitted', 'waiting', 'queued', 'executing')",
        (status, job_id),
    )


async def answered(tx: Transaction, engine: str, now: float) -> None:
    """Store that an engine has answered."""
    await tx.execute(
        "INSERT INTO engine (name, last_contact) VALUES (?, ?) "
        "ON CONFLICT (name) DO UPDATE SET last_contact = excluded.last_contact",
        (engine, now),
    )


async def last_contact(source: Reader | Transaction) -> float | None:
    """Return since when an engine with open jobs has not answered, in seconds since 1970; None: unknown.

    Of several, the one that was silent for longest.
    """
    rows = await source.fetch(
        "SELECT min(last_contact) FROM engine "
        "WHERE name IN (SELECT engine FROM job WHERE finished_at IS NULL)"
    )
    seen: float | None = rows[0][0]
    return seen
