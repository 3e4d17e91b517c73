"""Ending what a cluster has of jobs that ended here: they were skipped while it held them.

Their scripts find out by themselves that they are not to run. But a job that is submitted again must not be
there twice, so each poll goes on until the cluster has nothing of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress

from asyncjman.engines.base import Engine, Saw, Target
from asyncjman.errors import EnvironmentProblem
from asyncjman.scheduler.intents import maker_is_dead
from asyncjman.scheduler.watching import watched_of
from asyncjman.store import intents, jobs, submissions
from asyncjman.store.database import Database
from asyncjman.store.submissions import Submission, TaskStates
from asyncjman.system.logs import spool_folder


async def end_given_up(database: Database, engine: Engine, *, budget: float = math.inf) -> None:
    """Have an engine end what it must not run, and store what it has no more."""
    some = await submissions.given_up(database, engine.name)
    if in_doubt := [one for one in some if one.native_id is None]:
        await _find_out(database, engine, in_doubt, budget)
        some = await submissions.given_up(database, engine.name)
    some = [one for one in some if one.native_id is not None]
    if not some:
        return
    targets = [Target(one.token, one.native_id or "") for one in some]
    with suppress(EnvironmentProblem):
        left = {one.token for one in await engine.cancel(targets, force=False, budget=budget)}
        async with database.transaction(quiet=True) as tx:
            await submissions.set_gone(tx, [one.id for one in some if one.token not in left])


async def _find_out(
    database: Database, engine: Engine, in_doubt: Sequence[Submission], budget: float
) -> None:
    """Store of intents whether the engine has them: their jobs ended while they were carried out."""
    known = {job.id: job for job in await jobs.get(database, {one.job_id for one in in_doubt})}
    place = spool_folder(database.path, "")
    watched = []
    for one in in_doubt:
        if (job := known.get(one.job_id)) is not None:
            dead = await maker_is_dead(database, one)
            watched.append(watched_of(place, one, job.spec, TaskStates(job.status), dead=dead))
    numbers = {one.token: one.id for one in in_doubt}
    seen = (await engine.poll(watched, budget)).seen
    async with database.transaction(quiet=True) as tx:
        for each in seen:
            if each.saw is Saw.NOT_SENT:
                await intents.drop(tx, numbers[each.token])
            elif each.saw is Saw.SENT and each.native_id is not None:
                await submissions.set_native_id(tx, numbers[each.token], each.native_id)
