"""What a database's jobs have to do with the cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from asyncjman.errors import JmanError
from asyncjman.executors.budget import Budget
from asyncjman.executors.command import CommandFailed
from asyncjman.executors.sge.executor import Preview, SgeExecutor
from asyncjman.model.job import Job
from asyncjman.scheduler.grid.dispatch import dispatch, preview_order
from asyncjman.settings import Settings
from asyncjman.store import jobs
from asyncjman.store.database import Database

if TYPE_CHECKING:
    from asyncjman.scheduler.grid.refresh import Refreshed

T = TypeVar("T")


class Grid:
    """Sends jobs to the cluster, follows them there, deletes them there."""

    def __init__(self, database: Database, settings: Settings, budget: Budget) -> None:
        self._database = database
        self._settings = settings
        self.executor = SgeExecutor(settings.resources, budget)

    async def send_new(self, stored: Sequence[Job]) -> None:
        """Send jobs that were stored a moment ago; those that the cluster doesn't take are deleted again."""
        left = list(stored)
        try:
            while left:
                await self.send(left[0])
                left.pop(0)
        except (JmanError, OSError) as error:
            if isinstance(error, CommandFailed) and error.ambiguous:
                raise CommandFailed(
                    "qsub",
                    None,
                    f"{error.words}; it is not known whether job {left[0].id} was taken: jman list finds out",
                    transient=True,
                    ambiguous=True,
                ) from error
            async with self._database.transaction() as tx:
                for job in left:
                    await jobs.delete(tx, job.id)
            raise

    async def send(self, job: Job) -> int | None:
        """Send a job; return its grid id, None where it waits here for a local job first."""
        return await dispatch(self._database, self.executor, job)

    async def preview(self, job: Job) -> Preview:
        """Return what ``send`` would do."""
        return await self.executor.preview(await preview_order(self._database, job))

    async def refresh(self, *, patience: float = 0.0) -> Refreshed:
        """Look at all jobs on the cluster once."""
        from asyncjman.scheduler.grid.refresh import refresh

        return await refresh(
            self._database, self.executor, grace=self._settings.vanish_grace, patience=patience
        )

    async def look_up_usage(self) -> None:
        """Learn from accounting what tasks that ended have used."""
        from asyncjman.scheduler.grid.usage import look_up_usage

        await look_up_usage(self._database, self.executor)

    async def stop(self, selected: Sequence[Job], task_ids: Sequence[int] = ()) -> None:
        """Delete jobs, or some tasks of one, from the cluster."""
        from asyncjman.scheduler.grid.cancel import cancel

        await cancel(
            self._database,
            self.executor,
            [job.id for job in selected],
            task_ids,
            grace=self._settings.vanish_grace,
        )

    async def follow(self, on_refresh: Callable[[Refreshed], None] = lambda _: None) -> None:
        """Look at the cluster again and again, until cancelled."""
        from asyncjman.scheduler.grid.poller import follow_grid

        await follow_grid(
            self._database,
            self.executor,
            interval=self._settings.poll_interval,
            interval_max=self._settings.poll_interval_max,
            grace=self._settings.vanish_grace,
            on_refresh=on_refresh,
        )

    async def following(self, work: Awaitable[T], on_trouble: Callable[[str], None] = lambda _: None) -> T:
        """Follow the cluster while ``work`` is awaited."""
        silent = False

        def tell(seen: Refreshed) -> None:
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


def in_error(job_id: int) -> str:
    """Say that a job can't go on by itself."""
    return f"job {job_id} is in error on the cluster, which only a person can end: jman why {job_id}"
