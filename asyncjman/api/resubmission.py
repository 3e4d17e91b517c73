"""Having jobs run once more, with their ids and dependencies kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asyncjman.api.logfiles import remove_logs
from asyncjman.errors import BadDependency, BadSelection, UsageError
from asyncjman.executors.program import resolve
from asyncjman.model.graph import find_cycle
from asyncjman.model.job import Job
from asyncjman.model.status import FINISHED, Status
from asyncjman.scheduler.reconcile import repair
from asyncjman.store import jobs, submissions, tasks
from asyncjman.store.database import Database

if TYPE_CHECKING:
    from asyncjman.api.grid import Grid

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
            changed = await tasks.reset(
                tx, job.id, wanted, target, job.spec.array, tx.runtime.time(), task_ids
            )
        if not changed and job.status not in PENDING:
            continue
        removed = remove_logs(job, [(task.task_id, task.attempt) for task in affected]) if clean else []
        done.append(Resubmitted((await jobs.get(database, [job.id]))[0], removed))
    return done


async def move(
    database: Database, selected: Sequence[Job], to: str, *, queue: str, log_dir: str | None
) -> None:
    """Have jobs run on another engine from now on; ``log_dir`` is for those that have none.

    Raises BadSelection for one that may be running.
    """
    for job in selected:
        if job.spec.executor == to:
            continue
        if job.status in (Status.QUEUED, Status.EXECUTING) or (job.grid_id and job.status not in FINISHED):
            raise BadSelection(f"job {job.id} is {job.status}: stop it before it moves to {to}")
        async with database.transaction() as tx:
            await jobs.move(tx, job.id, executor=to, queue=queue, log_dir=job.spec.log_dir or log_dir)


async def send_again(
    database: Database, grid: Callable[[], Grid], done: Sequence[Resubmitted]
) -> list[Resubmitted]:
    """Send to the cluster what is to run there once more; ``grid`` is called where something is."""
    sent = []
    for one in done:
        job = (await jobs.get(database, [one.job.id]))[0]
        unsent = await submissions.unsent_jobs(database, job.spec.executor)
        if job.spec.executor != "local" and (job.id in unsent or job.status is Status.WAITING):
            await grid().send(job)
            job = (await jobs.get(database, [job.id]))[0]
        sent.append(replace(one, job=job))
    return sent
