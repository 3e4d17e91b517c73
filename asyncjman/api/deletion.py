"""Deleting jobs: stop, remove the logs, forget."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from asyncjman.api.logfiles import remove_folder_if_empty, remove_logs
from asyncjman.api.stopping import stop
from asyncjman.model.job import PLAIN_TASK, Job
from asyncjman.model.status import Status
from asyncjman.store import jobs, schedule, tasks
from asyncjman.store.database import Database

_NO_JOBS = "SELECT count(*) FROM job"


@dataclass(frozen=True, slots=True)
class Deleted:
    """A job, or some tasks of it, that are no more; and what follows for jobs that waited for it."""

    job: Job
    task_ids: tuple[int, ...]
    removed: list[str]
    problems: list[str] = field(default_factory=list)
    freed: list[int] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)


async def delete(
    database: Database,
    selected: Sequence[Job],
    *,
    task_ids: Sequence[int] = (),
    keep_logs: bool = False,
    keep_log_dir: bool = False,
) -> AsyncIterator[Deleted]:
    """Delete jobs, or only some tasks of them; yield what was done, job by job.

    The database goes with its last job.
    """
    waiting = await _unfinished_dependents(database, {job.id for job in selected})
    await stop(database, selected, task_ids)
    for job in selected:
        whole = not task_ids or (job.spec.array is not None and not len(job.spec.array.without(task_ids)))
        which = await _tasks_with_logs(database, job) if whole else list(task_ids)
        result = Deleted(job, () if whole else tuple(task_ids), [])
        if not keep_logs:
            try:
                result.removed.extend(remove_logs(job, which))
            except OSError as error:
                result.problems.append(f"can't remove {error.filename}: {error.strerror}")
            if not keep_log_dir:
                remove_folder_if_empty(job)
        async with database.transaction() as tx:
            if whole:
                affected = await schedule.outlines(tx, waiting.get(job.id, ()))
                for one in affected.values():
                    (result.skipped if one.status is Status.SKIPPED else result.freed).append(one.id)
                await jobs.delete(tx, job.id)
            elif job.spec.array is not None:
                await tasks.forget(tx, job.id, task_ids, job.spec.array.without(task_ids))
        yield result
    await database.remove_if(_NO_JOBS)


async def _tasks_with_logs(database: Database, job: Job) -> list[int]:
    if job.spec.log_dir is None:
        return []
    if job.spec.array is None:
        return [PLAIN_TASK]
    return [task.task_id async for task in tasks.select(database, job.id) if task.started_at is not None]


async def _unfinished_dependents(database: Database, job_ids: set[int]) -> dict[int, list[int]]:
    """Return for each of the jobs that hasn't ended the unfinished jobs that wait for it."""
    edges = await jobs.dependency_edges(database)
    outlines = await schedule.outlines(database, job_ids | edges.keys())
    waiting = [one for one in edges if one not in job_ids and not outlines[one].finished]
    return {
        job_id: [one for one in waiting if job_id in edges[one]]
        for job_id in job_ids
        if job_id in outlines and not outlines[job_id].finished
    }
