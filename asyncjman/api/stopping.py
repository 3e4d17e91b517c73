"""Stopping local jobs: what hasn't started at once, what runs by the process that runs it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from asyncjman.errors import EnvironmentProblem
from asyncjman.model.job import Job
from asyncjman.model.selection import format_ids
from asyncjman.model.status import FINISHED, Status
from asyncjman.scheduler.reconcile import repair
from asyncjman.scheduler.settle import settle
from asyncjman.store import jobs, tasks
from asyncjman.store.database import Database, Transaction

POLL_SECONDS = 0.05
GRACE_SECONDS = 20.0


async def stop(database: Database, selected: Sequence[Job], task_ids: Sequence[int] = ()) -> list[Job]:
    """Stop those of the local jobs (or only some of their tasks) that aren't finished; return these.

    Returns when nothing of them runs any more. Raises EnvironmentProblem where a runner doesn't
    answer.
    """
    unfinished = [job.id for job in selected if job.status not in FINISHED and job.spec.executor == "local"]
    if not unfinished:
        return []
    await repair(database)
    async with database.transaction() as tx:
        asked = await stop_in(tx, unfinished, task_ids)
    if asked:
        await until_stopped(database, unfinished, task_ids)
    return await jobs.get(database, unfinished)


async def stop_in(tx: Transaction, job_ids: Sequence[int], task_ids: Sequence[int]) -> int:
    """Stop what hasn't started of local jobs, and ask for the rest to be; return how many tasks that are."""
    now = tx.runtime.time()
    asked = 0
    for job_id in job_ids:
        await tasks.end_unstarted(tx, job_id, Status.STOPPED, "stopped", now, task_ids)
        asked += await tasks.ask_to_stop(tx, job_id, task_ids)
    await settle(tx, await tasks.close_jobs(tx, job_ids, now))
    return asked


async def until_stopped(database: Database, job_ids: Sequence[int], task_ids: Sequence[int]) -> None:
    deadline = database.runtime.monotonic() + GRACE_SECONDS
    while True:
        running = [one for one in job_ids if await tasks.unfinished_of(database, one, task_ids)]
        if not running:
            return
        if database.runtime.monotonic() > deadline:
            raise EnvironmentProblem(
                f"job {format_ids(running)} still runs: the jman execute that runs it does not answer"
            )
        await repair(database)
        await asyncio.sleep(POLL_SECONDS)
