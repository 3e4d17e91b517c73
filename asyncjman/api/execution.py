"""Running local jobs: one engine, its events, and what to tell at the end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from asyncjman.api.failures import MAX_FAILURES, Failure, failures_of
from asyncjman.engines import registry
from asyncjman.engines.base import Output
from asyncjman.model.events import Event, JobFinished, TaskFinished
from asyncjman.model.job import Task
from asyncjman.model.status import Status
from asyncjman.scheduler.bus import Bus, Subscription
from asyncjman.scheduler.dispatcher import Dispatcher
from asyncjman.scheduler.options import Options
from asyncjman.scheduler.reconcile import Repair
from asyncjman.store import schedule
from asyncjman.store.database import Database
from asyncjman.store.runnerlock import RunnerLock

POLL_SECONDS = 1.0

__all__ = ["Execution", "Options", "Output", "Repair", "Summary"]


@dataclass(slots=True)
class Summary:
    """What an execution did."""

    counts: Counter[Status] = field(default_factory=Counter)
    """How many tasks ended, and how."""
    skipped_jobs: int = 0
    ended: dict[int, Status] = field(default_factory=dict)
    """Jobs that ended during it."""
    with_bad_tasks: set[int] = field(default_factory=set)
    """Jobs of which a task ended without success during it."""
    failed: list[Task] = field(default_factory=list)
    """The first ones of those that failed."""

    def add(self, event: Event) -> None:
        if isinstance(event, TaskFinished):
            self.counts[event.task.status] += 1
            if event.task.status is not Status.SUCCESS:
                self.with_bad_tasks.add(event.job_id)
            if event.task.status is Status.FAILURE and len(self.failed) < MAX_FAILURES:
                self.failed.append(event.task)
        elif isinstance(event, JobFinished):
            self.ended[event.job_id] = event.status
            self.skipped_jobs += event.status is Status.SKIPPED


@dataclass(frozen=True, slots=True)
class Unsuccessful:
    """A job that is no success, or not yet."""

    job_id: int
    status: Status
    waits_for: tuple[int, ...]
    """The unfinished jobs that it waits for."""


class Execution:
    """Runs the local jobs of a database once."""

    def __init__(
        self,
        database: Database,
        options: Options,
        *,
        output: Output | None,
        on_repair: Callable[[Repair], None],
        on_lost: Callable[[Sequence[tuple[int, int]]], None] = lambda lost: None,
        bus: Bus | None = None,
        follow: Callable[[Callable[[], Awaitable[None]]], Awaitable[None]] | None = None,
    ) -> None:
        """``follow`` polls the cluster while what it is given is awaited: jobs may wait for some there."""
        token = database.runtime.token(16)
        self._database = database
        self._options = options
        self._bus = bus or Bus()
        self._own_bus = bus is None
        self._follow = follow
        lock = RunnerLock()
        host = registry.Host(token, output, lambda: lock.tasks_descriptor)
        self._dispatcher = Dispatcher(
            database,
            registry.make(registry.LOCAL, database, host=host),
            token=token,
            options=options,
            bus=self._bus,
            on_repair=on_repair,
            on_lost=on_lost,
            lock=lock,
        )

    def subscribe(self) -> Subscription:
        """Return a stream of all events from now on; it ends with the execution."""
        return self._bus.subscribe()

    async def run(self) -> None:
        """Run until nothing is left to run, or until stopped."""
        following = asyncio.create_task(self._follow_others())
        try:
            await self._dispatcher.run()
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            if self._own_bus:
                self._bus.close()

    async def _follow_others(self) -> None:
        """Poll the cluster as long as a local job waits for a job there, until cancelled."""
        version: tuple[int, int] | None = None
        while self._follow is not None:
            version = await self._database.change(version, POLL_SECONDS)
            if await schedule.waits_elsewhere(self._database, "local"):
                await self._follow(self._until_none_waits)

    async def _until_none_waits(self) -> None:
        version: tuple[int, int] | None = None
        while await schedule.waits_elsewhere(self._database, "local"):
            version = await self._database.change(version, POLL_SECONDS)

    async def look(self, job_ids: Iterable[int]) -> None:
        """Take in jobs that are new, or that the options let it run now."""
        await self._dispatcher.look(job_ids)

    async def stop(self, *, kill: bool = False, rest: bool = False) -> None:
        """Start nothing more, and end what runs: it is recorded as stopped.

        ``rest``: also what tasks that have ended left running.
        """
        await self._dispatcher.stop(kill=kill, rest=rest)

    @property
    def left(self) -> int:
        """Return how many tasks haven't ended."""
        return self._dispatcher.left

    @property
    def running(self) -> int:
        return self._dispatcher.running

    async def not_succeeded(self) -> list[Unsuccessful]:
        """Return the jobs that this was to run and that are no success now, as they are stored."""
        ids = await schedule.not_succeeded(self._database, "local", self._options.only)
        outlines = await schedule.outlines(self._database, ids)
        waits = await schedule.dependencies(
            self._database, [one.id for one in outlines.values() if not one.finished]
        )
        others = {other.job_id for some in waits.values() for other in some}
        unfinished = {
            i for i, one in (await schedule.outlines(self._database, others)).items() if not one.finished
        }
        return [
            Unsuccessful(
                job_id,
                one.status,
                tuple(sorted({other.job_id for other in waits.get(job_id, ())} & unfinished)),
            )
            for job_id, one in outlines.items()
        ]

    async def failures(self, summary: Summary) -> list[Failure]:
        """Return what a user wants to see of the tasks that failed."""
        return await failures_of(self._database, summary.failed)
