"""Deleting jobs: stop, remove the logs, forget."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from asyncjman.api.logfiles import remove_folder_if_empty, remove_logs, remove_spool
from asyncjman.api.stopping import stop
from asyncjman.model.array import ArraySpec
from asyncjman.model.job import Job
from asyncjman.model.status import Status
from asyncjman.store import jobs, schedule, tasks
from asyncjman.store.database import Database

_NO_JOBS = "SELECT count(*) FROM job"
_BATCH = 200


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
    for start in range(0, len(selected), _BATCH):
        batch = [_Plan.of(job, task_ids) for job in selected[start : start + _BATCH]]
        for plan in batch:
            if not keep_logs:
                await _remove_logs(database, plan, keep_log_dir=keep_log_dir)
        async with database.transaction() as tx:
            for plan in batch:
                if plan.left is None:
                    affected = await schedule.outlines(tx, waiting.get(plan.job.id, ()))
                    for one in affected.values():
                        skipped = one.status is Status.SKIPPED
                        (plan.result.skipped if skipped else plan.result.freed).append(one.id)
                    await jobs.delete(tx, plan.job.id)
                else:
                    await tasks.forget(tx, plan.job.id, plan.result.task_ids, plan.left)
        for plan in batch:
            if plan.left is None:
                remove_spool(database.path, plan.job)
            yield plan.result
    if selected:
        await database.remove_if(_NO_JOBS)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be done with one job; ``left`` is its array without the deleted tasks, or None."""

    job: Job
    left: ArraySpec | None
    result: Deleted

    @classmethod
    def of(cls, job: Job, task_ids: Sequence[int]) -> _Plan:
        left = job.spec.array.without(task_ids) if task_ids and job.spec.array else None
        if left is None or not len(left):
            return cls(job, None, Deleted(job, (), []))
        return cls(job, left, Deleted(job, tuple(task_ids), []))


async def _remove_logs(database: Database, plan: _Plan, *, keep_log_dir: bool) -> None:
    if plan.job.spec.log_dir is None:
        return
    which = set(plan.result.task_ids)
    ran = [
        (task.task_id, task.attempt)
        async for task in tasks.select(database, plan.job.id)
        if not which or task.task_id in which
    ]
    try:
        plan.result.removed.extend(remove_logs(plan.job, ran))
    except OSError as error:
        plan.result.problems.append(f"can't remove {error.filename}: {error.strerror}")
    if not keep_log_dir:
        remove_folder_if_empty(plan.job)


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
