"""Deleting jobs, or tasks of them, from the cluster."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from asyncjman.executors.sge.executor import SgeExecutor, number_of
from asyncjman.model.status import Status
from asyncjman.scheduler.grid.refresh import refresh
from asyncjman.scheduler.settle import settle
from asyncjman.store import submissions, tasks
from asyncjman.store.database import Database

WAIT_SECONDS = 15.0
"""How long to wait for running tasks to be gone: 1 to 2 seconds are usual."""
_PAUSE = 0.3


async def cancel(
    database: Database,
    executor: SgeExecutor,
    job_ids: Sequence[int],
    task_ids: Sequence[int] = (),
    *,
    grace: float,
) -> None:
    """Delete jobs (or only some tasks) from the cluster; returns when nothing of them runs.

    What the cluster needs longer for is recorded as stopped when it is gone. Raises CommandFailed where
    the cluster doesn't answer: then nothing was stopped that runs.
    """
    await refresh(database, executor, grace=grace)
    active = [one for one in await submissions.active(database, job_ids) if one.grid_id is not None]
    async with database.transaction() as tx:
        for job_id in job_ids:
            await tasks.ask_to_stop(tx, job_id, task_ids)
    if task_ids:
        by_job = {}
        for one in active:
            mine = [task_id for task_id in task_ids if not one.mapped or task_id in one.mapped]
            numbers = sorted(number_of(task_id, one.mapped) for task_id in mine)
            by_job[one.grid_id or 0] = [range(number, number + 1) for number in numbers]
        await executor.delete([], by_job)
    else:
        await executor.delete([one.grid_id or 0 for one in active], {})
    async with database.transaction() as tx:
        now = time.time()
        for job_id in job_ids:
            await tasks.end_unstarted(tx, job_id, Status.STOPPED, "stopped", now, task_ids, queued_too=True)
        closed = await tasks.close_jobs(tx, job_ids, now)
        skipped = await settle(tx, closed)
        doomed = [one.grid_id for one in await submissions.active(tx, skipped) if one.grid_id is not None]
        await submissions.deactivate(tx, [*closed, *skipped])
    if doomed:
        await executor.delete(doomed, {})
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        if not any([await tasks.unfinished_of(database, job_id, task_ids) for job_id in job_ids]):
            return
        await asyncio.sleep(_PAUSE)
        await refresh(database, executor, grace=grace)
