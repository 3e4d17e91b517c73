"""Having jobs run once more, with their ids and dependencies kept."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asyncjman.api.logfiles import remove_logs
from asyncjman.errors import BadDependency, UsageError
from asyncjman.executors.program import resolve
from asyncjman.model.graph import find_cycle
from asyncjman.model.job import Job
from asyncjman.model.status import Status
from asyncjman.scheduler.reconcile import repair
from asyncjman.store import jobs, tasks
from asyncjman.store.database import Database

PENDING = frozenset({Status.SUBMITTED, Status.WAITING})
UNSUCCESSFUL = frozenset({Status.FAILURE, Status.STOPPED, Status.SKIPPED})


@dataclass(frozen=True, slots=True)
class Resubmitted:
    """A job that is to run once more, and the log files that were removed for it."""

    job: Job
    removed: list[str]


async def overwrite_command(database: Database, selected: Sequence[Job], command: Sequence[str]) -> list[Job]:
    """Give the one job that is selected a new command. Raises UsageError where it isn't one."""
    if len(selected) != 1:
        raise UsageError("--overwrite-command goes with one job: jman resubmit -j 3 -o COMMAND...")
    job = selected[0]
    if job.status in (Status.QUEUED, Status.EXECUTING):
        raise UsageError(f"job {job.id} is {job.status}: stop it before it gets a new command")
    interpreter, words = resolve(tuple(command), Path(job.spec.exec_dir))
    async with database.transaction() as tx:
        await jobs.update_command(tx, job.id, words, interpreter)
    return await jobs.get(database, [job.id])


async def resubmit(
    database: Database,
    selected: Sequence[Job],
    *,
    statuses: Iterable[Status] = UNSUCCESSFUL,
    task_ids: Sequence[int] = (),
    clean: bool = False,
    changes: Mapping[str, Any] | None = None,
) -> list[Resubmitted]:
    """Reset the tasks of the jobs that are in one of ``statuses``; return the jobs that now run again.

    Jobs that haven't started yet count too: they are where they should be. ``changes`` are new values
    of what a cluster is asked for (``queue`` among them).
    """
    await repair(database)
    wanted = frozenset(statuses)
    edges = await jobs.dependency_edges(database)
    for job in selected:
        if cycle := find_cycle(edges, job.id):
            raise BadDependency(f"jobs wait for each other: {' -> '.join(map(str, cycle))}")
    done: list[Resubmitted] = []
    for job in selected:
        affected = (
            [
                task
                async for task in tasks.select(database, job.id)
                if task.status in wanted and (not task_ids or task.task_id in task_ids)
            ]
            if clean
            else []
        )
        async with database.transaction() as tx:
            target = Status.WAITING if job.spec.dependencies else Status.SUBMITTED
            if changes:
                resources = {**job.spec.resources, **changes}
                queue = resources.pop("queue", job.spec.queue)
                await jobs.update_resources(tx, job.id, queue, resources)
            changed = await tasks.reset(tx, job.id, wanted, target, job.spec.array, time.time(), task_ids)
        if not changed and job.status not in PENDING:
            continue
        removed = remove_logs(job, [(task.task_id, task.attempt) for task in affected]) if clean else []
        done.append(Resubmitted((await jobs.get(database, [job.id]))[0], removed))
    return done
