"""Waiting for the ends of jobs, whoever runs them: many may wait, for few or for thousands of jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from asyncjman.errors import JmanError, JobDeleted
from asyncjman.model.events import Event, JobFinished
from asyncjman.scheduler.bus import Bus, Subscription
from asyncjman.store import jobs, schedule
from asyncjman.store.database import Reader


class Watcher:
    """Resolves a future per waiter when its job has ended. One look at the file for all of them."""

    def __init__(self, database: Reader, bus: Bus) -> None:
        self._database = database
        self._bus = bus
        self._waiting: dict[int, set[asyncio.Future[None]]] = {}
        self._task: asyncio.Task[None] | None = None
        self._revision = 0
        self._closed = False
        bus.attach(_Ends(bus, self))

    async def until_ended(self, job_id: int, failure: Exception | None = None) -> None:
        """Return when the job has ended; being cancelled disturbs nobody else.

        Raises ``failure`` where it has not ended yet, and JobDeleted where it is no more.
        """
        if self._closed:
            raise _left()
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(job_id, set()).add(future)
        try:
            await self._look([job_id])
            if failure is not None and not future.done():
                raise failure
            self._start()
            await future
        finally:
            others = self._waiting.get(job_id, set())
            others.discard(future)
            if not others:
                self._waiting.pop(job_id, None)

    async def _look(self, job_ids: Iterable[int]) -> None:
        """See whether jobs have ended."""
        wanted = [job_id for job_id in job_ids if job_id in self._waiting]
        if not wanted:
            return
        found = await schedule.summaries(self._database, wanted)
        for job_id in wanted:
            summary = found.get(job_id)
            if summary is None:
                self._reject(self._waiting.pop(job_id, ()), JobDeleted(f"job {job_id} was deleted"))
            elif summary.finished:
                self.ended(job_id)
                self._bus.publish(
                    JobFinished(job_id, self._database.runtime.time(), summary.status, summary.name)
                )

    def ended(self, job_id: int) -> None:
        """Take note that a job has ended."""
        for future in self._waiting.pop(job_id, ()):
            if not future.done():
                future.set_result(None)

    def fail(self, error: Exception, what: str = "jobs are no longer run or followed here") -> Exception:
        """Have all who wait raise an error; return what they raise: it says ``what`` happened."""
        if not isinstance(error, JmanError):
            told = JmanError(f"{what}: {type(error).__name__}: {error}")
            told.__cause__ = error
            error = told
        for futures in self._waiting.values():
            self._reject(futures, error)
        return error

    @staticmethod
    def _reject(futures: Iterable[asyncio.Future[None]], error: Exception) -> None:
        for future in futures:
            if not future.done():
                future.set_exception(error)
                future.exception()  # who waits may be cancelled in this moment: that is no error of theirs

    async def close(self) -> None:
        """Look no more; who still waits is told so."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._closed = True
        self.fail(_left())

    def _start(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._poll())

    async def _poll(self) -> None:
        """Look at what other processes changed, as long as somebody waits."""
        version = None
        try:
            while self._waiting:
                version = await self._database.change(version)
                changed, self._revision = await jobs.changed_since(self._database, self._revision)
                await self._look(changed)
        except Exception as error:
            self.fail(error)


def _left() -> JmanError:
    return JmanError("the block of the JobManager was left before the job ended")


class _Ends(Subscription):
    """Hands the ends of jobs that this process sees to the watcher."""

    def __init__(self, bus: Bus, watcher: Watcher) -> None:
        super().__init__(bus)
        self._watcher = watcher

    def put(self, event: Event) -> None:
        if isinstance(event, JobFinished):
            self._watcher.ended(event.job_id)
