"""What a database's jobs have to do with the cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from asyncjman.api.deletion import settle_dependents
from asyncjman.engines import registry
from asyncjman.engines.base import Engine, Preview, Why
from asyncjman.engines.cluster.budget import Budget
from asyncjman.errors import JmanError
from asyncjman.model.job import Job
from asyncjman.model.selection import format_ids
from asyncjman.scheduler.launches import PATIENCE_SECONDS, NotLaunched, launch, preview_request
from asyncjman.settings import Settings
from asyncjman.store import jobs
from asyncjman.store.database import Database

if TYPE_CHECKING:
    from asyncjman.scheduler.polling import Polled

T = TypeVar("T")


class Grid:
    """Sends jobs to a cluster, follows them there, deletes them there."""

    def __init__(self, database: Database, settings: Settings, budget: Budget, name: str) -> None:
        self._database = database
        self._settings = settings
        self.engine: Engine = registry.make(name, database, settings, budget)

    async def send_new(self, stored: Sequence[Job]) -> str | None:
        """Send jobs that were stored a moment ago; those that the cluster doesn't take are deleted again.

        Where a limit of the site is reached, what is left waits here for a later poll: return a line on that.
        """
        left = list(stored)
        try:
            while left:
                await self.send(left[0])
                left.pop(0)
            return None
        except (JmanError, OSError) as error:
            if isinstance(error, NotLaunched) and error.why is Why.AMBIGUOUS:
                words = f"{error}; it is not known whether job {left[0].id} was taken: jman list finds out"
                raise NotLaunched(Why.AMBIGUOUS, words) from error
            if isinstance(error, NotLaunched) and error.why is Why.LIMIT:
                return waits([job.id for job in left], error)
            async with self._database.transaction() as tx:
                # another process may have submitted some that wait for these
                await settle_dependents(tx, [job.id for job in left])
                for job in left:
                    await jobs.delete(tx, job.id)
            raise

    async def send(self, job: Job) -> None:
        """Send a job, unless it waits here for another one first."""
        await launch(self._database, self.engine, job, patience=PATIENCE_SECONDS)

    async def preview(self, job: Job) -> Preview:
        """Return what ``send`` would do."""
        return await self.engine.preview(await preview_request(self._database, self.engine, job))

    async def poll(self) -> Polled:
        """Find out once what all jobs on the cluster are doing."""
        from asyncjman.scheduler.polling import poll

        return await poll(self._database, self.engine)

    async def look_up_usage(self) -> None:
        """Learn from accounting what tasks that ended have used."""
        from asyncjman.scheduler.usage import look_up_usage

        await look_up_usage(self._database, self.engine)

    async def stop(self, selected: Sequence[Job], task_ids: Sequence[int] = ()) -> None:
        """Delete jobs, or some tasks of one, from the cluster."""
        from asyncjman.scheduler.cancelling import cancel

        await cancel(self._database, self.engine, [job.id for job in selected], task_ids)

    async def follow(self, on_poll: Callable[[Polled], None] = lambda _: None) -> None:
        """Poll the cluster again and again, until cancelled."""
        from asyncjman.scheduler.poller import follow

        await follow(
            self._database,
            self.engine,
            interval=self._settings.poll_interval,
            interval_max=self._settings.poll_interval_max,
            on_poll=on_poll,
        )

    async def following(self, work: Awaitable[T], on_trouble: Callable[[str], None] = lambda _: None) -> T:
        """Follow the cluster while ``work`` is awaited."""
        silent = False

        def tell(seen: Polled) -> None:
            nonlocal silent
            if seen.problem is not None and not silent:
                on_trouble(f"{seen.problem}; it is asked again")
            silent = seen.problem is not None
            for job_id in seen.in_error:
                on_trouble(in_error(job_id))

        poll = asyncio.create_task(self.follow(tell))
        main = asyncio.ensure_future(work)
        try:
            await asyncio.wait([poll, main], return_when=asyncio.FIRST_COMPLETED)
            if not main.done():
                poll.result()  # raises what ended it
            return await main
        finally:
            poll.cancel()
            main.cancel()
            with suppress(asyncio.CancelledError):
                await poll


def waits(job_ids: Sequence[int], error: NotLaunched) -> str:
    """Say that jobs wait here for a limit of the site."""
    return f"job {format_ids(job_ids)} waits here, the cluster takes no more now: {error}"


def in_error(job_id: int) -> str:
    """Say that a job can't go on by itself."""
    return f"job {job_id} is in error on the cluster, which only a person can end: jman why {job_id}"
