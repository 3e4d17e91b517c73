"""Sending jobs to engines whose tasks survive us, when somebody submits them or has them run once more."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from asyncjman.engines.base import Engine, Why
from asyncjman.errors import JmanError
from asyncjman.model.job import LOCAL, Job
from asyncjman.model.selection import format_ids
from asyncjman.model.status import Status
from asyncjman.scheduler.givenup import end_given_up
from asyncjman.scheduler.launches import RETRY_SECONDS, NotLaunched, in_parts, launch
from asyncjman.scheduler.polling import poll
from asyncjman.scheduler.resolving import end_and_resolve
from asyncjman.store import jobs, schedule, submissions
from asyncjman.store.database import Database


async def send_new(database: Database, engine: Engine, stored: Sequence[Job]) -> str | None:
    """Send jobs that were stored a moment ago; those that the engine doesn't take are deleted again.

    Where a limit of the site is reached, what is left waits here for a later poll: return a line on that.
    Raises NotLaunched, and UsageError for what makes no sense there.
    """
    left, sent = list(stored), list[int]()
    try:
        while left:
            if await launch(database, engine, left[0], retry_for=RETRY_SECONDS):
                sent.append(left[0].id)
            left.pop(0)
        return in_parts(engine, stored[0]) if stored else None
    except (JmanError, OSError) as error:
        if isinstance(error, NotLaunched) and error.why is Why.AMBIGUOUS:
            words = f"{error}; it is not known whether job {left[0].id} was taken: jman list finds out"
            raise NotLaunched(Why.AMBIGUOUS, words) from error
        if isinstance(error, NotLaunched) and error.why is Why.LIMIT:
            parts = in_parts(engine, left[0])
            return "; ".join(filter(None, [parts, _waits(sent, [job.id for job in left], error)]))
        if await _forget(database, [job.id for job in left]):
            raise
        return None


async def _forget(database: Database, unsent: Sequence[int]) -> bool:
    """Delete jobs that an engine does not take; False, and nothing is done, where it has one by now: another
    process has sent it since.
    """
    async with database.transaction() as tx:
        if await submissions.active(tx, unsent):
            return False
        # another process may have submitted some that wait for these
        await end_and_resolve(tx, unsent)
        for job_id in unsent:
            await jobs.delete(tx, job_id)
    return True


async def send_again(
    database: Database, engine_of: Callable[[str], Engine], again: Sequence[Job]
) -> str | None:
    """Send what of these jobs is to run on such an engine once more; ``engine_of`` is called for those.

    Where a limit of the site is reached, what is left waits here for a later poll: return a line on that.
    """
    await _poll_dependents(database, engine_of, [job.id for job in again])
    there = [job for job in again if job.spec.engine != LOCAL]
    unsent: dict[str, set[int]] = {}
    for name in sorted({job.spec.engine for job in there}):
        await end_given_up(database, engine_of(name))
        unsent[name] = set(await submissions.unsent_jobs(database, name))
    sent: list[int] = []
    for number, job in enumerate(there):
        if job.id not in unsent[job.spec.engine] and job.status is not Status.WAITING:
            continue
        try:
            if await launch(database, engine_of(job.spec.engine), job, retry_for=RETRY_SECONDS):
                sent.append(job.id)
        except NotLaunched as error:
            if error.why is not Why.LIMIT:
                raise
            return _waits(sent, [one.id for one in there[number:]], error)
    return None


async def _poll_dependents(
    database: Database, engine_of: Callable[[str], Engine], job_ids: Sequence[int]
) -> None:
    """Have engines polled that have something which waits for these jobs: they are open again."""
    waiting = await schedule.open_dependents(database, job_ids)
    launched = {one.job_id for one in await submissions.active(database, waiting)}
    summaries = await schedule.summaries(database, launched)
    for name in sorted({one.engine for one in summaries.values()}):
        await poll(database, engine_of(name))


def _waits(sent: Sequence[int], left: Sequence[int], error: NotLaunched) -> str:
    """Say what was sent, and that what is left waits here for a limit of the site."""
    before = f"job {format_ids(sent)} was sent; " if sent else ""
    return f"{before}job {format_ids(left)} waits here, the cluster takes no more now: {error}"
