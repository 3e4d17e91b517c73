"""What happens to jobs, whoever runs them: what is stored already, then what comes, each event once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable

from asyncjman.model.events import Event, JobFinished, JobSubmitted, TaskFinished, TaskRetried, TaskStarted
from asyncjman.scheduler.bus import Bus, Subscription
from asyncjman.store import history, jobs, schedule
from asyncjman.store.database import CHANGE_SECONDS, Reader
from asyncjman.store.history import Happening
from asyncjman.system.logs import display_name

_BATCH = 500
_LATE_SECONDS = 600.0
"""How much later than it happened something may be stored: a cluster's node tells it when it can."""
_SHARE = 5
"""A look at what others changed is made when so many times as long has passed as the last one took."""

_RANK = {JobSubmitted: 0, TaskStarted: 1, TaskRetried: 2, TaskFinished: 2, JobFinished: 3}


class Feed:
    """Events of some jobs (None: of all, new ones included), in batches that are in order of time.

    What this process does comes at once; what others do is looked for as often as the file changes, every
    0.2 seconds at most. ``until_ended`` sees to it that somebody asks the cluster, and raises what is wrong.
    """

    def __init__(
        self,
        database: Reader,
        bus: Bus,
        until_ended: Callable[[int], Awaitable[None]],
        job_ids: Collection[int] | None,
    ) -> None:
        self._database = database
        self._bus = bus
        self._until_ended = until_ended
        self._left = None if job_ids is None else set(job_ids)
        self._told: dict[int, set[tuple[object, ...]]] = {}
        self._over: set[int] = set()
        """Jobs whose end was told, and that were not submitted again since."""
        self._until: dict[int, float] = {}
        """Up to which time all was told, of jobs whose end was told once."""
        self._names: dict[int, str] = {}
        self._finished: dict[int, set[int]] = {}
        """The tasks of a job whose end was told, as long as the job's was not."""

    async def batches(self) -> AsyncGenerator[list[Event], None]:
        """Yield what happens, until all the jobs ended. Raises what ``until_ended`` raises of one of them."""
        live = self._bus.subscribe()  # before looking back: nothing falls in between
        waits = [asyncio.ensure_future(self._wait(job_id, live)) for job_id in self._left or ()]
        try:
            version = (await self._database.version())[0]
            async for events in self._stored(self._left, 0.0):
                yield events
            asked, took = self._time(), 0.0
            while self._left is None or self._left:
                given = await live.some(CHANGE_SECONDS)
                if given is None:
                    return
                if self._time() - asked >= max(CHANGE_SECONDS * 0.9, took * _SHARE):
                    asked, now = self._time(), (await self._database.version())[0]
                    if now != version:
                        version = now
                        since = self._database.runtime.time() - _LATE_SECONDS
                        new = [events async for events in self._stored(self._left, since)]
                        took = self._time() - asked
                        for events in new:
                            yield events
                async for events in self._of_this_process(given):
                    yield events
        finally:
            live.detach()
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    def _time(self) -> float:
        return self._database.runtime.monotonic()

    async def _wait(self, job_id: int, live: Subscription) -> None:
        """See to it that a job's end is told, and that nobody reads on where it won't be."""
        try:
            await self._until_ended(job_id)
        except Exception as error:
            live.fail(error)

    async def _stored(self, job_ids: Collection[int] | None, since: float) -> AsyncGenerator[list[Event]]:
        """Yield what the database tells and was not told yet, a few hundred at a time."""
        happened: list[Happening] = []
        async for one in history.happenings(self._database, job_ids, since):
            happened.append(one)
            if len(happened) == _BATCH:
                if events := self._new(await self._events(happened)):
                    yield events
                happened = []
        if events := self._new(await self._events(happened)):
            yield events

    async def _of_this_process(self, given: Iterable[Event]) -> AsyncGenerator[list[Event]]:
        """Yield what is new of what the bus gave; an end may be known before all that led to it was told."""
        wanted = [one for one in given if self._left is None or one.job_id in self._left]
        ends = [one for one in wanted if isinstance(one, JobFinished)]
        # a start that was told before this stream began, and not stored yet then
        starts = [
            TaskStarted(one.job_id, one.task.started_at, one.task.task_id, one.task.attempt, one.name)
            for one in wanted
            if isinstance(one, TaskFinished) and one.task.started_at is not None and self._lacks_start(one)
        ]
        together = [*starts, *(one for one in wanted if not isinstance(one, JobFinished))]
        together.sort(key=lambda one: (one.time, _RANK[type(one)]))
        if events := self._new(together):
            yield events
        if left := await self._not_told({one.job_id for one in ends} - self._over):
            async for events in self._stored(left, 0.0):
                yield events
        if events := self._new(ends):
            yield events

    def _lacks_start(self, end: TaskFinished) -> bool:
        return ("start", end.task.task_id, end.task.attempt) not in self._told.get(end.job_id, ())

    async def _not_told(self, ended: Collection[int]) -> list[int]:
        """Return those of these jobs of which the end of a task was not told: another process ran it."""
        if not ended:
            return []
        found = await schedule.summaries(self._database, ended)
        return [one.id for one in found.values() if len(self._finished.get(one.id, ())) != one.task_count]

    def _new(self, events: Iterable[Event]) -> list[Event]:
        """Return those that were not told yet, as told from now on."""
        return [one for one in events if self._is_new(one)]

    def _is_new(self, event: Event) -> bool:
        job_id = event.job_id
        if event.time <= self._until.get(job_id, 0.0):
            return False
        if job_id in self._over:
            if self._left is not None or isinstance(event, JobFinished):
                return False
            self._over.discard(job_id)  # it was submitted again
        identity = _identity(event)
        told = self._told.setdefault(job_id, set())
        if identity in told:
            return False
        told.add(identity)
        if isinstance(event, TaskFinished):
            self._finished.setdefault(job_id, set()).add(event.task.task_id)
        if isinstance(event, JobFinished):
            self._over.add(job_id)
            self._until[job_id] = event.time
            del self._told[job_id]
            self._finished.pop(job_id, None)
            if self._left is not None:
                self._left.discard(job_id)
        return True

    async def _events(self, happened: Collection[Happening]) -> list[Event]:
        unnamed = {one.job_id for one in happened} - self._names.keys()
        if unnamed:
            specs = await jobs.specs(self._database, unnamed)
            self._names |= {job_id: display_name(spec) for job_id, spec in specs.items()}
        ended = {one.job_id for one in happened if one.job_ended}
        ends = await schedule.summaries(self._database, ended) if ended else {}
        found: list[Event] = []
        for one in happened:
            name = self._names.get(one.job_id, "")
            if one.submitted:
                found.append(JobSubmitted(one.job_id, one.time))
            elif one.started is not None:
                found.append(
                    TaskStarted(one.job_id, one.time, one.started.task_id, one.started.attempt, name)
                )
            elif one.ended is not None:
                kind = TaskRetried if one.will_retry else TaskFinished
                found.append(kind(one.job_id, one.time, one.ended, name))
            elif (end := ends.get(one.job_id)) is not None and end.finished:
                found.append(JobFinished(one.job_id, one.time, end.status, name))
        return found


def _identity(event: Event) -> tuple[object, ...]:
    if isinstance(event, TaskFinished | TaskRetried):
        return "end", event.task.task_id, event.task.attempt
    if isinstance(event, TaskStarted):
        return "start", event.task_id, event.attempt
    return (type(event),)
