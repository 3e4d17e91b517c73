"""Waiting for the ends of jobs, whoever runs them: many may wait, for few or for thousands of jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress

from asyncjman.model.events import JobFinished
from asyncjman.scheduler.bus import Bus
from asyncjman.store import jobs, schedule
from asyncjman.store.database import Database

POLL_SECONDS = 0.2


class Watcher:
    """Resolves a future per waiter when its job has ended. One look at the file for all of them."""

    def __init__(self, database: Database, bus: Bus) -> None:
        self._database = database
        self._bus = bus
        self._waiting: dict[int, set[asyncio.Future[None]]] = {}
        self._task: asyncio.Task[None] | None = None
        self._revision = 0
        self._failure: BaseException | None = None

    async def until_ended(self, job_id: int) -> None:
        """Return when the job has ended or was deleted; being cancelled disturbs nobody else."""
        if self._failure is not None:
            raise self._failure
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(job_id, set()).add(future)
        try:
            await self._look([job_id])
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
        found = await schedule.outlines(self._database, wanted)
        for job_id in wanted:
            outline = found.get(job_id)
            if outline is None or outline.finished:
                self.ended(job_id)
                if outline is not None:
                    self._bus.publish(
                        JobFinished(job_id, self._database.runtime.time(), outline.status, outline.name)
                    )

    def ended(self, job_id: int) -> None:
        """Hear that a job has ended."""
        for future in self._waiting.pop(job_id, ()):
            if not future.done():
                future.set_result(None)

    def fail(self, error: BaseException) -> None:
        """Tell all who wait that nobody runs their jobs any more."""
        self._failure = error
        for futures in self._waiting.values():
            for future in futures:
                if not future.done():
                    future.set_exception(error)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def _start(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._poll())

    async def _poll(self) -> None:
        """Look at what other processes changed, as long as somebody waits."""
        version = None
        try:
            while self._waiting:
                version = await self._database.change(version, POLL_SECONDS)
                changed, self._revision = await jobs.changed_since(self._database, self._revision)
                await self._look(changed)
        except Exception as error:
            self.fail(error)
