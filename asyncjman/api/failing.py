"""Waiting for the first task of a job that fails: nothing is kept of all the others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from asyncjman.model.events import Event, TaskFinished
from asyncjman.model.status import Status
from asyncjman.scheduler.bus import Bus, Subscription
from asyncjman.store import schedule
from asyncjman.store.database import CHANGE_SECONDS, Reader


async def fails(
    database: Reader, bus: Bus, until_ended: Callable[[int], Awaitable[None]], job_id: int
) -> bool:
    """Wait for a job's end, or for the first task that failed for good; tell whether there is one.

    What this process does is known at once, what others do as soon as the file tells.
    """
    failure = _Failure(bus, job_id)
    bus.attach(failure)
    ended = asyncio.ensure_future(until_ended(job_id))
    seen = asyncio.ensure_future(failure.seen.wait())
    version = None
    try:
        while not ended.done() and not seen.done():
            if (now := await database.version()) != version:
                version = now
                summary = (await schedule.summaries(database, [job_id])).get(job_id)
                if summary is not None and summary.counts.get(Status.FAILURE):
                    return True
            await asyncio.wait([ended, seen], timeout=CHANGE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if not seen.done():
            ended.result()
        return seen.done()
    finally:
        failure.detach()
        ended.cancel()
        seen.cancel()
        await asyncio.gather(ended, seen, return_exceptions=True)


class _Failure(Subscription):
    """Notes that a task of a job failed."""

    def __init__(self, bus: Bus, job_id: int) -> None:
        super().__init__(bus)
        self._job_id = job_id
        self.seen = asyncio.Event()

    def put(self, event: Event) -> None:
        if (
            isinstance(event, TaskFinished)
            and event.job_id == self._job_id
            and event.task.status is Status.FAILURE
        ):
            self.seen.set()
