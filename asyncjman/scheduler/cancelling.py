"""Ending jobs, or tasks of them, where tasks survive us."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

from asyncjman.engines.base import Engine, Ref, Target
from asyncjman.errors import EnvironmentProblem, JmanError
from asyncjman.model.selection import format_ids
from asyncjman.scheduler.givenup import end_given_up
from asyncjman.scheduler.polling import poll
from asyncjman.scheduler.resolving import resolve_dependents, stop_unstarted
from asyncjman.store import schedule, submissions, tasks, transitions
from asyncjman.store.database import Database
from asyncjman.store.submissions import Submission
from asyncjman.store.tasks import UNSTARTED

WAIT_SECONDS = 15.0
"""How long to wait for running tasks to be gone: 1 to 2 seconds are usual."""
_PAUSE = 0.3
IN_FLIGHT = "it is being sent, and nobody knows as yet whether the cluster has it"


async def cancel(
    database: Database, engine: Engine, job_ids: Sequence[int], task_ids: Sequence[int] = ()
) -> None:
    """End jobs (or only some tasks); returns when nothing of them runs.

    A job that somebody moves to another engine meanwhile is left alone: that one was not told to end it.
    What the engine needs longer for is not finished then; it is recorded as stopped when it is gone.
    Raises EnvironmentProblem where the engine doesn't answer, or doesn't do it: then nothing is recorded
    as stopped, and the error says what is not confirmed.
    """
    deadline = database.runtime.monotonic() + WAIT_SECONDS
    told: set[str] = set()
    while True:
        seen = await poll(database, engine)
        job_ids = await schedule.unfinished(database, job_ids, engine.name)
        active = await submissions.active(database, job_ids, engine=engine.name)
        if active and seen.problem is not None and not seen.answered:
            what = "the cluster was told to, and jman list finds out" if told else "nothing was changed"
            raise _unconfirmed(seen.problem, job_ids, what)
        # again after each poll: what was started in the meantime is not stopped yet, but about to be
        await _ask(database, engine, job_ids, task_ids)
        if targets := _targets([one for one in active if one.token not in told], task_ids):
            await _tell(database, engine, targets, job_ids, task_ids)
            told.update(one.token for one in active if one.native_id is not None)
        elif not any(one.native_id is None for one in active):
            if await _record(database, engine, job_ids, task_ids, {one.id for one in active}):
                break
        elif database.runtime.monotonic() > deadline:
            raise _unconfirmed(EnvironmentProblem(IN_FLIGHT), job_ids, "nothing more was changed")
        else:
            await asyncio.sleep(_PAUSE)
    while database.runtime.monotonic() < deadline:
        job_ids = await schedule.unfinished(database, job_ids, engine.name)
        if not await tasks.held_jobs(database, job_ids, task_ids):
            return
        await asyncio.sleep(_PAUSE)
        if not (await poll(database, engine)).answered:
            return


async def _tell(
    database: Database,
    engine: Engine,
    targets: Sequence[Target],
    job_ids: Sequence[int],
    task_ids: Sequence[int],
) -> None:
    """Have the engine end what it has."""
    try:
        await engine.cancel(targets, force=False, budget=math.inf)
    except JmanError as error:
        async with database.transaction() as tx:
            await submissions.do_not_stop(tx, job_ids, task_ids)
        raise _unconfirmed(error, job_ids, "nothing was changed here") from error


async def _record(
    database: Database, engine: Engine, job_ids: Sequence[int], task_ids: Sequence[int], known: set[int]
) -> bool:
    """Record as stopped what never started, with all that follows from it.

    False, and nothing is recorded, where there is more of them by now than the launches that are ``known``,
    which were told to end: another process launched it.
    """
    async with database.transaction() as tx:
        job_ids = await schedule.unfinished(tx, job_ids, engine.name)
        if {one.id for one in await submissions.active(tx, job_ids, engine=engine.name)} - known:
            return False
        now = tx.runtime.time()
        await stop_unstarted(tx, job_ids, task_ids, now, states=UNSTARTED)
        closed = await transitions.close_jobs(tx, job_ids, now)
        await resolve_dependents(tx, closed)
        await submissions.deactivate(tx, closed)
    await end_given_up(database, engine)
    return True


def _unconfirmed(error: JmanError, job_ids: Sequence[int], what: str) -> EnvironmentProblem:
    return EnvironmentProblem(f"{error}\njob {format_ids(job_ids)} is not confirmed to be stopped: {what}")


async def _ask(database: Database, engine: Engine, job_ids: Sequence[int], task_ids: Sequence[int]) -> None:
    async with database.transaction() as tx:
        await transitions.ask_to_stop(tx, await schedule.unfinished(tx, job_ids, engine.name), task_ids)


def _targets(active: Sequence[Submission], task_ids: Sequence[int]) -> list[Target]:
    found = []
    for one in active:
        refs = tuple(Ref(one.job_id, i, 0) for i in task_ids if not one.task_map or i in one.task_map)
        if one.native_id is not None and (refs or not task_ids):
            found.append(Target(one.token, one.native_id, refs, one.task_map))
    return found
