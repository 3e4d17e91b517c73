"""The dispatcher: claims tasks, dependencies first, and has an engine run them, so many at a time.

A task goes: claimed in the database, so that nobody else starts it; its job's dependencies awaited;
a slot awaited; started; its end observed; recorded. Claims and records go to the disk in group
commits; so that short tasks never wait for one, tasks are claimed a moment ahead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence

import anyio

from asyncjman.engines.base import Engine
from asyncjman.errors import first_of
from asyncjman.model.job import Task
from asyncjman.scheduler.attempts import Attempt, Attempts, Key
from asyncjman.scheduler.bus import Bus
from asyncjman.scheduler.changes import Changes
from asyncjman.scheduler.ends import Ends
from asyncjman.scheduler.feed import Feed
from asyncjman.scheduler.held import Held
from asyncjman.scheduler.loading import Loader
from asyncjman.scheduler.options import Options
from asyncjman.scheduler.reconcile import Recovery, recover_orphans
from asyncjman.scheduler.recorder import Recorder
from asyncjman.scheduler.registration import Registration
from asyncjman.scheduler.starting import Starter
from asyncjman.scheduler.workload import Workload
from asyncjman.store import runners, tasks
from asyncjman.store.database import CHANGE_SECONDS, Database
from asyncjman.store.runnerlock import RunnerLock

RECOVER_SECONDS = 2.0
FRESH_SECONDS = 0.05
"""How often to look at what other processes do while tasks are held that depend on other jobs."""


class Dispatcher:
    """Runs the jobs of one database that belong to one engine."""

    _claims_at_last_look = -1
    _is_asked = False
    """Whether ``on_asked`` was told."""

    def __init__(
        self,
        database: Database,
        engine: Engine,
        *,
        token: str,
        options: Options,
        bus: Bus,
        on_recovery: Callable[[Recovery], None] = lambda repair: None,
        on_lost: Callable[[Sequence[Key]], None] = lambda lost: None,
        on_asked: Callable[[], None] = lambda: None,
        lock: RunnerLock | None = None,
    ) -> None:
        """``lock`` is held as long as this runs; ``on_lost``: tasks were taken; ``on_asked``: to end."""
        self._database = database
        self._engine = engine
        self._token = token
        self._options = options
        self._on_repair = on_recovery
        self._on_asked = on_asked
        self._told: set[tuple[int, str]] = set()
        names: dict[int, str] = {}
        self._recorder = Recorder(
            database,
            bus,
            names,
            on_closed=self._on_closed,
            on_refused=self._on_refused,
            on_lost=lambda lost: self._changes.take_lost(lost),
            settle=engine.settle,
        )
        self._workload = Workload(self._recorder)
        self._feed = Feed(database, self._workload, self._recorder, names)
        self._stopping = asyncio.Event()
        self._wake = asyncio.Event()
        self._attempts = Attempts(engine, token, self._on_end, database.runtime)
        self._held = Held()
        self._loader = Loader(
            database, self._workload, self._recorder, names, engine_name=engine.name, only=options.only
        )
        self._changes = Changes(
            database,
            self._loader,
            self._feed,
            self._attempts,
            self._held,
            look_again=self._look_again,
            on_lost=on_lost,
        )
        self._registration = Registration(database, token, lock)
        self._ends = Ends(
            self._workload,
            self._feed,
            self._recorder,
            self._attempts,
            self._held,
            options=options,
            runtime=database.runtime,
            stopping=self._stopping,
            on_room=self._on_room,
            again=lambda attempt: self._starter.enqueue(attempt),
        )
        self._starter = Starter(
            self._workload,
            self._feed,
            self._recorder,
            self._attempts,
            self._changes,
            self._ends,
            token=token,
            options=options,
            stopping=self._stopping,
        )

    async def run(self) -> None:
        """Run until nothing is left that can be run here, or until it is stopped.

        Cancelled, it stops what runs, stores that, and is cancelled then.
        """
        work = asyncio.ensure_future(self._run_all())
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            with anyio.CancelScope(shield=True):
                await self.stop()
                await asyncio.wait([work])
            work.exception()
            raise
        except BaseExceptionGroup as group:
            raise first_of(group) from group

    async def _run_all(self) -> None:
        await self._recover()
        shown = self._options.parallel if self._options.is_shown else None
        self._recorder.runner = await self._registration.enter(shown, self._options.output)
        await self._attempts.open()
        try:
            async with anyio.create_task_group() as services:
                services.start_soon(self._recorder.run)
                services.start_soon(self._attempts.observe)
                services.start_soon(self._listen)
                try:
                    await self._changes.begin(self._registration.runner)
                    # asyncio's own: half the cost of anyio's
                    async with asyncio.TaskGroup() as running:
                        self._starter.open(running)
                        await self._claim_tasks()
                        while self._held.attempts:
                            self._wake.clear()
                            await self._wake.wait()
                finally:
                    services.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await self._close()

    async def stop(self, *, kill: bool = False, rest: bool = False) -> None:
        """Start nothing more, end what runs (recorded as stopped), and let ``run`` return.

        ``rest``: also what tasks that have ended left running.
        """
        self.start_no_more()
        if rest:
            await self._engine.end_remains()
        await self._attempts.stop(kill=kill)

    def start_no_more(self) -> None:
        """Let ``run`` return once what runs has ended; what is claimed and has not started is released."""
        self._stopping.set()
        self._ends.end_rests()
        self._wake.set()
        self._starter.look_again()

    @property
    def running(self) -> int:
        """Return how many tasks run now."""
        return len(self._attempts.running)

    @property
    def left(self) -> int:
        """Return how many tasks haven't ended, of all the jobs that may run here."""
        return sum(job.left for job in self._workload.jobs.values())

    async def look(self, job_ids: Iterable[int]) -> None:
        """Take in jobs that were submitted, or that ``only`` has now."""
        if self._loader.has_begun:  # else they come with those before them, in order
            await self._loader.load(list(job_ids))
            self._wake.set()

    async def _close(self) -> None:
        """Leave no process and no claim behind."""
        is_released = False
        self._ends.cancel_rests()
        try:
            await self._attempts.stop()
            await self._engine.close()
            await self._recorder.flush()
            await self._registration.release()
            is_released = True
        finally:
            self._registration.leave(is_released=is_released)

    async def _recover(self) -> None:
        for one in await recover_orphans(self._database, self._engine):
            if one.released or (one.pid, one.host) not in self._told:
                self._on_repair(one)
            if not one.released:
                self._told.add((one.pid, one.host))

    # -- claiming and starting -----------------------------------------------------------------------

    async def _claim_tasks(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            free = self._starter.slots.limit - self.running
            for job, claim in await self._feed.claim(self._registration.runner, free):
                self._starter.enqueue(self._held.add(job, claim))
            if self._feed.wants_more:
                continue
            if not self._feed.held and not self.running and await self._is_over():
                break
            if not self._stopping.is_set():
                await self._wake.wait()

    def _on_room(self) -> None:
        """Have more claimed, where that is needed: for each end of a short task it isn't."""
        if self._stopping.is_set() or not self._feed.has_enough(self._starter.slots.limit):
            self._wake.set()

    def _look_again(self) -> None:
        """Have all claimed tasks that wait for something look whether they are still to wait."""
        self._ends.end_rests(self._attempts.to_stop)
        self._starter.look_again()

    def _on_end(self, attempt: Attempt, ended: Task) -> None:
        """Take in the end of an attempt that ran."""
        self._starter.free_slot()
        self._ends.end_attempt(attempt, ended)

    # -- what other processes do -----------------------------------------------------------------------

    async def _listen(self) -> None:
        """Notice new jobs, of requests to stop, and of runners that died."""
        monotonic = self._database.runtime.monotonic
        recovered = asked = monotonic()
        while True:
            if self._options.is_shown and monotonic() - asked > CHANGE_SECONDS:
                asked = monotonic()
                await self._heed()
            seconds = FRESH_SECONDS if self._held.dependent else CHANGE_SECONDS
            now = await self._database.change(self._changes.version, seconds)
            if now != self._changes.version or self._changes.are_pending:
                await self._changes.take_in(now)
                self._wake.set()
            if self._held.dependent:
                await self._changes.look(FRESH_SECONDS)  # so that no start has to wait for it
            if not self.running and monotonic() - recovered > RECOVER_SECONDS:
                recovered = monotonic()
                await self._recover()
                await self._changes.take_in()
                self._wake.set()

    async def _heed(self) -> None:
        """Do what users ask of this runner: run more or fewer tasks at once, or end."""
        parallel, stop = await runners.asked(self._database, self._registration.runner)
        if parallel is not None and parallel != self._starter.slots.limit:
            self._starter.slots.resize(max(1, parallel))
            self._wake.set()
        if stop and not self._is_asked:
            self._is_asked = True
            self._on_asked()

    def _on_refused(self, job_ids: Iterable[int]) -> None:
        self._feed.stale.update(job_ids)

    def _on_closed(self, closed: Collection[int]) -> None:
        self._changes.note_closed(job_id for job_id in closed if job_id in self._workload.jobs)

    async def _is_over(self) -> bool:
        """Tell whether nothing is left to wait for here."""
        if self._options.keep_running:
            return False
        await self._changes.take_in()
        if self._has_more():
            return False
        # a job of which they hold as many as may run at a time has room when the file changes: not before
        if await tasks.others_hold(self._database, self._registration.runner):
            return False
        self._feed.room_for_all()
        if self._has_more():
            return False
        if await self._loader.waits_for_another_engine():
            return False
        if self._claims_at_last_look == self._feed.claims:
            return True
        # once more from the store: what is in memory must not be all that says that nothing is left
        self._claims_at_last_look = self._feed.claims
        await self._loader.load_all()
        return not self._has_more()

    def _has_more(self) -> bool:
        """Tell whether there is something to be claimed; have that tried."""
        if any(job.line is not None for job in self._workload.jobs.values()):
            self._wake.set()
            return True
        return False
