"""Stopping what runs of jobs that are to run once more: what waits for them here does not start by that.

A job that ends as stopped lets go what waits for its end, or for its failure. So that is skipped in the
transaction that asks for the stop, and waits anew in the one that has the jobs run again. A command that dies
in between leaves jobs that are stopped, and others that are skipped because of them: the same command, given
again, does the rest.

What waits on a cluster for a job there is held there, and the cluster lets it go: so it is stopped before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from asyncjman.engines.base import Engine
from asyncjman.errors import EnvironmentProblem
from asyncjman.model.job import LOCAL, Job
from asyncjman.model.status import Status
from asyncjman.scheduler.portions import in_turn
from asyncjman.scheduler.reconcile import recover_orphans
from asyncjman.scheduler.resolving import resolve_dependents
from asyncjman.scheduler.stopping import stop_elsewhere, stop_in, until_stopped
from asyncjman.store import jobs, schedule, tasks, transitions
from asyncjman.store.database import Database, Transaction
from asyncjman.store.tasks import UNSTARTED

_NOT_BEGUN = {Status.WAITING, Status.SUBMITTED, Status.QUEUED}


async def stop_first(
    database: Database,
    engine_of: Callable[[str], Engine],
    here: Sequence[int],
    elsewhere: Sequence[Job],
    task_ids: Sequence[int] = (),
) -> dict[int, Status]:
    """Stop what runs of open jobs (or only some of their tasks); return the jobs that are held back, and as
    what those of their tasks ended that are to wait anew.

    What has not started here is left where it is. Raises EnvironmentProblem where something is not stopped.
    """
    await recover_orphans(database, engine_of(LOCAL))
    running, held = list[int](), dict[int, Status]()
    behind = await _behind_there(database, [job.id for job in elsewhere])
    async for some in in_turn(here, last_first=True):
        async with database.transaction() as tx:
            at_work = await tasks.held_jobs(tx, some, task_ids)
            held |= dict.fromkeys(await _hold_back(tx, at_work), Status.SKIPPED)
            await stop_in(tx, at_work, task_ids)
        running += at_work
    try:
        await stop_elsewhere(database, engine_of, behind, ())
        held |= {job.id: Status.STOPPED for job in behind}
        await stop_elsewhere(database, engine_of, elsewhere, task_ids)
        await until_stopped(database, engine_of(LOCAL), running, task_ids)
    except EnvironmentProblem as error:
        words = f"{error}\nnothing runs again as yet: give this command again then"
        raise EnvironmentProblem(words) from error
    return held


async def _hold_back(tx: Transaction, job_ids: Sequence[int]) -> set[int]:
    """Skip what waits here for these jobs, with all that follows; return which jobs that are.

    What is to go to a cluster is left alone: what must wait again is taken back there.
    """
    found = await schedule.unfinished(tx, await schedule.waiting_for(tx, job_ids), LOCAL)
    now, why = tx.runtime.time(), "what it waits for was stopped, to run again"
    reasons = [(job_id, why) for job_id in found]
    await transitions.end_jobs_unstarted(tx, Status.SKIPPED, now, reasons, states=UNSTARTED)
    closed = await transitions.close_jobs(tx, found, now)
    return {*found, *await resolve_dependents(tx, closed)}


async def _behind_there(database: Database, job_ids: Sequence[int]) -> list[Job]:
    """Return what waits on clusters for these jobs of theirs, as far as nothing of it has begun."""
    found = await schedule.summaries(database, await schedule.open_dependents(database, job_ids))
    return await jobs.get(
        database,
        [one.id for one in found.values() if one.engine != LOCAL and one.counts.keys() <= _NOT_BEGUN],
    )
