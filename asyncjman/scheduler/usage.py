"""What finished tasks used, where their engine tells that only later: one question for all of them."""

from __future__ import annotations

import math
from collections import defaultdict
from contextlib import suppress

from asyncjman.engines.base import Engine, Purpose, Ref, Watched
from asyncjman.errors import EnvironmentProblem
from asyncjman.model.job import Task
from asyncjman.model.status import Status
from asyncjman.scheduler.watching import folder_of
from asyncjman.store import jobs, usage
from asyncjman.store.database import Database

GIVE_UP_SECONDS = 3600.0
"""So long after the end of an attempt, what the engine doesn't know it won't."""


async def look_up_usage(database: Database, engine: Engine) -> None:
    """Store CPU seconds and peak memory of attempts that ended, where they aren't known yet.

    An engine may know of a task only some seconds after its end; what it doesn't know is asked again.
    """
    known = {}
    pending = await usage.unaccounted(database)
    for job in await jobs.get(database, {one.job_id for one in pending}):
        if job.spec.engine == engine.name:
            known[job.id] = job
    pending = [one for one in pending if one.job_id in known]
    if not pending:
        return
    ran: dict[int, list[tuple[Ref, float]]] = defaultdict(list)
    ended = [one for one in await usage.ended_attempts(database, known) if one.started_at is not None]
    for task in ended:
        ran[task.job_id].append((Ref(task.job_id, task.task_id, task.attempt), task.started_at or 0.0))
    watched = [
        Watched(
            token=one.token,
            native_id=one.native_id,
            job_id=one.job_id,
            created_at=one.created_at,
            maker_is_dead=True,
            array=known[one.job_id].spec.array,
            tasks=one.task_map,
            default=Status.SUCCESS,
            rows={},
            ended=frozenset(),
            folder=folder_of(database, known[one.job_id]),
            purpose=Purpose.USAGE,
            ran=tuple(ran[one.job_id]),
        )
        for one in pending
    ]
    with suppress(EnvironmentProblem):  # its answer says so, too
        await engine.open()
    seen = await engine.poll(watched, math.inf)
    if not seen.answered:
        return
    by_ref = {Ref(task.job_id, task.task_id, task.attempt): task for task in ended}
    rows = [
        (one.usage.cpu_seconds, one.usage.peak_memory_bytes or None, *one.ref)
        for one in seen.seen
        if one.ref is not None and one.usage is not None and by_ref[one.ref].peak_memory_bytes is None
    ]
    seen_now = {one.ref for one in seen.seen}
    over = [one.id for one in pending if one.job_id not in _asked_again(database, ended, seen_now)]
    if rows or over:
        async with database.transaction() as tx:
            await usage.put_usage(tx, rows)
            await usage.set_accounted(tx, over)


def _asked_again(database: Database, ended: list[Task], seen: set[Ref | None]) -> set[int]:
    """Return the jobs of which an attempt that ended of late is not known yet."""
    recent = database.runtime.time() - GIVE_UP_SECONDS
    return {
        task.job_id
        for task in ended
        if task.peak_memory_bytes is None  # of CPU time records may tell, too
        and (task.finished_at or 0.0) > recent
        and Ref(task.job_id, task.task_id, task.attempt) not in seen
    }
