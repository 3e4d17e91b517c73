"""What happens to some jobs, from their beginning to their end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence

from asyncjman.api import tasks
from asyncjman.model.events import Event, JobFinished, TaskFinished, TaskStarted
from asyncjman.model.job import Job, Task
from asyncjman.model.status import FINISHED
from asyncjman.scheduler.bus import Bus, Subscription
from asyncjman.store import jobs
from asyncjman.store.database import Reader
from asyncjman.system.logs import display_name


async def event_stream(
    database: Reader, bus: Bus, until_ended: Callable[[int], Awaitable[None]], job_ids: Sequence[int]
) -> AsyncGenerator[Event, None]:
    """Yield the events of jobs, each once, those that are over first, until all the jobs ended.

    Raises what ``until_ended`` raises of one of them.
    """
    left = set(job_ids)
    told: set[tuple[object, ...]] = set()
    live = bus.subscribe()  # before looking back: nothing falls in between
    waits = [asyncio.ensure_future(_wait(until_ended, job_id, live)) for job_id in left]
    try:
        for job in await jobs.get(database, job_ids):
            async for event in _past(database, job):
                told.add(_identity(event))
                yield event
                if isinstance(event, JobFinished):
                    left.discard(event.job_id)
        while left:
            event = await anext(live)
            if event.job_id in left and isinstance(event, JobFinished):
                # an end may be known before all that led to it was told
                for job in await jobs.get(database, [event.job_id]):
                    async for earlier in _past(database, job):
                        if _identity(earlier) not in told and not isinstance(earlier, JobFinished):
                            told.add(_identity(earlier))
                            yield earlier
            if event.job_id in left and isinstance(event, TaskFinished) and event.task.started_at is not None:
                # a start that was told before this stream began, and not stored yet then
                task = event.task
                start = TaskStarted(
                    task.job_id, event.task.started_at, task.task_id, task.attempt, event.name
                )
                if _identity(start) not in told:
                    told.add(_identity(start))
                    yield start
            if event.job_id in left and _identity(event) not in told:
                told.add(_identity(event))
                yield event
                if isinstance(event, JobFinished):
                    left.discard(event.job_id)
    finally:
        live.detach()
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


async def _wait(until_ended: Callable[[int], Awaitable[None]], job_id: int, live: Subscription) -> None:
    """See to it that a job's end is told, and that nobody reads on where it won't be."""
    try:
        await until_ended(job_id)
    except Exception as error:
        live.fail(error)


async def _past(database: Reader, job: Job) -> AsyncIterator[Event]:
    name = display_name(job.spec)
    async for task in tasks.select(database, job):
        if task.started_at is not None:
            yield TaskStarted(job.id, task.started_at, task.task_id, task.attempt, name)
        if task.status in FINISHED and task.finished_at is not None:
            yield TaskFinished(job.id, task.finished_at, task, name)
    if job.finished_at is not None:
        yield JobFinished(job.id, job.finished_at, job.status, name)


def _identity(event: Event) -> tuple[object, ...]:
    task: Task | TaskStarted | None = getattr(
        event, "task", event if isinstance(event, TaskStarted) else None
    )
    return (type(event), event.job_id, *((task.task_id, task.attempt) if task is not None else ()))
