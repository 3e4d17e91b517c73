"""Running local jobs: one engine, its events, and what to tell at the end."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from asyncjman.api.failures import MAX_FAILURES, Failure, failures_of
from asyncjman.executors.local import LocalExecutor
from asyncjman.executors.local.console import Output
from asyncjman.model.events import Event, JobFinished, TaskFinished
from asyncjman.model.job import Task
from asyncjman.model.status import Status
from asyncjman.scheduler.bus import Bus, Subscription
from asyncjman.scheduler.engine import Engine, Options
from asyncjman.scheduler.reconcile import Repair
from asyncjman.store.database import Database

__all__ = ["Execution", "Options", "Output", "Repair", "Summary"]


@dataclass(slots=True)
class Summary:
    """What an execution did."""

    counts: Counter[Status] = field(default_factory=Counter)
    """How many tasks ended, and how."""
    skipped_jobs: int = 0
    failed_jobs: list[int] = field(default_factory=list)
    """Jobs that ended, and not as a success: some of their tasks may have failed before this execution."""
    failed: list[Task] = field(default_factory=list)
    """The first ones of those that failed."""

    def add(self, event: Event) -> None:
        if isinstance(event, TaskFinished):
            self.counts[event.task.status] += 1
            if event.task.status is Status.FAILURE and len(self.failed) < MAX_FAILURES:
                self.failed.append(event.task)
        elif isinstance(event, JobFinished) and event.status is Status.SKIPPED:
            self.skipped_jobs += 1
        elif isinstance(event, JobFinished) and event.status is not Status.SUCCESS:
            self.failed_jobs.append(event.job_id)

    @property
    def all_succeeded(self) -> bool:
        return not self.skipped_jobs and not self.failed_jobs and set(self.counts) <= {Status.SUCCESS}


class Execution:
    """Runs the local jobs of a database once."""

    def __init__(
        self,
        database: Database,
        options: Options,
        *,
        output: Output | None,
        on_repair: Callable[[Repair], None],
        bus: Bus | None = None,
    ) -> None:
        token = secrets.token_hex(16)
        self._database = database
        self._bus = bus or Bus()
        self._own_bus = bus is None
        self._engine = Engine(
            database,
            LocalExecutor(token=token, output=output),
            token=token,
            options=options,
            bus=self._bus,
            on_repair=on_repair,
        )

    def subscribe(self) -> Subscription:
        """Return a stream of all events from now on; it ends with the execution."""
        return self._bus.subscribe()

    async def run(self) -> None:
        """Run until nothing is left to run, or until stopped."""
        try:
            await self._engine.run()
        finally:
            if self._own_bus:
                self._bus.close()

    async def look(self, job_ids: Iterable[int]) -> None:
        """Take in jobs that are new, or that the options let it run now."""
        await self._engine.look(job_ids)

    async def stop(self, *, kill: bool = False) -> None:
        """Start nothing more, and end what runs: it is recorded as stopped."""
        await self._engine.stop(kill=kill)

    @property
    def left(self) -> int:
        """Return how many tasks haven't ended."""
        return self._engine.left

    @property
    def running(self) -> int:
        return self._engine.running

    def blocked(self) -> dict[int, list[int]]:
        """Return the jobs that could not run, each with the unfinished jobs that it waits for."""
        return self._engine.blocked()

    async def failures(self, summary: Summary) -> list[Failure]:
        """Return what a user wants to see of the tasks that failed."""
        return await failures_of(self._database, summary.failed)
